package dnscheck

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"mox/config"
	"mox/dkim"
	"mox/dmarc"
	"mox/dns"
	"mox/dnsrecords"
	"mox/smtp"
	"mox/spf"
)

// spf checks that others take this server for one that may send for the domain, and for the
// host's own name.
func (c *checker) spf(ctx context.Context, s *Section) {
	sending := dnsrecords.SendingIPs(c.snap)
	if !c.own.explicit {
		s.warn("List the addresses of the server in IPs of the listener in mox.conf, or in NATIPs with address translation", "the configuration does not say which addresses mail is sent from, so it can be checked only for some")
		sending = append(sending, c.own.ips...)
	}
	domain := c.d.Domain
	if c.spfRecord(ctx, s, domain) {
		c.spfPasses(ctx, s, domain, sending)
	}
	if h := c.snap.Hostname; h != domain && c.spfRecord(ctx, s, h) {
		c.spfPasses(ctx, s, h, c.own.ips)
	}
}

// spfRecord checks the record of a domain, and tells whether there is a valid one.
func (c *checker) spfRecord(ctx context.Context, s *Section, domain dns.Domain) bool {
	publish := c.publishOf(domain.ASCII, "TXT", "v=spf1")
	txt, r, _, status, err := spf.Lookup(ctx, nil, c.Resolver, domain)
	switch {
	case errors.Is(err, spf.ErrNoRecord):
		s.fail(publish, "%s has no SPF record", domain)
	case errors.Is(err, spf.ErrMultipleRecords):
		s.fail(publish, "%s has more than one SPF record, which makes all of them void", domain)
	case status == spf.StatusTemperror:
		s.fail(later, "the SPF record of %s cannot be looked up: %s", domain, reason(err))
	case err != nil:
		s.fail(publish, "the SPF record of %s, %s, is not valid: %v", domain, shown(txt), err)
	default:
		for _, w := range r.Warnings(txt) {
			s.warn(publish, "the SPF record of %s, %s: %s", domain, shown(txt), w)
		}
		return true
	}
	return false
}

// spfPasses checks that addresses may send for a domain.
func (c *checker) spfPasses(ctx context.Context, s *Section, domain dns.Domain, ips []netip.Addr) {
	for _, ip := range ips {
		a := spf.Args{IP: ip, MailFrom: smtp.Path{Localpart: "postmaster", IPDomain: smtp.IPDomain{Domain: domain}}, Hello: smtp.Host{IPDomain: smtp.IPDomain{Domain: domain}}, LocalHostname: c.snap.Hostname}
		r := spf.CheckMailFrom(ctx, nil, c.Resolver, a)
		if r.Status == spf.StatusPass {
			continue
		}
		why := ""
		if r.Err != nil {
			why = ": " + reason(r.Err)
		}
		s.fail(c.publishOf(domain.ASCII, "TXT", "v=spf1"), "SPF of %s is %s for mail from %s, an address of this server%s", domain, r.Status, ip, why)
	}
}

// dkim checks that signatures can be verified.
func (c *checker) dkim(ctx context.Context, s *Section) {
	if len(c.d.Selectors) == 0 {
		s.fail("Make a key with \"mox dkim genrsa\", put it into a file, and name that in DKIM of the domain in domains.conf", "the domain has no selectors: mail from it is not signed")
		return
	}
	if len(c.d.Sign) == 0 {
		s.warn("Put a selector into Sign in DKIM of the domain in domains.conf", "none of the selectors is in Sign: mail from the domain is not signed")
	}
	for _, name := range sortedKeys(c.d.Selectors) {
		c.selector(ctx, s, c.d.Selectors[name])
	}
}

func (c *checker) selector(ctx context.Context, s *Section, sel *config.SelectorInfo) {
	publish := c.publish(dnsrecords.DKIMName(sel, c.d.Domain), "TXT")
	k := dkim.LookupKey(ctx, c.Resolver, sel.Domain, c.d.Domain)
	switch {
	case errors.Is(k.Err, dkim.ErrNoKey):
		s.fail(publish, "selector %s has no record", sel.Name)
	case errors.Is(k.Err, dkim.ErrKeyLookup):
		s.fail(later, "the record of selector %s cannot be looked up: %s", sel.Name, reason(k.Err))
	case k.Err != nil:
		s.fail(publish, "the record of selector %s, %s, is not valid: %v", sel.Name, shown(k.Text), k.Err)
	case len(k.Records) > 1:
		s.fail(publish, "selector %s has %d records: others may use any of them", sel.Name, len(k.Records))
	case !sameKey(sel.Key, k.Records[0]):
		s.fail(publish, "the record of selector %s has another key than the configuration: signatures with it fail", sel.Name)
	default:
		if k.Records[0].Testing() {
			s.warn(publish, "the record of selector %s says that it is a test (t=y): signatures with it do not count", sel.Name)
		}
		return
	}
}

