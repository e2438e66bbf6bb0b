package authres

import (
	"errors"
	"strings"
)

// lexer reads a header field value: words, quoted strings, comments, white space.
type lexer struct {
	s   string
	pos int
	err error // sticky: an unfinished comment or quoted string
}

// Bounds of what is parsed.
const (
	maxValue   = 64 * 1024 // octets of a field
	maxMethods = 100
	maxProps   = 50 // of a method
	maxNesting = 32 // of comments
)

var (
	errComment = errors.New("comment without end, or nested too deep")
	errQuoted  = errors.New("quoted string without end")
)

func (l *lexer) peek() byte {
	if l.pos < len(l.s) {
		return l.s[l.pos]
	}
	return 0
}

func (l *lexer) end() bool { return l.pos >= len(l.s) }

// take consumes c if it is next.
func (l *lexer) take(c byte) bool {
	if !l.end() && l.s[l.pos] == c {
		l.pos++
		return true
	}
	return false
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// cfws skips comments and white space (RFC 5322 3.2.2), and returns the text of the comments.
func (l *lexer) cfws() string {
	var text string
	for !l.end() && l.err == nil {
		switch c := l.s[l.pos]; {
		case isSpace(c):
			l.pos++
		case c == '(':
			if s := l.comment(); text == "" {
				text = s
			} else if s != "" {
				text += " " + s
			}
		default:
			return text
		}
	}
	return text
}

// comment reads a comment, nested ones with their parentheses, and returns its text with
// white space collapsed.
func (l *lexer) comment() string {
	var b strings.Builder
	depth := 0
	for ; l.pos < len(l.s); l.pos++ {
		c := l.s[l.pos]
		switch {
		case c == '\\' && l.pos+1 < len(l.s):
			l.pos++
			b.WriteByte(l.s[l.pos])
			continue
		case c == '\r' || c == '\n':
			continue // folding: the white space after it stays
		case c == '(':
			if depth++; depth > maxNesting {
				l.err = errComment
				return ""
			}
			if depth == 1 {
				continue
			}
		case c == ')':
			if depth--; depth == 0 {
				l.pos++
				return collapse(b.String())
			}
		}
		b.WriteByte(c)
	}
	l.err = errComment
	return ""
}

// collapse returns s as it would be printed and read again.
func collapse(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// quoted reads a quoted-string (RFC 5322 3.2.4) and returns it decoded.
func (l *lexer) quoted() string {
	var b strings.Builder
	for l.pos++; l.pos < len(l.s); l.pos++ {
		switch c := l.s[l.pos]; {
		case c == '\\' && l.pos+1 < len(l.s):
			l.pos++
			b.WriteByte(l.s[l.pos])
		case c == '"':
			l.pos++
			return b.String()
		case c == '\r' || c == '\n':
			// Folding: the white space after it stays.
		default:
			b.WriteByte(c)
		}
	}
	l.err = errQuoted
	return ""
}

// keyword reads a Keyword (RFC 5321 4.1.2), underscores as in the wild included, in lower case.
func (l *lexer) keyword() string {
	start := l.pos
	for !l.end() && (isAlnum(l.s[l.pos]) || l.s[l.pos] == '-' || l.s[l.pos] == '_') {
		l.pos++
	}
	return strings.ToLower(l.s[start:min(l.pos, start+maxKeyword)])
}

// digits reads digits.
func (l *lexer) digits() string {
	start := l.pos
	for !l.end() && l.s[l.pos] >= '0' && l.s[l.pos] <= '9' {
		l.pos++
	}
	return l.s[start:l.pos]
}

// value reads a value leniently: a quoted-string, or all to the next white space, comment or
// semicolon, so that base64, addresses in angle brackets and IPv6 addresses need no quotes. A
// quoted local-part before "@" keeps its quotes.
func (l *lexer) value() string {
	start := l.pos
	if l.peek() == '"' {
		if s := l.quoted(); l.peek() != '@' {
			return clean(s)
		}
	}
	for !l.end() && !isSpace(l.s[l.pos]) && l.s[l.pos] != ';' && l.s[l.pos] != '(' {
		l.pos++
	}
	raw := l.s[start:l.pos]
	if strings.ContainsAny(raw, "\r\n") {
		raw = strings.NewReplacer("\r", "", "\n", "").Replace(raw) // folded in quotes
	}
	return clean(raw)
}
