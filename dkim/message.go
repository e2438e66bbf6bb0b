package dkim

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"mox/message"
)

// DefaultMaxHeader is how large a header may be, in bytes.
const DefaultMaxHeader = 1 << 20

// ErrHeaderTooLarge says that a message has a larger header than is allowed.
var ErrHeaderTooLarge = message.ErrHeaderTooLarge

// Message is a message whose signatures are made or checked. Safe for concurrent use if
// its reader is.
type Message struct {
	r      io.ReaderAt
	fields []message.Field
	byName map[string][]int // indexes in fields by lower-case name
	body   int64            // offset of the body
	start  []byte           // of the body, what was read with the header
	all    bool             // start is all of the body
	odd    bool             // a byte order mark, or the envelope of a mailbox file, is before the fields
}

// ReadMessage reads the header of the message that r has from its offset 0 to its end. A
// header of more than maxHeader bytes (0: DefaultMaxHeader) is ErrHeaderTooLarge; other
// errors are those of r.
func ReadMessage(r io.ReaderAt, maxHeader int) (*Message, error) {
	maxHeader = cmp.Or(maxHeader, DefaultMaxHeader)
	buf, header, body, eof, err := readHeader(r, maxHeader)
	if err != nil {
		return nil, err
	}
	m := &Message{r: r, body: int64(body), start: buf[body:], all: eof, byName: map[string][]int{}}
	fieldBytes := buf[:header]
	if header > 0 && buf[header-1] != '\n' {
		fieldBytes = append(buf[:header:header], "\r\n"...) // a last line without end is a line
	}
	fields, mark := bytes.CutPrefix(fieldBytes, []byte("\xef\xbb\xbf"))
	m.fields = message.ParseHeader(fields).Fields()
	m.odd = mark || len(m.fields) > 0 && m.fields[0].Name() == ""
	for i, f := range m.fields {
		name := strings.ToLower(f.Name())
		m.byName[name] = append(m.byName[name], i)
	}
	return m, nil
}

// readHeader returns the start of a message, where in it the fields of its header end, and
// where its body begins. With eof that is all of the message.
func readHeader(r io.ReaderAt, maxHeader int) (buf []byte, header, body int, eof bool, err error) {
	buf = make([]byte, 0, 16<<10)
	pos := 0         // start of the first line not looked at
	inField := false // a continuation line may follow
	for {
		for {
			end := bytes.IndexByte(buf[pos:], '\n')
			if end < 0 && (!eof || pos == len(buf)) {
				break
			}
			line := buf[pos:]
			if end >= 0 {
				line = line[:end+1]
			}
			switch {
			case len(trimLineEnd(line)) == 0:
				return buf, pos, pos + len(line), eof, nil
			case inField && (line[0] == ' ' || line[0] == '\t'):
			case isField(line):
				inField = true
			case pos > 0 || !isMboxLine(line):
				// As package message sees it: a line that is no field starts the body.
				return buf, pos, pos, eof, nil
			}
			if pos += len(line); pos > maxHeader {
				return nil, 0, 0, false, fmt.Errorf("%w: more than %d bytes", ErrHeaderTooLarge, maxHeader)
			}
		}
		if eof {
			return buf, len(buf), len(buf), true, nil
		}
		if len(buf) > maxHeader {
			return nil, 0, 0, false, fmt.Errorf("%w: more than %d bytes", ErrHeaderTooLarge, maxHeader)
		}
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, 4*cap(buf)), buf...)
		}
		n, err := r.ReadAt(buf[len(buf):cap(buf)], int64(len(buf)))
		buf = buf[:len(buf)+n]
		if eof = errors.Is(err, io.EOF); err != nil && !eof {
			return nil, 0, 0, false, fmt.Errorf("reading header: %w", err)
		}
	}
}

// maxFieldName bounds how far a colon is looked for, as in package message.
const maxFieldName = 998

// isField tells whether a line begins with a field name and colon (RFC 5322 2.2, 4.5).
func isField(line []byte) bool {
	line = line[:min(len(line), maxFieldName)]
	n := 0
	for n < len(line) && line[n] > ' ' && line[n] != ':' && line[n] != 0x7f {
		n++
	}
	rest := bytes.TrimLeft(line[n:], " \t")
	return n > 0 && len(rest) > 0 && rest[0] == ':'
}

// isMboxLine tells whether a line is the envelope of a mailbox file, which some put
// before the header.
func isMboxLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// Fields returns the header fields in order. They must not be changed.
func (m *Message) Fields() []message.Field { return m.fields }

// Named returns the fields of that name, in order.
func (m *Message) Named(name string) []message.Field {
	var l []message.Field
	for _, i := range m.byName[strings.ToLower(name)] {
		l = append(l, m.fields[i])
	}
	return l
}

// Count tells how many fields of that name there are.
func (m *Message) Count(name string) int { return len(m.byName[strings.ToLower(name)]) }

// HeaderDigest returns the hash that a signature is over: the fields that s.SignedHeaders
// names, and the signature field itself, raw (RFC 6376 3.7).
func (m *Message) HeaderDigest(s *Signature, raw []byte) [sha256.Size]byte {
	h := sha256.New()
	var buf []byte
	used := map[string]int{}
	for _, name := range s.SignedHeaders {
		name = strings.ToLower(name)
		// RFC 6376 5.4.2: from the bottom up; what is not there contributes nothing.
		l := m.byName[name]
		for n := used[name]; n < len(l); n = used[name] {
			used[name]++
			f := m.fields[l[len(l)-1-n]].Raw()
			if len(raw) > 0 && &f[0] == &raw[0] {
				continue // the signature itself was not there when it was made
			}
			buf = AppendField(buf[:0], f, s.HeaderCanonicalization)
			h.Write(buf)
			break
		}
	}
	h.Write(AppendSignatureField(buf[:0], raw, s.HeaderCanonicalization))
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}
