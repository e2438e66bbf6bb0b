package directory

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mox/config"
	"mox/dns"
	"mox/smtp"
)

// Errors of lookups, to be tested with [errors.Is].
var (
	// ErrNoAddress: the domain is ours but the address is nobody's (550 5.1.1).
	ErrNoAddress = errors.New("no such address")

	// ErrNotLocal: the domain is not ours, so this would be relaying (550 5.7.1).
	ErrNotLocal = errors.New("domain is not local")

	// ErrDomainDisabled: the domain is ours but disabled for now (450 4.2.1).
	ErrDomainDisabled = errors.New("domain is disabled")
)

// Directory looks up addresses in the current configuration. Safe for concurrent use.
type Directory struct {
	snapshot func() *config.Snapshot
	anyone   bool
}

// New returns a directory of what snapshot returns, such as the method Snapshot of a
// [config.Manager].
func New(snapshot func() *config.Snapshot) *Directory {
	return &Directory{snapshot: snapshot}
}

// NewAny is New for localserve: every recipient at any domain that is not somebody's
// is the first account's, in order of names.
func NewAny(snapshot func() *config.Snapshot) *Directory {
	return &Directory{snapshot, true}
}

// View returns the directory as of now: for a transaction, which keeps the
// configuration that it began with.
func (d *Directory) View() View {
	return View{d.snapshot(), d.anyone}
}

// Resolve is [View.Resolve] as of now.
func (d *Directory) Resolve(lp smtp.Localpart, domain dns.Domain) (Result, error) {
	return d.View().Resolve(lp, domain)
}

// ResolvePath is [View.ResolvePath] as of now.
func (d *Directory) ResolvePath(p smtp.Path) (Result, error) {
	return d.View().ResolvePath(p)
}

// MayUse is [View.MayUse] as of now.
func (d *Directory) MayUse(account string, a smtp.Address) bool {
	return d.View().MayUse(account, a)
}

// Login is [View.Login] as of now.
func (d *Directory) Login(name string) (*config.AccountInfo, error) {
	return d.View().Login(name)
}

// View is a directory of one configuration. It does not change.
type View struct {
	Snapshot *config.Snapshot
	anyone   bool
}

// NewView returns the directory of a configuration.
func NewView(s *config.Snapshot) View {
	return View{Snapshot: s}
}

// Via tells how an address was found.
type Via int

// The ways, in the order they are tried.
const (
	ViaAddress    Via = iota // Exactly, but for case.
	ViaBase                  // Without separator and what follows.
	ViaPostmaster            // As the postmaster of the host.
	ViaCatchall              // By the catchall of the domain.
	ViaAny                   // In localserve, for lack of anything else.
)

// Result is what an address is. Either Account or Alias is set.
type Result struct {
	Via Via

	// Address was asked for. For "postmaster" alone the domain is the host name; for an
	// address literal (localserve) it is zero.
	Address smtp.Address

	// Base is the address without separator and Detail, as configured if somebody has
	// it, else as asked for. Two addresses with one Base are delivered alike.
	Base   smtp.Address
	Detail string // What follows the separator.

	Domain *config.DomainInfo // Nil for host names and, in localserve, other domains.

	Account *config.AccountInfo
	Mailbox string // Of Account, where mail goes that no ruleset matches.
	// Destination has the settings. Nil for ViaPostmaster and ViaAny.
	Destination *config.DestinationInfo

	Alias *config.AliasInfo
}

// Resolve looks up an address. The errors are [ErrNoAddress], [ErrNotLocal] and
// [ErrDomainDisabled], wrapped.
func (v View) Resolve(lp smtp.Localpart, domain dns.Domain) (Result, error) {
	r := Result{Address: smtp.Address{Localpart: lp, Domain: domain}}
	r.Base = r.Address
	err := v.resolve(&r)
	if err == nil {
		return r, nil
	}
	if v.anyone && !errors.Is(err, ErrDomainDisabled) {
		if result, ok := v.first(r); ok {
			return result, nil
		}
	}
	return Result{}, err
}

