package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mox/config"
	"mox/dns"
	"mox/store"
)

// Account is one line of the list of accounts.
type Account struct {
	Name     string
	Disabled bool // logins are refused
}

// Accounts returns all accounts, sorted by name.
func (a *Admin) Accounts() []Account {
	accounts := a.Config.Snapshot().Dynamic.Accounts
	var list []Account
	for _, name := range slices.Sorted(mapKeys(accounts)) {
		list = append(list, Account{name, accounts[name].LoginDisabled != ""})
	}
	return list
}

// accountNames returns the name of one account, which must exist, or for "" of all.
func (a *Admin) accountNames(account string) ([]string, error) {
	accounts := a.Config.Snapshot().Dynamic.Accounts
	if account == "" {
		return slices.Sorted(mapKeys(accounts)), nil
	}
	if _, ok := accounts[account]; !ok {
		return nil, fmt.Errorf("account %q: %w", account, ErrNotFound)
	}
	return []string{account}, nil
}

// AccountAddresses returns the addresses of an account, sorted; a catchall is "@domain".
func (a *Admin) AccountAddresses(account string) ([]string, error) {
	acc, ok := a.Config.Snapshot().Dynamic.Accounts[account]
	if !ok {
		return nil, fmt.Errorf("account %q: %w", account, ErrNotFound)
	}
	return slices.Sorted(mapKeys(acc.Destinations)), nil
}

// AccountAdd adds an account with its first address, and its database.
func (a *Admin) AccountAdd(ctx context.Context, actor Actor, account, address string) (rerr error) {
	defer func() { a.audit(ctx, actor, "add account", rerr, "account", account, "address", address) }()
	snap := a.Config.Snapshot()
	if _, ok := snap.Dynamic.Accounts[account]; ok {
		return fmt.Errorf("account %q: %w", account, ErrExists)
	}
	addr, err := newAddress(snap, address)
	if err != nil {
		return err
	}
	return a.withNewAccount(ctx, snap, account, func(d *config.Dynamic) error {
		addAccount(d, account, config.NewAccount(addr.key.Domain, addr.text))
		return nil
	})
}

func addAccount(d *config.Dynamic, name string, acc config.Account) {
	if d.Accounts == nil {
		d.Accounts = map[string]config.Account{}
	}
	d.Accounts[name] = acc
}

// withNewAccount makes the data of an account, then the edit that configures it: one
// that is configured must be able to receive.
func (a *Admin) withNewAccount(ctx context.Context, snap *config.Snapshot, account string, edit func(*config.Dynamic) error) error {
	err := a.Store.Create(ctx, account, InitialMailboxes(snap))
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("account %q: %w in the data directory, from before: move accounts/%s away, or add the account to domains.conf by hand to use it again", account, ErrExists, account)
	} else if err != nil {
		return fmt.Errorf("making account data: %w", err)
	}
	err = a.Config.Edit(func(d *config.Dynamic) error {
		if _, ok := d.Accounts[account]; ok {
			return fmt.Errorf("account %q: %w", account, ErrExists)
		}
		return edit(d)
	})
	if err != nil && a.Config.Snapshot().Accounts[account] == nil {
		return errors.Join(err, a.Store.Remove(ctx, account))
	}
	return err
}

// InitialMailboxes are those that a new account gets.
func InitialMailboxes(snap *config.Snapshot) store.InitialMailboxes {
	m := snap.InitialMailboxes()
	use := m.SpecialUse
	return store.InitialMailboxes{Sent: use.Sent, Archive: use.Archive, Trash: use.Trash, Drafts: use.Draft, Junk: use.Junk, Regular: m.Regular}
}

