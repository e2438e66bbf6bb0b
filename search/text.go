package search

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"mox/message"
)

// Source is a message to look in.
type Source struct {
	Part *message.Part // its tree, with offsets into Body
	Body io.ReaderAt
	// Document gives the text of a part that is neither text nor a message, nil when it has
	// none; n is its place in a walk of the tree, from 0. Nil: no part has.
	Document func(n int, p *message.Part) ([]byte, error)
}

// maxHeader bounds how much of one header is looked at. [message.Parse] knows fields up
// to the same bound.
const maxHeader = 1 << 20

// visitor receives the texts of a message, see [Query].
type visitor interface {
	// field is a field of the message's header: its name, and what follows the colon,
	// unfolded and decoded.
	field(name, value string) error
	// partField is a field of the header of a part of the message.
	partField(name, value string) error
	// body is a text of the body.
	body(r io.Reader) error
}

// errStop is returned by a visitor that has seen enough.
var errStop = errors.New("stop")

// visit shows the texts of the given areas to v. Errors are those of reading src.Body,
// and of v.
func visit(src Source, want areaSet, v visitor) error {
	if want&headerAreas != 0 {
		if err := eachField(src.Part, src.Body, v.field); err != nil {
			return err
		}
	}
	if !want.has(areaBody) {
		return nil
	}
	var err error
	shown := src.Part // the part whose header was shown already
	n := 0
	src.Part.Walk(func(_ []int, p *message.Part) bool {
		if err == nil && p != shown {
			err = eachField(p, src.Body, v.partField)
		}
		if err == nil {
			err = visitPart(src, n, p, v)
		}
		shown = p.Message // it comes next, when there is one
		n++
		return err == nil
	})
	return err
}

// visitPart shows what a part itself has in the body: its file name, its text, the
// header of its message.
//
// RFC 9051 6.4.4: content other than text and messages may be left out.
func visitPart(src Source, n int, p *message.Part, v visitor) error {
	if s := p.Filename(); s != "" {
		if err := v.body(strings.NewReader(s)); err != nil {
			return err
		}
	}
	switch {
	case p.Message != nil:
		return eachField(p.Message, src.Body, func(name, value string) error {
			return v.body(strings.NewReader(name + ":" + value))
		})
	case p.Opaque():
		return nil
	case p.IsText() || p.Type == "message":
		return v.body(p.VisibleText(src.Body))
	case src.Document != nil && !p.IsMultipart():
		text, err := src.Document(n, p)
		if err != nil || len(text) == 0 {
			return err
		}
		return v.body(bytes.NewReader(text))
	}
	return nil
}

// eachField calls f for each field of the header of a message.
func eachField(p *message.Part, ra io.ReaderAt, f func(name, value string) error) error {
	header := make([]byte, max(0, min(p.HeaderSize(), maxHeader)))
	n, err := io.ReadFull(p.Header(ra), header)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("reading header: %w", err)
	}
	header = header[:n]
	for len(header) > 0 {
		var field []byte
		field, header = cutField(header)
		name, value, ok := bytes.Cut(field, []byte(":"))
		if !ok {
			continue
		}
		if err := f(strings.ToValidUTF8(string(trimName(name)), "\uFFFD"), message.DecodeWords(unfold(value))); err != nil {
			return err
		}
	}
	return nil
}

// cutField cuts the first field with its continuation lines from a header.
func cutField(header []byte) (field, rest []byte) {
	for at := 0; ; {
		i := bytes.IndexByte(header[at:], '\n')
		if i < 0 {
			return header, nil
		}
		at += i + 1
		if at == len(header) || header[at] != ' ' && header[at] != '\t' {
			return bytes.TrimRight(header[:at], "\r\n"), header[at:]
		}
	}
}

// unfold removes the line ends of continuation lines (RFC 5322 2.2.3).
func unfold(b []byte) string {
	if bytes.IndexByte(b, '\n') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i, c := range b {
		if c == '\n' || c == '\r' && i+1 < len(b) && b[i+1] == '\n' {
			continue
		}
		out = append(out, c)
	}
	return string(out)
}

