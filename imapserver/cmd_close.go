package imapserver

import (
	"context"

	"mox/imap"
)

// cmdClose is CLOSE, RFC 9051 6.4.1: what is \Deleted goes, without responses.
func (s *session) cmdClose(ctx context.Context, _ *imap.Request) error {
	if !s.box.readOnly && !s.box.view.Deleted {
		if _, _, err := s.account.Expunge(ctx, s.box.view.Mailbox, nil); err != nil {
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
