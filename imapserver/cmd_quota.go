package imapserver

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"mox/imap"
	"mox/store"
)

// The account is the only quota root; its name is empty, and for those of other users that
// of their mailboxes' namespace.
func quotaRoot(owner string) string {
	if owner == "" {
		return ""
	}
	return othersPrefix + owner
}

// cmdGetQuota is GETQUOTA, RFC 9208 4.1.1.
func (s *session) cmdGetQuota(ctx context.Context, r *imap.Request) error {
	root := r.Args.(*imap.GetQuota).Root
	acc, err := s.rootAccount(ctx, root)
	if err != nil {
		return err
	}
	if acc == nil || acc.Quota().Limit == 0 {
		return imap.No(imap.CodeNonExistent, "no such quota root")
	}
	s.sendQuota(root, acc)
	return nil
}

// rootAccount returns the account of a quota root, nil when there is none. RFC 9208 6:
// another user's tells of their mailboxes, so that one must be readable.
func (s *session) rootAccount(ctx context.Context, root string) (*store.Account, error) {
	if root == "" {
		return s.account, nil
	}
	owner, ok := strings.CutPrefix(root, othersPrefix)
	if !ok || !s.shares() {
		return nil, nil
	}
	acc, err := s.reach(ctx, owner)
	if acc == nil || err != nil {
		return nil, err
	}
	readable := func(mb store.SharedMailbox) bool { return mb.Rights.Has(imap.RightRead) }
	if !slices.ContainsFunc(acc.Shared(s.identifiers()), readable) {
		return nil, nil
	}
	return acc, nil
}

// cmdGetQuotaRoot is GETQUOTAROOT, RFC 9208 4.1.2. Without a limit no root applies.
func (s *session) cmdGetQuotaRoot(ctx context.Context, r *imap.Request) error {
	p, err := s.place(ctx, r.Args.(*imap.Mailbox).Name, imap.RightRead)
	if err != nil {
		return err
	}
	b := append(s.output(), "* QUOTAROOT "...)
	b = imap.AppendMailbox(b, p.name(), s.utf8)
	root := quotaRoot(p.owner)
	limited := p.account.Quota().Limit > 0
	if limited {
		b = imap.AppendString(append(b, ' '), root, s.utf8)
	}
	s.out = append(b, "\r\n"...)
	if limited {
		s.sendQuota(root, p.account)
	}
	return nil
}

// sendQuota sends QUOTA; RFC 9208 5.1: STORAGE counts units of 1024 octets.
func (s *session) sendQuota(root string, acc *store.Account) {
	q := acc.Quota()
	b := append(s.output(), "* QUOTA "...)
	b = imap.AppendString(b, root, s.utf8)
	b = append(b, " (STORAGE "...)
	b = strconv.AppendInt(b, kibi(q.Used), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, q.Limit/1024, 10)
	s.out = append(b, ")\r\n"...)
}
