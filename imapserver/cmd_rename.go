package imapserver

import (
	"context"
	"strings"

	"mox/imap"
	"mox/store"
)

// cmdRename is RENAME, RFC 9051 6.3.6.
func (s *session) cmdRename(ctx context.Context, r *imap.Request) error {
	args := r.Args.(*imap.Rename)
	from, err := s.mailbox(args.From)
	if err != nil {
		return err
	}
	to := strings.TrimSuffix(args.To, "/")
	if to == "INBOX" {
		return imap.No(imap.CodeAlreadyExists, "INBOX always exists")
	}
	// RFC 9051 6.3.6: renaming INBOX moves its messages; the store knows.
	if err := s.account.RenameMailbox(ctx, from.Name, storeName(to)); err != nil {
		return err
	}
	if normal, err := store.NormalName(storeName(to)); err == nil && wireName(normal) != to {
		s.listRenamed(wireName(normal), to)
	}
	return nil
}
