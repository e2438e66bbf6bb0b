package chunk

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// stored is content in chunks, the first of which may be of its own size.
func stored(c *Codec, b []byte, first int) [][]byte {
	list := [][]byte{c.Encode(b[:first])}
	for b = b[first:]; len(b) > 0; {
		n := min(Size, len(b))
		list = append(list, c.Encode(b[:n]))
		b = b[n:]
	}
	return list
}

func TestReader(t *testing.T) {
	c := codec(t)
	text := bytes.Repeat([]byte("Some text that compresses well.\r\n"), 3*Size/32)
	for _, first := range []int{0, 1, 1000, Size} {
		for _, size := range []int{first, first + 1, first + Size, 2*Size + 7} {
			if size > len(text) || size < first {
				continue
			}
			chunks := stored(c, text[:size], first)
			fetched := 0
			var r *Reader
			r = c.NewReader(func(n int) error { fetched++; return r.Fill(n, chunks[n]) })
			r.Layout(int64(size), int64(first))
			var b bytes.Buffer
			if n, err := r.WriteTo(&b); err != nil || n != r.Size() || !bytes.Equal(b.Bytes(), text[:size]) {
				t.Errorf("%d of %d: %d bytes, %v", first, size, n, err)
			}
			if fetched > len(chunks) {
				t.Errorf("%d chunks, fetched %d", len(chunks), fetched)
			}
			for range 20 {
				off, k := rand.IntN(size+1), rand.IntN(size+1)
				want := text[off:min(size, off+k)]
				got := make([]byte, k)
				n, err := r.ReadAt(got, int64(off))
				if (err == io.EOF) != (n < k) || !bytes.Equal(got[:n], want) {
					t.Errorf("%d at %d of %d: %d, %v", k, off, size, n, err)
				}
				b.Reset()
				if _, err := r.CopyRange(&b, int64(off), int64(k)); err != nil || !bytes.Equal(b.Bytes(), want) {
					t.Errorf("%d at %d of %d: %v", k, off, size, err)
				}
			}
			if size < 3000 {
				if err := iotest.TestReader(io.NewSectionReader(r, 0, int64(size)), text[:size]); err != nil {
					t.Error(err)
				}
			}
			r.Close()
			if _, err := r.ReadAt(make([]byte, 1), 0); size > 0 && (err == nil || err == io.EOF) {
				t.Error("read after Close:", err)
			}
		}
	}
}

func TestReaderErrors(t *testing.T) {
	c := codec(t)
	gone := errors.New("gone")
	fail := true
	var r *Reader
	r = c.NewReader(func(n int) error {
		if fail {
			return gone
		}
		return r.Fill(n, c.Encode([]byte("text")))
	})
	defer r.Close()
	r.Layout(4, 4)
	p := make([]byte, 4)
	if _, err := r.ReadAt(p, 0); !errors.Is(err, gone) {
		t.Error(err)
	}
	if _, err := r.WriteTo(io.Discard); !errors.Is(err, gone) {
		t.Error(err)
	}
	if _, err := r.ReadAt(p, -1); err == nil {
		t.Error("before the beginning")
	}
	fail = false
	if n, err := r.ReadAt(p, 0); n != 4 || err != nil {
		t.Error(n, err)
	}
	r.Layout(5, 5)
	if _, err := r.ReadAt(p, 0); !errors.Is(err, ErrCorrupt) {
		t.Error("of another length:", err)
	}
}
