package message

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkTree asserts what every tree must be: offsets ordered and nested.
func checkTree(t testing.TB, p *Part, size int64, l Limits) {
	t.Helper()
	l = l.withDefaults()
	if p.HeaderStart != 0 || p.BodyEnd != size {
		t.Errorf("root is %d to %d of %d", p.HeaderStart, p.BodyEnd, size)
	}
	n := 0
	var walk func(p *Part, path string, depth int)
	walk = func(p *Part, path string, depth int) {
		n++
		if p.HeaderStart > p.BodyStart || p.BodyStart > p.BodyEnd || p.HeaderStart < 0 {
			t.Errorf("%s: offsets %d %d %d", path, p.HeaderStart, p.BodyStart, p.BodyEnd)
		}
		if p.Lines < 0 || p.Lines > p.BodySize() {
			t.Errorf("%s: %d lines in %d bytes", path, p.Lines, p.BodySize())
		}
		if p.Type == "" || p.Subtype == "" {
			t.Errorf("%s: no type", path)
		}
		if depth > l.Depth+1 {
			t.Errorf("%s: deeper than %d", path, l.Depth)
		}
		if p.IsMultipart() != (len(p.Parts) > 0) {
			t.Errorf("%s: %s with %d parts", path, p.MediaType(), len(p.Parts))
		}
		if p.Message != nil && (!p.IsMessage() || p.Message.Envelope == nil) {
			t.Errorf("%s: %s has a message", path, p.MediaType())
		}
		at := p.BodyStart
		for i, c := range p.Parts {
			if c.HeaderStart < at || c.BodyEnd > p.BodyEnd {
				t.Errorf("%s.%d: %d to %d is not in %d to %d", path, i+1, c.HeaderStart, c.BodyEnd, at, p.BodyEnd)
			}
			at = c.BodyEnd
			walk(c, path+"."+strconv.Itoa(i+1), depth+1)
		}
		if m := p.Message; m != nil {
			if m.HeaderStart != p.BodyStart || m.BodyEnd != p.BodyEnd {
				t.Errorf("%s: message %d to %d in body %d to %d", path, m.HeaderStart, m.BodyEnd, p.BodyStart, p.BodyEnd)
			}
			walk(m, path+".m", depth+1)
		}
	}
	walk(p, "root", 1)
	if n > l.Parts {
		t.Errorf("%d parts, limit %d", n, l.Parts)
	}
}

// imapReader checks syntax by the grammar of RFC 9051 9.
type imapReader struct {
	s    string
	utf8 bool
}

var errSyntax = errors.New("IMAP syntax")

func (r *imapReader) fail(what string) {
	panic(fmt.Errorf("%w: want %s at %.60q", errSyntax, what, r.s))
}

func (r *imapReader) take(lit string) {
	if !strings.HasPrefix(r.s, lit) {
		r.fail(lit)
	}
	r.s = r.s[len(lit):]
}

func (r *imapReader) peek(lit string) bool { return strings.HasPrefix(r.s, lit) }

func (r *imapReader) number() {
	n := 0
	for n < len(r.s) && r.s[n] >= '0' && r.s[n] <= '9' {
		n++
	}
	if n == 0 {
		r.fail("number")
	}
	r.s = r.s[n:]
}

func (r *imapReader) str() string {
	if r.peek("{") {
		i := strings.Index(r.s, "}\r\n")
		if i < 0 {
			r.fail("literal")
		}
		n, err := strconv.Atoi(r.s[1:i])
		if err != nil || i+3+n > len(r.s) {
			r.fail("literal size")
		}
		lit := r.s[i+3 : i+3+n]
		if strings.Contains(lit, "\x00") || !utf8.ValidString(lit) {
			r.fail("literal without NUL")
		}
		r.s = r.s[i+3+n:]
		return lit
	}
	r.take(`"`)
	var b strings.Builder
	for {
		if r.s == "" {
			r.fail("end of quoted string")
		}
		c := r.s[0]
		switch {
		case c == '"':
			r.s = r.s[1:]
			if !utf8.ValidString(b.String()) {
				r.fail("UTF-8")
			}
			return b.String()
		case c == '\\':
			if len(r.s) < 2 || r.s[1] != '"' && r.s[1] != '\\' {
				r.fail("escaped character")
			}
			b.WriteByte(r.s[1])
			r.s = r.s[2:]
			continue
		case c == 0 || c == '\r' || c == '\n' || c >= 0x80 && !r.utf8:
			r.fail("TEXT-CHAR")
		}
		b.WriteByte(c)
		r.s = r.s[1:]
	}
}

