package dnsrecords

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mox/config"
	"mox/dns"
)

// DefaultTTL is that of all records: short, so that mistakes do not last.
const DefaultTTL = 5 * time.Minute

// Record is a record to publish.
type Record struct {
	// Name is absolute, in A-labels, with its final dot.
	Name string
	// Type is that of DNS, such as "TXT".
	Type string
	// Value is as in a zone file, with absolute names, but for TXT: there it is the text
	// without quotes, of any length. It is empty if there is nothing to publish yet; then
	// Precondition says what is missing.
	Value string
	TTL   time.Duration
	// Purpose tells in a sentence or two what the record is for. Records that follow each
	// other may have the same one.
	Purpose string
	// Precondition tells, in a sentence, what must hold before the record is added. Empty:
	// it is to be added now.
	Precondition string
	// Section is what the record belongs to: one of the constants.
	Section string
}

// Sections, in the order of their records.
const (
	SectionHost     = "Host"
	SectionMail     = "Mail to the domain"
	SectionSending  = "Mail from the domain"
	SectionTLS      = "TLS of mail to the domain"
	SectionClients  = "Mail programs"
	SectionIssuance = "Certificates"
)

// MarshalJSON writes a record with its TTL in seconds. The value of a TXT record is also
// there in the quoted strings of a zone file.
func (r Record) MarshalJSON() ([]byte, error) {
	v := struct {
		Name, Type, Value string
		Quoted            string `json:",omitempty"`
		TTL               int
		Purpose           string
		Precondition      string `json:",omitempty"`
		Section           string
	}{Name: r.Name, Type: r.Type, Value: r.Value, TTL: int(r.TTL / time.Second), Purpose: r.Purpose, Precondition: r.Precondition, Section: r.Section}
	v.Quoted = r.Quoted()
	return json.Marshal(v)
}

// Quoted is the value of a TXT record in the quoted strings of a zone file; empty for others.
func (r Record) Quoted() string {
	if r.Type != "TXT" {
		return ""
	}
	return quotedLine(r.Value)
}

// Options are what the configuration does not say.
type Options struct {
	// Authentic: the zone of the host is signed with DNSSEC, so that DANE can be used.
	Authentic bool
	// AccountURIs are those of the accounts at the provider of certificates, see [Provider], to
	// which issuance can be restricted (RFC 8657 3).
	AccountURIs []string
}

// ErrNoDomain: a domain is not configured.
var ErrNoDomain = errors.New("domain is not configured")

// For returns the records for a configured domain, with those for the host, which are the
// same for all domains. An error is [ErrNoDomain], or tells of keys that the snapshot was
// made without.
func For(snap *config.Snapshot, domain string, o Options) ([]Record, error) {
	d, err := dns.ParseDomain(domain)
	if err != nil {
		return nil, fmt.Errorf("domain %q: %w", domain, err)
	}
	info := snap.Domain(d)
	if info == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoDomain, d)
	}
	b := &builder{snap: snap, d: info, o: o, seen: map[string]bool{}}
	if info.ReportsOnly {
		b.reportsOnly()
		return b.records, nil
	}
	b.host()
	b.mail()
	if err := b.sending(); err != nil {
		return nil, err
	}
	b.tls()
	b.clients()
	b.issuance()
	return b.records, nil
}

// builder collects the records of a domain.
type builder struct {
	snap    *config.Snapshot
	d       *config.DomainInfo
	o       Options
	records []Record

	section, purpose, precondition string          // of the records that are added
	seen                           map[string]bool // "name type value" of those that were
}

// about begins records of a purpose.
func (b *builder) about(section, purpose string) *builder {
	b.section, b.purpose, b.precondition = section, purpose, ""
	return b
}

// when sets the precondition of the records that follow, with the same purpose.
func (b *builder) when(precondition string) *builder {
	b.precondition = precondition
	return b
}

// add adds a record. One that is there already is not added again: two names of the
// configuration may be the same. Nor is one whose name is too long to be in DNS.
func (b *builder) add(name, typ, format string, args ...any) {
	value := fmt.Sprintf(format, args...)
	key := name + " " + typ + " " + value
	if b.seen[key] || len(name) > dns.MaxDomain {
		return
	}
	b.seen[key] = true
	b.records = append(b.records, Record{Name: name + ".", Type: typ, Value: value, TTL: DefaultTTL, Purpose: b.purpose, Precondition: b.precondition, Section: b.section})
}

// missing adds a record that cannot be made yet, and why.
func (b *builder) missing(name, typ, precondition string) {
	b.records = append(b.records, Record{Name: name + ".", Type: typ, TTL: DefaultTTL, Purpose: b.purpose, Precondition: precondition, Section: b.section})
}

// alias adds the CNAME of a name of this host. A name that is the host's own has its
// addresses, and that of a domain has other records, beside which there can be no alias (RFC
// 1034 3.6.2): it gets the addresses.
func (b *builder) alias(name string) {
	d, err := dns.ParseDomainLax(name)
	switch {
	case err != nil: // longer than a name can be
	case b.snap.IsHostname(d):
	case b.snap.Domain(d) != nil:
		b.addresses(name)
	default:
		b.add(name, "CNAME", "%s.", b.snap.Hostname.ASCII)
	}
}

// below returns the name of a label of the domain.
func (b *builder) below(label string) string { return label + "." + b.d.Domain.ASCII }
