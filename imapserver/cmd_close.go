package imapserver

import (
	"context"

	"mox/imap"
)

// cmdClose is CLOSE, RFC 9051 6.4.1: what is \Deleted goes, without responses.
func (s *session) cmdClose(ctx context.Context, _ *imap.Request) error {
	// RFC 4314 4: without the right to expunge, nothing is.
	if !s.box.readOnly && !s.box.view.Deleted && s.box.rights.Has(imap.RightExpunge) {
		if _, _, err := s.box.account.Expunge(ctx, s.box.view.Mailbox, nil); err != nil {
			return err
		}
	}
	s.unselect()
	return nil
}

// cmdUnselect is UNSELECT, RFC 9051 6.4.2.
func (s *session) cmdUnselect(context.Context, *imap.Request) error {
	s.unselect()
	return nil
}
