package imap

import (
	"bytes"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Character classes of the grammar (RFC 9051 9).
const (
	classAtom    = 1 << iota // ATOM-CHAR
	classAString             // ASTRING-CHAR: ATOM-CHAR and "]"
	classList                // list-char: ASTRING-CHAR and wildcards
	classTag                 // ASTRING-CHAR without "+"
	classQuoted              // may stand in a quoted string without escape
)

var classes = func() (t [256]uint8) {
	for c := 0x20; c < 0x7f; c++ {
		var m uint8
		if !strings.ContainsRune("(){ %*\"\\]", rune(c)) {
			m = classAtom | classAString | classList | classTag
		}
		switch c {
		case ']':
			m = classAString | classList | classTag
		case '%', '*':
			m = classList
		case '+':
			m &^= classTag
		}
		if c != '"' && c != '\\' {
			m |= classQuoted
		}
		t[c] = m
	}
	t['\t'] |= classQuoted
	return t
}()

// scanner reads the tokens of one command or response. The first error sticks:
// every method then returns zero values, and loops check err.
type scanner struct {
	line   []byte // the current line without CRLF; valid until the next literal
	pos    int
	err    error
	limits Limits
	utf8   bool // mailbox names are UTF-8, not modified UTF-7

	// literal reads the literal whose length was announced at the end of line and
	// replaces line by the one that follows it. Nil where literals cannot occur.
	literal func(l literalHead) []byte
	// sectionLabel is set where the data of a section is read; spooled is how much of it a sink took.
	sectionLabel string
	spooled      int64

	depth int // of nested search keys or lists
	items int // search keys, list elements, strings and flags so far
}

// literalHead is what stands in the braces: RFC 7888 4, RFC 3516 for literal8.
type literalHead struct {
	size    int64
	nonSync bool
	binary  bool
}

func (p *scanner) fail(format string, args ...any) {
	if p.err == nil {
		p.err = Bad(format, args...)
	}
}

func (p *scanner) end() bool { return p.pos >= len(p.line) }

// peek returns the next byte, 0 at the end of the line. A NUL in the line is
// refused when it is consumed: no class contains it.
func (p *scanner) peek() byte {
	if p.err != nil || p.pos >= len(p.line) {
		return 0
	}
	return p.line[p.pos]
}

// accept consumes c if it is next.
func (p *scanner) accept(c byte) bool {
	if p.err != nil || p.pos >= len(p.line) || p.line[p.pos] != c {
		return false
	}
	p.pos++
	return true
}

// expect consumes c or fails.
func (p *scanner) expect(c byte) {
	if !p.accept(c) && p.err == nil {
		if p.end() {
			p.fail("unexpected end of line, expected %q", c)
		} else {
			p.fail("expected %q, got %q", c, p.line[p.pos])
		}
	}
}

func (p *scanner) space() { p.expect(' ') }

// nextItem tells whether there is another item of a list in parentheses, of which the opening one
// is consumed, and consumes the space before it, or the closing parenthesis.
func (p *scanner) nextItem(first *bool) bool {
	if *first {
		*first = false
		return p.err == nil
	}
	if p.accept(')') {
		return false
	}
	p.space()
	return p.err == nil
}

// acceptWord consumes word, given in upper case, if it is next in any case.
func (p *scanner) acceptWord(word string) bool {
	if p.err != nil || len(p.line)-p.pos < len(word) {
		return false
	}
	if !strings.EqualFold(string(p.line[p.pos:p.pos+len(word)]), word) {
		return false
	}
	p.pos += len(word)
	return true
}

// run consumes the longest run of a class; empty is an error naming what.
func (p *scanner) run(class uint8, what string) string {
	if p.err != nil {
		return ""
	}
	start := p.pos
	for p.pos < len(p.line) && classes[p.line[p.pos]]&class != 0 {
		p.pos++
	}
	if p.pos == start {
		if p.end() {
			p.fail("unexpected end of line, expected %s", what)
		} else {
			p.fail("expected %s, got %q", what, p.line[p.pos])
		}
	}
	return string(p.line[start:p.pos])
}

func (p *scanner) atom(what string) string { return p.run(classAtom, what) }

// keyword reads an atom and returns it in upper case.
func (p *scanner) keyword(what string) string { return upper(p.atom(what)) }

func upper(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'a' && c <= 'z' {
			return strings.ToUpper(s)
		}
	}
	return s
}

