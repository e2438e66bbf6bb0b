package backup

import (
	"context"
	"fmt"
	"io"

	"mox/lineio"
)

// readAhead bounds what is fetched at a time.
const readAhead = 4 << 20

// Open reads a file of a snapshot. The reader is of the repository's goroutine.
func (r *Repository) Open(ctx context.Context, f *SnapshotFile) (io.Reader, error) {
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	if len(f.List)%idSize != 0 {
		return nil, fmt.Errorf("%s: %w: list of chunks", f.Path, ErrDamaged)
	}
	return &chunkReader{ctx: ctx, r: r, path: f.Path, lists: f.List, left: f.Size}, nil
}

// chunkReader reads content by its lists.
type chunkReader struct {
	ctx   context.Context
	r     *Repository
	path  string
	lists []byte
	names []byte   // of chunks of content that follow
	ahead [][]byte // content of the chunks before those of names
	rest  []byte
	left  int64 // that are to come
}

func (c *chunkReader) Read(b []byte) (int, error) {
	for len(c.rest) == 0 {
		if len(c.ahead) > 0 {
			c.rest, c.ahead = c.ahead[0], c.ahead[1:]
			continue
		}
		if len(c.names) == 0 && len(c.lists) == 0 {
			if c.left != 0 {
				return 0, fmt.Errorf("%s: %w: %d bytes are missing", c.path, ErrDamaged, c.left)
			}
			return 0, io.EOF
		}
		if err := c.fill(); err != nil {
			return 0, fmt.Errorf("%s: %w", c.path, err)
		}
	}
	if int64(len(c.rest)) > c.left {
		return 0, fmt.Errorf("%s: %w: it is longer than it was", c.path, ErrDamaged)
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	c.left -= int64(n)
	return n, nil
}

// fill fetches what follows.
func (c *chunkReader) fill() error {
	if len(c.names) == 0 {
		got, _, err := c.r.fetch(c.ctx, c.lists[:idSize])
		if err != nil {
			return err
		}
		if len(got[0])%idSize != 0 {
			return fmt.Errorf("%w: list of chunks", ErrDamaged)
		}
		c.lists, c.names = c.lists[idSize:], got[0]
		return nil
	}
	got, n, err := c.r.fetch(c.ctx, c.names)
	if err != nil {
		return err
	}
	c.names, c.ahead = c.names[n*idSize:], got
	return nil
}

// fetch returns the content of the first of some chunks, and of those that follow it as they
// follow each other in their pack, and of how many that is.
func (r *Repository) fetch(ctx context.Context, names []byte) ([][]byte, int, error) {
	first, ok := r.where[ID(names[:idSize])]
	if !ok {
		return nil, 0, fmt.Errorf("chunk %x: %w: it is not in the repository", names[:8], ErrDamaged)
	}
	sizes := []uint32{first.size}
	total := first.size
	for b := names[idSize:]; len(b) >= idSize && total < readAhead; b = b[idSize:] {
		at, ok := r.where[ID(b[:idSize])]
		if !ok || at.pack != first.pack || at.offset != first.offset+total {
			break
		}
		sizes = append(sizes, at.size)
		total += at.size
	}
	b, err := r.store.Get(ctx, packPath(r.packs[first.pack]), int64(first.offset), int64(total))
	if err != nil {
		return nil, 0, err
	}
	out := make([][]byte, len(sizes))
	for i, size := range sizes {
		if out[i], err = r.decode(ID(names[i*idSize:(i+1)*idSize]), b[:size]); err != nil {
			return nil, 0, fmt.Errorf("pack %s: %w", r.packs[first.pack], err)
		}
		b = b[size:]
	}
	return out, len(out), nil
}

// Restore sends files of a snapshot for which want is true; nil: all.
func (r *Repository) Restore(ctx context.Context, s *Snapshot, want func(path string) bool, to Sink) error {
	for i := range s.Files {
		f := &s.Files[i]
		if want != nil && !want(f.Path) {
			continue
		}
		body, err := r.Open(ctx, f)
		if err != nil {
			return err
		}
		er := &lineio.Source{R: body}
		if err := to.File(f.Item, er); err != nil {
			if er.Err == nil || ctx.Err() != nil {
				return err
			}
			if err := to.Fail(er.Err.Error()); err != nil {
				return err
			}
		}
	}
	return nil
}
