package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mox/db"
)

// BodyReader reads the content of one body, with its prefix; only the chunks that are
// needed are read. It is not safe for concurrent use.
type BodyReader struct {
	a      *Account
	ctx    context.Context
	id     BodyID
	size   int64
	prefix int64
	buf    *[]byte // raw bytes of chunk at, from the pool; nil when closed
	at     int     // -1: none
}

// OpenBody opens a body. The reader works until ctx ends; it must be closed. ErrNoBody
// when it is gone.
func (a *Account) OpenBody(ctx context.Context, id BodyID) (*BodyReader, error) {
	b := &BodyReader{a: a, ctx: ctx, id: id, at: -1, buf: a.s.codec.Buffer()}
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT size, prefix FROM body WHERE id=?", int64(id))
		ok := rows.Next()
		if ok {
			b.size, b.prefix = rows.Int64(0), rows.Int64(1)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if !ok {
			return ErrNoBody
		}
		if b.size == 0 {
			return nil
		}
		// Mostly, the whole body is read, and has one chunk.
		n := 1
		if b.prefix > 0 {
			n = 0
		}
		return b.read(c, n)
	})
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("opening message content: %w", err)
	}
	return b, nil
}

// Size is the number of bytes.
func (b *BodyReader) Size() int64 { return b.size }

// Close ends reading.
func (b *BodyReader) Close() error {
	if b.buf != nil {
		b.a.s.codec.Put(b.buf)
		b.buf = nil
	}
	return nil
}

// chunk returns the number of the chunk that has offset off, and where that begins.
func (b *BodyReader) chunk(off int64) (n int, start int64) {
	if off < b.prefix {
		return 0, 0
	}
	i := (off - b.prefix) / chunkSize
	return int(i) + 1, b.prefix + i*chunkSize
}

// read reads chunk n into the buffer.
func (b *BodyReader) read(c *db.Conn, n int) error {
	b.at = -1
	rows := c.QueryInts("SELECT data FROM chunk WHERE id=?", chunkID(b.id, n))
	if !rows.Next() {
		if err := rows.Close(); err != nil {
			return err
		}
		// Freed since it was opened, or damaged.
		if _, ok, err := c.QueryInt64("SELECT 1 FROM body WHERE id=?", int64(b.id)); err != nil || !ok {
			return errors.Join(err, ErrNoBody)
		}
		return fmt.Errorf("%w: body %d: chunk %d is missing", ErrCorrupt, b.id, n)
	}
	raw, err := b.a.s.codec.decode((*b.buf)[:0], rows.Bytes(0))
	*b.buf = raw
	if e := rows.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	want := b.prefix
	if n > 0 {
		want = min(chunkSize, b.size-b.prefix-int64(n-1)*chunkSize)
	}
	if int64(len(raw)) != want {
		return fmt.Errorf("%w: body %d: chunk %d has %d bytes instead of %d", ErrCorrupt, b.id, n, len(raw), want)
	}
	b.at = n
	return nil
}

// from returns the bytes from off to the end of its chunk.
func (b *BodyReader) from(off int64) ([]byte, error) {
	if b.buf == nil {
		return nil, errors.New("body reader is closed")
	}
	n, start := b.chunk(off)
	if n != b.at {
		err := b.a.read(b.ctx, func(c *db.Conn) error { return b.read(c, n) })
		if err != nil {
			return nil, fmt.Errorf("reading message content: %w", err)
		}
	}
	return (*b.buf)[off-start:], nil
}

// ReadAt implements [io.ReaderAt].
func (b *BodyReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	n := 0
	for n < len(p) && off < b.size {
		raw, err := b.from(off)
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

// CopyRange writes n bytes from off to w, fewer at the end of the body. No database
// transaction is open while w writes.
func (b *BodyReader) CopyRange(w io.Writer, off, n int64) (int64, error) {
	done := int64(0)
	for done < n && off < b.size {
		raw, err := b.from(off)
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

// WriteTo writes the whole body to w.
func (b *BodyReader) WriteTo(w io.Writer) (int64, error) { return b.CopyRange(w, 0, b.size) }
