package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"mox/atomicfile"
	"mox/config"
	"mox/dns"
	"mox/smtp"
)

// NewDomain says what to add.
type NewDomain struct {
	Domain    string
	Account   string // gets the reports about the domain; made with Localpart when missing
	Localpart string // first address of a new account
	Disabled  bool
}

// DomainAdd adds a domain with DKIM keys and report addresses; for an account that does
// not exist yet it adds that too, with the address localpart@domain.
func (a *Admin) DomainAdd(ctx context.Context, actor Actor, n NewDomain) (rerr error) {
	defer func() { a.audit(ctx, actor, "add domain", rerr, "domain", n.Domain, "account", n.Account) }()
	domain, err := parseDomain(n.Domain)
	if err != nil {
		return err
	}
	snap := a.Config.Snapshot()
	if _, ok := snap.Dynamic.Domains[domain.Name()]; ok {
		return fmt.Errorf("domain %s: %w", domain, ErrExists)
	}
	_, known := snap.Dynamic.Accounts[n.Account]
	if !known && n.Localpart == "" {
		return fmt.Errorf("account %q: %w (give a localpart to add it too)", n.Account, ErrNotFound)
	}
	var first string // address of the account
	if n.Localpart != "" {
		localpart, err := smtp.ParseLocalpart(n.Localpart)
		if err != nil {
			return fmt.Errorf("localpart %q: %w", n.Localpart, err)
		}
		first = smtp.Address{Localpart: localpart, Domain: domain}.String()
	}
	conf, keys, err := a.newDomainConfig(snap, domain, n)
	if err != nil {
		return err
	}
	edit := func(d *config.Dynamic) error {
		if d.Domains == nil {
			d.Domains = map[string]config.Domain{}
		}
		if _, ok := d.Domains[domain.Name()]; ok {
			return fmt.Errorf("domain %s: %w", domain, ErrExists)
		}
		d.Domains[domain.Name()] = conf
		acc, ok := d.Accounts[n.Account]
		if !ok {
			acc = config.NewAccount(domain.Name(), first)
		} else if first != "" {
			addDestination(&acc, first)
		}
		if n.Account != snap.Static.Postmaster.Account {
			addDestination(&acc, "postmaster@"+domain.Name())
		}
		addAccount(d, n.Account, acc)
		return nil
	}
	if known {
		err = a.Config.Edit(edit)
	} else {
		err = a.withNewAccount(ctx, snap, n.Account, edit)
	}
	if err != nil {
		return errors.Join(err, removeAll(keys))
	}
	return nil
}

// newDomainConfig makes the configuration of a new domain and writes its DKIM keys. It
// returns the key files, for removal should the rest fail.
func (a *Admin) newDomainConfig(snap *config.Snapshot, domain dns.Domain, n NewDomain) (config.Domain, []string, error) {
	conf, keys := config.NewDomain(config.NewDomainOptions{Domain: domain, Account: n.Account, Hostname: snap.Hostname, MTASTS: snap.HasMTASTS(), Now: a.Now()})
	conf.Disabled = n.Disabled
	var files []string
	for _, key := range keys {
		full := snap.ConfigPath(filepath.FromSlash(key.Path))
		if err := writeKey(full, key); err != nil {
			return config.Domain{}, nil, errors.Join(err, removeAll(files))
		}
		files = append(files, full)
	}
	return conf, files, nil
}

// writeKey generates a DKIM key and writes it to path.
func writeKey(path string, key config.NewKey) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("making directory for dkim keys: %w", err)
	}
	text, err := key.Generate()
	if err != nil {
		return err
	}
	return atomicfile.Write(path, text, 0o640)
}

func removeAll(paths []string) error {
	var errs []error
	for _, p := range paths {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// DomainDisable switches a domain off or on: mail to and from a disabled one gets
// temporary errors.
func (a *Admin) DomainDisable(ctx context.Context, actor Actor, domain string, disabled bool) (rerr error) {
	defer func() { a.audit(ctx, actor, "disable domain", rerr, "domain", domain, "disabled", disabled) }()
	d, err := parseDomain(domain)
	if err != nil {
		return err
	}
	return a.Config.Edit(func(dyn *config.Dynamic) error {
		conf, ok := dyn.Domains[d.Name()]
		if !ok {
			return fmt.Errorf("domain %s: %w", d, ErrNotFound)
		}
		conf.Disabled = disabled
		dyn.Domains[d.Name()] = conf
		return nil
	})
}

// DomainRemove removes a domain that no address uses any more. Its DKIM keys move to
// dkim/old.
func (a *Admin) DomainRemove(ctx context.Context, actor Actor, domain string) (rerr error) {
	defer func() { a.audit(ctx, actor, "remove domain", rerr, "domain", domain) }()
	d, err := parseDomain(domain)
	if err != nil {
		return err
	}
	snap := a.Config.Snapshot()
	conf, ok := snap.Dynamic.Domains[d.Name()]
	if !ok {
		return fmt.Errorf("domain %s: %w", d, ErrNotFound)
	}
	if users := domainUsers(snap, d.Name()); len(users) > 0 {
		return inUse("domain "+d.Name(), users)
	}
	err = a.Config.Edit(func(dyn *config.Dynamic) error {
		delete(dyn.Domains, d.Name())
		return nil
	})
	if err != nil {
		return err
	}
	for _, sel := range conf.DKIM.Selectors {
		if err := retireKey(snap.ConfigPath(sel.PrivateKeyFile)); err != nil {
			a.Log.ErrorContext(ctx, "moving dkim key of removed domain", "err", err)
		}
	}
	return nil
}

// domainUsers lists what still uses a domain: addresses, as "address of account".
func domainUsers(snap *config.Snapshot, domain string) []string {
	var users []string
	for _, name := range slices.Sorted(mapKeys(snap.Accounts)) {
		for _, dest := range snap.Accounts[name].Destinations {
			if dest.Key != "" && dest.Address.Domain.Name() == domain {
				users = append(users, fmt.Sprintf("address %s of account %s", dest.Key, name))
			}
		}
	}
	return users
}

// retireKey moves a key file to the directory old beside it.
func retireKey(path string) error {
	dir := filepath.Join(filepath.Dir(path), "old")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(dir, filepath.Base(path)))
}

// Domain is one line of the list of domains.
type Domain struct {
	Domain   string // with U-labels, as in domains.conf
	Disabled bool
}

// Domains returns all domains of the configuration, sorted by name.
func (a *Admin) Domains() []Domain {
	domains := a.Config.Snapshot().Dynamic.Domains
	var list []Domain
	for _, name := range slices.Sorted(mapKeys(domains)) {
		list = append(list, Domain{name, domains[name].Disabled})
	}
	return list
}
