package mailhtml

import (
	"net/url"
	"strings"
)

// Bounds of CSS.
const (
	maxCSS     = 256 << 10 // octets of all that a document keeps
	maxCSSURL  = 2 << 10   // octets of a url(), but for pictures that are in it
	badElement = "x-none"  // in place of what is not kept
)

// css returns CSS without what loads anything, or ran scripts in browsers of old. What cannot be understood ends it. Each octet is looked at
// once or twice, whatever there is.
func (w *Writer) css(text string) string {
	if w.cssSize += len(text); w.cssSize > maxCSS {
		return ""
	}
	c := &cssCleaner{w: w, in: text}
	for c.pos < len(c.in) && c.next() {
	}
	return c.out.String()
}

// cssCleaner goes through CSS.
type cssCleaner struct {
	w   *Writer
	in  string
	pos int
	out strings.Builder
}

// next takes one token; false: there is no end to it.
func (c *cssCleaner) next() bool {
	rest := c.in[c.pos:]
	switch b := rest[0]; {
	case strings.HasPrefix(rest, "/*"):
		return c.comment(rest)
	case b == '"' || b == '\'':
		return c.text(rest)
	case b == '@':
		c.rule(rest)
	case isName(b):
		return c.word(rest)
	default:
		c.out.WriteByte(b)
		c.pos++
	}
	return true
}

// comment leaves a comment out; nothing new comes from what was around it.
func (c *cssCleaner) comment(rest string) bool {
	end := strings.Index(rest[2:], "*/")
	if end < 0 {
		return false
	}
	c.pos += 2 + end + 2
	c.out.WriteByte(' ')
	return true
}

// text keeps a string.
func (c *cssCleaner) text(rest string) bool {
	n := quoted(rest)
	if n == 0 {
		return false
	}
	c.out.WriteString(rest[:n])
	c.pos += n
	return true
}

// quoted is the length of the string that s begins with; 0: it does not end.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		case '\n':
			return 0
		}
	}
	return 0
}

// rules are those that are kept. In place of others, such as @import and @font-face, is one that no browser knows.
var rules = map[string]bool{"media": true, "supports": true, "keyframes": true, "-webkit-keyframes": true, "page": true}

func (c *cssCleaner) rule(rest string) {
	name := nameOf(rest[1:])
	c.pos += 1 + len(name)
	if rules[strings.ToLower(name)] {
		c.out.WriteString("@" + name)
		return
	}
	c.out.WriteString("@" + badElement + " ")
}

// isName tells whether an octet can be of a name or number.
func isName(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '\\' || b >= 0x80
}

// nameOf is the name or number that s begins with, escapes included.
func nameOf(s string) string {
	i := 0
	for i < len(s) && isName(s[i]) {
		if s[i] == '\\' {
			i++
		}
		i++
	}
	return s[:min(i, len(s))]
}

// bad are functions and properties that load or run something.
var bad = map[string]bool{"expression(": true, "image(": true, "image-set(": true, "-webkit-image-set(": true, "src(": true, "cross-fade(": true, "-moz-binding": true, "behavior": true}

// word takes a name or number, with what follows if it is that of a function.
func (c *cssCleaner) word(rest string) bool {
	name := nameOf(rest)
	if strings.HasPrefix(rest[len(name):], "(") {
		name = rest[:len(name)+1]
	}
	c.pos += len(name)
	lower := strings.ToLower(name)
	switch {
	case lower == "url(":
		return c.url(rest[len(name):])
	// Escapes could hide something; "0url(" is perhaps one for some browser.
	case strings.Contains(name, `\`), bad[lower], strings.Contains(lower, "url"):
		c.out.WriteString(badElement)
		if strings.HasSuffix(name, "(") {
			c.out.WriteByte('(')
		}
	default:
		c.out.WriteString(name)
	}
	return true
}

// url takes what is between "url(" and ")", and puts something else in its place if that is not to be loaded.
func (c *cssCleaner) url(rest string) bool {
	space := len(rest) - len(strings.TrimLeft(rest, " \t\r\n\f"))
	inner := rest[space:]
	n := 0
	if inner != "" && (inner[0] == '"' || inner[0] == '\'') {
		if n = quoted(inner); n == 0 {
			return false
		}
	}
	end := strings.IndexByte(inner[n:], ')')
	if end < 0 {
		return false
	}
	end += n
	c.pos += space + end + 1
	c.out.WriteString(c.w.cssURL(strings.Trim(strings.TrimSpace(inner[:end]), `"'`)))
	return true
}

// cssURL returns what to put in place of url(...).
func (w *Writer) cssURL(s string) string {
	if len(s) > maxCSSURL && !strings.HasPrefix(s, "data:") || strings.Contains(s, `\`) {
		return "none"
	}
	p := w.picture(s)
	if p == "" || strings.ContainsAny(p, `"'()<>\`+" \n\r\t\f") {
		return "none"
	}
	return `url("` + p + `")`
}

// unescape is the Content-ID of a cid: URL, RFC 2392 2.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}
