package imapserver

import (
	"context"

	"mox/imap"
	"mox/store"
)

// cmdMove is MOVE and UID MOVE, RFC 9051 6.4.8. Within one mailbox it is allowed as COPY is
// (RFC 6851 3.3): the messages get new UIDs.
func (s *session) cmdMove(ctx context.Context, r *imap.Request) error {
	// RFC 6851 4.2: the rights of STORE, COPY and EXPUNGE together.
	if err := s.writable(imap.RightDeleteFlag | imap.RightExpunge); err != nil {
		return err
	}
	set, dst, err := s.copyArgs(ctx, r)
	if err != nil || len(set) == 0 {
		return err
	}
	var moved store.Copied
	err = s.working(r.Tag, func() (err error) {
		moved, err = s.box.account.MoveTo(ctx, s.box.view.Mailbox, set, dst.account, dst.mb.ID, s.copyLimit(&dst))
		return err
	})
	if err != nil {
		return withCode(err, store.ErrNoMailbox, imap.CodeTryCreate, "no such mailbox")
	}
	if len(moved.Source) > 0 {
		// RFC 6851 4.3: COPYUID in an untagged OK, before the EXPUNGE responses.
		s.line("* OK [", copyUID(moved), "] moved")
	}
	// RFC 7162 3.2.7 holds for MOVE too: with QRESYNC the tagged OK has HIGHESTMODSEQ.
	s.report(true)
	if len(moved.Source) > 0 && s.qresync {
		s.reply.code = s.highestModSeqCode()
	}
	return nil
}
