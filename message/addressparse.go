package message

import "strings"

const defaultAddresses = 4096

// ParseAddressList parses the value of an address field (RFC 5322 3.4 and 4.4, RFC
// 6532), at most max entries, group markers included (0: 4096). It never fails: what
// cannot be understood is skipped, and a name without address has an empty Mailbox.
// The strings of the result may share memory with s.
func ParseAddressList(s string, max int) []Address {
	if max <= 0 {
		max = defaultAddresses
	}
	return appendAddresses(nil, oneLine(s), max)
}

// appendAddresses appends addresses until list has max entries.
func appendAddresses(list []Address, s string, max int) []Address {
	p := addressParser{s: s, list: list, max: max}
	for p.i < len(s) && p.room() > 0 {
		if !p.simple() {
			p.entry()
		}
	}
	if p.group {
		p.list = append(p.list, Address{Kind: AddressGroupEnd})
	}
	return p.list
}

// addressParser walks over s once. Entries in the forms that nearly all mail has are
// cut out of s by simple; entry builds up all others.
type addressParser struct {
	s    string
	i    int
	list []Address
	max  int

	group     bool
	noQuote   bool // no quote ends after i
	noComment bool // no comment ends after i

	// Of the entry being built.
	name    []byte // words so far, as a phrase
	spec    []byte // the last word, or the address without spaces
	specAt  int    // len(name) where spec's words start
	at      int    // index in spec of the last "@", or -1
	quoted  bool   // spec has a quoted string
	space   bool   // white space or a comment since the last word
	comment string // the last comment
	angle   *Address
}

// room is how many entries may be added; in a group one is left for its end.
func (p *addressParser) room() int {
	if p.group {
		return p.max - len(p.list) - 1
	}
	return p.max - len(p.list)
}

func (p *addressParser) skipSpace() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

// maxSimple bounds the words that simple takes.
const maxSimple = 256

// simple takes `"name" <local@host>`, `name <local@host>` and `local@host`, followed by
// a comma or the end, or reports false and takes nothing.
func (p *addressParser) simple() bool {
	p.skipSpace()
	name, rest, ok := cutSimpleName(p.s[p.i:])
	if !ok {
		return false
	}
	rest, brackets := strings.CutPrefix(rest, "<")
	local, rest := cutSimpleWord(rest)
	rest, at := strings.CutPrefix(rest, "@")
	host, rest := cutSimpleWord(rest)
	if local == "" || !at || host == "" {
		return false
	}
	if brackets {
		if rest, ok = strings.CutPrefix(rest, ">"); !ok {
			return false
		}
	}
	rest = strings.TrimLeft(rest, " ")
	if rest != "" {
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return false
		}
	}
	p.i = len(p.s) - len(rest)
	p.list = append(p.list, Address{Name: name, Mailbox: local, Host: host})
	return true
}

// cutSimpleWord takes atoms and dots.
func cutSimpleWord(s string) (word, rest string) {
	i := 0
	for i < len(s) && i < maxSimple && (isAtext(s[i]) || s[i] == '.') {
		i++
	}
	return s[:i], s[i:]
}

// cutSimpleName takes a name with "<" after it, "" where there is none. It is not ok
// when s starts with a name that needs more than cutting.
func cutSimpleName(s string) (name, rest string, ok bool) {
	i := 0
	if strings.HasPrefix(s, `"`) {
		for i = 1; i < len(s) && i < maxSimple && s[i] != '"' && s[i] != '\\'; i++ {
		}
		if i >= len(s) || s[i] != '"' {
			return "", s, false
		}
		rest = strings.TrimLeft(s[i+1:], " ")
		return s[1:i], rest, strings.HasPrefix(rest, "<")
	}
	for i < len(s) && i < maxSimple && (isAtext(s[i]) || s[i] == '.' || s[i] == ' ' && i > 0 && s[i-1] != ' ') {
		i++
	}
	if i < len(s) && s[i] == '<' {
		return strings.TrimSuffix(s[:i], " "), s[i:], true
	}
	return "", s, true
}

