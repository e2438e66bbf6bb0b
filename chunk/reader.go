package chunk

import (
	"errors"
	"fmt"
	"io"
)

// Reader reads content at any place, a chunk at a time. It is not safe for concurrent use.
type Reader struct {
	codec *Codec
	fetch func(n int) error
	size  int64   // of all
	first int64   // of chunk 0
	raw   []byte  // of chunk at
	at    int     // -1: none
	buf   *[]byte // that raw is in when it is the Reader's own; from the codec
	ended bool
}

// NewReader returns a Reader of content without bytes, until Layout says otherwise. fetch
// looks up chunk n and calls Fill or Give. It must be closed.
func (c *Codec) NewReader(fetch func(n int) error) *Reader {
	return &Reader{codec: c, fetch: fetch, at: -1}
}

// Layout says how many bytes there are, and how many of them are in chunk 0. All others but
// the last have Size bytes.
func (r *Reader) Layout(size, first int64) { r.size, r.first, r.at = size, first, -1 }

// Size is the number of bytes.
func (r *Reader) Size() int64 { return r.size }

// Close ends reading.
func (r *Reader) Close() error {
	if r.buf != nil {
		r.codec.Put(r.buf)
	}
	r.raw, r.buf, r.at, r.ended = nil, nil, -1, true
	return nil
}

// Chunk returns the number of the chunk that has offset off, and where that begins.
func (r *Reader) Chunk(off int64) (n int, start int64) {
	if off < r.first {
		return 0, 0
	}
	i := (off - r.first) / Size
	return int(i) + 1, r.first + i*Size
}

// Fill gives the Reader chunk n as it is stored. Its errors wrap ErrCorrupt.
func (r *Reader) Fill(n int, stored []byte) error {
	r.at = -1
	if r.buf == nil {
		r.buf = r.codec.Buffer()
	}
	raw, err := r.codec.Decode((*r.buf)[:0], stored)
	*r.buf = raw[:0]
	if err != nil {
		return err
	}
	if want := Length(n, r.size, r.first); int64(len(raw)) != want {
		return fmt.Errorf("%w: it has %d bytes instead of %d", ErrCorrupt, len(raw), want)
	}
	r.raw, r.at = raw, n
	return nil
}

// Give gives the Reader chunk n decoded, of the right length, which must stay as it is until
// another chunk is fetched.
func (r *Reader) Give(n int, raw []byte) { r.raw, r.at = raw, n }

// Length is how many raw bytes chunk n of content has of which there are size, first of them in chunk 0.
func Length(n int, size, first int64) int64 {
	if n == 0 {
		return first
	}
	return min(Size, size-first-int64(n-1)*Size)
}

// from returns the bytes from off to the end of its chunk.
func (r *Reader) from(off int64) ([]byte, error) {
	if r.ended {
		return nil, errors.New("reader of content is closed")
	}
	n, start := r.Chunk(off)
	if n != r.at {
		r.at = -1
		if err := r.fetch(n); err != nil {
			return nil, err
		}
	}
	return r.raw[off-start:], nil
}

// ReadAt implements [io.ReaderAt].
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	n := 0
	for n < len(p) && off < r.size {
		raw, err := r.from(off)
		if err != nil {
			return n, err
		}
		k := copy(p[n:], raw)
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// CopyRange writes n bytes from off to w, fewer at the end of the content. Nothing is being
// fetched while w writes.
func (r *Reader) CopyRange(w io.Writer, off, n int64) (int64, error) {
	done := int64(0)
	for done < n && off < r.size {
		raw, err := r.from(off)
		if err != nil {
			return done, err
		}
		k, err := w.Write(raw[:min(int64(len(raw)), n-done)])
		done, off = done+int64(k), off+int64(k)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// WriteTo writes all of it to w.
func (r *Reader) WriteTo(w io.Writer) (int64, error) { return r.CopyRange(w, 0, r.size) }
