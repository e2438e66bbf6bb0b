package imapserver

import (
	"context"

	"mox/imap"
)

// cmdDelete is DELETE, RFC 9051 6.3.5.
func (s *session) cmdDelete(ctx context.Context, r *imap.Request) error {
	p, err := s.place(ctx, r.Args.(*imap.Mailbox).Name, imap.RightDelete)
	if err != nil {
		return err
	}
	if p.mb.Name == inboxName {
		return imap.No(imap.CodeCannot, "INBOX cannot be deleted")
	}
	return p.account.DeleteMailbox(ctx, p.mb.Name)
}
