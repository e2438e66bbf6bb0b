package smtp

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"mox/dns"
)

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