// number reads an unsigned decimal not above limit.
func (p *scanner) number(limit uint64, what string) uint64 {
	if p.err != nil {
		return 0
	}
	start := p.pos
	var n uint64
	for p.pos < len(p.line) && p.line[p.pos] >= '0' && p.line[p.pos] <= '9' {
		d := uint64(p.line[p.pos] - '0')
		if n > (limit-d)/10 {
			p.fail("%s too large", what)
			return 0
		}
		n = n*10 + d
		p.pos++
	}
	if p.pos == start {
		if p.end() {
			p.fail("unexpected end of line, expected %s", what)
		} else {
			p.fail("expected %s, got %q", what, p.line[p.pos])
		}
	}
	return n
}

// number64 reads an unsigned 63-bit number (RFC 9051 9: number64).
func (p *scanner) number64(what string) uint64 { return p.number(math.MaxInt64, what) }

// nzNumber reads a 32-bit number above 0.
func (p *scanner) nzNumber(what string) uint32 {
	n := p.number(math.MaxUint32, what)
	if n == 0 {
		p.fail("%s is 0", what)
	}
	return uint32(n)
}

// count fails when a command has more elements than the limits allow.
func (p *scanner) count() {
	if p.items++; p.items > p.limits.Items {
		p.fail("too many elements")
	}
}

// quoted reads a quoted string whose opening quote is next. RFC 6855 3: octets
// with the high bit must be valid UTF-8.
func (p *scanner) quoted() string {
	p.expect('"')
	if p.err != nil {
		return ""
	}
	rest := p.line[p.pos:]
	var buf []byte
	start, high := 0, false
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch {
		case c == '"':
			s := string(append(buf, rest[start:i]...))
			p.pos += i + 1
			if high && !utf8.ValidString(s) {
				p.fail("quoted string is not UTF-8")
			}
			return s
		case c == '\\':
			if i+1 >= len(rest) || rest[i+1] != '"' && rest[i+1] != '\\' {
				p.fail("bad escape in quoted string")
				return ""
			}
			buf = append(buf, rest[start:i]...)
			i++
			start = i
		case c >= 0x80:
			high = true
		case classes[c]&classQuoted == 0 && c != 0x7f && !isQuotedControl(c):
			p.fail("control character in quoted string")
			return ""
		}
	}
	p.fail("quoted string without end")
	return ""
}

// isQuotedControl: TEXT-CHAR is any CHAR except CR and LF; only NUL is no CHAR.
func isQuotedControl(c byte) bool { return c != 0 && c != '\r' && c != '\n' }

// string reads a quoted string or a literal.
func (p *scanner) string(what string) string {
	switch p.peek() {
	case '"':
		return p.quoted()
	case '{':
		return string(p.readLiteral(false))
	case '~':
		return string(p.readLiteral(true))
	}
	if p.end() {
		p.fail("unexpected end of line, expected %s", what)
	} else {
		p.fail("expected %s, got %q", what, p.line[min(p.pos, len(p.line)-1)])
	}
	return ""
}

// literalHead reads "{" number ["+"] "}" at the end of the line.
func (p *scanner) literalHead() (l literalHead) {
	l.binary = p.accept('~')
	p.expect('{')
	l.size = int64(p.number64("literal size"))
	l.nonSync = p.accept('+')
	p.expect('}')
	if p.err == nil && !p.end() {
		p.fail("text after literal size")
	}
	return l
}

