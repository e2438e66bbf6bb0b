package dnscheck

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"mox/dns"
	"mox/iprev"
)

// resolverHelp is what to do about a resolver that does not verify.
const resolverHelp = "Run a resolver that verifies DNSSEC on this machine, such as unbound, and name it in /etc/resolv.conf, or in DNSResolvers of mox.conf. If the resolver that is used verifies, and the way to it is safe, put \"options trust-ad\" into /etc/resolv.conf"

// dnssec checks that the resolver verifies, and that the domain is signed.
func (c *checker) dnssec(ctx context.Context, s *Section) {
	_, res, err := c.Resolver.LookupNS(ctx, "com")
	if err != nil {
		s.fail("Check the resolvers in /etc/resolv.conf, or DNSResolvers in mox.conf", "the resolver does not work: %s", reason(err))
		return
	}
	if !res.Authentic {
		s.warn(resolverHelp, "the resolver does not verify DNSSEC, so DANE cannot be used for outgoing mail, and it cannot be checked here which zones are signed")
		return
	}
	x, err := c.exchanges()
	if answered := err == nil || errors.Is(err, dns.ErrNoMail); answered && !x.Authentic {
		s.warn("Turn on DNSSEC for the zone, where it is hosted, and put the DS record at the registrar of the domain", "MX records of %s are not signed with DNSSEC: who can forge them gets the mail of the domain", c.d.Domain)
	}
}

// iprev checks that names and addresses of the host lead to each other.
func (c *checker) iprev(ctx context.Context, s *Section) {
	h := c.snap.Hostname
	ips := c.own.ips
	if a, err := dns.GatherIPs(ctx, c.Resolver, h); err == nil {
		for _, ip := range a.IPs {
			if ip.IsLoopback() {
				s.fail("Remove the host name from /etc/hosts, where it has a loopback address, or have the resolver take its addresses from DNS", "%s resolves to %s, an address of this machine only", h, ip)
			}
		}
		if len(ips) == 0 {
			ips = a.IPs
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, ip := range ips {
		if ip.IsLoopback() {
			continue
		}
		wg.Go(func() {
			status, _, names, _, err := iprev.Lookup(ctx, c.Resolver, ip)
			mu.Lock()
			defer mu.Unlock()
			c.judgeIPRev(s, ip, status, names, err)
		})
	}
	wg.Wait()
	slices.Sort(s.Errors)
	slices.Sort(s.Warnings)
}

func (c *checker) judgeIPRev(s *Section, ip netip.Addr, status iprev.Status, names []string, err error) {
	h := c.snap.Hostname
	set := "Set the reverse name of " + ip.String() + " to " + h.ASCII + ", where the address is from: mostly in the control panel of the provider of the machine"
	switch status {
	case iprev.StatusPass:
		if !slices.Contains(names, h.ASCII) {
			s.warn(set, "reverse names of %s are %v, not %s: some servers want that they agree", ip, names, h.ASCII)
		}
	case iprev.StatusTemperror:
		s.fail(later, "reverse DNS of %s cannot be looked up: %s", ip, reason(err))
	case iprev.StatusPermerror:
		s.fail(set, "%s has no reverse name: many servers refuse mail from it", ip)
	default:
		s.fail(set, "the reverse names of %s, %v, do not lead back to it: many servers refuse mail from it", ip, names)
	}
}

// exchanges are the hosts of MX records with their addresses.
type exchanges struct {
	dns.Exchanges
	addrs map[dns.Domain]addresses
}

type addresses struct {
	dns.Addresses
	err error
}

type mxOutcome struct {
	exchanges
	err error
}

func (c *checker) lookupExchanges(ctx context.Context) mxOutcome {
	x, err := dns.GatherMX(ctx, c.Resolver, c.d.Domain)
	all := exchanges{Exchanges: x, addrs: map[dns.Domain]addresses{}}
	if err != nil {
		return mxOutcome{all, err}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, h := range x.Hosts {
		wg.Go(func() {
			a, err := dns.GatherIPs(ctx, c.Resolver, h.Host)
			mu.Lock()
			defer mu.Unlock()
			all.addrs[h.Host] = addresses{a, err}
		})
	}
	wg.Wait()
	return mxOutcome{all, nil}
}

// mxRecords checks where mail to the domain goes.
func (c *checker) mxRecords(ctx context.Context, s *Section) {
	publish := c.publish(c.d.Domain.ASCII, "MX")
	x, err := c.exchanges()
	switch {
	case errors.Is(err, dns.ErrNullMX):
		s.fail(publish, "%s has a null MX record, which says that it gets no mail", c.d.Domain)
	case errors.Is(err, dns.ErrNoDomain):
		s.fail(publish, "%s does not exist in DNS", c.d.Domain)
	case errors.Is(err, dns.ErrNoMail):
		s.fail(publish, "MX records of %s have no usable host: %v", c.d.Domain, err)
	case err != nil:
		s.fail(later, "MX records cannot be looked up: %s", reason(err))
	case x.Implicit:
		s.fail(publish, "%s has no MX record", c.d.Domain)
	}
	if err != nil || x.Implicit {
		return
	}
	for _, bad := range x.Invalid {
		s.fail(publish, "MX record with %s, which is no name of a host", shown(bad))
	}
	for _, h := range x.Hosts {
		a := x.addrs[h.Host]
		if dns.IsNotFound(a.err) {
			s.fail(c.publishHost(h.Host), "host %s has no address in DNS", h.Host)
			continue
		} else if a.err != nil {
			s.fail(later, "addresses of host %s cannot be looked up: %s", h.Host, reason(a.err))
			continue
		}
		help := c.publishHost(h.Host)
		if h.Host != c.snap.Hostname {
			help = publish
		}
		switch some, others := c.own.ours(a.IPs); {
		case len(others) == 0:
		case !some:
			s.fail(help, "host %s is not this server: its addresses are %s", h.Host, join(others))
		default:
			s.fail(help, "host %s has addresses that are not of this server: %s", h.Host, join(others))
		}
	}
}
