package smtp

import (
	"regexp"
	"strings"
)

// Burl adds what a URL stands for to the message (RFC 4468 3.5).
type Burl struct {
	URL  string // absolute URI; its syntax beyond that is not checked
	Last bool
}

// Verb implements [Command].
func (Burl) Verb() string { return "BURL" }

// String returns the command; its URL may give access to a message, so it is not for logs.
func (c Burl) String() string {
	s := "BURL " + c.URL
	if c.Last {
		s += " LAST"
	}
	return s
}

// absoluteURI is what every URI looks like (RFC 3986 4.3).
var absoluteURI = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$`)

func (p *parser) burl() (Command, *Error) {
	c := Burl{URL: p.takeWhile(func(b byte) bool { return b > ' ' })}
	if !absoluteURI.MatchString(c.URL) {
		return nil, badParam("missing or bad URL")
	}
	if p.empty() {
		return c, nil
	}
	if !p.space() || !strings.EqualFold(p.rest(), "LAST") {
		return nil, badParam("unexpected text after URL")
	}
	c.Last = true
	return c, nil
}
