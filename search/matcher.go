package search

import (
	"bytes"

	"mox/message"
)

// foldBy is [Fold] for i;unicode-casemap, and the key of other collations, which know no
// ways of writing the same.
func foldBy(c message.Collation, s string) string {
	if c == message.UnicodeCasemap {
		return Fold(s)
	}
	return c.Key(s)
}

// Matcher looks for needles in texts that are written to it in pieces, cut anywhere. It
// needs memory for one piece and the longest needle. Not safe for concurrent use.
type Matcher struct {
	collation message.Collation
	needles   []needle
	left      int // needles not found yet
	fold      folder
	buf       []byte // folded: the end of what was seen, and what is new
	keep      int    // bytes of buf to keep between pieces
}

type needle struct {
	folded []byte
	found  bool
}

// NewMatcher returns a Matcher for needles as users give them. The empty needle is
// found in any text, and so at once.
func NewMatcher(needles ...string) *Matcher {
	return newMatcherBy(message.UnicodeCasemap, needles)
}

// newMatcherBy returns a Matcher that compares by a collation.
func newMatcherBy(c message.Collation, needles []string) *Matcher {
	m := &Matcher{collation: c, needles: make([]needle, len(needles))}
	for i, s := range needles {
		m.needles[i] = needle{folded: []byte(foldBy(c, s))}
		m.keep = max(m.keep, len(m.needles[i].folded)-1)
	}
	m.Reset()
	return m
}

// Write takes the next piece of the text. It never fails.
func (m *Matcher) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && m.left > 0 {
		piece := p[:min(len(p), 32<<10)]
		p = p[len(piece):]
		switch m.collation {
		case message.UnicodeCasemap:
			m.buf = m.fold.append(m.buf, piece)
		default:
			m.buf = append(m.buf, m.collation.Key(string(piece))...)
		}
		m.scan()
	}
	return n, nil
}

// End ends a text. No needle is found across it.
func (m *Matcher) End() {
	m.buf = m.fold.flush(m.buf)
	if m.left > 0 {
		m.scan()
	}
	m.buf = m.buf[:0]
}

// Found reports whether needle i was found since the last Reset. It is certain after
// End, and may be early.
func (m *Matcher) Found(i int) bool { return m.needles[i].found }

// All reports whether all needles have been found: what is still written changes nothing.
func (m *Matcher) All() bool { return m.left == 0 }

// Reset makes the Matcher as new, for the texts of another message.
func (m *Matcher) Reset() {
	m.left = len(m.needles)
	m.fold = folder{}
	m.buf = m.buf[:0]
	for i := range m.needles {
		n := &m.needles[i]
		n.found = len(n.folded) == 0
		if n.found {
			m.left--
		}
	}
}

// skip makes needle i count as found.
func (m *Matcher) skip(i int) {
	if !m.needles[i].found {
		m.needles[i].found = true
		m.left--
	}
}

// scan searches buf and drops all of it that no needle can begin in any more.
func (m *Matcher) scan() {
	for i := range m.needles {
		n := &m.needles[i]
		if !n.found && bytes.Contains(m.buf, n.folded) {
			n.found = true
			m.left--
		}
	}
	if drop := len(m.buf) - m.keep; drop > 0 {
		m.buf = m.buf[:copy(m.buf, m.buf[drop:])]
	}
}
