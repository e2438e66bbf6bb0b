package message

import (
	"bytes"
	"io"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// decoded returns a reader of the text of r in UTF-8. Most text is UTF-8 already, of which
// nothing needs to be changed: then it is read straight into the buffers of who reads.
func decoded(r io.Reader, e encoding.Encoding) io.Reader {
	if e == lenient || e == unicode.UTF8 {
		return &utf8Text{r: r, e: e}
	}
	return transform.NewReader(r, e.NewDecoder())
}

// utf8Text is a reader of text that is expected to be UTF-8.
type utf8Text struct {
	r    io.Reader
	e    encoding.Encoding
	tail [utf8.UTFMax - 1]byte // the begin of a character
	n    int                   // bytes of tail
	rest io.Reader             // from what is not valid on
}

// Read implements [io.Reader].
func (t *utf8Text) Read(p []byte) (int, error) {
	for t.rest == nil && len(p) > len(t.tail) {
		k := copy(p, t.tail[:t.n])
		n, err := t.r.Read(p[k:])
		t.n = 0
		b := p[:k+n]
		if utf8.Valid(b) {
			if len(b) > 0 || err != nil {
				return len(b), err
			}
			continue
		}
		valid := validLen(b)
		if left := b[valid:]; err == nil && !utf8.FullRune(left) {
			t.n = copy(t.tail[:], left)
		} else {
			t.decode(slices.Clone(left), err)
		}
		if valid > 0 {
			return valid, nil
		}
	}
	if t.rest == nil {
		t.decode(slices.Clone(t.tail[:t.n]), nil)
	}
	return t.rest.Read(p)
}

// decode leaves what is to come to the decoder: left, and what r has if there was no error.
func (t *utf8Text) decode(left []byte, err error) {
	more := t.r
	if err != nil {
		more = errReader{err}
	}
	t.rest = transform.NewReader(io.MultiReader(bytes.NewReader(left), more), t.e.NewDecoder())
}

// validLen returns how many bytes at the begin of b are whole characters.
func validLen(b []byte) int {
	n := 0
	for n < len(b) {
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}
