package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// GatherTimeout bounds each lookup of [GatherMX] and [GatherIPs].
const GatherTimeout = 30 * time.Second

// maxMXHosts bounds the hosts of a domain: more is no use to a sender, and a way to keep
// one busy (RFC 5321 5.1 asks to try at least two).
const maxMXHosts = 100

// Errors of GatherMX that are answers, so permanent. All of them wrap ErrNoMail.
var (
	// ErrNoMail: the domain does not receive mail.
	ErrNoMail = errors.New("domain does not receive mail")
	// ErrNoDomain: the domain does not exist.
	ErrNoDomain = fmt.Errorf("%w: no such domain", ErrNoMail)
	// ErrNullMX: the domain says that it does not receive mail (RFC 7505).
	ErrNullMX = fmt.Errorf("%w: null MX", ErrNoMail)
	// ErrNoMXHost: the domain has MX records, but no name of them can be that of a host.
	ErrNoMXHost = fmt.Errorf("%w: MX records without usable host name", ErrNoMail)
)

// MXHost is a host that receives mail of a domain.
type MXHost struct {
	Preference uint16
	// Host can have underscores, which names of hosts cannot but some in MX records do.
	Host Domain
}

// Exchanges are the hosts that receive mail of a domain.
type Exchanges struct {
	// Hosts are by ascending preference. Those of equal preference are in no order: it is
	// for the caller to shuffle them (RFC 5321 5.1). Not empty without an error.
	Hosts []MXHost
	// Domain is what the domain is an alias of at the end, the domain itself if it is none.
	Domain Domain
	// Authentic: DNSSEC vouches for the hosts, or for the lack of MX records, and for the
	// aliases on the way there.
	Authentic bool
	// Implicit: there are no MX records, and Hosts has only the domain itself. What it is
	// an alias of is found once more with the addresses.
	Implicit bool
	// Invalid are what MX records have that is no name of a host, such as an address.
	// They are passed over.
	Invalid []string
}

// GatherMX looks up the hosts that receive mail of a domain, as RFC 5321 5.1 says. An
// error for which [ErrNoMail] holds is an answer: Domain and Authentic are set beside
// it. Any other is temporary: a domain whose security cannot be found out is not treated
// as insecure (RFC 7672 2.1.2).
func GatherMX(ctx context.Context, r Resolver, domain Domain) (Exchanges, error) {
	l, res, err := lookupMX(ctx, r, domain)
	if IsTemporary(err) {
		return Exchanges{}, err
	}
	x := Exchanges{Domain: aliasEnd(domain, res), Authentic: res.Authentic}
	if e := (*Error)(nil); errors.As(err, &e) && e.NXDomain {
		// RFC 5321 5.1: a domain that does not exist is an error, also for the target of an
		// alias.
		return x, fmt.Errorf("%w: %w", ErrNoDomain, err)
	}
	if err != nil {
		// RFC 5321 5.1: a domain without MX records is its own host.
		x.Implicit = true
		x.Hosts = []MXHost{{0, domain}}
		return x, nil
	}
	return x, x.take(l)
}

func lookupMX(ctx context.Context, r Resolver, domain Domain) ([]MX, Result, error) {
	ctx, cancel := context.WithTimeout(ctx, GatherTimeout)
	defer cancel()
	return r.LookupMX(ctx, domain.ASCII)
}

// take sets Hosts and Invalid.
func (x *Exchanges) take(l []MX) error {
	// RFC 7505 3: a null MX is the only record. Beside others it is none of a host.
	if len(l) == 1 && l[0].Host == "." {
		return ErrNullMX
	}
	l = slices.Clone(l)
	slices.SortStableFunc(l, func(a, b MX) int { return int(a.Preference) - int(b.Preference) })
	seen := map[Domain]bool{}
	for _, mx := range l {
		host, err := ParseDomainLax(strings.TrimSuffix(mx.Host, "."))
		if err != nil || host.Numeric() {
			x.Invalid = append(x.Invalid, mx.Host)
			continue
		}
		if !seen[host] && len(x.Hosts) < maxMXHosts {
			seen[host] = true
			x.Hosts = append(x.Hosts, MXHost{mx.Preference, host})
		}
	}
	if len(x.Hosts) == 0 {
		return fmt.Errorf("%w: %q", ErrNoMXHost, x.Invalid)
	}
	return nil
}