func (r *imapReader) nstring() (string, bool) {
	if r.peek("NIL") {
		r.take("NIL")
		return "", false
	}
	return r.str(), true
}

func (r *imapReader) envelope() {
	r.take("(")
	r.nstring()
	r.take(" ")
	r.nstring()
	for range 6 {
		r.take(" ")
		r.addresses()
	}
	r.take(" ")
	r.nstring()
	r.take(" ")
	r.nstring()
	r.take(")")
}

func (r *imapReader) addresses() {
	if r.peek("NIL") {
		r.take("NIL")
		return
	}
	r.take("(")
	group := false
	for first := true; first || r.peek("("); first = false {
		r.take("(")
		r.nstring()
		r.take(" ")
		r.nstring()
		r.take(" ")
		_, mailbox := r.nstring()
		r.take(" ")
		_, host := r.nstring()
		r.take(")")
		if !host {
			if group == mailbox {
				r.fail("group start and end in turn")
			}
			group = mailbox
		}
	}
	if group {
		r.fail("end of group")
	}
	r.take(")")
}

func (r *imapReader) params() {
	if r.peek("NIL") {
		r.take("NIL")
		return
	}
	r.take("(")
	for first := true; first || r.peek(" "); first = false {
		if !first {
			r.take(" ")
		}
		r.str()
		r.take(" ")
		r.str()
	}
	r.take(")")
}

func (r *imapReader) rest() {
	r.take(" ")
	if r.peek("NIL") {
		r.take("NIL")
	} else {
		r.take("(")
		r.str()
		r.take(" ")
		r.params()
		r.take(")")
	}
	r.take(" ")
	if r.peek("(") {
		r.take("(")
		for first := true; first || r.peek(" "); first = false {
			if !first {
				r.take(" ")
			}
			r.str()
		}
		r.take(")")
	} else {
		r.nstring()
	}
	r.take(" ")
	r.nstring()
}

func (r *imapReader) body(extended bool) {
	r.take("(")
	if r.peek("(") {
		for r.peek("(") {
			r.body(extended)
		}
		r.take(" ")
		r.str()
		if extended {
			r.take(" ")
			r.params()
			r.rest()
		}
		r.take(")")
		return
	}
	typ := r.str()
	r.take(" ")
	subtype := r.str()
	r.take(" ")
	r.params()
	r.take(" ")
	r.nstring()
	r.take(" ")
	r.nstring()
	r.take(" ")
	r.str()
	r.take(" ")
	r.number()
	switch {
	case typ == "text":
		r.take(" ")
		r.number()
	case typ == "message" && (subtype == "rfc822" || subtype == "global" && r.utf8):
		r.take(" ")
		r.envelope()
		r.take(" ")
		r.body(extended)
		r.take(" ")
		r.number()
	}
	if extended {
		r.take(" ")
		r.nstring()
		r.rest()
	}
	r.take(")")
}

func checkIMAP(b []byte, utf8 bool, f func(*imapReader)) (err error) {
	r := &imapReader{s: string(b), utf8: utf8}
	defer func() {
		if x := recover(); x != nil {
			if e, ok := x.(error); ok && errors.Is(e, errSyntax) {
				err = e
				return
			}
			panic(x)
		}
	}()
	f(r)
	if r.s != "" {
		r.fail("end")
	}
	return nil
}

// checkRendering asserts that all that is rendered is valid.
func checkRendering(t testing.TB, p *Part) {
	t.Helper()
	for _, utf8 := range []bool{false, true} {
		for _, extended := range []bool{false, true} {
			b := p.AppendBodyStructure(nil, extended, utf8)
			if err := checkIMAP(b, utf8, func(r *imapReader) { r.body(extended) }); err != nil {
				t.Errorf("body, extended %v, utf8 %v: %v in\n%q", extended, utf8, err, b)
			}
		}
		b := p.AppendEnvelope(nil, utf8)
		if err := checkIMAP(b, utf8, (*imapReader).envelope); err != nil {
			t.Errorf("envelope, utf8 %v: %v in\n%q", utf8, err, b)
		}
	}
}
