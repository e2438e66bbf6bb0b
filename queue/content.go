package queue

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"mox/chunk"
	"mox/db"
	"mox/message"
)

const (
	stageSize = 2 << 20 // content larger than this is written before its messages, in slices of so much
	freeSize  = 1 << 20 // content larger than this is freed afterwards,
	freeSlice = 32      // so many chunks at a time
	maxSize   = chunk.Max * chunk.Size
)

// reader returns the content as a stream of its own.
func (c Content) reader() io.Reader {
	return io.MultiReader(bytes.NewReader(c.Prefix), io.NewSectionReader(c.Body, 0, c.Size))
}

// original is the content to be read at any place, for callbacks.
func (c Content) original() io.ReaderAt {
	return message.Prefixed(c.Prefix, io.NewSectionReader(c.Body, 0, c.Size))
}

// prepared is content on its way in.
type prepared struct {
	size   int64
	chunks [][]byte // unless it was staged
	staged int64    // content id
	recent *recentContent
}

func (p *prepared) weight() int {
	n := 1024
	for _, c := range p.chunks {
		n += len(c)
	}
	return n
}

// prepare makes chunks of content, and writes it already when it is large. The caller must
// discard what it does not use. Most content is there for a moment only: to compress it
// would take longer than to write all of it.
func (q *Queue) prepare(ctx context.Context, c Content, account string) (*prepared, error) {
	p := &prepared{size: c.total()}
	if c.Size < 0 || p.size > maxSize {
		return nil, fmt.Errorf("%w: message of %d bytes", ErrInvalid, p.size)
	}
	if c.Body == nil && c.Size > 0 {
		return nil, fmt.Errorf("%w: message without content", ErrInvalid)
	}
	if c.Body == nil {
		c.Body = bytes.NewReader(nil)
	}
	r := c.reader()
	if p.size > stageSize {
		if err := q.stage(ctx, p, r, account); err != nil {
			q.discard(p)
			return nil, err
		}
		return p, nil
	}
	var n int64
	var err error
	if p.chunks, n, err = chunk.Raw(r, p.size); err == nil && n != p.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("reading message: %w", err)
	}
	return p, nil
}