// ResolvePath looks up a forward-path: as Resolve, and "postmaster" without domain
// (RFC 5321 4.1.1.3). Address literals, also of our own addresses, are refused: who has
// an account here has a domain.
func (v View) ResolvePath(p smtp.Path) (Result, error) {
	switch {
	case p.IPDomain.IsIP():
		r := Result{Address: smtp.Address{Localpart: p.Localpart}}
		r.Base = r.Address
		if result, ok := v.first(r); v.anyone && ok {
			return result, nil
		}
		if v.Snapshot.IsOwnIP(p.IPDomain.IP) {
			return Result{}, fmt.Errorf("%w: address literal", ErrNoAddress)
		}
		return Result{}, fmt.Errorf("%w: address literal", ErrNotLocal)
	case p.IPDomain.IsZero() && isPostmaster(string(p.Localpart)):
		return v.Resolve(p.Localpart, v.Snapshot.Hostname)
	case p.IPDomain.IsZero():
		return Result{}, fmt.Errorf("%w: address without domain", ErrNoAddress)
	}
	return v.Resolve(p.Localpart, p.IPDomain.Domain)
}

func (v View) resolve(r *Result) error {
	d := v.Snapshot.Domain(r.Address.Domain)
	if d == nil {
		return v.resolveHost(r)
	}
	r.Domain = d
	switch {
	case d.Config.Disabled:
		return fmt.Errorf("%w: %s", ErrDomainDisabled, d.Domain)
	case d.ReportsOnly && !v.Snapshot.IsHostname(d.Domain):
		return fmt.Errorf("%w: %s, which is only for reports", ErrNotLocal, d.Domain)
	case v.owner(r, d):
		return nil
	case v.postmaster(r):
		return nil
	}
	if dest := v.Snapshot.Destination(d.Key("")); dest != nil {
		r.Via = ViaCatchall
		v.setDestination(r, dest)
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNoAddress, r.Address)
}

// owner finds who has an address or its base.
func (v View) owner(r *Result, d *config.DomainInfo) bool {
	key := d.Key(r.Address.Localpart)
	if key.Localpart == "" {
		// RFC 5321 4.1.2: "" is a localpart, but here it is the key of the catchall.
		return false
	}
	r.Via = ViaAddress
	if v.lookup(r, key) {
		return true
	}
	base, detail, ok := d.SplitLocalpart(key.Localpart)
	if !ok {
		return false
	}
	// Detail as it was written. Case mapping can change lengths, then what is left
	// after the separator is only there in lower case.
	r.Detail = detail
	if lp := string(r.Address.Localpart); len(lp) == len(key.Localpart) {
		r.Detail = lp[len(lp)-len(detail):]
	}
	r.Via = ViaBase
	r.Base.Localpart = smtp.Localpart(base)
	key.Localpart = base
	return v.lookup(r, key)
}

func (v View) lookup(r *Result, key config.AddressKey) bool {
	if dest := v.Snapshot.Destination(key); dest != nil {
		r.Base = dest.Address
		v.setDestination(r, dest)
		return true
	}
	if alias := v.Snapshot.Alias(key); alias != nil {
		r.Base = alias.Address
		r.Alias = alias
		return true
	}
	return false
}

func (v View) setDestination(r *Result, dest *config.DestinationInfo) {
	r.Destination = dest
	r.Account = v.Snapshot.Accounts[dest.Account]
	r.Mailbox = dest.Mailbox
}

// resolveHost looks up an address at a domain that is not configured: the host's own
// names have a postmaster and an address for reports.
func (v View) resolveHost(r *Result) error {
	if !v.Snapshot.IsHostname(r.Address.Domain) {
		return fmt.Errorf("%w: %s", ErrNotLocal, r.Address.Domain)
	}
	key := config.AddressKey{Localpart: strings.ToLower(string(r.Address.Localpart)), Domain: r.Address.Domain.Name()}
	if key.Localpart != "" && v.lookup(r, key) || v.postmaster(r) {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNoAddress, r.Address)
}