// Match tells for each query whether the message matches. Errors are those of reading.
// For several messages, a [Finder] is better.
func Match(src Source, queries []Query) ([]bool, error) {
	return NewFinder(queries).Find(src)
}

// Finder looks through messages, one after the other, for the needles of some queries.
// Not safe for concurrent use.
type Finder struct{ m matching }

// NewFinder returns a Finder for queries, which must not be changed after.
func NewFinder(queries []Query) *Finder { return &Finder{*newMatch(message.UnicodeCasemap, queries)} }

// NewFinderBy is NewFinder by a collation; by UnicodeCasemap that is [Fold]. The index knows Fold
// only: of a needle in ASCII, what it returns are all messages that can match by another
// collation, and none is certain.
func NewFinderBy(c message.Collation, queries []Query) *Finder {
	return &Finder{*newMatch(c, queries)}
}

// Find tells for each query whether the message matches. It reads no more of the message
// than needed, in pieces. Errors are those of reading. The result is valid until the
// next call.
func (f *Finder) Find(src Source) ([]bool, error) {
	m := &f.m
	clear(m.found)
	m.left = len(m.found)
	if err := visit(src, m.want, m); err != nil && err != errStop {
		return nil, fmt.Errorf("looking through message: %w", err)
	}
	return m.found, nil
}

// matching is the visitor of a Finder.
type matching struct {
	queries []Query
	by      message.Collation
	matcher *Matcher // needle i for queries[i]
	want    areaSet
	found   []bool
	left    int // not found yet
	buf     []byte
}

func newMatch(by message.Collation, queries []Query) *matching {
	m := &matching{by: by, queries: queries, found: make([]bool, len(queries)), buf: make([]byte, 16<<10)}
	needles := make([]string, len(queries))
	for i := range queries {
		q := &queries[i]
		needles[i] = q.Needle
		m.want |= q.areas()
	}
	m.matcher = newMatcherBy(m.by, needles)
	return m
}

func (m *matching) hit(i int) error {
	if !m.found[i] {
		m.found[i] = true
		m.left--
	}
	if m.left == 0 {
		return errStop
	}
	return nil
}

func (m *matching) field(name, value string) error {
	folded, text := "", ""
	for i := range m.queries {
		q := &m.queries[i]
		if m.found[i] || q.Field == FieldBody {
			continue
		}
		where := value
		if q.Field == FieldText {
			if text == "" {
				text = foldBy(m.by, name+":"+value)
			}
			where = text
		} else {
			if !strings.EqualFold(q.name(), name) {
				continue
			}
			if folded == "" {
				folded = foldBy(m.by, value)
			}
			where = folded
		}
		if strings.Contains(where, string(m.matcher.needles[i].folded)) {
			if err := m.hit(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *matching) partField(name, value string) error {
	text := ""
	for i := range m.queries {
		if m.found[i] || m.queries[i].Field != FieldText {
			continue
		}
		if text == "" {
			text = foldBy(m.by, name+":"+value)
		}
		if strings.Contains(text, string(m.matcher.needles[i].folded)) {
			if err := m.hit(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *matching) body(r io.Reader) error {
	m.matcher.Reset()
	for i := range m.queries {
		// Those that are not of the body, or found elsewhere, need not be looked for.
		if q := &m.queries[i]; m.found[i] || q.Field != FieldBody && q.Field != FieldText {
			m.matcher.skip(i)
		}
	}
	for !m.matcher.All() {
		n, err := r.Read(m.buf)
		m.matcher.Write(m.buf[:n])
		if err == io.EOF {
			break
		} else if err != nil {
			return fmt.Errorf("reading text: %w", err)
		}
	}
	m.matcher.End()
	for i := range m.queries {
		if q := &m.queries[i]; !m.found[i] && (q.Field == FieldBody || q.Field == FieldText) && m.matcher.Found(i) {
			if err := m.hit(i); err != nil {
				return err
			}
		}
	}
	return nil
}
