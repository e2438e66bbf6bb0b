package imapserver

import (
	"context"

	"mox/imap"
	"mox/store"
)

// cmdReplace is REPLACE and UID REPLACE, RFC 8508: APPEND, and EXPUNGE of one message, in
// one.
func (s *session) cmdReplace(ctx context.Context, r *imap.Request) error {
	old, dst, err := s.replaceArgs(ctx, r)
	if err != nil {
		return s.afterSkip(s.dec.SkipAppend(), err)
	}
	a := s.newAppender(&dst)
	if dst.account == s.box.account {
		a.replaced = old
	}
	defer a.close()
	if err := a.read(ctx); err != nil {
		return err
	}
	a.wait()
	added, err := s.box.account.ReplaceTo(ctx, s.box.view.Mailbox, old.UID, dst.account, dst.mb.ID, a.msgs[0])
	if err != nil {
		err = withCode(err, store.ErrNoMessage, imap.CodeExpungeIssued, "the message no longer exists")
		return withCode(err, store.ErrNoMailbox, imap.CodeTryCreate, "no such mailbox")
	}
	// RFC 8508 4.3: before the EXPUNGE response.
	s.line("* OK [", appendUID(added), "] replacement message is there")
	// RFC 8508 4.5: as for UID EXPUNGE.
	s.report(true)
	if s.qresync {
		s.reply.code = s.highestModSeqCode()
	}
	return nil
}

// replaceArgs finds the message that goes, and the mailbox of the one that comes.
func (s *session) replaceArgs(ctx context.Context, r *imap.Request) (old *store.Message, dst place, err error) {
	c := r.Args.(*imap.Replace)
	// RFC 8508 3.4: what APPEND, STORE of \Deleted and EXPUNGE need.
	if err := s.writable(imap.RightDeleteFlag | imap.RightExpunge); err != nil {
		return nil, dst, err
	}
	s.update(false, ownChange{})
	sp, err := s.box.resolve(imap.NumSet{Ranges: []imap.NumRange{{Start: c.Number, Stop: c.Number}}}, r.UID)
	if err != nil {
		return nil, dst, err
	}
	if len(sp) == 0 {
		return nil, dst, imap.No(imap.CodeNonExistent, "no such message")
	}
	e := s.box.at(sp[0].from)
	if e.ghost {
		return nil, dst, imap.No(imap.CodeExpungeIssued, "the message no longer exists")
	}
	dst, err = s.target(ctx, c.Mailbox)
	return e.msg, dst, err
}
