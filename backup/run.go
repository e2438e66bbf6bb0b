package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Sender sends all that a backup consists of: a *[Source], or one of another process.
type Sender interface {
	Send(ctx context.Context, to Sink) error
}

// Run makes a snapshot of a source. Files that have not changed since the last snapshot, as
// their marks tell, are not read; of others only chunks are stored that the repository has not.
// The snapshot is there when Run returns it, together with an error when something is missing
// in it. progress is told of files, and may be nil.
func (r *Repository) Run(ctx context.Context, src Sender, version string, progress func(text string)) (*Snapshot, error) {
	release, err := r.lock(ctx, false)
	if err != nil {
		return nil, err
	}
	defer release()
	r.loaded = false // others may have pruned it
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	now := r.Now().UTC()
	host, _ := os.Hostname()
	w := &writer{ctx: ctx, r: r, progress: progress, fresh: map[ID]bool{}, before: map[string]*SnapshotFile{}, buf: make([]byte, chunkSize)}
	w.snap = &Snapshot{Name: snapshotName(now), Time: now, Mox: version, Host: host}
	last, err := r.At(ctx, time.Time{})
	if err == nil && !r.reread(ctx, last.Time) {
		for i := range last.Files {
			w.before[last.Files[i].Path] = &last.Files[i]
		}
	} else if err != nil && !errors.Is(err, ErrNoSnapshot) {
		// A damaged snapshot must not keep new ones from being made.
		w.tell("the last snapshot cannot be used: all is read: " + err.Error())
	}
	if err := src.Send(ctx, w); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := w.end(); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if n := len(w.snap.Failures); n > 0 {
		return w.snap, fmt.Errorf("the snapshot is made, but %d things are missing in it: %s", n, w.snap.Failures[0])
	}
	return w.snap, nil
}

// writer is a Sink that writes a snapshot.
type writer struct {
	ctx      context.Context
	r        *Repository
	snap     *Snapshot
	before   map[string]*SnapshotFile // of the last snapshot
	progress func(string)
	buf      []byte

	fresh map[ID]bool // chunks in the pack that is not written yet
	pack  []byte
	index indexPack
	done  indexFile // packs that are written, and not in an index
}

func (w *writer) tell(text string) {
	if w.progress != nil {
		w.progress(text)
	}
}

// Unchanged implements [Sink].
func (w *writer) Unchanged(it Item) (bool, error) {
	f := w.before[it.Path]
	if f == nil || f.Mark != it.Mark || f.Database != it.Database {
		return false, nil
	}
	for b := f.List; len(b) >= idSize; b = b[idSize:] {
		if _, ok := w.r.where[ID(b[:idSize])]; !ok {
			return false, nil
		}
	}
	w.snap.Files = append(w.snap.Files, *f)
	w.snap.Stats.Files++
	w.snap.Stats.Unchanged++
	w.snap.Stats.Size += f.Size
	return true, nil
}

// Warn implements [Sink].
func (w *writer) Warn(text string) error {
	w.tell("warning: " + text)
	return nil
}

// Fail implements [Sink].
func (w *writer) Fail(text string) error {
	w.tell("error: " + text)
	w.snap.Failures = append(w.snap.Failures, text)
	return nil
}

// File implements [Sink].
func (w *writer) File(it Item, r io.Reader) error {
	f := SnapshotFile{Item: it}
	before := w.snap.Stats.NewStored
	var names []byte
	size := int64(0)
	for {
		n, err := io.ReadFull(r, w.buf)
		if n > 0 {
			size += int64(n)
			id, err := w.chunk(w.buf[:n])
			if err != nil {
				return err
			}
			if names = append(names, id[:]...); len(names) == listSize*idSize {
				if err := w.list(&f, names); err != nil {
					return err
				}
				names = names[:0]
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		} else if err != nil {
			return err
		}
	}
	if len(names) > 0 {
		if err := w.list(&f, names); err != nil {
			return err
		}
	}
	f.Size = size
	w.snap.Files = append(w.snap.Files, f)
	w.snap.Stats.Files++
	w.snap.Stats.Size += size
	w.snap.Stats.Read += size
	w.tell(fmt.Sprintf("%s: %d bytes, %d stored", it.Path, size, w.snap.Stats.NewStored-before))
	return nil
}

// list stores names of chunks.
func (w *writer) list(f *SnapshotFile, names []byte) error {
	id, err := w.chunk(names)
	f.List = append(f.List, id[:]...)
	return err
}

// chunk stores a chunk unless the repository has it.
func (w *writer) chunk(content []byte) (ID, error) {
	id := w.r.seal.name(content)
	if _, ok := w.r.where[id]; ok || w.fresh[id] {
		return id, nil
	}
	b := w.r.seal.seal(chunkName(id), pack(w.r.enc, content))
	return id, w.add(id, b)
}

// add puts a sealed chunk into the pack.
func (w *writer) add(id ID, b []byte) error {
	w.fresh[id] = true
	w.pack = append(w.pack, b...)
	n := len(b)
	w.index.Chunks = append(append(w.index.Chunks, id[:]...), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	if w.snap != nil {
		w.snap.Stats.NewChunks++
		w.snap.Stats.NewStored += int64(n)
	}
	if len(w.pack) < packSize {
		return nil
	}
	return w.flush()
}

// flush writes the pack.
func (w *writer) flush() error {
	if len(w.pack) == 0 {
		return nil
	}
	w.index.Name, w.index.Size = randomName()+randomName(), int64(len(w.pack))
	if err := w.r.store.Put(w.ctx, packPath(w.index.Name), w.pack); err != nil {
		return fmt.Errorf("storing: %w", err)
	}
	if err := w.r.know(&w.index); err != nil {
		return err
	}
	w.done.Packs = append(w.done.Packs, w.index)
	w.index, w.pack = indexPack{}, w.pack[:0]
	clear(w.fresh)
	return nil
}

// end writes what is left, then what tells of it, then the snapshot: whatever happens between,
// no snapshot refers to anything that is not there.
func (w *writer) end() error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.endIndex(); err != nil {
		return err
	}
	w.snap.Ended = w.r.Now().UTC()
	if err := w.r.putJSON(w.ctx, snapshotPrefix+w.snap.Name, w.snap); err != nil {
		return fmt.Errorf("storing snapshot: %w", err)
	}
	return nil
}

func (w *writer) endIndex() error {
	if len(w.done.Packs) == 0 {
		return nil
	}
	name := indexPrefix + randomName() + randomName()
	if err := w.r.putJSON(w.ctx, name, w.done); err != nil {
		return fmt.Errorf("storing index: %w", err)
	}
	w.r.files[name] = true
	return nil
}
