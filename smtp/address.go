package smtp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

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

// localpart parses Local-part.
func (p *parser) localpart() (Localpart, error) {
	limit := MaxLocalpartLax
	if p.o.Pedantic {
		limit = MaxLocalpart
	}
	start := p.i
	var l string
	var err error
	if p.peek() == '"' {
		l, err = p.quotedString()
	} else {
		l, err = p.dotString()
	}
	switch {
	case err != nil:
		return "", err
	case p.i-start > limit:
		return "", p.errorf("localpart too long")
	case !utf8.ValidString(l):
		return "", p.errorf("invalid UTF-8 in localpart")
	}
	return Localpart(l), nil
}

func (p *parser) dotString() (string, error) {
	s := p.takeWhile(func(c byte) bool { return c == '.' || isAtext(c) })
	switch {
	case s == "":
		return "", p.errorf("missing localpart")
	case p.o.Pedantic && !isDotString(s):
		return "", p.errorf("misplaced dot in localpart")
	}
	// Dots in odd places are accepted otherwise: some providers gave such addresses out.
	return s, nil
}

// quotedString parses Quoted-string and returns its content.
func (p *parser) quotedString() (string, error) {
	p.i++ // the quote
	var b strings.Builder
	for !p.empty() {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			return b.String(), nil
		case c == '\\':
			// RFC 5321 4.1.2: quoted-pairSMTP is a backslash with graphic ASCII or space.
			if c = p.peek(); c < ' ' || c > '~' {
				return "", p.errorf("bad quoted pair in localpart")
			}
			p.i++
		case c < ' ' || c == 0x7f:
			return "", p.errorf("control character in localpart")
		}
		b.WriteByte(c)
	}
	return "", p.errorf("quoted localpart without end")
}

// mailbox parses Mailbox.
func (p *parser) mailbox() (Path, error) {
	l, err := p.localpart()
	if err != nil {
		return Path{}, err
	}
	if !p.take("@") {
		return Path{}, p.errorf("missing domain")
	}
	d, err := p.ipDomain()
	return Path{l, d}, err
}

// ipDomain parses Domain / address-literal.
func (p *parser) ipDomain() (IPDomain, error) {
	if p.peek() == '[' {
		return p.addressLiteral()
	}
	s := p.takeWhile(func(c byte) bool { return c > ' ' && c != '>' && c != ',' && c != ':' && c != 0x7f })
	parse := dns.ParseDomainLax
	if p.o.Pedantic {
		parse = dns.ParseDomain
	}
	d, err := parse(s)
	if err != nil {
		return IPDomain{}, fmt.Errorf("%w in %q", err, clip(s))
	}
	if d.Numeric() {
		return IPDomain{}, p.errorf("number as top-level domain")
	}
	return IPDomain{Domain: d}, nil
}

// addressLiteral parses IPv4 and IPv6 literals of RFC 5321 4.1.3. There are no others
// with a registered tag.
func (p *parser) addressLiteral() (IPDomain, error) {
	p.i++ // bracket
	s := p.takeWhile(func(c byte) bool { return c > ' ' && c != ']' && c < 0x7f })
	if !p.take("]") {
		return IPDomain{}, p.errorf("address literal without end")
	}
	v6 := len(s) >= 5 && strings.EqualFold(s[:5], "IPv6:")
	if v6 {
		s = s[5:]
	}
	ip, err := netip.ParseAddr(s)
	switch {
	case err != nil || ip.Zone() != "":
		return IPDomain{}, p.errorf("bad address literal")
	case ip.Is4() == v6 && (v6 || p.o.Pedantic):
		return IPDomain{}, p.errorf("bad address literal")
	}
	return IPDomain{IP: ip}, nil
}

// path parses Path; also "<>" with null, and else "<Postmaster>".
func (p *parser) path(null bool) (Path, error) {
	start := p.i
	if !p.take("<") {
		return p.nakedPath(null)
	}
	if p.peek() == '>' && null {
		p.i++
		return Path{}, nil
	}
	if p.peek() == '@' {
		if err := p.sourceRoute(); err != nil {
			return Path{}, err
		}
	}
	path, err := p.pathMailbox(null)
	if err != nil {
		return Path{}, err
	}
	if !p.take(">") {
		return Path{}, p.errorf("missing > after path")
	}
	if p.o.Pedantic && p.i-start > MaxPath {
		return Path{}, p.errorf("path too long")
	}
	return path, nil
}

// pathMailbox parses the Mailbox in a path; in a forward-path also "Postmaster".
func (p *parser) pathMailbox(null bool) (Path, error) {
	const postmaster = "postmaster"
	rest := p.s[p.i:]
	if !null && len(rest) >= len(postmaster) && strings.EqualFold(rest[:len(postmaster)], postmaster) &&
		(len(rest) == len(postmaster) || rest[len(postmaster)] == '>' || rest[len(postmaster)] == ' ') {
		p.i += len(postmaster)
		return Path{Localpart: Localpart(rest[:len(postmaster)])}, nil
	}
	return p.mailbox()
}

// nakedPath parses a path without angle brackets, which some clients send.
func (p *parser) nakedPath(null bool) (Path, error) {
	if p.o.Pedantic || p.empty() || p.peek() == ' ' {
		return Path{}, p.errorf("missing < before path")
	}
	return p.pathMailbox(null)
}

// sourceRoute parses A-d-l and its colon: RFC 5321 4.1.1.3 has it accepted and
// ignored.
func (p *parser) sourceRoute() error {
	for {
		if !p.take("@") {
			return p.errorf("bad source route")
		}
		if _, err := p.ipDomain(); err != nil {
			return err
		}
		if p.take(":") {
			return nil
		}
		if !p.take(",") {
			return p.errorf("bad source route")
		}
	}
}
