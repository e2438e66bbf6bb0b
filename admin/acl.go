package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mox/directory"
	"mox/imap"
	"mox/store"
)

// SharedMailbox is a mailbox with its access control list (RFC 4314).
type SharedMailbox struct {
	Account, Mailbox string
	Entries          []SharedEntry
}

// SharedEntry is what one identifier of a list may do, or with "-" before it must not.
type SharedEntry struct{ Identifier, Rights string }

// ACLs returns the mailboxes that have an access control list, of an account or for "" of
// all.
func (a *Admin) ACLs(ctx context.Context, account string) ([]SharedMailbox, error) {
	names, err := a.accountNames(account)
	if err != nil {
		return nil, err
	}
	var list []SharedMailbox
	for _, name := range names {
		acc, err := a.Store.Account(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", name, err)
		}
		for _, mb := range acc.Mailboxes() {
			entries := acc.ACL(mb.ID)
			if len(entries) == 0 {
				continue
			}
			m := SharedMailbox{Account: name, Mailbox: mb.Name}
			for _, e := range entries {
				m.Entries = append(m.Entries, SharedEntry{e.Identifier, e.Rights.Letters()})
			}
			list = append(list, m)
		}
		acc.Release()
	}
	return list, nil
}

// SetACL changes the rights of an identifier on a mailbox of an account: they become
// rights, or with "+" or "-" before these, gain or lose them. An identifier is the name or
// an address of an account, "$" and the address of an alias, or "anyone"; "-" before it makes
// it one of rights to be taken away. Without rights its entry is removed, whoever it
// stands for.
func (a *Admin) SetACL(ctx context.Context, actor Actor, account, mailbox, identifier, rights string) (rerr error) {
	defer func() {
		a.audit(ctx, actor, "change access control list", rerr, "account", account, "mailbox", mailbox, "identifier", identifier, "rights", rights)
	}()
	if _, err := a.accountNames(account); err != nil || account == "" {
		return errors.Join(err, notEmpty("account", account))
	}
	op := imap.RightsReplace
	switch {
	case strings.HasPrefix(rights, "+"):
		op, rights = imap.RightsAdd, rights[1:]
	case strings.HasPrefix(rights, "-"):
		op, rights = imap.RightsRemove, rights[1:]
	}
	r, err := imap.ParseRights(rights)
	if err != nil {
		return fmt.Errorf("rights %q: there are lrswipkxtean, and c and d for kx and te", rights)
	}
	id, err := a.identifier(account, identifier, r != 0 && op != imap.RightsRemove)
	if err != nil {
		return err
	}
	if id == store.Anyone && op != imap.RightsRemove && r.Has(imap.RightAdmin) {
		return errors.New(`the right to administer (a) cannot be given to "anyone"`)
	}
	acc, err := a.Store.Account(ctx, account)
	if err != nil {
		return err
	}
	defer acc.Release()
	mb, ok := acc.MailboxByName(mailbox)
	if !ok {
		return fmt.Errorf("mailbox %q of account %q: %w", mailbox, account, ErrNotFound)
	}
	return acc.SetACL(ctx, mb.ID, id, op, r)
}

func notEmpty(what, s string) error {
	if s == "" {
		return fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	return nil
}

// identifier returns what lists of an account keep for a name. Without giving rights it need
// not be anybody's.
func (a *Admin) identifier(account, name string, giving bool) (string, error) {
	minus, rest := "", name
	if s, ok := strings.CutPrefix(name, "-"); ok {
		minus, rest = "-", s
	}
	if rest == store.Anyone {
		return name, nil
	}
	id, ok := directory.NewView(a.Config.Snapshot()).Identify(account, rest)
	switch {
	case id == account:
		return "", fmt.Errorf("account %q always has all rights on its mailboxes", account)
	case ok:
		return minus + id, nil
	case giving:
		return "", fmt.Errorf("%q, with whom mailboxes of %q can be shared: %w", rest, account, ErrNotFound)
	}
	return name, nil
}
