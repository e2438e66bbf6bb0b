package imapserver

import (
	"context"

	"mox/imap"
)

// cmdDelete is DELETE, RFC 9051 6.3.5.
func (s *session) cmdDelete(ctx context.Context, r *imap.Request) error {
	mb, err := s.mailbox(r.Args.(*imap.Mailbox).Name)
	if err != nil {
		return err
	}
	if mb.Name == inboxName {
		return imap.No(imap.CodeCannot, "INBOX cannot be deleted")
	}
	return s.account.DeleteMailbox(ctx, mb.Name)
}
