package message

import (
	"fmt"
	"slices"
	"strings"

	"mox/smtp"
)

// MaxAuthors is how many addresses Authors returns.
const MaxAuthors = 100

// Authors returns the addresses of all From fields, each once, for decisions about who a
// message claims to be from. In a field by the syntax of RFC 5322 3.4 (or obsolete
// syntax of 4.4) they are exactly its addresses, those in groups (RFC 6854) included, and
// none from a display name, quoted string or comment. Of a field that is broken, where
// readers may differ, they are all that one of them may take for the author.
//
// problem says what is wrong with the fields, "" if nothing is. At most [MaxAuthors]
// addresses are returned, more being a problem.
func Authors(h *Header) (authors []smtp.Address, problem string) {
	var a authorList
	n := 0
	for _, f := range h.Fields() {
		if f.Is("From") {
			n++
			a.field(f)
		}
	}
	if n == 0 {
		a.problem("no From field")
	} else if n > 1 {
		a.problem("%d From fields", n)
	}
	if len(a.list) == 0 && n > 0 {
		a.problem("no valid address in From")
	}
	return a.list, strings.Join(a.problems, "; ")
}

// authorList collects authors and problems, each once.
type authorList struct {
	list     []smtp.Address
	problems []string
}

func (a *authorList) problem(format string, args ...any) {
	const most = 8
	if s := fmt.Sprintf(format, args...); len(a.problems) < most && !slices.Contains(a.problems, s) {
		a.problems = append(a.problems, s)
	}
}

// add adds an address, if it is one with a domain.
func (a *authorList) add(local, host string) {
	if hasEncodedWord(local) {
		// RFC 2047 5 (3): MUST NOT; some readers decode it and show another address.
		a.problem("encoded-word within an address of From")
	}
	addr, err := smtp.ParseAddressLax(smtp.Localpart(local).String() + "@" + host)
	switch {
	case err != nil:
		a.problem("invalid address in From")
	case slices.Contains(a.list, addr):
	case len(a.list) == MaxAuthors:
		a.problem("more than %d addresses in From", MaxAuthors)
	default:
		a.list = append(a.list, addr)
	}
}

func hasEncodedWord(s string) bool {
	_, rest, ok := strings.Cut(s, "=?")
	return ok && strings.Contains(rest, "?=")
}

// field takes the addresses of a From field.
func (a *authorList) field(f Field) {
	if hasControl(f.Raw()) {
		a.problem("control characters in From")
	}
	s := f.Value()
	p := fromParser{s: s}
	if p.addressList() {
		for _, m := range p.found[:min(len(p.found), maxTried)] {
			a.add(m.local, m.host)
		}
	} else {
		a.problem("From is not an address list by the syntax")
		a.broken(s)
	}
	for _, w := range p.names {
		a.name(w)
	}
}

// hasControl tells whether a field has control characters other than tabs and line ends.
func hasControl(raw []byte) bool {
	for i, c := range raw {
		bareCR := c == '\r' && (i+1 == len(raw) || raw[i+1] != '\n')
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f || bareCR {
			return true
		}
	}
	return false
}

// name looks at a display name that has an address in it which is seen only by a reader
// that decodes before it parses.
func (a *authorList) name(s string) {
	if !hasEncodedWord(s) {
		return
	}
	text := DecodeWords(s)
	if _, rest, ok := strings.Cut(text, "<"); ok && strings.Contains(rest, "@") {
		a.problem("encoded address in a display name of From")
	}
}

// broken takes what may be an address in a field that is not by the syntax: what our own
// parser finds, all in angle brackets, and without those all words with an "@".
func (a *authorList) broken(s string) {
	for _, m := range ParseAddressList(s, MaxAuthors) {
		if m.Kind == AddressMailbox && m.Host != "" {
			a.add(m.Mailbox, m.Host)
		}
	}
	text := s
	if pieces := strings.Split(s, "<"); len(pieces) > 1 {
		for i, piece := range pieces {
			pieces[i], _, _ = strings.Cut(piece, ">")
		}
		text = strings.Join(pieces[1:], " ")
	}
	n := 0
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(">,; \t()", r) }) {
		// "a@b@c" is a@b to one reader and b@c to another.
		local, rest, ok := strings.Cut(w, "@")
		for ok {
			var host string
			host, rest, ok = strings.Cut(rest, "@")
			if n++; n > maxTried {
				return
			}
			if local = strings.Trim(local, `"`); local != "" {
				a.add(local, strings.Trim(host, `"`))
			}
			local = host
		}
	}
}

