package message

import (
	"strings"
)

// AddressKind says what an entry of an address list is.
type AddressKind uint8

// The kinds of entries of an address list.
const (
	AddressMailbox    AddressKind = iota // a mailbox
	AddressGroupStart                    // start of a group; its name is in Name
	AddressGroupEnd                      // end of a group; all else is empty
)

// Address is an entry of an address list: a mailbox, or the start or end of a
// group (RFC 5322 3.4), which is also how IMAP lists them.
type Address struct {
	// Kind is AddressMailbox, the zero value, for all but group markers.
	Kind AddressKind
	// Name is the display name or group name, without quotes and comments. From a
	// parsed message encoded-words are still encoded, see [Address.DisplayName], and
	// bytes may be 8 bit; what is given to a [Composer] is text in UTF-8.
	Name string
	// Route is the source route of obsolete syntax ("@a,@b"), mostly "".
	Route string
	// Mailbox is the local part without quotes, Host the domain as in the message.
	// Host is "" where the address has none.
	Mailbox, Host string
}

// DisplayName returns Name with encoded-words decoded, as valid UTF-8.
func (a Address) DisplayName() string { return strings.TrimSpace(DecodeWords(a.Name)) }

// Addr returns "mailbox@host", the mailbox quoted where it has to be, "mailbox" where
// there is no host, and "" for group markers. Bytes are as in the message.
func (a Address) Addr() string {
	if a.Kind != AddressMailbox {
		return ""
	}
	local := a.Mailbox
	if !isDotAtom(local) {
		local = quoteString(local)
	}
	if a.Host == "" {
		return local
	}
	return local + "@" + a.Host
}

// String returns the address for reading, in valid UTF-8: "Name <mailbox@host>".
func (a Address) String() string {
	name := a.DisplayName()
	switch {
	case a.Kind == AddressGroupStart:
		return name + ":"
	case a.Kind == AddressGroupEnd:
		return ";"
	case name == "":
		return oneLine(lenientUTF8(a.Addr()))
	}
	if !isPhrase(name) {
		name = quoteString(name)
	}
	return name + " <" + oneLine(lenientUTF8(a.Addr())) + ">"
}

// RFC 5322 3.2.3, with RFC 6532 3.2: atext.
func isAtext(c byte) bool {
	return c > ' ' && c != 0x7f && strings.IndexByte(`()<>[]:;@\,."`, c) < 0
}

func isDotAtom(s string) bool {
	dot := true
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			if dot {
				return false
			}
			dot = true
		} else if !isAtext(s[i]) {
			return false
		} else {
			dot = false
		}
	}
	return !dot
}

func isPhrase(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != ' ' && !isAtext(s[i]) {
			return false
		}
	}
	return true
}

func quoteString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

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
	for p.i < len(s) && len(p.list) < max {
		if !p.simple() {
			p.entry()
		}
	}
	if p.group && len(p.list) < max {
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
	noAngle   bool // no ">" after i

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

func (p *addressParser) skipSpace() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

// simple takes `"name" <local@host>`, `name <local@host>` and `local@host`, followed by
// a comma or the end, or reports false and takes nothing.
func (p *addressParser) simple() bool {
	s := p.s
	p.skipSpace()
	i := p.i
	var a Address
	if i < len(s) && s[i] == '"' {
		e := i + 1
		for e < len(s) && s[e] != '"' && s[e] != '\\' && e-i < 256 {
			e++
		}
		if e >= len(s) || s[e] != '"' {
			return false
		}
		a.Name = s[i+1 : e]
		for i = e + 1; i < len(s) && s[i] == ' '; i++ {
		}
		if i == len(s) || s[i] != '<' {
			return false
		}
	} else {
		e := i
		for e < len(s) && (isAtext(s[e]) || s[e] == '.' || s[e] == ' ' && e > i && s[e-1] != ' ') && e-i < 256 {
			e++
		}
		if e < len(s) && s[e] == '<' {
			a.Name = strings.TrimSuffix(s[i:e], " ")
			i = e
		}
	}
	brackets := i < len(s) && s[i] == '<'
	if brackets {
		i++
	}
	local := i
	for i < len(s) && (isAtext(s[i]) || s[i] == '.') && i-local < 256 {
		i++
	}
	if i == local || i >= len(s) || s[i] != '@' {
		return false
	}
	a.Mailbox = s[local:i]
	i++
	host := i
	for i < len(s) && (isAtext(s[i]) || s[i] == '.') && i-host < 256 {
		i++
	}
	if i == host {
		return false
	}
	a.Host = s[host:i]
	if brackets {
		if i >= len(s) || s[i] != '>' {
			return false
		}
		i++
	}
	for i < len(s) && s[i] == ' ' {
		i++
	}
	if i < len(s) {
		if s[i] != ',' {
			return false
		}
		i++
	}
	p.i = i
	p.list = append(p.list, a)
	return true
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
			if p.group && len(p.list) < p.max {
				p.list = append(p.list, Address{Kind: AddressGroupEnd})
				p.group = false
			}
			return
		case ':':
			p.i++
			if !p.group && p.at < 0 && p.angle == nil && len(p.name)+len(p.spec) > 0 {
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
	start := p.i
loop:
	for sub.i < len(p.s) {
		switch c := p.s[sub.i]; c {
		case '>':
			sub.i++
			break loop
		case '<':
			break loop // a new start
		case ' ', '\t':
			sub.space = true
			sub.i++
		case ',', ':':
			isRoute := route == "" && len(sub.spec) > 0 && sub.spec[0] == '@'
			if c == ',' && !isRoute {
				break loop // the ">" is missing
			}
			sub.i++
			if c == ':' && isRoute {
				route = strings.TrimSpace(p.s[start : sub.i-1])
				sub.spec, sub.at, sub.name = sub.spec[:0], -1, sub.name[:0]
			} else {
				sub.space = false
				sub.spec = append(sub.spec, c)
			}
		case '(':
			sub.takeComment()
		case '"':
			sub.takeQuoted()
		case '@', '.':
			sub.special(c)
		default:
			end := sub.i + 1
			for end < len(p.s) && strings.IndexByte(" \t,:(\"<>@.", p.s[end]) < 0 {
				end++
			}
			if sub.space && len(sub.spec) > 0 && sub.at < 0 && !endsJoined(sub.spec) {
				sub.spec = append(sub.spec, ' ') // keep what is no address readable
			}
			sub.space = false
			sub.spec = append(sub.spec, p.s[sub.i:end]...)
			sub.i = end
		}
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
