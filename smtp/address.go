package smtp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"mox/dns"
)

// ErrAddress: a string is not an address, localpart or path. Errors of the parsing
// functions of this file wrap it.
var ErrAddress = errors.New("invalid address")

// Bounds of addresses, in octets.
const (
	// MaxLocalpart is RFC 5321 4.5.3.1.1; only pedantic parsing insists.
	MaxLocalpart = 64
	// MaxLocalpartLax is what is accepted otherwise: bounce addresses of large senders
	// do not fit in 64.
	MaxLocalpartLax = 128
	// MaxPath is RFC 5321 4.5.3.1.3, with the angle brackets; only pedantic parsing
	// insists.
	MaxPath = 256
)

// Localpart is what is before the "@" of an address, decoded: without quotes or
// backslashes. It may have UTF-8 (RFC 6531). Whether case matters is up to the
// domain's owner.
type Localpart string

// IsInternational tells whether l needs SMTPUTF8.
func (l Localpart) IsInternational() bool { return !isASCII(string(l)) }

// String returns l as it is written in SMTP, quoted where needed.
func (l Localpart) String() string {
	if isDotString(string(l)) {
		return string(l)
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(l) {
		if l[i] == '"' || l[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(l[i])
	}
	b.WriteByte('"')
	return b.String()
}

// isDotString is Dot-string of RFC 5321 4.1.2 with the UTF-8 of RFC 6531 3.3.
func isDotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if !isAtext(atom[i]) {
				return false
			}
		}
	}
	return true
}

func isAtext(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80 ||
		strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// ParseLocalpart parses a localpart as written in SMTP.
func ParseLocalpart(s string) (Localpart, error) {
	p := parser{s: s}
	l, err := p.localpart()
	if err == nil && !p.empty() {
		err = p.errorf("unexpected text after localpart")
	}
	if err != nil {
		return "", addressError(err)
	}
	return l, nil
}

// Address is a mailbox at a domain name. The zero value is no address.
type Address struct {
	Localpart Localpart
	Domain    dns.Domain
}

// IsZero tells whether a is no address.
func (a Address) IsZero() bool { return a == Address{} }

// Pack returns the address as written in SMTP: with the domain's U-labels if utf8 is
// set, with A-labels if not. A localpart with UTF-8 is left as it is; see
// Localpart.IsInternational.
func (a Address) Pack(utf8 bool) string {
	if a.IsZero() {
		return ""
	}
	return a.Localpart.String() + "@" + a.Domain.XName(utf8)
}

// String returns the address for people, with U-labels.
func (a Address) String() string { return a.Pack(true) }

// LogString is String, with the form in A-labels after it where that differs.
func (a Address) LogString() string {
	if a.Domain.Unicode == "" {
		return a.Pack(false)
	}
	return a.Pack(true) + "/" + a.Pack(false)
}

// Path returns the address as a path.
func (a Address) Path() Path { return Path{a.Localpart, IPDomain{Domain: a.Domain}} }

// ParseAddress parses "localpart@domain" with a domain name, strictly.
func ParseAddress(s string) (Address, error) { return parseAddress(s, Options{Pedantic: true}) }

// ParseAddressLax parses an address as leniently as commands are by default.
func ParseAddressLax(s string) (Address, error) { return parseAddress(s, Options{}) }

func parseAddress(s string, o Options) (Address, error) {
	p := parser{s: s, o: o}
	path, err := p.mailbox()
	if err == nil && !p.empty() {
		err = p.errorf("unexpected text after address")
	}
	if err == nil && path.IPDomain.IsIP() {
		err = p.errorf("address literal instead of domain name")
	}
	if err != nil {
		return Address{}, addressError(err)
	}
	return Address{path.Localpart, path.IPDomain.Domain}, nil
}

// IPDomain is a domain name or an address literal; the zero value is neither.
type IPDomain struct {
	IP     netip.Addr // valid for a literal
	Domain dns.Domain
}

// IsZero tells whether d is neither a name nor an address.
func (d IPDomain) IsZero() bool { return d == IPDomain{} }

// IsIP tells whether d is an address literal.
func (d IPDomain) IsIP() bool { return d.IP.IsValid() }

// String returns d as written in SMTP, names with A-labels.
func (d IPDomain) String() string { return d.XString(false) }

// XString returns d as written in SMTP, names with U-labels if utf8 is set.
func (d IPDomain) XString(utf8 bool) string {
	switch {
	case !d.IP.IsValid():
		return d.Domain.XName(utf8)
	case d.IP.Is4():
		return "[" + d.IP.String() + "]"
	default:
		return "[IPv6:" + d.IP.String() + "]"
	}
}

// Path is a reverse-path or forward-path. The zero value is the null reverse-path,
// "<>". A localpart without domain is "<Postmaster>" (RFC 5321 4.1.1.3).
type Path struct {
	Localpart Localpart
	IPDomain  IPDomain
}

// IsZero tells whether p is the null path.
func (p Path) IsZero() bool { return p == Path{} }

// Address returns the path as address; the zero Address for a null path, an address
// literal and "Postmaster" alone.
func (p Path) Address() Address {
	if p.IPDomain.IsIP() || p.IPDomain.IsZero() {
		return Address{}
	}
	return Address{p.Localpart, p.IPDomain.Domain}
}

// XString returns the path without angle brackets, names with U-labels if utf8 is set.
func (p Path) XString(utf8 bool) string {
	if p.IsZero() {
		return ""
	}
	if p.IPDomain.IsZero() {
		return p.Localpart.String()
	}
	return p.Localpart.String() + "@" + p.IPDomain.XString(utf8)
}

// String returns the path without angle brackets, with A-labels.
func (p Path) String() string { return p.XString(false) }

// LogString returns the path for people and logs.
func (p Path) LogString() string {
	u, a := p.XString(true), p.XString(false)
	if u == a {
		return a
	}
	return u + "/" + a
}

// IsInternational tells whether the path needs SMTPUTF8 whatever way its domain is
// written.
func (p Path) IsInternational() bool { return p.Localpart.IsInternational() }

// ParsePath parses a path in angle brackets, "<>" included.
func ParsePath(s string, o Options) (Path, error) {
	p := parser{s: s, o: o}
	path, err := p.path(true)
	if err == nil && !p.empty() {
		err = p.errorf("unexpected text after path")
	}
	if err != nil {
		return Path{}, addressError(err)
	}
	return path, nil
}

// ParseIPDomain parses a domain name or an address literal in brackets.
func ParseIPDomain(s string, o Options) (IPDomain, error) {
	p := parser{s: s, o: o}
	d, err := p.ipDomain()
	if err == nil && !p.empty() {
		err = p.errorf("unexpected text after domain")
	}
	if err != nil {
		return IPDomain{}, addressError(err)
	}
	return d, nil
}

func addressError(err error) error { return fmt.Errorf("%w: %w", ErrAddress, err) }