// AccountRemove removes an account from the configuration and deletes its data. It is
// refused while something else needs the account. Its sessions end.
func (a *Admin) AccountRemove(ctx context.Context, actor Actor, account string) (rerr error) {
	defer func() { a.audit(ctx, actor, "remove account", rerr, "account", account) }()
	snap := a.Config.Snapshot()
	if _, ok := snap.Dynamic.Accounts[account]; !ok {
		return fmt.Errorf("account %q: %w", account, ErrNotFound)
	}
	if users := accountUsers(snap, account); len(users) > 0 {
		return inUse("account "+account, users)
	}
	err := a.Config.Edit(func(d *config.Dynamic) error {
		delete(d.Accounts, account)
		return leaveAliases(snap, d, func(m config.AliasMember) bool { return m.Account == account })
	})
	if err != nil {
		return err
	}
	if err := a.removeData(ctx, account); err != nil {
		return fmt.Errorf("account is no longer configured, but its data could not be removed: %w", err)
	}
	if a.Invites != nil {
		if err := a.Invites.Forget(account); err != nil {
			return fmt.Errorf("account is gone, but an invitation to it stays on file, of no use: %w", err)
		}
	}
	if a.Queue != nil {
		if err := a.Queue.Forget(ctx, account); err != nil {
			return fmt.Errorf("account is gone, but its suppression list and history of sent messages could not be removed: %w", err)
		}
	}
	if a.Logins != nil {
		if err := a.Logins.Forget(ctx, account); err != nil {
			return fmt.Errorf("account is gone, but the record of its logins stays for a while: %w", err)
		}
	}
	if a.Traces != nil {
		if err := a.Traces.Forget(ctx, account); err != nil {
			return fmt.Errorf("account is gone, but decisions about its mail stay in the log for a while: %w", err)
		}
	}
	return nil
}

// removeData ends all use of an account that is no longer configured and removes its data.
func (a *Admin) removeData(ctx context.Context, account string) error {
	// Deliveries under way, and logins of just before, may take a moment.
	const wait, pause = 10 * time.Second, 20 * time.Millisecond
	for end := a.Now().Add(wait); ; {
		a.Disconnect(account)
		err := a.Store.Remove(ctx, account)
		if !errors.Is(err, store.ErrInUse) || a.Now().After(end) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// accountUsers names the parts of the configuration that need an account besides its own.
func accountUsers(snap *config.Snapshot, account string) []string {
	var users []string
	if snap.Static.Postmaster.Account == account {
		users = append(users, "Postmaster in mox.conf")
	}
	if t := snap.Static.HostTLSRPT; t != nil && t.Account == account {
		users = append(users, "HostTLSRPT in mox.conf")
	}
	domains := snap.Dynamic.Domains
	for _, name := range slices.Sorted(mapKeys(domains)) {
		if d := domains[name].DMARC; d != nil && d.Account == account {
			users = append(users, "DMARC of domain "+name)
		}
		if t := domains[name].TLSRPT; t != nil && t.Account == account {
			users = append(users, "TLSRPT of domain "+name)
		}
	}
	return users
}

// AccountDisable refuses logins to an account with a text, or allows them again when
// the text is empty. Mail is still delivered.
func (a *Admin) AccountDisable(ctx context.Context, actor Actor, account, text string) (rerr error) {
	defer func() { a.audit(ctx, actor, "disable account logins", rerr, "account", account, "text", text) }()
	return a.editAccount(account, func(acc *config.Account) error {
		acc.LoginDisabled = text
		return nil
	})
}

// editAccount changes one account of the configuration.
func (a *Admin) editAccount(account string, edit func(*config.Account) error) error {
	return a.Config.Edit(func(d *config.Dynamic) error {
		acc, ok := d.Accounts[account]
		if !ok {
			return fmt.Errorf("account %q: %w", account, ErrNotFound)
		}
		if err := edit(&acc); err != nil {
			return err
		}
		d.Accounts[account] = acc
		return nil
	})
}

// parseDomain parses a domain in either form.
func parseDomain(s string) (dns.Domain, error) {
	d, err := dns.ParseDomain(s)
	if err != nil {
		return dns.Domain{}, fmt.Errorf("domain %q: %w", s, err)
	}
	return d, nil
}
