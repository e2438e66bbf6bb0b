package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"mox/chunk"
	"mox/db"
)

// BodyReader reads the content of one body, with its prefix; only the chunks that are
// needed are read. It is not safe for concurrent use.
type BodyReader struct {
	a   *Account
	ctx context.Context
	id  BodyID
	r   *chunk.Reader

	upload bool // id is that of an upload
}

// OpenBody opens a body. The reader works until ctx ends; it must be closed. ErrNoBody
// when it is gone.
func (a *Account) OpenBody(ctx context.Context, id BodyID) (*BodyReader, error) {
	b := &BodyReader{a: a, ctx: ctx, id: id}
	b.r = a.s.codec.NewReader(b.fetch)
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT size, prefix, location FROM body WHERE id=?", int64(id))
		ok, location := rows.Next(), int64(0)
		if ok {
			b.r.Layout(rows.Int64(0), rows.Int64(1))
			location = rows.Int64(2)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if !ok {
			return ErrNoBody
		}
		if location == locationQuarantine {
			return ErrDamaged
		}
		if b.Size() == 0 {
			return nil
		}
		n, _ := b.r.Chunk(0)
		return b.read(c, n) // mostly, the whole body is read, and has one chunk
	})
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("opening message content: %w", err)
	}
	return b, nil
}

// fetch reads chunk n in a transaction of its own.
func (b *BodyReader) fetch(n int) error {
	err := b.a.read(b.ctx, func(c *db.Conn) error { return b.read(c, n) })
	if err != nil {
		return fmt.Errorf("reading message content: %w", err)
	}
	return nil
}

// read reads chunk n.
func (b *BodyReader) read(c *db.Conn, n int) error {
	chunks, owners, gone := "SELECT data FROM chunk WHERE id=?", "SELECT 1 FROM body WHERE id=?", ErrNoBody
	if b.upload {
		chunks, owners, gone = "SELECT data FROM upload_chunk WHERE id=?", "SELECT 1 FROM upload WHERE id=?", ErrNoUpload
	}
	rows := c.QueryInts(chunks, chunkID(b.id, n))
	if !rows.Next() {
		if err := rows.Close(); err != nil {
			return err
		}
		// Freed since it was opened, or damaged.
		if _, ok, err := c.QueryInt64(owners, int64(b.id)); err != nil || !ok {
			return errors.Join(err, gone)
		}
		return fmt.Errorf("%w: body %d: chunk %d is missing", ErrCorrupt, b.id, n)
	}
	err := b.r.Fill(n, rows.Bytes(0))
	if err != nil {
		err = fmt.Errorf("%w: body %d: chunk %d: %w", ErrCorrupt, b.id, n, err)
	}
	return cmp.Or(err, rows.Close())
}

// Size is the number of bytes.
func (b *BodyReader) Size() int64 { return b.r.Size() }

// Close ends reading.
func (b *BodyReader) Close() error { return b.r.Close() }

// ReadAt implements [io.ReaderAt].
func (b *BodyReader) ReadAt(p []byte, off int64) (int, error) { return b.r.ReadAt(p, off) }

// CopyRange writes n bytes from off to w, fewer at the end of the body. No database
// transaction is open while w writes.
func (b *BodyReader) CopyRange(w io.Writer, off, n int64) (int64, error) {
	return b.r.CopyRange(w, off, n)
}

// WriteTo writes the whole body to w.
func (b *BodyReader) WriteTo(w io.Writer) (int64, error) { return b.r.WriteTo(w) }