// entry takes one entry of any form, or a group marker.
func (p *addressParser) entry() {
	p.name, p.spec, p.comment, p.angle = p.name[:0], p.spec[:0], "", nil
	p.specAt, p.at, p.quoted, p.space = 0, -1, false, false
	for p.i < len(p.s) {
		switch c := p.s[p.i]; c {
		case ' ', '\t':
			p.space = true
			p.i++
		case ',':
			p.i++
			p.finish()
			return
		case ';':
			p.i++
			p.finish()
			if p.group {
				p.list = append(p.list, Address{Kind: AddressGroupEnd})
				p.group = false
			}
			return
		case ':':
			p.i++
			if !p.group && p.at < 0 && p.angle == nil && len(p.name)+len(p.spec) > 0 {
				if p.room() < 2 {
					p.i = len(p.s)
					return
				}
				p.group = true
				p.list = append(p.list, Address{Kind: AddressGroupStart, Name: p.text()})
				return
			}
			p.word(":", false)
		case '(':
			p.takeComment()
		case '"':
			p.takeQuoted()
		case '<':
			p.takeAngle()
		case '@', '.':
			p.special(c)
		default:
			p.takeAtom()
		}
	}
	p.finish()
}

// takeAtom takes bytes up to one with a meaning of its own; a domain literal as a whole.
func (p *addressParser) takeAtom() {
	start := p.i
	if p.s[p.i] == '[' {
		if e := strings.IndexByte(p.s[p.i:min(len(p.s), p.i+256)], ']'); e > 0 {
			p.i += e + 1
			p.word(p.s[start:p.i], false)
			return
		}
	}
	p.i++
	for p.i < len(p.s) && strings.IndexByte(" \t,;:(\"<@.[", p.s[p.i]) < 0 {
		p.i++
	}
	p.word(p.s[start:p.i], false)
}

// word adds a word to the name and to the address.
func (p *addressParser) word(w string, quoted bool) {
	n := len(p.spec)
	joined := n > 0 && (!p.space || p.spec[n-1] == '.' || p.spec[n-1] == '@')
	if p.at >= 0 && p.at+1 < n && !joined {
		// After a whole address: the words are a name.
		p.appendName(w)
		return
	}
	if !joined {
		p.spec, p.at, p.quoted = p.spec[:0], -1, false
		p.specAt = len(p.name)
	}
	p.spec = append(p.spec, w...)
	p.quoted = p.quoted || quoted
	p.appendName(w)
}

func (p *addressParser) appendName(w string) {
	if p.space && len(p.name) > 0 {
		p.name = append(p.name, ' ')
	}
	p.space = false
	p.name = append(p.name, w...)
}

// special adds a "." or "@", which join the words around them.
func (p *addressParser) special(c byte) {
	p.i++
	if p.at >= 0 && p.space && p.at+1 < len(p.spec) && c == '@' {
		// A second address without a comma between them.
		p.space = false
	}
	if c == '@' {
		p.at = len(p.spec)
	}
	if len(p.spec) == 0 {
		p.specAt = len(p.name)
	}
	p.spec = append(p.spec, c)
	p.appendName(string(c))
}

func (p *addressParser) takeComment() {
	if p.noComment {
		p.i++
		return
	}
	n := commentLen(p.s[p.i:])
	if p.s[p.i+n-1] != ')' || n < 2 {
		p.noComment = true
		p.i++
		return
	}
	p.comment = p.s[p.i+1 : p.i+n-1]
	p.i += n
	p.space = true
}

// takeQuoted takes a quoted string; a quote without end is skipped.
func (p *addressParser) takeQuoted() {
	if p.noQuote {
		p.i++
		return
	}
	value, n, ok := cutQuoted(p.s[p.i:])
	if !ok {
		p.noQuote = true
		p.i++
		return
	}
	p.i += n
	p.word(value, true)
}

