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
	if acc == nil || !acc.Quota().Limited() {
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

// cmdGetQuotaRoot is GETQUOTAROOT, RFC 9208 4.1.2. Without a limit no root applies. A
// mailbox of one's own need not exist: the client may want to know before it makes it.
func (s *session) cmdGetQuotaRoot(ctx context.Context, r *imap.Request) error {
	name := r.Args.(*imap.Mailbox).Name
	p := place{account: s.account, mb: store.Mailbox{Name: storeName(name)}}
	if _, exists := s.lookup(name); exists || s.isOthers(name) {
		var err error
		if p, err = s.place(ctx, name, imap.RightRead); err != nil {
			return err
		}
	}
	b := append(s.output(), "* QUOTAROOT "...)
	b = imap.AppendMailbox(b, p.name(), s.utf8)
	root := quotaRoot(p.owner)
	limited := p.account.Quota().Limited()
	if limited {
		b = imap.AppendString(append(b, ' '), root, s.utf8)
	}
	s.out = append(b, "\r\n"...)
	if limited {
		s.sendQuota(root, p.account)
	}
	return nil
}

// sendQuota sends QUOTA with the resources that are limited. RFC 9208 5.1: STORAGE counts
// units of 1024 octets.
func (s *session) sendQuota(root string, acc *store.Account) {
	q := acc.Quota()
	b := append(s.output(), "* QUOTA "...)
	b = imap.AppendString(b, root, s.utf8)
	sep := " ("
	resource := func(name string, used, limit int64) {
		b = append(append(b, sep...), name...)
		b = strconv.AppendInt(append(b, ' '), used, 10)
		b = strconv.AppendInt(append(b, ' '), limit, 10)
		sep = " "
	}
	if q.Limit > 0 {
		resource("STORAGE", kibi(q.Used), q.Limit/1024)
	}
	if q.MaxMessages > 0 {
		resource("MESSAGE", q.Count, q.MaxMessages)
	}
	if q.MaxMailboxes > 0 {
		resource("MAILBOX", q.Mailboxes, q.MaxMailboxes)
	}
	s.out = append(b, ")\r\n"...)
}
