package imapserver

import (
	"context"
	"strconv"

	"mox/imap"
	"mox/store"
)

// cmdCopy is COPY and UID COPY, RFC 9051 6.4.7.
func (s *session) cmdCopy(ctx context.Context, r *imap.Request) error {
	set, dst, err := s.copyArgs(ctx, r)
	if err != nil || len(set) == 0 {
		return err
	}
	var copied store.Copied
	err = s.working(r.Tag, func() (err error) {
		copied, err = s.box.account.CopyTo(ctx, s.box.view.Mailbox, set, dst.account, dst.mb.ID, s.copyLimit(&dst))
		return err
	})
	if err != nil {
		return withCode(err, store.ErrNoMailbox, imap.CodeTryCreate, "no such mailbox")
	}
	if len(copied.Source) > 0 {
		s.reply.code = copyUID(copied)
	}
	return nil
}

// copyArgs resolves the messages and the destination of COPY and MOVE.
func (s *session) copyArgs(ctx context.Context, r *imap.Request) (set store.UIDSet, dst place, err error) {
	c := r.Args.(*imap.Copy)
	s.update(false, ownChange{})
	sp, err := s.box.resolve(c.Set, r.UID)
	if err != nil {
		return nil, dst, err
	}
	if err := s.withinSaveLimit(sp); err != nil {
		return nil, dst, err
	}
	if dst, err = s.target(ctx, c.Mailbox); err != nil {
		return nil, dst, err
	}
	// RFC 9051 6.4.7: a copy is done whole or not at all; some of these are gone.
	if !r.UID && s.box.hasGhosts(sp) {
		return nil, dst, imap.No(imap.CodeExpungeIssued, "some messages no longer exist")
	}
	return s.box.uids(sp), dst, nil
}

// copyUID is the response code COPYUID, RFC 4315 3.
func copyUID(c store.Copied) string {
	return "COPYUID " + strconv.FormatUint(uint64(c.UIDValidity), 10) + " " + c.Source.String() + " " + c.Dest.String()
}
