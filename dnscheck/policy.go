package dnscheck

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"time"

	"mox/config"
	"mox/dns"
	"mox/mtasts"
	"mox/smtp"
	"mox/tlsrpt"
)

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// hostTLSRPT checks where reports about TLS with this host go.
func (c *checker) hostTLSRPT(ctx context.Context, s *Section) {
	if c.snap.HostTLSRPT == nil {
		s.warn("Configure HostTLSRPT in mox.conf, and publish the record that \"mox config dnsrecords\" then prints", "no address for reports about TLS with this host is configured")
		return
	}
	c.tlsrpt(ctx, s, c.snap.Hostname, c.snap.HostTLSRPT)
}

// domainTLSRPT checks where reports about TLS with the hosts of the domain go.
func (c *checker) domainTLSRPT(ctx context.Context, s *Section) {
	if c.d.TLSRPT == nil {
		if !c.d.ReportsOnly {
			s.warn("Configure TLSRPT of the domain in domains.conf, and publish the record that \"mox config dnsrecords\" then prints", "no address for reports about TLS is configured for the domain")
		}
		return
	}
	c.tlsrpt(ctx, s, c.d.Domain, c.d.TLSRPT)
}

func (c *checker) tlsrpt(ctx context.Context, s *Section, domain dns.Domain, want *config.ReportAddress) {
	name := "_smtp._tls." + domain.ASCII
	publish := c.publish(name, "TXT")
	r, text, _, err := tlsrpt.Lookup(ctx, nil, c.Resolver, domain)
	switch {
	case errors.Is(err, tlsrpt.ErrNoRecord):
		s.fail(publish, "there is no TLSRPT record at %s", name)
	case errors.Is(err, tlsrpt.ErrMultiple):
		s.fail(publish, "there are several TLSRPT records at %s, which makes all of them void", name)
	case errors.Is(err, tlsrpt.ErrSyntax):
		s.fail(publish, "the TLSRPT record %s is not valid: %v", shown(text), err)
	case err != nil:
		s.fail(later, "the TLSRPT record at %s cannot be looked up: %s", name, reason(err))
	case !slices.ContainsFunc(r.RUA, func(uri string) bool { return isAddress(uri, want.Address) }):
		s.fail(publish, "the configured report address %s is not in rua of the TLSRPT record at %s", want.Address, name)
	}
}

func isAddress(uri string, a smtp.Address) bool {
	have, ok := smtp.ParseMailto(uri)
	return ok && have == a
}

// mtasts checks the policy that others see.
func (c *checker) mtasts(ctx context.Context, s *Section) {
	name := "_mta-sts." + c.d.Domain.ASCII
	// A transport connects with a context of its own.
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
		defer cancel()
		return c.Dial(ctx, network, address)
	}
	client := mtasts.Client{Resolver: c.Resolver, Transport: mtasts.NewTransport(c.Resolver, c.Roots, dial), Timeout: c.DialTimeout}
	record, err := client.Lookup(ctx, c.d.Domain)
	if c.d.MTASTS == nil {
		s.warn("Configure MTASTS of the domain in domains.conf, MTASTSHTTPS of the listener in mox.conf, and publish the records that \"mox config dnsrecords\" then prints", "MTA-STS is not configured for the domain: who can intercept its mail can read it, unless DANE is used")
		if err == nil {
			s.fail("Remove the record", "there is an MTA-STS record at %s, but no policy is configured", name)
		}
		return
	}
	publish := c.publish(name, "TXT")
	switch {
	case errors.Is(err, mtasts.ErrNoRecord):
		s.fail(publish, "there is no MTA-STS record at %s", name)
	case errors.Is(err, mtasts.ErrRecord):
		s.fail(publish, "the MTA-STS record at %s is not valid: %v", name, err)
	case err != nil:
		s.fail(later, "the MTA-STS record at %s cannot be looked up: %s", name, reason(err))
	case record.ID != c.d.Config.MTASTS.PolicyID:
		s.warn(publish, "the MTA-STS record at %s has id %s, the configuration %s: others do not learn of a change of the policy", name, shown(record.ID), c.d.Config.MTASTS.PolicyID)
	}
	f, err := client.Fetch(ctx, c.d.Domain)
	if err != nil {
		help := "Have a listener with MTASTSHTTPS at port 443, with a certificate for mta-sts." + c.d.Domain.ASCII
		if p := c.publish("mta-sts."+c.d.Domain.ASCII, "CNAME"); p != "" {
			help += ". " + p
		}
		s.fail(help, "the policy cannot be fetched from %s: %s", mtasts.URL(c.d.Domain), reason(err))
		return
	}
	c.policy(ctx, s, f.Policy)
}

// policy checks a policy that was fetched.
func (c *checker) policy(ctx context.Context, s *Section, p mtasts.Policy) {
	const change = "Change MTASTS of the domain in domains.conf, with a new PolicyID there and in DNS"
	switch p.Mode {
	case mtasts.ModeNone:
		s.warn(change, "mode of the policy is none: it protects nothing")
	case mtasts.ModeTesting:
		s.warn("When reports (TLSRPT) show no failures, set Mode to enforce. "+change, "mode of the policy is testing: failures are only reported")
	}
	if p.MaxAge < 24*time.Hour {
		s.warn(change, "max_age of the policy is %v: with less than a day it protects little", p.MaxAge)
	}
	if p.Mode != mtasts.ModeNone && !p.Matches(c.snap.Hostname) {
		s.warn(change, "the policy does not allow %s: with mode enforce, others do not deliver to it", c.snap.Hostname)
	}
	if x, err := c.exchanges(); err == nil && !x.Implicit {
		for _, h := range x.Hosts {
			if h.Host != c.snap.Hostname && p.Mode != mtasts.ModeNone && !p.Matches(h.Host) {
				s.warn(change, "the policy does not allow %s of the MX records", h.Host)
			}
		}
	}
	for _, mx := range p.MX {
		if mx.Wildcard {
			continue
		}
		if _, err := dns.GatherIPs(ctx, c.Resolver, mx.Domain); dns.IsNotFound(err) {
			s.warn(change, "%s of the policy is not in DNS", mx.Domain)
		}
	}
}