// isPostmaster: RFC 5321 4.5.1, the word is not case-sensitive.
func isPostmaster(lp string) bool {
	return strings.EqualFold(lp, "postmaster")
}

func (v View) postmaster(r *Result) bool {
	if !isPostmaster(string(r.Base.Localpart)) {
		return false
	}
	p := v.Snapshot.Static.Postmaster
	r.Via = ViaPostmaster
	r.Account = v.Snapshot.Accounts[p.Account]
	r.Mailbox = p.Mailbox
	return r.Account != nil
}

// first gives an address to the first account.
func (v View) first(r Result) (Result, bool) {
	if len(v.Snapshot.Accounts) == 0 {
		return r, false
	}
	name := slices.Min(slices.Collect(maps.Keys(v.Snapshot.Accounts)))
	return Result{Via: ViaAny, Address: r.Address, Base: r.Address, Domain: r.Domain, Account: v.Snapshot.Accounts[name], Mailbox: config.Inbox}, true
}

// MayUse tells whether an account may use an address as MAIL FROM and From: its own
// addresses, with separator and detail too; any address of a domain whose catchall it
// has, unless somebody else has that address; aliases it is a member of, if their
// members may. Whether the domain is disabled makes no difference here.
func (v View) MayUse(account string, a smtp.Address) bool {
	r := Result{Address: a, Base: a}
	d := v.Snapshot.Domain(a.Domain)
	if d == nil || v.Snapshot.Accounts[account] == nil {
		return false
	}
	if v.owner(&r, d) {
		if r.Alias != nil {
			return r.Alias.Config.AllowMsgFrom && slices.ContainsFunc(r.Alias.Members, func(m config.AliasMember) bool { return m.Account == account })
		}
		return r.Destination.Account == account && r.Destination.Key != ""
	}
	dest := v.Snapshot.Destination(d.Key(""))
	return dest != nil && dest.Account == account && a.Localpart != ""
}

// MayPost tells whether mail from a verified address may go to an alias: anybody's if it
// is public, else members' only, whatever they have after a separator.
func (v View) MayPost(alias *config.AliasInfo, from smtp.Address) bool {
	if alias.Config.PostPublic {
		return true
	}
	d := v.Snapshot.Domain(from.Domain)
	r := Result{Address: from, Base: from}
	if d == nil || !v.owner(&r, d) || r.Destination == nil {
		return false
	}
	return slices.ContainsFunc(alias.Members, func(m config.AliasMember) bool { return m.Destination == r.Destination })
}

// DomainDisabled tells whether a domain is ours and disabled.
func (v View) DomainDisabled(domain dns.Domain) bool {
	d := v.Snapshot.Domain(domain)
	return d != nil && d.Config.Disabled
}

// IsLocal tells whether mail for a domain is for us rather than for relaying, also if
// the domain is disabled.
func (v View) IsLocal(domain dns.Domain) bool {
	d := v.Snapshot.Domain(domain)
	return d != nil && !d.ReportsOnly || v.Snapshot.IsHostname(domain)
}

// Login returns the account that somebody logs in to with this name: an address of the
// account, in any of the forms mail to it can have. Whether its logins are disabled is
// for the caller to see. Errors wrap [ErrNoAddress].
func (v View) Login(name string) (*config.AccountInfo, error) {
	a, err := smtp.ParseAddressLax(strings.TrimSpace(name))
	if err != nil {
		return nil, fmt.Errorf("%w: login name is no address", ErrNoAddress)
	}
	r := Result{Address: a, Base: a}
	if d := v.Snapshot.Domain(a.Domain); d != nil {
		if v.owner(&r, d) {
			if r.Destination != nil && r.Destination.Key != "" {
				return r.Account, nil
			}
		} else if dest := v.Snapshot.Destination(d.Key("")); dest != nil && a.Localpart != "" {
			return v.Snapshot.Accounts[dest.Account], nil
		}
	}
	return nil, fmt.Errorf("%w: login name", ErrNoAddress)
}
