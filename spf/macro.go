package spf

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

// Macro letters (RFC 7208 7.2). Those after "v" are for explanations only.
const (
	lettersDomain = "slodiphv"
	lettersExp    = "slodiphvcrt"
)

// Bounds of what macros expand to, in octets.
const (
	maxTarget      = 16 * 1024 // before cutting to the 253 of a name
	maxExplanation = 1024      // it becomes part of an SMTP reply
)

// errTooLong: macros expand to more than they may.
var errTooLong = errors.New("macros expand to too much")

// errNotASCII: a macro stands for a localpart that is not ASCII.
var errNotASCII = errors.New("macro of a localpart that is not ASCII")

// macro is a macro-expand of RFC 7208 7.1.
type macro struct {
	letter  byte // lower case, or '%', '_', '-'
	escape  bool // upper case in the record: URL escaping
	reverse bool
	parts   int // right-hand parts to use, 0: all
	delims  string
}

// plain tells whether the value is used whole: neither transformers nor delimiters.
func (m macro) plain() bool { return !m.reverse && m.parts == 0 && m.delims == "" }

// scanMacro parses the macro that s begins with, and returns its length. What is wrong
// is returned as a text.
func scanMacro(s string) (m macro, n int, text string) {
	if len(s) < 2 {
		return m, 0, "% at the end, %% may be meant"
	}
	switch s[1] {
	case '%', '_', '-':
		return macro{letter: s[1]}, 2, ""
	case '{':
	default:
		return m, 0, "% must be followed by {, %, _ or -"
	}
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return m, 0, "macro without }"
	}
	body := s[2:end]
	if body == "" || !isAlpha(body[0]) {
		return m, 0, "macro without letter"
	}
	m.letter = body[0] | 0x20
	m.escape = body[0] != m.letter
	body = body[1:]
	i := 0
	for i < len(body) && isDigit(body[i]) {
		// More parts than a value can have are all of them.
		m.parts = min(m.parts*10+int(body[i]-'0'), 10000)
		i++
	}
	if i > 0 && m.parts == 0 {
		return m, 0, "macro with zero parts"
	}
	if i < len(body) && body[i]|0x20 == 'r' {
		m.reverse = true
		i++
	}
	m.delims = body[i:]
	if strings.Trim(m.delims, ".-+,/_=") != "" {
		return m, 0, "invalid delimiter in macro"
	}
	return m, end + 1, ""
}

// checkMacros checks the macros of s, which may have the letters. What is wrong is
// returned as its offset and a text.
func checkMacros(s, letters string) (int, string) {
	for i := 0; ; {
		j := strings.IndexByte(s[i:], '%')
		if j < 0 {
			return 0, ""
		}
		i += j
		m, n, text := scanMacro(s[i:])
		switch {
		case text != "":
			return i, text
		case isAlpha(m.letter) && strings.IndexByte(lettersExp, m.letter) < 0:
			return i, "unknown macro"
		case isAlpha(m.letter) && strings.IndexByte(letters, m.letter) < 0:
			return i, "macro is for explanations only"
		}
		i += n
	}
}

// lastMacroEnd returns where the last macro of s, whose macros are valid, ends.
func lastMacroEnd(s string) int {
	last := strings.LastIndexByte(s, '%')
	if last < 0 {
		return 0
	}
	// The last "%" may be the second of "%%".
	i := 0
	for {
		j := strings.IndexByte(s[i:], '%')
		if j < 0 {
			return i
		}
		_, n, _ := scanMacro(s[i+j:])
		i += j + n
	}
}

// expand appends s, whose macros are valid, with macros replaced, for a record of domain.
func (c *check) expand(ctx context.Context, dst []byte, s, domain string, most int) ([]byte, error) {
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			i = len(s)
		}
		if len(dst)+i > most {
			return dst, errTooLong
		}
		dst = append(dst, s[:i]...)
		if i == len(s) {
			return dst, nil
		}
		m, n, _ := scanMacro(s[i:])
		s = s[i+n:]
		switch m.letter {
		case '%':
			dst = append(dst, '%')
			continue
		case '_':
			dst = append(dst, ' ')
			continue
		case '-':
			dst = append(dst, "%20"...)
			continue
		}
		value, err := c.macroValue(ctx, m.letter, domain)
		if err != nil {
			return dst, err
		}
		if dst = m.append(dst, value); len(dst) > most {
			return dst, errTooLong
		}
	}
}

// macroValue returns what a macro letter stands for (RFC 7208 7.2).
func (c *check) macroValue(ctx context.Context, letter byte, domain string) (string, error) {
	switch letter {
	case 's', 'l':
		// RFC 8616 4: terms with these macros match nothing then.
		if !isASCII(c.localpart) {
			return "", errNotASCII
		}
		if letter == 'l' {
			return c.localpart, nil
		}
		return c.localpart + "@" + c.senderDomain, nil
	case 'o':
		return c.senderDomain, nil
	case 'd':
		return domain, nil
	case 'i':
		return dotted(c.ip), nil
	case 'p':
		return c.validatedName(ctx, domain)
	case 'v':
		if c.ip.Is4() {
			return "in-addr", nil
		}
		return "ip6", nil
	case 'h':
		return c.args.Hello.String(), nil
	case 'c':
		return c.ip.String(), nil
	case 'r':
		if c.args.LocalHostname.IsZero() {
			return "unknown", nil
		}
		return c.args.LocalHostname.ASCII, nil
	default: // 't'
		return strconv.FormatInt(c.args.now().Unix(), 10), nil
	}
}

// append appends the value, transformed (RFC 7208 7.3).
func (m macro) append(dst []byte, value string) []byte {
	if m.plain() {
		return m.appendEscaped(dst, value)
	}
	delims := m.delims
	if delims == "" {
		delims = "."
	}
	var space [40]string
	parts := space[:0]
	for {
		i := strings.IndexAny(value, delims)
		if i < 0 {
			break
		}
		parts = append(parts, value[:i])
		value = value[i+1:]
	}
	parts = append(parts, value)
	n := len(parts)
	if m.parts > 0 {
		n = min(n, m.parts)
	}
	// The right-hand parts after reversal are the left-hand ones, from right to left.
	for i := range n {
		if i > 0 {
			dst = append(dst, '.')
		}
		if m.reverse {
			dst = m.appendEscaped(dst, parts[n-1-i])
		} else {
			dst = m.appendEscaped(dst, parts[len(parts)-n+i])
		}
	}
	return dst
}

// appendEscaped appends s, with what is not unreserved (RFC 3986 2.3) escaped if the macro is in
// upper case.
func (m macro) appendEscaped(dst []byte, s string) []byte {
	if !m.escape {
		return append(dst, s...)
	}
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if isAlpha(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
