package admin

import (
	"context"
	"fmt"
	"slices"

	"mox/config"
	"mox/smtp"
)

// Alias is an address that delivers to several accounts.
type Alias struct {
	Address      string
	Addresses    []string // members
	PostPublic   bool
	ListMembers  bool
	AllowMsgFrom bool
}

// AliasSettings are those of an alias to change; nil leaves one as it is.
type AliasSettings struct {
	PostPublic, ListMembers, AllowMsgFrom *bool
}

// Aliases returns those of a domain, by address.
func (a *Admin) Aliases(domain string) ([]Alias, error) {
	d, err := parseDomain(domain)
	if err != nil {
		return nil, err
	}
	conf, ok := a.Config.Snapshot().Dynamic.Domains[d.Name()]
	if !ok {
		return nil, fmt.Errorf("domain %s: %w", d, ErrNotFound)
	}
	var all []Alias
	for _, localpart := range slices.Sorted(mapKeys(conf.Aliases)) {
		lp, err := smtp.ParseLocalpart(localpart)
		if err != nil {
			return nil, fmt.Errorf("alias %q: %w", localpart, err)
		}
		all = append(all, aliasOf(smtp.Address{Localpart: lp, Domain: d}.String(), conf.Aliases[localpart]))
	}
	return all, nil
}

func aliasOf(address string, c config.Alias) Alias {
	return Alias{address, slices.Clone(c.Addresses), c.PostPublic, c.ListMembers, c.AllowMsgFrom}
}

// Alias returns one by its address.
func (a *Admin) Alias(address string) (Alias, error) {
	var alias Alias
	return alias, a.withAlias(a.Config.Snapshot(), address, func(domain, localpart string) error {
		alias = aliasOf(address, a.Config.Snapshot().Dynamic.Domains[domain].Aliases[localpart])
		return nil
	})
}

// withAlias calls do with the keys of domains.conf for an alias.
func (a *Admin) withAlias(snap *config.Snapshot, address string, do func(domain, localpart string) error) error {
	addr, err := parseAddress(snap, address)
	if err != nil {
		return err
	}
	info := snap.Alias(addr.key)
	if info == nil {
		return fmt.Errorf("alias %s: %w", addr.text, ErrNotFound)
	}
	domain := info.Address.Domain.Name()
	for localpart := range snap.Dynamic.Domains[domain].Aliases {
		if lp, err := smtp.ParseLocalpart(localpart); err == nil && snap.Domains[domain].Key(lp) == addr.key {
			return do(domain, localpart)
		}
	}
	return fmt.Errorf("alias %s: %w", addr.text, ErrNotFound)
}

// editAlias changes an alias in domains.conf.
func (a *Admin) editAlias(address string, edit func(*config.Alias) error) error {
	return a.withAlias(a.Config.Snapshot(), address, func(domain, localpart string) error {
		return a.Config.Edit(func(d *config.Dynamic) error {
			alias, ok := d.Domains[domain].Aliases[localpart]
			if !ok {
				return fmt.Errorf("alias %s: %w", address, ErrNotFound)
			}
			alias.Addresses = slices.Clone(alias.Addresses)
			if err := edit(&alias); err != nil {
				return err
			}
			d.Domains[domain].Aliases[localpart] = alias
			return nil
		})
	})
}

// AliasAdd adds an alias, to which anyone may write, with its members.
func (a *Admin) AliasAdd(ctx context.Context, actor Actor, address string, members []string) (rerr error) {
	defer func() { a.audit(ctx, actor, "add alias", rerr, "address", address, "members", members) }()
	if _, err := newAddress(a.Config.Snapshot(), address); err != nil {
		return err
	}
	addr, err := smtp.ParseAddress(address)
	if err != nil {
		return fmt.Errorf("address %q: %w (an alias cannot be a catchall)", address, err)
	}
	return a.Config.Edit(func(d *config.Dynamic) error {
		conf := d.Domains[addr.Domain.Name()]
		if conf.Aliases == nil {
			conf.Aliases = map[string]config.Alias{}
		}
		conf.Aliases[addr.Localpart.String()] = config.Alias{Addresses: members, PostPublic: true}
		d.Domains[addr.Domain.Name()] = conf
		return nil
	})
}

// AliasUpdate changes settings of an alias.
func (a *Admin) AliasUpdate(ctx context.Context, actor Actor, address string, s AliasSettings) (rerr error) {
	defer func() { a.audit(ctx, actor, "change alias", rerr, "address", address) }()
	set := func(to *bool, v *bool) {
		if v != nil {
			*to = *v
		}
	}
	return a.editAlias(address, func(alias *config.Alias) error {
		set(&alias.PostPublic, s.PostPublic)
		set(&alias.ListMembers, s.ListMembers)
		set(&alias.AllowMsgFrom, s.AllowMsgFrom)
		return nil
	})
}

// AliasRemove removes an alias. Its members keep their addresses.
func (a *Admin) AliasRemove(ctx context.Context, actor Actor, address string) (rerr error) {
	defer func() { a.audit(ctx, actor, "remove alias", rerr, "address", address) }()
	return a.withAlias(a.Config.Snapshot(), address, func(domain, localpart string) error {
		return a.Config.Edit(func(d *config.Dynamic) error {
			delete(d.Domains[domain].Aliases, localpart)
			return nil
		})
	})
}

// AliasAddressesAdd adds members to an alias.
func (a *Admin) AliasAddressesAdd(ctx context.Context, actor Actor, address string, members []string) (rerr error) {
	defer func() { a.audit(ctx, actor, "add members to alias", rerr, "address", address, "members", members) }()
	return a.editAlias(address, func(alias *config.Alias) error {
		alias.Addresses = append(alias.Addresses, members...)
		return nil
	})
}

// AliasAddressesRemove takes members from an alias, of which one has to be left.
func (a *Admin) AliasAddressesRemove(ctx context.Context, actor Actor, address string, members []string) (rerr error) {
	defer func() { a.audit(ctx, actor, "remove members from alias", rerr, "address", address, "members", members) }()
	snap := a.Config.Snapshot()
	return a.editAlias(address, func(alias *config.Alias) error {
		for _, m := range members {
			gone, err := parseAddress(snap, m)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(alias.Addresses, func(s string) bool {
				addr, err := parseAddress(snap, s)
				return err == nil && addr.key == gone.key
			})
			if i < 0 {
				return fmt.Errorf("member %s: %w", gone.text, ErrNotFound)
			}
			alias.Addresses = slices.Delete(alias.Addresses, i, i+1)
		}
		if len(alias.Addresses) == 0 {
			return fmt.Errorf("%w: alias %s would have no members left: give it others or remove it", ErrInUse, address)
		}
		return nil
	})
}
