package dnsrecords

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"mox/config"
	"mox/dkim"
	"mox/dns"
	"mox/mtasts"
	"mox/smtp"
)

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// mail adds where mail to the domain goes.
func (b *builder) mail() {
	b.about(SectionMail, "Mail to the domain goes to this server. There should be no other MX records, unless of servers that pass it on to this one.")
	b.add(b.d.Domain.ASCII, "MX", "10 %s.", b.snap.Hostname.ASCII)
}

// ErrNoKeys: the snapshot was made without reading the files of keys.
var ErrNoKeys = errors.New("keys were not read")

// sending adds what shows others that mail from the domain is authentic.
func (b *builder) sending() error {
	d := b.d.Domain.ASCII
	b.about(SectionSending, "DKIM: the public keys that signatures of messages are verified with. All configured selectors are there, also those that do not sign: they are for rotation, or were used for mail that is still on its way.")
	if len(b.d.Selectors) == 0 {
		b.missing("selector._domainkey."+d, "TXT", "The domain has no DKIM keys: put a selector in DKIM of the domain in domains.conf, with a key of \"mox dkim genrsa\".")
	}
	for _, name := range sortedKeys(b.d.Selectors) {
		s := b.d.Selectors[name]
		r, err := DKIMRecord(s)
		if err != nil {
			return err
		}
		b.add(DKIMName(s, b.d.Domain), "TXT", "%s", r)
	}

	b.about(SectionSending, "SPF: from where mail of the domain comes. All else is suspicious (~all); that it is not refused for this alone lets forwarded mail arrive by its DKIM signature.")
	b.add(d, "TXT", "%s", SPF(b.snap))

	b.about(SectionSending, "DMARC: mail with this domain in From that passes neither DKIM nor SPF is to be refused, and reports about it are sent to this address.")
	if b.d.DMARC == nil {
		b.about(SectionSending, "DMARC: mail with this domain in From that passes neither DKIM nor SPF is to be refused.")
	}
	b.add("_dmarc."+d, "TXT", "%s", DMARC(b.d))
	b.authorization()
	return nil
}

// authorization adds the record that allows reports about the domain to go to another one
// (RFC 9990, RFC 7489 7.1).
func (b *builder) authorization() {
	if a := b.d.DMARC; a != nil && a.Address.Domain != b.d.Domain {
		b.about(b.section, "Lets DMARC reports about the domain be sent to an address of another one. It belongs to the zone of that other domain.")
		b.add(b.d.Domain.ASCII+"._report._dmarc."+a.Address.Domain.ASCII, "TXT", "v=DMARC1;")
	}
}

// DKIMName returns the name of the record of a selector, without final dot.
func DKIMName(s *config.SelectorInfo, d dns.Domain) string {
	return s.Domain.ASCII + "._domainkey." + d.ASCII
}

// DKIMRecord returns the text of the record of a selector. An error is [ErrNoKeys].
func DKIMRecord(s *config.SelectorInfo) (string, error) {
	if s.Key == nil {
		return "", fmt.Errorf("%w: selector %s", ErrNoKeys, s.Name)
	}
	r, err := dkim.NewRecord(s.Key.Public())
	if err != nil {
		return "", fmt.Errorf("selector %s: %w", s.Name, err)
	}
	return r.String(), nil
}

// SPF returns the text of the record of a domain whose mail this server sends: its addresses,
// as far as they are known, and the hosts in MX.
func SPF(snap *config.Snapshot) string {
	terms := []string{"v=spf1"}
	for _, ip := range SendingIPs(snap) {
		if ip.Is4() {
			terms = append(terms, "ip4:"+ip.String())
		} else {
			terms = append(terms, "ip6:"+ip.String())
		}
	}
	return strings.Join(append(terms, "mx", "~all"), " ")
}

// DMARC returns the text of the record of a domain.
//
// RFC 9989 has no sizes after report addresses any more, as in "!10m".
func DMARC(d *config.DomainInfo) string {
	if d.DMARC == nil {
		return "v=DMARC1;p=reject"
	}
	return "v=DMARC1;p=reject;rua=" + Mailto(d.DMARC.Address)
}

// Mailto returns the URI of an ASCII address, with A-labels.
//
// RFC 6068 2: what means something in URIs is percent-encoded; and "," ends the URI in a
// list, "!" begins a size (RFC 7489 6.2), ";" ends a tag.
func Mailto(a smtp.Address) string {
	lp := url.PathEscape(a.Localpart.String())
	return "mailto:" + strings.NewReplacer(",", "%2C", "!", "%21", ";", "%3B").Replace(lp) + "@" + a.Domain.ASCII
}

// tls adds what makes others insist on TLS, and report about it.
func (b *builder) tls() {
	if b.d.MTASTS != nil {
		b.about(SectionTLS, "MTA-STS: other mail servers get a policy from this name by HTTPS, and then insist on verified TLS. The second record tells that there is one, with an id that changes with the policy.")
		b.alias(b.below("mta-sts"))
		b.add(b.below("_mta-sts"), "TXT", "%s", mtasts.Record{ID: b.d.Config.MTASTS.PolicyID})
	}
	own := []*config.ReportAddress{b.d.TLSRPT}
	if b.d.Domain == b.snap.Hostname {
		// RFC 8460 3: there can be only one record.
		own = append(own, b.snap.HostTLSRPT)
	}
	b.reports(b.d.Domain.ASCII, SectionTLS, "for reports of other mail servers about TLS with the servers of the domain", own...)
}

// reports adds a TLSRPT record with those addresses that are configured.
func (b *builder) reports(name, section, what string, to ...*config.ReportAddress) {
	if txt := TLSRPT(to...); txt != "" {
		b.about(section, "TLSRPT: address "+what+".")
		b.add("_smtp._tls."+name, "TXT", "%s", txt)
	}
}

// TLSRPT returns the text of a record with those of the addresses that are not nil, or "".
func TLSRPT(to ...*config.ReportAddress) string {
	var uris []string
	for _, a := range to {
		if a != nil && !slices.Contains(uris, Mailto(a.Address)) {
			uris = append(uris, Mailto(a.Address))
		}
	}
	if len(uris) == 0 {
		return ""
	}
	return "v=TLSRPTv1; rua=" + strings.Join(uris, ",")
}

// reportsOnly adds the records of a domain whose mail is elsewhere, of which only reports
// come here.
func (b *builder) reportsOnly() {
	if b.d.DMARC != nil {
		b.about(SectionSending, "DMARC: reports about mail of the domain are sent to this address.").
			when("Mail of the domain is not handled by this server. If there is a DMARC record, add the address to its rua, and keep its policy.")
		b.add("_dmarc."+b.d.Domain.ASCII, "TXT", "v=DMARC1;p=none;rua=%s", Mailto(b.d.DMARC.Address))
		b.authorization()
	}
	b.reports(b.d.Domain.ASCII, SectionTLS, "for reports of other mail servers about TLS with the servers of the domain", b.d.TLSRPT)
}
