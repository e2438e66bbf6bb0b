package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Keep says which snapshots are kept: the newest of each of so many hours, days, weeks, months
// and years that have any, and the last ones. All zero: all are kept.
type Keep struct{ Last, Hourly, Daily, Weekly, Monthly, Yearly int }

// Any tells whether anything is said.
func (k Keep) Any() bool { return k != Keep{} }

// Of returns which of the snapshots, whose names are sorted from old to new, are kept.
func (k Keep) Of(names []string) map[string]bool {
	keep := map[string]bool{}
	rules := []struct {
		left int
		of   func(time.Time) string
	}{
		{k.Hourly, func(t time.Time) string { return t.Format("2006010215") }},
		{k.Daily, func(t time.Time) string { return t.Format("20060102") }},
		{k.Weekly, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, "-", w) }},
		{k.Monthly, func(t time.Time) string { return t.Format("200601") }},
		{k.Yearly, func(t time.Time) string { return t.Format("2006") }},
	}
	last := make([]string, len(rules))
	for i, name := range slices.Backward(names) {
		t, ok := NameTime(name)
		if !ok || !k.Any() || len(names)-i <= k.Last {
			keep[name] = true
		}
		for j := range rules {
			if r := &rules[j]; ok && r.left > 0 && last[j] != r.of(t) {
				last[j] = r.of(t)
				r.left--
				keep[name] = true
			}
		}
	}
	return keep
}

// Pruned is what Prune did.
type Pruned struct {
	Kept, Removed int   // snapshots
	Freed, Moved  int64 // octets
}

// Packs of which less than this part is in use are written anew.
const wasteful = 0.6

// Prune removes snapshots that are not kept, and content that only they have. A crash at any
// moment leaves a repository in which all kept snapshots are whole.
func (r *Repository) Prune(ctx context.Context, k Keep) (p Pruned, _ error) {
	release, err := r.lock(ctx, true)
	if err != nil {
		return p, err
	}
	defer release()
	r.loaded = false
	if err := r.load(ctx); err != nil {
		return p, err
	}
	names, err := r.SnapshotNames(ctx)
	if err != nil {
		return p, err
	}
	keep := k.Of(names)
	used := map[ID]bool{}
	for _, name := range names {
		if !keep[name] {
			continue
		}
		p.Kept++
		// When one cannot be read it is not known what it needs: nothing is removed then.
		s, err := r.Snapshot(ctx, name)
		if err != nil {
			return p, fmt.Errorf("pruning: %w", err)
		}
		if err := r.use(ctx, s, used); err != nil {
			return p, fmt.Errorf("pruning: snapshot %s: %w", name, err)
		}
	}
	if err := r.useBases(ctx, used); err != nil {
		return p, fmt.Errorf("pruning: %w", err)
	}
	for _, name := range names {
		if keep[name] {
			continue
		}
		if err := r.store.Delete(ctx, snapshotPrefix+name); err != nil {
			return p, fmt.Errorf("pruning: %w", err)
		}
		p.Removed++
	}
	return p, r.sweep(ctx, used, &p)
}

// useBases adds what the bases of the replica need.
func (r *Repository) useBases(ctx context.Context, used map[ID]bool) error {
	return r.store.List(ctx, ReplicaPrefix, func(o Object) error {
		if !strings.HasSuffix(o.Name, "/"+BaseName) {
			return nil
		}
		b, err := r.Base(ctx, o.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		} else if err != nil {
			return err
		}
		return r.use(ctx, &Snapshot{Files: []SnapshotFile{b.File}}, used)
	})
}

// use adds the names of all chunks of a snapshot.
func (r *Repository) use(ctx context.Context, s *Snapshot, used map[ID]bool) error {
	for i := range s.Files {
		for b := s.Files[i].List; len(b) >= idSize; b = b[idSize:] {
			id := ID(b[:idSize])
			if used[id] {
				continue // so are those that it names
			}
			used[id] = true
			got, _, err := r.fetch(ctx, id[:])
			if err != nil {
				return err
			}
			for b := got[0]; len(b) >= idSize; b = b[idSize:] {
				used[ID(b[:idSize])] = true
			}
		}
	}
	return nil
}

