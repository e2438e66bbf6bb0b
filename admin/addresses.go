package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mox/config"
	"mox/directory"
	"mox/smtp"
)

// address is one that an operation is about: of an account, or "@domain" for the
// catchall of a domain.
type address struct {
	key  config.AddressKey
	text string // as written to domains.conf
}

// parseAddress parses an address of a configured domain.
func parseAddress(snap *config.Snapshot, s string) (address, error) {
	if domain, ok := strings.CutPrefix(s, "@"); ok {
		d, err := parseDomain(domain)
		if err != nil {
			return address{}, err
		}
		if snap.Domain(d) == nil {
			return address{}, fmt.Errorf("domain %s: %w (add it first)", d, ErrNotFound)
		}
		return address{config.AddressKey{Domain: d.Name()}, "@" + d.Name()}, nil
	}
	addr, err := smtp.ParseAddress(s)
	if err != nil {
		return address{}, fmt.Errorf("address %q: %w", s, err)
	}
	d := snap.Domain(addr.Domain)
	if d == nil {
		return address{}, fmt.Errorf("domain %s: %w (add it first)", addr.Domain, ErrNotFound)
	}
	return address{d.Key(addr.Localpart), addr.String()}, nil
}

// newAddress parses an address that nobody has yet.
func newAddress(snap *config.Snapshot, s string) (address, error) {
	addr, err := parseAddress(snap, s)
	if err != nil {
		return address{}, err
	}
	if dest := snap.Destination(addr.key); dest != nil && dest.Key != "" {
		return address{}, fmt.Errorf("address %s: %w, in account %q", addr.text, ErrExists, dest.Account)
	}
	if snap.Alias(addr.key) != nil {
		return address{}, fmt.Errorf("address %s: %w, as an alias", addr.text, ErrExists)
	}
	return addr, nil
}

// AddressAdd gives an account another address; "@domain" is the domain's catchall.
func (a *Admin) AddressAdd(ctx context.Context, actor Actor, address, account string) (rerr error) {
	defer func() { a.audit(ctx, actor, "add address", rerr, "account", account, "address", address) }()
	addr, err := newAddress(a.Config.Snapshot(), address)
	if err != nil {
		return err
	}
	return a.editAccount(account, func(acc *config.Account) error {
		addDestination(acc, addr.text)
		return nil
	})
}

func addDestination(acc *config.Account, address string) {
	if acc.Destinations == nil {
		acc.Destinations = map[string]config.Destination{}
	}
	acc.Destinations[address] = config.Destination{}
}

// AddressRemove takes an address from its account, and from the aliases that it is a
// member of. It is refused when an alias would have no members left.
func (a *Admin) AddressRemove(ctx context.Context, actor Actor, address string) (rerr error) {
	defer func() { a.audit(ctx, actor, "remove address", rerr, "address", address) }()
	snap := a.Config.Snapshot()
	addr, err := parseAddress(snap, address)
	if err != nil {
		return err
	}
	dest := snap.Destination(addr.key)
	switch {
	case dest != nil && dest.Key != "":
	case dest != nil:
		return fmt.Errorf("address %s: %w, for reports to account %q: change DMARC or TLSRPT of the domain", addr.text, ErrInUse, dest.Account)
	case snap.Alias(addr.key) != nil:
		return fmt.Errorf("address %s: %w among the addresses of accounts: it is an alias", addr.text, ErrNotFound)
	default:
		return fmt.Errorf("address %s: %w", addr.text, ErrNotFound)
	}
	return a.Config.Edit(func(d *config.Dynamic) error {
		acc, ok := d.Accounts[dest.Account]
		if !ok {
			return fmt.Errorf("account %q: %w", dest.Account, ErrNotFound)
		}
		delete(acc.Destinations, dest.Key)
		return leaveAliases(snap, d, func(m config.AliasMember) bool { return m.Destination == dest })
	})
}

// leaveAliases removes members from all aliases of d.
func leaveAliases(snap *config.Snapshot, d *config.Dynamic, leaves func(config.AliasMember) bool) error {
	for domain, conf := range d.Domains {
		for localpart, alias := range conf.Aliases {
			before := len(alias.Addresses)
			alias.Addresses = slices.DeleteFunc(alias.Addresses, func(s string) bool {
				member, ok := aliasMember(snap, s)
				return ok && leaves(member)
			})
			if before > 0 && len(alias.Addresses) == 0 {
				return fmt.Errorf("%w: alias %s@%s would have no members left: give it others or remove it first", ErrInUse, localpart, domain)
			}
			conf.Aliases[localpart] = alias
		}
	}
	return nil
}

// aliasMember finds what a member of an alias stands for.
func aliasMember(snap *config.Snapshot, s string) (config.AliasMember, bool) {
	addr, err := parseAddress(snap, s)
	if err != nil {
		return config.AliasMember{}, false
	}
	dest := snap.Destination(addr.key)
	if dest == nil {
		return config.AliasMember{}, false
	}
	return config.AliasMember{Address: dest.Address, Account: dest.Account, Destination: dest}, true
}

// AddressOwner is who gets mail to an address: an account, or the members of an alias.
type AddressOwner struct {
	Address string // as configured; a catchall is "@domain"
	Account string `json:",omitempty"`
	Mailbox string `json:",omitempty"` // of the account, where no ruleset says otherwise
	Alias   bool   `json:",omitempty"`
	// Via is how it was found: address, base (without separator and what follows), postmaster or
	// catchall.
	Via string
}

// String is the name of the account, and how it comes to the mail when the address is not its own.
func (o AddressOwner) String() string {
	switch {
	case o.Alias:
		return o.Address + "\t(alias)"
	case o.Via != viaNames[directory.ViaAddress]:
		return o.Account + "\t(" + o.Via + " " + o.Address + ")"
	}
	return o.Account
}

var viaNames = map[directory.Via]string{
	directory.ViaAddress: "address", directory.ViaBase: "base", directory.ViaPostmaster: "postmaster", directory.ViaCatchall: "catchall",
}

// AddressOwner tells who gets mail to an address.
func (a *Admin) AddressOwner(address string) (AddressOwner, error) {
	addr, err := smtp.ParseAddressLax(address)
	if err != nil {
		return AddressOwner{}, fmt.Errorf("address %q: %w", address, err)
	}
	snap := a.Config.Snapshot()
	r, err := directory.NewView(snap).Resolve(addr.Localpart, addr.Domain)
	if err != nil {
		return AddressOwner{}, err
	}
	o := AddressOwner{Address: r.Base.String(), Mailbox: r.Mailbox, Alias: r.Alias != nil, Via: viaNames[r.Via]}
	if r.Via == directory.ViaCatchall {
		o.Address = "@" + r.Domain.Domain.Name()
	}
	if r.Account != nil {
		o.Account = r.Account.Name
	}
	return o, nil
}
