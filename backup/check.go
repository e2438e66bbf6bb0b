package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Checked is what a check of a repository found.
type Checked struct {
	Snapshots, Packs, Chunks int
	Read                     int64 // octets
	Problems                 int
}

// CheckOptions say how a repository is checked.
type CheckOptions struct {
	Quick bool // content is not read
	// Repair forgets content that is damaged or missing, so that the next Run stores it again if
	// it is still there to be read. Snapshots that need it and are older stay damaged.
	Repair bool
}

// rereadName is the object that makes the next Run read all.
const rereadName = "reread"

// Check looks for anything wrong: every snapshot must be readable, and everything it needs be
// there; unless quick, all content is read and compared with its name.
func (r *Repository) Check(ctx context.Context, o CheckOptions, problem func(text string)) (c Checked, _ error) {
	release, err := r.lock(ctx, o.Repair)
	if err != nil {
		return c, err
	}
	defer release()
	bad := func(format string, args ...any) {
		c.Problems++
		problem(fmt.Sprintf(format, args...))
	}
	r.loaded = false
	if err := r.load(ctx); err != nil {
		return c, err
	}
	sizes := map[string]int64{}
	if err := r.store.List(ctx, packPrefix, func(o Object) error { sizes[o.Name] = o.Size; return nil }); err != nil {
		return c, err
	}
	c.Packs, c.Chunks = len(r.packs), len(r.where)
	damaged, err := r.checkPacks(ctx, o.Quick, sizes, &c, bad)
	if err != nil {
		return c, err
	}
	if c.Snapshots, err = r.checkSnapshots(ctx, damaged, bad); err != nil {
		return c, err
	}
	if err := r.checkBases(ctx, damaged, bad); err != nil {
		return c, err
	}
	if !o.Repair || c.Problems == 0 {
		return c, nil
	}
	return c, r.forget(ctx, damaged)
}

// checkSnapshots looks whether all that snapshots need is there, and returns how many there are.
func (r *Repository) checkSnapshots(ctx context.Context, damaged map[ID]bool, bad func(string, ...any)) (n int, _ error) {
	names, err := r.SnapshotNames(ctx)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		n++
		s, err := r.Snapshot(ctx, name)
		if err != nil {
			bad("snapshot %s: %v", name, err)
			continue
		}
		for i := range s.Files {
			if ctx.Err() != nil {
				return n, ctx.Err()
			}
			if err := r.checkFile(ctx, &s.Files[i], damaged); err != nil {
				bad("snapshot %s: %s: %v", name, s.Files[i].Path, err)
			}
		}
	}
	return n, nil
}

// checkBases looks whether all that the bases of the replica need is there.
func (r *Repository) checkBases(ctx context.Context, damaged map[ID]bool, bad func(string, ...any)) error {
	return r.store.List(ctx, ReplicaPrefix, func(obj Object) error {
		if !strings.HasSuffix(obj.Name, "/"+BaseName) {
			return nil
		}
		b, err := r.Base(ctx, obj.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		} else if err == nil {
			err = r.checkFile(ctx, &b.File, damaged)
		}
		if err != nil {
			bad("%s: %v", obj.Name, err)
		}
		return ctx.Err()
	})
}

// forget makes the repository not know chunks any more.
func (r *Repository) forget(ctx context.Context, damaged map[ID]bool) error {
	if err := r.putJSON(ctx, rereadName, r.Now().UTC()); err != nil {
		return err
	}
	good := map[ID]bool{}
	for id := range r.where {
		good[id] = !damaged[id] && id != (ID{})
	}
	var p Pruned
	return r.sweep(ctx, good, &p)
}

// reread tells whether all is to be read in the run that follows a snapshot.
func (r *Repository) reread(ctx context.Context, last time.Time) bool {
	var t time.Time
	err := r.getJSON(ctx, rereadName, &t)
	return err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !last.After(t)
}

// checkPacks returns the chunks that cannot be read.
func (r *Repository) checkPacks(ctx context.Context, quick bool, sizes map[string]int64, c *Checked, bad func(string, ...any)) (map[ID]bool, error) {
	byPack := make([][]liveChunk, len(r.packs))
	for id, at := range r.where {
		byPack[at.pack] = append(byPack[at.pack], liveChunk{id, at})
	}
	damaged := map[ID]bool{}
	for n, chunks := range byPack {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		path := packPath(r.packs[n])
		size, ok := sizes[path]
		if !ok {
			bad("%s: it is missing", path)
		}
		var b []byte
		if ok && !quick {
			var err error
			if b, err = r.store.Get(ctx, path, 0, -1); err != nil {
				bad("%s: %v", path, err)
			}
			c.Read += int64(len(b))
			size = int64(len(b))
		}
		wrong := 0
		for _, x := range chunks {
			end := int64(x.at.offset) + int64(x.at.size)
			if !ok || end > size {
				damaged[x.id] = true
				wrong++
			} else if b != nil && x.id != (ID{}) {
				if _, err := r.decode(x.id, b[x.at.offset:end]); err != nil {
					damaged[x.id] = true
					wrong++
				}
			}
		}
		if ok && wrong > 0 {
			bad("%s: %d of %d chunks are damaged", path, wrong, len(chunks))
		}
	}
	return damaged, nil
}

// checkFile looks whether all chunks of a file are there.
func (r *Repository) checkFile(ctx context.Context, f *SnapshotFile, damaged map[ID]bool) error {
	missing, bad := 0, 0
	note := func(id ID) bool {
		if _, ok := r.where[id]; !ok {
			missing++
			return false
		}
		if damaged[id] {
			bad++
			return false
		}
		return true
	}
	for b := f.List; len(b) >= idSize; b = b[idSize:] {
		id := ID(b[:idSize])
		if !note(id) {
			continue
		}
		got, _, err := r.fetch(ctx, id[:])
		if err != nil {
			return err
		}
		for b := got[0]; len(b) >= idSize; b = b[idSize:] {
			note(ID(b[:idSize]))
		}
	}
	if missing+bad > 0 {
		return fmt.Errorf("%w: %d chunks are missing, %d are damaged", ErrDamaged, missing, bad)
	}
	return nil
}
