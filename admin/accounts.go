package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mox/config"
	"mox/dns"
	"mox/smtp"
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
	addr, err := a.newAddress(address)
	if err != nil {
		return err
	}
	// The database first: an account that is configured must be able to receive.
	snap := a.Config.Snapshot()
	if _, ok := snap.Dynamic.Accounts[account]; ok {
		return fmt.Errorf("account %q: %w", account, ErrExists)
	}
	if err := a.Store.Create(ctx, account, InitialMailboxes(snap)); err != nil {
		return fmt.Errorf("creating account data: %w", err)
	}
	err = a.Config.Edit(func(d *config.Dynamic) error {
		if _, ok := d.Accounts[account]; ok {
			return fmt.Errorf("account %q: %w", account, ErrExists)
		}
		acc := config.NewAccount(addr.Domain.Name(), addr.String())
		if d.Accounts == nil {
			d.Accounts = map[string]config.Account{}
		}
		d.Accounts[account] = acc
		return nil
	})
	if err != nil {
		return errors.Join(err, a.Store.Remove(ctx, account))
	}
	return nil
}

// InitialMailboxes are those that a new account gets.
func InitialMailboxes(snap *config.Snapshot) store.InitialMailboxes {
	m := snap.InitialMailboxes()
	use := m.SpecialUse
	return store.InitialMailboxes{Sent: use.Sent, Archive: use.Archive, Trash: use.Trash, Drafts: use.Draft, Junk: use.Junk, Regular: m.Regular}
}

// AccountRemove removes an account from the configuration and deletes its data. It is
// refused while something else needs the account.
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
		return nil
	})
	if err != nil {
		return err
	}
	if a.Detach != nil {
		a.Detach(account)
	}
	if err := a.Store.Remove(ctx, account); err != nil {
		return fmt.Errorf("account is no longer configured, but its data could not be removed: %w", err)
	}
	return nil
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

// AddressAdd gives an account another address; "@domain" is the domain's catchall.
func (a *Admin) AddressAdd(ctx context.Context, actor Actor, address, account string) (rerr error) {
	defer func() { a.audit(ctx, actor, "add address", rerr, "account", account, "address", address) }()
	key := address
	if !strings.HasPrefix(address, "@") {
		addr, err := a.newAddress(address)
		if err != nil {
			return err
		}
		key = addr.String()
	}
	if owner := a.addressOwner(key); owner != "" {
		return fmt.Errorf("address %s: %w, in account %q", key, ErrExists, owner)
	}
	return a.editAccount(account, func(acc *config.Account) error {
		if acc.Destinations == nil {
			acc.Destinations = map[string]config.Destination{}
		}
		acc.Destinations[key] = config.Destination{}
		return nil
	})
}

// AddressRemove takes an address from its account, and from the aliases it is a member of.
func (a *Admin) AddressRemove(ctx context.Context, actor Actor, address string) (rerr error) {
	defer func() { a.audit(ctx, actor, "remove address", rerr, "address", address) }()
	key := address
	if !strings.HasPrefix(address, "@") {
		if addr, err := smtp.ParseAddress(address); err == nil {
			key = addr.String()
		}
	}
	owner := a.addressOwner(key)
	if owner == "" {
		return fmt.Errorf("address %s: %w", address, ErrNotFound)
	}
	return a.editAccount(owner, func(acc *config.Account) error {
		delete(acc.Destinations, key)
		return nil
	})
}

// addressOwner returns the account that has an address, or "".
func (a *Admin) addressOwner(key string) string {
	for name, acc := range a.Config.Snapshot().Dynamic.Accounts {
		if _, ok := acc.Destinations[key]; ok {
			return name
		}
	}
	return ""
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

// newAddress parses an address of a configured domain.
func (a *Admin) newAddress(address string) (smtp.Address, error) {
	addr, err := smtp.ParseAddress(address)
	if err != nil {
		return smtp.Address{}, fmt.Errorf("address %q: %w", address, err)
	}
	if _, ok := a.Config.Snapshot().Dynamic.Domains[addr.Domain.Name()]; !ok {
		return smtp.Address{}, fmt.Errorf("domain %s: %w (add it first)", addr.Domain, ErrNotFound)
	}
	return addr, nil
}

// parseDomain parses a domain in either form.
func parseDomain(s string) (dns.Domain, error) {
	d, err := dns.ParseDomain(s)
	if err != nil {
		return dns.Domain{}, fmt.Errorf("domain %q: %w", s, err)
	}
	return d, nil
}
