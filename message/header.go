package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrHeaderTooLarge says that a header is longer than it may be.
var ErrHeaderTooLarge = errors.New("header too large")

// Header is the header of a message or part: an ordered list of fields with their
// exact bytes. Writing an unchanged Header gives the bytes that were parsed. The zero
// value is an empty header. It is not for concurrent use while it is changed.
type Header struct {
	fields []Field
	end    []byte // the empty line, nil if there was none
}

// Field is one header field, or a line within a header that is none.
type Field struct {
	raw  []byte
	name int // length of the name, 0 for a line that is no field
}

// ParseHeader splits a header, up to its empty line or the end of b, into fields. The
// Header refers to b, which must not change; Append's result is its own. Where all lines
// end with a bare CR, as [Parse] takes them too, they become CRLF.
func ParseHeader(b []byte) *Header {
	h := &Header{}
	b = crlfHeader(b)
	for len(b) > 0 {
		n := fieldLen(b)
		if n == 0 {
			h.end = b[:lineLen(b)]
			break
		}
		f := Field{raw: b[:n:n]}
		if name, _, ok := fieldName(b[:n]); ok {
			f.name = name
		}
		h.fields = append(h.fields, f)
		b = b[n:]
	}
	return h
}

// ReadHeader reads a header from r, at most max bytes, and nothing beyond its empty
// line. The error is that of r, other than io.EOF, or [ErrHeaderTooLarge].
func ReadHeader(r io.ByteReader, max int) (*Header, error) {
	var b []byte
	line := 0 // where the current line starts
	for {
		c, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			return ParseHeader(b), nil
		} else if err != nil {
			return nil, fmt.Errorf("reading header: %w", err)
		}
		if len(b) >= max {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrHeaderTooLarge, max)
		}
		if b = append(b, c); c != '\n' {
			continue
		}
		if isBlankLine(b[line:]) {
			return ParseHeader(b), nil
		}
		line = len(b)
	}
}

// crlfHeader returns header with CRLF where its lines end with bare CRs only.
func crlfHeader(header []byte) []byte {
	if bytes.IndexByte(header, '\n') < 0 && bytes.IndexByte(header, '\r') >= 0 {
		return bytes.ReplaceAll(header, []byte{'\r'}, crlf)
	}
	return header
}

// lineLen is the length of the first line with its end.
func lineLen(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// fieldLen is the length of the field that b starts with, continuation lines included,
// and 0 at the empty line.
func fieldLen(b []byte) int {
	n := lineLen(b)
	if isBlankLine(b[:n]) {
		return 0
	}
	for n < len(b) && (b[n] == ' ' || b[n] == '\t') {
		n += lineLen(b[n:])
	}
	return n
}

// Fields returns the fields in order. They must not be changed.
func (h *Header) Fields() []Field { return h.fields }

// Name returns the field name as in the message, "" for a line that is no field.
func (f Field) Name() string { return string(f.raw[:f.name]) }

// Is reports whether the field has that name, in any case.
func (f Field) Is(name string) bool {
	return f.name == len(name) && f.name > 0 && equalFoldASCII(f.raw[:f.name], name)
}

func equalFoldASCII(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c != s[i] && lowerByte(c) != lowerByte(s[i]) {
			return false
		}
	}
	return true
}

// Value returns the value: unfolded, without white space around it, otherwise as it is.
func (f Field) Value() string {
	b := f.raw
	if f.name > 0 {
		b = b[bytes.IndexByte(b, ':')+1:]
	}
	return unfold(b)
}

// Raw returns the bytes of the field, line ends included. They must not be changed.
func (f Field) Raw() []byte { return f.raw }

