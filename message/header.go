package message

import "io"

// Header is the header of a message or part: an ordered list of fields with their
// exact bytes. Reading and writing an unchanged Header gives the same bytes. The
// zero value is an empty header.
type Header struct {
	fields []Field
}

// Field is one header field.
type Field struct {
	raw []byte
}

// ParseHeader splits a header (up to its empty line or the end of b) into fields.
// The Header refers to b, which must not change.
func ParseHeader(b []byte) *Header { return nil }

// ReadHeader reads a header from r, at most max bytes, and nothing beyond its empty line.
func ReadHeader(r io.ByteReader, max int) (*Header, error) { return nil, nil }

// Fields returns the fields in order. They must not be changed.
func (h *Header) Fields() []Field { return h.fields }

// Get returns the value of the first field of that name, unfolded, "" if none.
func (h *Header) Get(name string) string { return "" }

// Text is Get with encoded-words decoded.
func (h *Header) Text(name string) string { return "" }

// Values returns the values of all fields of that name, unfolded.
func (h *Header) Values(name string) []string { return nil }

// Has reports whether there is a field of that name.
func (h *Header) Has(name string) bool { return false }

// Prepend adds a field at the top, where trace fields go. The value is folded as needed.
func (h *Header) Prepend(name, value string) {}

// Add adds a field at the end.
func (h *Header) Add(name, value string) {}

// PrependRaw adds a whole field, or several, as bytes at the top; a missing line end is added.
func (h *Header) PrependRaw(field []byte) {}

// Remove removes all fields of that name and returns how many there were.
func (h *Header) Remove(name string) int { return 0 }

// RemoveFunc removes the fields for which f returns true and returns how many there were.
func (h *Header) RemoveFunc(f func(Field) bool) int { return 0 }

// Replace puts the value in place of the first field of that name, removes others of
// that name, and adds it at the end if there was none.
func (h *Header) Replace(name, value string) {}

// Append appends the header's bytes with the empty line.
func (h *Header) Append(dst []byte) []byte { return dst }

// Name returns the field name as in the message.
func (f Field) Name() string { return "" }

// Is reports whether the field has that name, case-insensitively.
func (f Field) Is(name string) bool { return false }

// Value returns the unfolded value.
func (f Field) Value() string { return "" }

// Raw returns the bytes of the field, line end included.
func (f Field) Raw() []byte { return f.raw }
