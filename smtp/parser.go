package smtp

import (
	"fmt"
	"strings"
)

// Options say how to parse.
type Options struct {
	// Pedantic keeps to the grammar of the RFCs to the letter.
	Pedantic bool
}

// parser goes through a line, the length of which its caller has bounded.
type parser struct {
	s string
	i int
	o Options
}

// errorf returns a syntax error with the position at which it was found.
func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("%s at column %d", fmt.Sprintf(format, args...), p.i+1)
}

func (p *parser) empty() bool { return p.i >= len(p.s) }

// peek returns the next octet, 0 at the end.
func (p *parser) peek() byte {
	if p.empty() {
		return 0
	}
	return p.s[p.i]
}

// take skips t, in any case, if it comes next.
func (p *parser) take(t string) bool {
	if len(p.s)-p.i < len(t) || !strings.EqualFold(p.s[p.i:p.i+len(t)], t) {
		return false
	}
	p.i += len(t)
	return true
}

func (p *parser) takeWhile(f func(c byte) bool) string {
	start := p.i
	for !p.empty() && f(p.s[p.i]) {
		p.i++
	}
	return p.s[start:p.i]
}

// rest returns all that is left.
func (p *parser) rest() string {
	s := p.s[p.i:]
	p.i = len(p.s)
	return s
}

// space skips the single space between arguments; several where that is no matter.
func (p *parser) space() bool {
	n := len(p.takeWhile(func(c byte) bool { return c == ' ' || c == '\t' && !p.o.Pedantic }))
	return n == 1 || n > 1 && !p.o.Pedantic
}

// clip shortens text of a peer for an error message.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