// livePack is what of a pack is in use.
type livePack struct {
	entries []liveChunk
	used    int64
	size    int64 // of the object
}

type liveChunk struct {
	id ID
	at location
}

// sweep removes what is not used.
func (r *Repository) sweep(ctx context.Context, used map[ID]bool, p *Pruned) error {
	live := make([]livePack, len(r.packs))
	for id, at := range r.where {
		if used[id] {
			live[at.pack].entries = append(live[at.pack].entries, liveChunk{id, at})
			live[at.pack].used += int64(at.size)
		}
	}
	var orphans []Object
	err := r.store.List(ctx, packPrefix, func(o Object) error {
		name := o.Name[len(packPrefix):]
		if n, ok := r.number[name[min(3, len(name)):]]; ok {
			live[n].size = o.Size
		} else {
			orphans = append(orphans, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w := &writer{ctx: ctx, r: r, fresh: map[ID]bool{}}
	var gone []Object
	before := slices.Clone(r.packs)
	for n := range live {
		l := &live[n]
		slices.SortFunc(l.entries, func(a, b liveChunk) int { return int(a.at.offset) - int(b.at.offset) })
		if l.used == l.size || float64(l.used) >= wasteful*float64(l.size) {
			continue
		}
		if err := r.move(ctx, w, before[n], l); err != nil {
			return fmt.Errorf("pruning: %w", err)
		}
		p.Moved += l.used
		gone = append(gone, Object{packPath(before[n]), l.size})
		live[n].entries = nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	for n := range live {
		if pack := packIndex(before[n], &live[n]); pack != nil && len(live[n].entries) > 0 {
			w.done.Packs = append(w.done.Packs, *pack)
		}
	}
	return r.swap(ctx, w, append(gone, orphans...), p)
}

// packIndex tells what is in a pack that stays, with what is not used.
func packIndex(name string, l *livePack) *indexPack {
	p := &indexPack{Name: name, Size: l.size}
	off := uint32(0)
	add := func(id ID, n uint32) {
		p.Chunks = append(append(p.Chunks, id[:]...), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	for _, c := range l.entries {
		if c.at.offset > off {
			add(ID{}, c.at.offset-off) // a gap
		}
		add(c.id, c.at.size)
		off = c.at.offset + c.at.size
	}
	return p
}

// move writes what is used of a pack to new ones.
func (r *Repository) move(ctx context.Context, w *writer, name string, l *livePack) error {
	if len(l.entries) == 0 {
		return nil
	}
	b, err := r.store.Get(ctx, packPath(name), 0, -1)
	if err != nil {
		return err
	}
	for _, c := range l.entries {
		end := uint64(c.at.offset) + uint64(c.at.size)
		if end > uint64(len(b)) {
			return fmt.Errorf("pack %s: %w: too short", name, ErrDamaged)
		}
		sealed := b[c.at.offset:end]
		if _, err := r.decode(c.id, sealed); err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		if err := w.add(c.id, sealed); err != nil {
			return err
		}
	}
	return nil
}

// swap puts one new index in place of all, and then removes packs.
func (r *Repository) swap(ctx context.Context, w *writer, gone []Object, p *Pruned) error {
	old := make([]string, 0, len(r.files))
	for name := range r.files {
		old = append(old, name)
	}
	if err := w.endIndex(); err != nil {
		return err
	}
	r.loaded = false
	var errs []error
	for _, name := range old {
		errs = append(errs, r.store.Delete(ctx, name))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("pruning: %w", err)
	}
	for _, o := range gone {
		if err := r.store.Delete(ctx, o.Name); err != nil {
			return fmt.Errorf("pruning: %w", err)
		}
		p.Freed += o.Size
	}
	return nil
}
