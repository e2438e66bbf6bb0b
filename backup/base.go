package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// BaseName is the last part of the name of an object with a [Base].
const BaseName = "base"

// Base is a database as it was at one moment, from which package replica goes on. What it needs
// is kept as long as its object is there.
type Base struct {
	Time time.Time
	File SnapshotFile
}

// Bases stores databases. Nothing is removed from the repository meanwhile: call Close.
type Bases struct {
	r       *Repository
	release func()
}

// Bases begins to store databases. The error wraps ErrLocked while old backups are removed.
func (r *Repository) Bases(ctx context.Context) (*Bases, error) {
	release, err := r.lock(ctx, false)
	if err != nil {
		return nil, err
	}
	r.loaded = false
	if err := r.load(ctx); err != nil {
		release()
		return nil, err
	}
	return &Bases{r, release}, nil
}

// Store stores a database, and then the Base that tells of it as object.
func (b *Bases) Store(ctx context.Context, object string, it Item, body io.Reader) (*Base, error) {
	w := &writer{ctx: ctx, r: b.r, fresh: map[ID]bool{}, snap: &Snapshot{}, buf: make([]byte, chunkSize)}
	if err := w.File(it, &limitedReader{ctx: ctx, r: body, l: newLimiter(0)}); err != nil {
		return nil, err
	}
	if err := errors.Join(w.flush(), w.endIndex()); err != nil {
		return nil, err
	}
	base := &Base{Time: it.Time, File: w.snap.Files[0]}
	return base, b.r.putJSON(ctx, object, base)
}

// Close ends storing.
func (b *Bases) Close() { b.release() }

// Base reads the object of a Base.
func (r *Repository) Base(ctx context.Context, object string) (*Base, error) {
	var b Base
	if err := r.getJSON(ctx, object, &b); err != nil {
		return nil, fmt.Errorf("base of replica: %w", err)
	}
	return &b, nil
}