// stage writes large content in slices. No message refers to it yet.
func (q *Queue) stage(ctx context.Context, p *prepared, r io.Reader, account string) error {
	written, n := int64(0), 0
	for written < p.size {
		chunks, k, err := chunk.Raw(r, min(stageSize, p.size-written))
		if err == nil && k == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("reading message: %w", err)
		}
		weight := 0
		for _, c := range chunks {
			weight += len(c)
		}
		err = q.do(ctx, weight, func(t *tx) error {
			if n == 0 {
				id, err := t.newContent(p.size, account, 0)
				if err != nil {
					return err
				}
				p.staged = id
			}
			return t.insertChunks(p.staged, n, chunks)
		})
		if err != nil {
			if n == 0 {
				p.staged = 0 // it was rolled back
			}
			return err
		}
		written, n = written+k, n+len(chunks)
	}
	if written != p.size {
		return fmt.Errorf("reading message: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

// discard forgets content that is not needed, and frees it where it was staged for nothing. When that fails, as because the
// disk is full, the next Open does it.
func (q *Queue) discard(p *prepared) {
	if p == nil {
		return
	}
	q.recent.discard(p.recent)
	if p.staged == 0 {
		return
	}
	err := q.do(context.Background(), 0, func(t *tx) error {
		t.free = true
		return t.c.ExecInts("UPDATE content SET freed = 1 WHERE id = ? AND refs = 0", p.staged)
	})
	if err != nil {
		q.log.Warn("freeing content of a message that was not queued", "err", err)
	}
}

// newContent adds a row, which is without content yet.
func (t *tx) newContent(size int64, account string, refs int) (int64, error) {
	id, err := t.q.nextIDs.content(t.c)
	if err != nil {
		return 0, err
	}
	return id, t.c.Exec("INSERT INTO content (id, refs, size, freed, account) VALUES (?, ?, ?, 0, ?)", id, refs, size, account)
}

func (t *tx) insertChunks(id int64, first int, chunks [][]byte) error {
	for i, c := range chunks {
		if err := t.c.Exec("INSERT INTO chunk (id, data) VALUES (?, ?)", chunk.ID(id, first+i), c); err != nil {
			return err
		}
	}
	return nil
}

// content makes prepared content that of a number of messages, and returns its id.
func (t *tx) content(p *prepared, account string, refs int) (int64, error) {
	t.use(account, usageChange{size: p.size})
	if p.staged != 0 {
		return p.staged, t.c.ExecInts("UPDATE content SET refs = ? WHERE id = ?", int64(refs), p.staged)
	}
	id, err := t.newContent(p.size, account, refs)
	if err != nil {
		return 0, err
	}
	return id, t.insertChunks(id, 0, p.chunks)
}

// release takes a message from its content, which goes with the last one.
func (t *tx) release(id int64) error {
	rows := t.c.QueryInts("SELECT refs, size, account FROM content WHERE id = ?", id)
	refs, size, account := int64(0), int64(0), ""
	if rows.Next() {
		refs, size, account = rows.Int64(0), rows.Int64(1), rows.Text(2)
	}
	if err := rows.Close(); err != nil || refs == 0 {
		return err
	}
	if refs > 1 || size > freeSize {
		if err := t.c.ExecInts("UPDATE content SET refs = refs - 1, freed = refs = 1 WHERE id = ?", id); err != nil || refs > 1 {
			return err
		}
	}
	t.use(account, usageChange{size: -size})
	if size > freeSize {
		t.free = true
		return nil
	}
	if err := t.c.ExecInts("DELETE FROM chunk WHERE id BETWEEN ? AND ?", chunk.ID(id, 0), chunk.ID(id, chunk.Max-1)); err != nil {
		return err
	}
	return t.c.ExecInts("DELETE FROM content WHERE id = ?", id)
}

// freeContent removes some content that nobody needs, and says whether there may be more.
func (q *Queue) freeContent(ctx context.Context) (more bool, err error) {
	err = q.do(ctx, 0, func(t *tx) error {
		id, ok, err := t.c.QueryInt64("SELECT id FROM content WHERE freed = 1 ORDER BY id LIMIT 1")
		if err != nil || !ok {
			return err
		}
		more = true
		err = t.c.ExecInts("DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?)", chunk.ID(id, 0), chunk.ID(id, chunk.Max-1), freeSlice)
		if err != nil || t.c.Changes() == freeSlice {
			return err
		}
		return t.c.ExecInts("DELETE FROM content WHERE id = ?", id)
	})
	return more, err
}

// ContentReader reads the content of a message, a chunk at a time. It is not safe for
// concurrent use. It works as long as the message is in the queue; then reading fails
// with ErrNotFound.
type ContentReader struct {
	q   *Queue
	ctx context.Context
	id  int64
	r   *chunk.Reader

	recent [][]byte // chunks, of content that is in memory; nil: of the database
}

// Content opens the content of a message, prefix and body. It works until ctx ends, and must be
// closed. ErrNotFound when there is no such message.
func (q *Queue) Content(ctx context.Context, id int64) (*ContentReader, error) {
	r := &ContentReader{q: q, ctx: ctx}
	r.r = q.codec.NewReader(r.fetch)
	if size, chunks, ok := q.recent.get(id); ok && ctx.Err() == nil {
		r.recent = chunks
		r.r.Layout(size, min(chunk.Size, size))
		return r, nil
	}
	err := q.db.Read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT c.id, c.size FROM message m JOIN content c ON c.id = m.content_id WHERE m.id = ?", id)
		ok := rows.Next()
		if ok {
			r.id = rows.Int64(0)
			r.r.Layout(rows.Int64(1), min(chunk.Size, rows.Int64(1)))
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if !ok {
			return ErrNotFound
		}
		if r.Size() == 0 {
			return nil
		}
		return r.read(c, 0)
	})
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("opening content of message %d: %w", id, err)
	}
	return r, nil
}

// fetch reads chunk n in a transaction of its own.
func (r *ContentReader) fetch(n int) error {
	if r.recent != nil {
		return r.r.Fill(n, r.recent[n])
	}
	err := r.q.db.Read(r.ctx, func(c *db.Conn) error { return r.read(c, n) })
	if err != nil {
		return fmt.Errorf("reading content: %w", err)
	}
	return nil
}

// read reads chunk n.
func (r *ContentReader) read(c *db.Conn, n int) error {
	rows := c.QueryInts("SELECT data FROM chunk WHERE id = ?", chunk.ID(r.id, n))
	if !rows.Next() {
		if err := rows.Close(); err != nil {
			return err
		}
		// Its last message was removed since, or it is damaged.
		if _, ok, err := c.QueryInt64("SELECT 1 FROM content WHERE id = ? AND freed = 0", r.id); err != nil || !ok {
			return errors.Join(err, ErrNotFound)
		}
		return fmt.Errorf("%w: content %d lacks chunk %d", chunk.ErrCorrupt, r.id, n)
	}
	err := r.r.Fill(n, rows.Bytes(0))
	if err != nil {
		err = fmt.Errorf("chunk %d of content %d: %w", n, r.id, err)
	}
	return cmp.Or(err, rows.Close())
}

// Size is the number of octets.
func (r *ContentReader) Size() int64 { return r.r.Size() }

// Close ends reading.
func (r *ContentReader) Close() error { return r.r.Close() }

// ReadAt implements [io.ReaderAt].
func (r *ContentReader) ReadAt(p []byte, off int64) (int, error) { return r.r.ReadAt(p, off) }

// WriteTo writes all of it to w. No transaction is open while w writes.
func (r *ContentReader) WriteTo(w io.Writer) (int64, error) { return r.r.WriteTo(w) }