func sameKey(key crypto.Signer, r *dkim.Record) bool {
	pub, ok := key.Public().(interface{ Equal(x crypto.PublicKey) bool })
	return ok && r.PublicKey != nil && pub.Equal(r.PublicKey)
}

// dmarc checks the policy of the domain, and where reports about its use go.
func (c *checker) dmarc(ctx context.Context, s *Section) {
	name := "_dmarc." + c.d.Domain.ASCII
	publish := c.publish(name, "TXT")
	d := dmarc.Lookup(ctx, nil, c.Resolver, c.d.Domain)
	if problem := ownProblem(d, c.d.Domain); problem != "" {
		s.fail(publish, "the DMARC record at %s does not count: %s", name, problem)
		return
	}
	switch {
	case d.Err != nil && d.Record == nil:
		s.fail(later, "the DMARC record at %s cannot be looked up: %s", name, reason(d.Err))
		return
	case d.Record == nil:
		s.fail(publish, "there is no DMARC record at %s", name)
		return
	case d.Record.BadPolicy:
		s.fail(publish, "the DMARC record %s has an invalid policy: %s", shown(d.Text), strings.Join(d.Record.Problems, "; "))
		return
	}
	for _, p := range d.Record.Problems {
		s.warn(publish, "the DMARC record %s: %s", shown(d.Text), p)
	}
	c.dmarcPolicy(s, d, publish)
	c.dmarcReports(ctx, s, d, publish)
}

// ownProblem tells why the record of the domain itself is passed over, or "".
func ownProblem(d dmarc.Discovery, domain dns.Domain) string {
	for _, q := range d.Queries {
		if q.Domain == domain && q.Record == nil {
			return q.Problem
		}
	}
	return ""
}

func (c *checker) dmarcPolicy(s *Section, d dmarc.Discovery, publish string) {
	if c.d.ReportsOnly {
		return // the policy is for whom the mail is
	}
	r := d.Record
	inherited := d.PolicyDomain != c.d.Domain
	if inherited {
		s.warn(publish, "%s has no DMARC record of its own: that of %s applies", c.d.Domain, d.PolicyDomain)
	}
	if p, tag := r.PolicyFor(inherited, false); p == dmarc.PolicyNone || p == dmarc.PolicyAbsent {
		s.warn(publish, "policy %s=none has forged mail with this domain delivered; when reports show no mail of yours that fails, use reject", tag)
	} else if !inherited && r.SP == dmarc.PolicyNone {
		s.warn(publish, "policy sp=none has forged mail with names below this domain delivered")
	}
	if r.Testing {
		s.warn(publish, "the record says that it is a test (t=y): its policy is not applied")
	}
}

// dmarcReports checks that reports arrive.
func (c *checker) dmarcReports(ctx context.Context, s *Section, d dmarc.Discovery, publish string) {
	if len(d.Record.RUA) == 0 {
		s.warn(publish, "the record has no rua: nobody reports about mail that fails")
		return
	}
	if a := c.d.DMARC; a != nil && !hasAddress(d.Record.RUA, a.Address) {
		s.fail(publish, "the configured report address %s is not in rua of the record", a.Address)
	}
	for _, dest := range dmarc.CheckReportURIs(ctx, nil, c.Resolver, d.PolicyDomain, d.Record) {
		switch {
		case dest.Tag != "rua" || !dest.External || dest.Accepted:
		case dest.Err != nil:
			s.fail(later, "whether %s takes reports cannot be looked up: %s", dest.URI, reason(dest.Err))
		default:
			host := ""
			if a, ok := dest.URI.Mailto(); ok {
				host = a.Domain.ASCII
			}
			s.fail(fmt.Sprintf("Publish in the zone of %s:\n%s._report._dmarc.%s. IN TXT \"v=DMARC1;\"", host, d.PolicyDomain.ASCII, host),
				"reports are not sent to %s, since its domain does not say that it takes them: %s", dest.URI, dest.Problem)
		}
	}
}

func hasAddress(l []dmarc.URI, a smtp.Address) bool {
	for _, u := range l {
		if have, ok := u.Mailto(); ok && have == a {
			return true
		}
	}
	return false
}