// maxTried bounds how many addresses of a field are looked at.
const maxTried = 4 * MaxAuthors

// fromParser parses an address list strictly (RFC 5322 3.4, with 4.4 and 6854).
type fromParser struct {
	s     string
	found []struct{ local, host string }
	names []string // display names as in the field
}

// space skips white space and comments (CFWS). It fails for a comment without end.
func (p *fromParser) space() bool {
	for p.s != "" {
		switch p.s[0] {
		case ' ', '\t':
			p.s = p.s[1:]
		case '(':
			n := commentLen(p.s)
			if n < 2 || p.s[n-1] != ')' {
				return false
			}
			p.s = p.s[n:]
		default:
			return true
		}
	}
	return true
}

// take takes a character and the space after it.
func (p *fromParser) take(c byte) bool {
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return p.space()
}

// word takes an atom or a quoted string, and the space after it.
func (p *fromParser) word() (string, bool) {
	var w string
	if strings.HasPrefix(p.s, `"`) {
		value, n, ok := cutQuoted(p.s)
		if !ok {
			return "", false
		}
		w, p.s = value, p.s[n:]
	} else {
		n := 0
		for n < len(p.s) && isAtext(p.s[n]) {
			n++
		}
		if n == 0 {
			return "", false
		}
		w, p.s = p.s[:n], p.s[n:]
	}
	return w, p.space()
}

// dotted takes words with dots between them, as localparts and domains are.
func (p *fromParser) dotted() (string, bool) {
	w, ok := p.word()
	for ok && p.s != "" && p.s[0] == '.' {
		var next string
		if ok = p.take('.'); ok {
			next, ok = p.word()
			w += "." + next
		}
	}
	return w, ok
}

// domain takes a domain name or literal.
func (p *fromParser) domain() (string, bool) {
	if !strings.HasPrefix(p.s, "[") {
		return p.dotted()
	}
	i := strings.IndexByte(p.s, ']')
	if i < 0 {
		return "", false
	}
	w := p.s[:i+1]
	p.s = p.s[i+1:]
	return w, p.space()
}

// addressList takes all. Empty elements are obsolete syntax.
func (p *fromParser) addressList() bool {
	if !p.space() {
		return false
	}
	group := false
	for p.s != "" {
		switch {
		case p.s[0] == ',':
			if !p.take(',') {
				return false
			}
			continue
		case p.s[0] == ';' && group:
			group = false
			if !p.take(';') {
				return false
			}
		default:
			starts, ok := p.entry()
			if !ok || starts && group {
				return false
			}
			if starts {
				group = true
				continue
			}
		}
		if p.s != "" && p.s[0] != ',' && !(group && p.s[0] == ';') {
			return false
		}
	}
	return !group
}

// entry takes a mailbox, or the start of a group.
func (p *fromParser) entry() (group, ok bool) {
	if !strings.HasPrefix(p.s, "<") {
		start := p.s
		if p.spec() {
			return false, true
		}
		p.s = start
		if !p.phrase() {
			return false, false
		}
		if strings.HasPrefix(p.s, ":") {
			return true, p.take(':')
		}
	}
	return false, p.take('<') && p.route() && p.spec() && p.take('>')
}

// spec takes local@domain.
func (p *fromParser) spec() bool {
	local, ok := p.dotted()
	if !ok || !p.take('@') {
		return false
	}
	host, ok := p.domain()
	if ok {
		p.found = append(p.found, struct{ local, host string }{local, host})
	}
	return ok
}

// phrase takes a display name. A "." within it is obsolete syntax.
func (p *fromParser) phrase() bool {
	start := p.s
	if _, ok := p.word(); !ok {
		return false
	}
	for p.s != "" && (p.s[0] == '.' || p.s[0] == '"' || isAtext(p.s[0])) {
		if p.s[0] == '.' {
			if !p.take('.') {
				return false
			}
		} else if _, ok := p.word(); !ok {
			return false
		}
	}
	p.names = append(p.names, start[:len(start)-len(p.s)])
	return true
}

// route takes the source route of obsolete syntax, "@a,@b:".
func (p *fromParser) route() bool {
	route := false
	for p.s != "" && (p.s[0] == '@' || p.s[0] == ',') {
		route = true
		if p.s[0] == ',' {
			if !p.take(',') {
				return false
			}
			continue
		}
		if !p.take('@') {
			return false
		}
		if _, ok := p.domain(); !ok {
			return false
		}
	}
	return !route || p.take(':')
}
