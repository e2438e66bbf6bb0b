package imapserver

import (
	"context"

	"mox/imap"
	"mox/store"
)

// cmdExpunge is EXPUNGE and UID EXPUNGE, RFC 9051 6.4.3 and 6.4.9.
func (s *session) cmdExpunge(ctx context.Context, r *imap.Request) error {
	if err := s.writable(imap.RightExpunge); err != nil {
		return err
	}
	var set store.UIDSet // nil: all
	if r.UID {
		sp, err := s.box.resolve(r.Args.(*imap.UIDExpunge).Set, true)
		if err != nil {
			return err
		}
		if set = s.box.uids(sp); len(set) == 0 {
			return nil
		}
	}
	gone, _, err := s.box.account.Expunge(ctx, s.box.view.Mailbox, set)
	if err != nil {
		return err
	}
	// RFC 7162 3.2.7: the mod-sequence that includes the expunges; they are reported
	// first, as this code says that the client has seen all up to it.
	s.report(true)
	if len(gone) > 0 && s.qresync {
		s.reply.code = s.highestModSeqCode()
	}
	return nil
}

// writable refuses changes in a mailbox that was opened with EXAMINE, or for which the
// user lacks rights.
func (s *session) writable(need imap.Rights) error {
	if s.box.readOnly {
		return imap.No("", "mailbox is selected read-only")
	}
	return s.may(need)
}
