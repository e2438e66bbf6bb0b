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
	// RFC 4314 4: the right to delete the mailbox, and to create where it goes.
	from, err := s.place(ctx, args.From, imap.RightDelete)
	if err != nil {
		return err
	}
	to := strings.TrimSuffix(args.To, "/")
	if to == "INBOX" {
		return imap.No(imap.CodeAlreadyExists, "INBOX always exists")
	}
	owner, rest := s.split(to)
	switch {
	case owner != from.owner || owner == "" && s.isOthers(to):
		return imap.No(imap.CodeCannot, "a mailbox cannot be renamed into another account")
	case owner != "" && from.mb.Name == inboxName:
		return errNoPermission // it would move the messages
	}
	acc, err := s.creator(ctx, owner, rest)
	if err != nil {
		return err
	}
	// RFC 9051 6.3.6: renaming INBOX moves its messages; the store knows.
	if err := acc.RenameMailbox(ctx, from.mb.Name, rest); err != nil {
		return err
	}
	if normal, err := store.NormalName(rest); err == nil && wireNameOf(owner, normal) != to {
		s.listRenamed(wireNameOf(owner, normal), to)
	}
	return nil
}