// unfold removes line ends (RFC 5322 2.2.3) and white space around the value.
func unfold(b []byte) string {
	b = bytes.TrimSpace(b)
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 && bytes.IndexByte(b, 0) < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i, c := range b {
		switch {
		case c == '\n', c == '\r' && i+1 < len(b) && b[i+1] == '\n':
		case c == 0, c == '\r':
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// Get returns the value of the first field of that name, unfolded, "" if there is none.
func (h *Header) Get(name string) string {
	for _, f := range h.fields {
		if f.Is(name) {
			return f.Value()
		}
	}
	return ""
}

// Text is [Header.Get] with encoded-words decoded, in valid UTF-8.
func (h *Header) Text(name string) string { return DecodeWords(h.Get(name)) }

// Values returns the values of all fields of that name, unfolded.
func (h *Header) Values(name string) []string {
	var values []string
	for _, f := range h.fields {
		if f.Is(name) {
			values = append(values, f.Value())
		}
	}
	return values
}

// Has reports whether there is a field of that name.
func (h *Header) Has(name string) bool {
	return slices.ContainsFunc(h.fields, func(f Field) bool { return f.Is(name) })
}

// Prepend adds a field at the top, where trace fields go. The value is text, folded at
// white space where lines get long; it is not encoded.
func (h *Header) Prepend(name, value string) {
	h.fields = slices.Insert(h.fields, 0, newField(name, value))
}

// Add adds a field at the end, as [Header.Prepend] does at the top.
func (h *Header) Add(name, value string) {
	h.endLine()
	h.fields = append(h.fields, newField(name, value))
}

// endLine makes sure that the last field ends with a line end.
func (h *Header) endLine() {
	if n := len(h.fields); n > 0 {
		f := &h.fields[n-1]
		if !bytes.HasSuffix(f.raw, newline) {
			f.raw = append(f.raw[:len(f.raw):len(f.raw)], "\r\n"...)
		}
	}
}

// PrependRaw adds one or more whole fields as they are at the top. A missing line end
// at the end is added; an empty line ends what is taken.
func (h *Header) PrependRaw(fields []byte) {
	add := ParseHeader(bytes.Clone(fields))
	add.endLine()
	h.fields = slices.Insert(h.fields, 0, add.fields...)
}

// Remove removes all fields of that name and returns how many there were.
func (h *Header) Remove(name string) int {
	return h.RemoveFunc(func(f Field) bool { return f.Is(name) })
}

// RemoveFunc removes the fields for which del returns true and returns how many there were.
func (h *Header) RemoveFunc(del func(Field) bool) int {
	n := len(h.fields)
	h.fields = slices.DeleteFunc(h.fields, del)
	return n - len(h.fields)
}

// Replace puts the value in place of the first field of that name and removes others of
// that name. Where there is none, it adds the field at the end.
func (h *Header) Replace(name, value string) {
	i := slices.IndexFunc(h.fields, func(f Field) bool { return f.Is(name) })
	if i < 0 {
		h.Add(name, value)
		return
	}
	h.fields[i] = newField(name, value)
	seen := false
	h.RemoveFunc(func(f Field) bool {
		again := seen && f.Is(name)
		seen = seen || f.Is(name)
		return again
	})
}

// Append appends the header's bytes with the empty line, which is as it was, CRLF if
// there was none.
func (h *Header) Append(dst []byte) []byte {
	for i := range h.fields {
		if i == len(h.fields)-1 {
			h.endLine()
		}
		if raw := h.fields[i].raw; i > 0 && h.fields[i].name == 0 && (raw[0] == ' ' || raw[0] == '\t') {
			// A message that starts with white space has no header. What was put before
			// it must not be continued by it.
			dst = append(dst, "\r\n"...)
		}
		dst = append(dst, h.fields[i].raw...)
	}
	if h.end != nil && bytes.HasSuffix(h.end, newline) {
		return append(dst, h.end...)
	}
	return append(dst, "\r\n"...)
}

func newField(name, value string) Field {
	return Field{raw: appendFolded(nil, name, value), name: len(name)}
}

const (
	foldColumn = 78  // RFC 5322 2.1.1: lines should be no longer
	maxLine    = 998 // and must be no longer
)

// appendFolded appends "name: value" and CRLF, folded before white space where a line
// would be longer than 78 characters. Line ends in the value become spaces, so that it
// cannot make another field. Words longer than a line may be are cut.
func appendFolded(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ':')
	column := len(name) + 1
	value = strings.TrimSpace(oneLine(value))
	lead := " "
	for value != "" {
		// A word with the white space before it.
		word := value
		if i := strings.IndexAny(value, " \t"); i >= 0 {
			word = value[:i]
		}
		limit := maxLine - len(lead) - 1
		if len(word) > limit {
			cut := limit
			for cut > limit-4 && word[cut]&0xc0 == 0x80 {
				cut-- // not within a character
			}
			word = word[:cut]
		}
		rest := value[len(word):]
		if column+len(lead)+len(word) > foldColumn && column > len(name)+1 || column+len(lead)+len(word) > maxLine {
			dst = append(dst, "\r\n"...)
			column = 0
		}
		dst = append(dst, lead...)
		dst = append(dst, word...)
		column += len(lead) + len(word)
		value = strings.TrimLeft(rest, " \t")
		lead = rest[:len(rest)-len(value)]
		if lead == "" || len(lead) > foldColumn {
			lead = " " // a word was cut, or nothing but space
		}
	}
	return append(dst, "\r\n"...)
}

// AppendHeaderFields appends the fields of header that are named (with not: all but
// those), in order and as they are, and an empty line: IMAP's HEADER.FIELDS and
// HEADER.FIELDS.NOT (RFC 9051 6.4.5.1). Names are compared without case; lines that
// are no fields only count as not named. A header without empty line ends with b.
func AppendHeaderFields(dst, header []byte, names []string, not bool) []byte {
	set := makeNameSet(names)
	return set.appendFields(dst, header, not)
}

// FieldNames are names of header fields, for [AppendHeaderFields] of many headers. They do not
// change.
type FieldNames struct{ set nameSet }

// NewFieldNames returns a set of names, which must stay as they are.
func NewFieldNames(names []string) *FieldNames { return &FieldNames{makeNameSet(names)} }

// AppendFields is [AppendHeaderFields] with these names.
func (f *FieldNames) AppendFields(dst, header []byte, not bool) []byte {
	return f.set.appendFields(dst, header, not)
}

func (s *nameSet) appendFields(dst, header []byte, not bool) []byte {
	header = crlfHeader(header)
	for len(header) > 0 {
		n := fieldLen(header)
		if n == 0 {
			return append(dst, header[:lineLen(header)]...)
		}
		name, _, ok := fieldName(header[:n])
		if named := ok && s.has(header[:name]); named != not {
			dst = append(dst, header[:n]...)
			if header[n-1] != '\n' {
				dst = append(dst, "\r\n"...)
			}
		}
		header = header[n:]
	}
	return append(dst, "\r\n"...)
}

// nameSet is a set of field names. Few are compared one by one, many are hashed.
type nameSet struct {
	names []string
	byKey map[string]struct{}
}

const fewNames = 8

func makeNameSet(names []string) nameSet {
	s := nameSet{names: names}
	if len(names) > fewNames {
		s.byKey = make(map[string]struct{}, len(names))
		for _, n := range names {
			s.byKey[lowerASCII(n)] = struct{}{}
		}
	}
	return s
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lowerByte(c)
	}
	return string(b)
}

func (s *nameSet) has(name []byte) bool {
	if s.byKey == nil {
		for _, n := range s.names {
			if len(n) == len(name) && equalFoldASCII(name, n) {
				return true
			}
		}
		return false
	}
	var buf [128]byte
	lower := append(buf[:0], name...)
	for i, c := range lower {
		lower[i] = lowerByte(c)
	}
	_, ok := s.byKey[string(lower)]
	return ok
}