// DropSelf removes the hosts that are the caller itself, and those that are not preferred
// over it (RFC 5321 5.1): they would send the mail back. It tells whether there was one.
// Hosts can be empty then: the domain is the caller's to know.
func (x *Exchanges) DropSelf(self func(Domain) bool) bool {
	i := slices.IndexFunc(x.Hosts, func(h MXHost) bool { return self(h.Host) })
	if i < 0 {
		return false
	}
	own := x.Hosts[i].Preference
	x.Hosts = slices.DeleteFunc(x.Hosts, func(h MXHost) bool { return h.Preference >= own })
	return true
}

// Addresses are those of a host.
type Addresses struct {
	// IPs are not empty without an error: IPv4 before IPv6 addresses.
	IPs []netip.Addr
	// Host is what the host is an alias of at the end, the host itself if it is none.
	Host Domain
	// Authentic: DNSSEC vouches for the addresses, or the lack of them, and for the
	// aliases on the way there.
	Authentic bool
	// AliasAuthentic: the host is an alias, and DNSSEC vouches for that, though perhaps
	// not for the addresses in the end (RFC 7672 2.2.2).
	AliasAuthentic bool
}

// GatherIPs looks up the addresses of a host, following its aliases. With an error for
// which [IsNotFound] holds the host has none; what else is known is set beside it. Any
// other error is temporary.
//
// One kind of addresses is enough. Authentic is about those that were found: the
// failure of the other kind does not make them insecure.
func GatherIPs(ctx context.Context, r Resolver, host Domain) (Addresses, error) {
	type found struct {
		ips []netip.Addr
		res Result
		err error
	}
	lookup := func(network string) chan found {
		c := make(chan found, 1)
		go func() {
			ctx, cancel := context.WithTimeout(ctx, GatherTimeout)
			defer cancel()
			var f found
			f.ips, f.res, f.err = r.LookupIP(ctx, network, host.ASCII)
			c <- f
		}()
		return c
	}
	ip4, ip6 := lookup("ip4"), lookup("ip6")
	v4, v6 := <-ip4, <-ip6

	a := Addresses{Authentic: true}
	var res Result
	for _, f := range []found{v4, v6} {
		if f.err == nil {
			a.IPs = append(a.IPs, f.ips...)
			a.Authentic = a.Authentic && f.res.Authentic
			res = f.res
		}
	}
	if len(a.IPs) == 0 {
		// That one kind does not exist says nothing when the other failed.
		if IsTemporary(v4.err) {
			return Addresses{}, v4.err
		} else if IsTemporary(v6.err) {
			return Addresses{}, v6.err
		}
		a.Authentic = v4.res.Authentic && v6.res.Authentic
		a.Host = aliasEnd(host, v4.res)
		return a, v4.err
	}
	a.Host = aliasEnd(host, res)
	a.AliasAuthentic = a.Authentic && res.Name != ""
	if a.Authentic || res.Name == "" {
		return a, nil
	}
	// RFC 7672 2.2.2: the alias can be secure though the addresses are not, and then its
	// owner can have TLSA records. A failure is not taken for insecure.
	var err error
	a.AliasAuthentic, err = aliasAuthentic(ctx, r, host)
	if err != nil {
		return Addresses{}, err
	}
	return a, nil
}

func aliasAuthentic(ctx context.Context, r Resolver, host Domain) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, GatherTimeout)
	defer cancel()
	_, res, err := r.LookupCNAME(ctx, host.ASCII)
	if IsTemporary(err) {
		return false, err
	}
	return res.AliasAuthentic, nil
}

// aliasEnd returns the name at the end of the aliases of a domain, the domain itself
// when it is no alias or what it is an alias of cannot be that of a host.
func aliasEnd(domain Domain, res Result) Domain {
	if res.Name == "" {
		return domain
	}
	end, err := ParseDomainLax(res.Name)
	if err != nil {
		return domain
	}
	return end
}