func (p *scanner) readLiteral(binary bool) []byte {
	l := p.literalHead()
	if p.err != nil {
		return nil
	}
	if p.literal == nil {
		p.fail("literal not allowed here")
		return nil
	}
	data := p.literal(l)
	// RFC 9051 4.3: a literal has no NUL, a literal8 may.
	if !binary && bytes.IndexByte(data, 0) >= 0 {
		p.fail("NUL in literal")
	}
	return data
}

// astring reads an atom-like string, a quoted string or a literal.
func (p *scanner) astring(what string) string {
	if c := p.peek(); c == '"' || c == '{' || c == '~' && p.literalFollows() {
		return p.string(what)
	}
	return p.run(classAString, what)
}

// literalFollows tells a literal8 from an atom that starts with a tilde.
func (p *scanner) literalFollows() bool {
	return p.pos+1 < len(p.line) && p.line[p.pos+1] == '{'
}

// nstring reads a string or NIL.
func (p *scanner) nstring(what string) (s string, ok bool) {
	if c := p.peek(); c != '"' && c != '{' && c != '~' && p.acceptWord("NIL") {
		return "", false
	}
	return p.string(what), true
}

// mailbox reads a mailbox name and returns it in UTF-8, with INBOX in upper case.
func (p *scanner) mailbox() string { return p.mailboxName(p.astring("mailbox name")) }

func (p *scanner) mailboxName(s string) string {
	if p.err != nil {
		return ""
	}
	s = canonicalInbox(s)
	if p.utf8 || !isASCII(s) {
		// RFC 6855 3: UTF-8 names are also accepted from clients that have not enabled it.
		if !utf8.ValidString(s) {
			p.refuseName("mailbox name is not UTF-8")
		}
		return s
	}
	name, ok := DecodeUTF7(s)
	if !ok {
		p.refuseName("mailbox name is not modified UTF-7")
	}
	return name
}

// refuseName refuses a name that was understood as a string: it is no bad command, such
// as clients are thought broken for.
func (p *scanner) refuseName(text string) {
	if p.err == nil {
		p.err = No(CodeCannot, "%s", text)
	}
}

// canonicalInbox: RFC 9051 5.1: INBOX in any case is INBOX; also as the first component,
// for its children.
func canonicalInbox(s string) string {
	if len(s) >= 5 && strings.EqualFold(s[:5], "INBOX") && (len(s) == 5 || s[5] == '/') {
		return "INBOX" + s[5:]
	}
	return s
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// flag reads a flag or keyword: RFC 9051 2.3.2. A backslash is kept.
func (p *scanner) flag() string {
	p.count()
	if p.accept('\\') {
		return `\` + p.atom("flag")
	}
	return p.atom("flag")
}

// flagList reads "(" [flag *(SP flag)] ")".
func (p *scanner) flagList() (flags []string) {
	p.expect('(')
	if p.accept(')') {
		return nil
	}
	for first := true; p.nextItem(&first); {
		flags = append(flags, p.flag())
	}
	return flags
}

const dateLayout = "2-Jan-2006"

// date reads date-text, quoted or not, as midnight UTC.
func (p *scanner) date() time.Time {
	quoted := p.accept('"')
	s := p.run(classAtom, "date")
	if quoted {
		p.expect('"')
	}
	if p.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(dateLayout, s)
	if err != nil || len(s) > len("02-Jan-2006") {
		p.fail("bad date, expected d-Mon-yyyy")
	}
	return t
}

// DateTimeLayout is the layout of date-time without its quotes (RFC 9051 9).
const DateTimeLayout = "_2-Jan-2006 15:04:05 -0700"

// dateTime reads a quoted date-time.
func (p *scanner) dateTime() time.Time {
	s := p.quoted()
	if p.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(DateTimeLayout, s)
	if err != nil {
		p.fail("bad date-time, expected \"dd-Mon-yyyy hh:mm:ss +zzzz\"")
	}
	return t
}