// cutQuoted returns the content of the quoted string that s starts with, and its length.
func cutQuoted(s string) (value string, n int, ok bool) {
	escaped := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			if value = s[1:i]; escaped {
				value = unquotePairs(value)
			}
			return value, i + 1, true
		}
	}
	return "", 0, false
}

func unquotePairs(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// takeAngle takes <route:local@host>. Of several, the last with something in it counts.
func (p *addressParser) takeAngle() {
	p.i++
	sub := addressParser{s: p.s, i: p.i, at: -1, noQuote: p.noQuote, noComment: p.noComment}
	route := ""
	for sub.angleToken(&route, p.i) {
	}
	p.i, p.noQuote, p.noComment = sub.i, sub.noQuote, sub.noComment
	p.space = true
	if sub.comment != "" && p.comment == "" {
		p.comment = sub.comment
	}
	if len(sub.spec) > 0 {
		p.angle = &Address{Route: route}
		p.angle.Mailbox, p.angle.Host = splitSpec(sub.spec, sub.at)
	} else if p.angle == nil && len(p.name) > 0 {
		p.angle = &Address{}
	}
}

// angleToken takes a token inside angle brackets, which start at start, and reports
// whether there may be more.
func (p *addressParser) angleToken(route *string, start int) bool {
	if p.i == len(p.s) {
		return false
	}
	switch c := p.s[p.i]; c {
	case '>':
		p.i++
		return false
	case '<':
		return false // a new start
	case ' ', '\t':
		p.space = true
		p.i++
	case ',', ':':
		// RFC 5322 4.4: obs-route = "@" domain *("," "@" domain) ":"
		inRoute := *route == "" && len(p.spec) > 0 && p.spec[0] == '@'
		if c == ',' && !inRoute {
			return false // the ">" is missing
		}
		p.i++
		if c == ':' && inRoute {
			*route = strings.TrimSpace(p.s[start : p.i-1])
			p.spec, p.at = p.spec[:0], -1
			break
		}
		p.space = false
		p.spec = append(p.spec, c)
	case '(':
		p.takeComment()
	case '"':
		p.takeQuoted()
	case '@', '.':
		p.special(c)
	default:
		p.angleAtom()
	}
	return true
}

func (p *addressParser) angleAtom() {
	end := p.i + 1
	for end < len(p.s) && strings.IndexByte(" \t,:(\"<>@.", p.s[end]) < 0 {
		end++
	}
	if p.space && len(p.spec) > 0 && p.at < 0 && !endsJoined(p.spec) {
		p.spec = append(p.spec, ' ') // keep what is no address readable
	}
	p.space = false
	p.spec = append(p.spec, p.s[p.i:end]...)
	p.i = end
}

func endsJoined(spec []byte) bool {
	c := spec[len(spec)-1]
	return c == '.' || c == '@'
}

func splitSpec(spec []byte, at int) (mailbox, host string) {
	if at < 0 {
		return string(spec), ""
	}
	return string(spec[:at]), string(spec[at+1:])
}

// text is all words of the entry as a phrase.
func (p *addressParser) text() string { return string(p.name) }

// finish adds the entry that was built, if there is anything in it.
func (p *addressParser) finish() {
	var a Address
	switch {
	case p.angle != nil:
		a = *p.angle
		a.Name = p.text()
	case p.at >= 0:
		a.Mailbox, a.Host = splitSpec(p.spec, p.at)
		a.Name = strings.TrimSpace(string(p.name[:p.specAt]))
	case len(p.spec) > 0 && p.specAt == 0 && len(p.name) == len(p.spec):
		a.Mailbox = string(p.spec) // one word
	default:
		a.Name = p.text()
	}
	if a.Name == "" {
		a.Name = strings.TrimSpace(unquotePairs(p.comment))
	}
	if a.Mailbox == "" && a.Host == "" && a.Name == "" {
		return
	}
	if a == (Address{Name: a.Name}) && p.angle == nil && len(p.spec) == 0 && len(p.name) == 0 {
		return // only a comment
	}
	p.list = append(p.list, a)
}
