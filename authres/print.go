package authres

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// foldColumn is where lines are folded if there is a place (RFC 5322 2.1.1).
	foldColumn = 78
	// maxString bounds what is printed of a string, in octets, so that no line becomes longer
	// than the 998 of RFC 5322.
	maxString = 400
	// maxKeyword bounds a Keyword likewise.
	maxKeyword = 64
)

// Field returns the whole header field with CRLF: Authentication-Results, or
// ARC-Authentication-Results if Instance is set.
func (r Results) Field() string {
	if r.Instance > 0 {
		return "ARC-Authentication-Results: " + r.print(len("ARC-Authentication-Results: ")) + "\r\n"
	}
	return "Authentication-Results: " + r.print(len("Authentication-Results: ")) + "\r\n"
}

// String returns the value of the field, folded, without CRLF at the end.
func (r Results) String() string { return r.print(len("Authentication-Results: ")) }

// folder writes words, starting a line where one would become too long.
type folder struct {
	strings.Builder
	column int
}

// word writes s after a space, or on a line of its own.
func (f *folder) word(s string) {
	// Only before text: a line of white space alone is obsolete syntax. The space is that of
	// a quoted string, where it counts.
	if s != "" && f.column+1+len(s) > foldColumn {
		f.WriteString("\r\n")
		f.column = 0
	}
	f.raw(" " + s)
}

func (f *folder) raw(s string) {
	f.WriteString(s)
	f.column += len(s)
}

// line starts a line.
func (f *folder) line() {
	f.WriteString("\r\n\t")
	f.column = 8
}

// words writes text, folded at its spaces.
func (f *folder) words(text string) {
	for w := range strings.SplitSeq(text, " ") {
		f.word(w)
	}
}

func (r Results) print(column int) string {
	f := &folder{column: column}
	if r.Instance > 0 {
		f.raw("i=" + strconv.Itoa(r.Instance) + "; ")
	}
	f.raw(quoteUnlessToken(clean(r.Hostname)))
	if isDigits(r.Version) {
		f.word(r.Version)
	}
	f.comment(r.Comment)
	if len(r.Methods) == 0 {
		f.raw("; none")
		return f.String()
	}
	for _, m := range r.Methods {
		f.raw(";")
		f.line()
		f.method(m)
	}
	return f.String()
}

func (f *folder) method(m Method) {
	f.raw(keyword(m.Method))
	if isDigits(m.Version) {
		f.raw("/" + m.Version)
	}
	f.raw("=" + keyword(m.Result))
	f.comment(m.Comment)
	if m.Reason != "" {
		f.words("reason=" + quoteUnlessToken(clean(m.Reason)))
	}
	for _, p := range m.Props {
		name := keyword(p.Property)
		if p.Type != "" {
			name = keyword(p.Type) + "." + name
		}
		f.words(name + "=" + pvalue(clean(p.Value)))
		f.comment(p.Comment)
	}
}

// comment writes a comment. Parentheses in it are quoted, so that it cannot be ended.
func (f *folder) comment(s string) {
	s = strings.Join(strings.Fields(clean(s)), " ")
	if s == "" {
		return
	}
	var b strings.Builder
	b.WriteByte('(')
	for i := range len(s) {
		if c := s[i]; c == '(' || c == ')' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte(')')
	f.words(b.String())
}

// clean returns s, bounded, as valid UTF-8 in one line without control characters.
func clean(s string) string {
	if len(s) <= maxString && isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		switch {
		case b.Len() >= maxString:
			return b.String()
		case c == '\t' || c == '\r' || c == '\n':
			c = ' '
		case c < ' ' || c >= 0x7f && c < 0xa0 || c == utf8.RuneError || c == '\u2028' || c == '\u2029':
			c = '?'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// isPlain tells whether s is printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// quoteUnlessToken returns a "value" of RFC 2045 5.1: a token or a quoted-string.
func quoteUnlessToken(s string) string {
	if isToken(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// pvalue returns a value, or "[[local-part] "@"] domain-name" where s has that form: RFC 8601 2.2
// demands it for addresses.
func pvalue(s string) string {
	i := strings.LastIndexByte(s, '@')
	if i >= 0 && isDomain(s[i+1:]) && (i == 0 || isDotAtom(s[:i]) || isQuotedString(s[:i])) {
		return s
	}
	return quoteUnlessToken(s)
}

// isQuotedString tells whether s, which has no control characters, is a quoted-string.
func isQuotedString(s string) bool {
	if s[0] != '"' {
		return false
	}
	l := lexer{s: s}
	l.quoted()
	return l.err == nil && l.end()
}

// isToken is token of RFC 2045 5.1. UTF-8 is quoted, which RFC 8616 does not ask for but more
// readers understand.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func isDotAtom(s string) bool {
	return isDotted(s, func(c rune) bool { return isWordRune(c) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", c) })
}

func isDomain(s string) bool {
	return isDotted(s, func(c rune) bool { return isWordRune(c) || c == '-' || c == '_' })
}

// isDotted tells whether s is labels of such characters.
func isDotted(s string, allowed func(rune) bool) bool {
	dot := true
	for _, c := range s {
		if c == '.' && dot || c != '.' && !allowed(c) {
			return false
		}
		dot = c == '.'
	}
	return !dot
}

// isWordRune: what of UTF-8 names are made of (RFC 8616 6), and no reader takes for anything
// else.
func isWordRune(c rune) bool {
	return c < 0x80 && isAlnum(byte(c)) || c >= 0x80 && c != utf8.RuneError && (unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsMark(c))
}

func isAlnum(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

func isDigits(s string) bool { return s != "" && len(s) <= 10 && strings.Trim(s, "0123456789") == "" }

// keyword returns s with what cannot be in a Keyword (RFC 5321 4.1.2) replaced.
func keyword(s string) string {
	b := []byte(strings.ToLower(s[:min(len(s), maxKeyword)]))
	for i, c := range b {
		if !isAlnum(c) && c != '-' && c != '_' {
			b[i] = '-'
		}
	}
	if len(b) == 0 {
		return "unknown"
	}
	return string(b)
}
