package search

import (
	"bytes"
	"context"
	"fmt"
	"math/bits"

	"mox/db"
	"mox/store"
)

// Segments of about equal size are merged, so that their number grows with the logarithm
// of that of the messages. Neighbours are merged only, so that the bodies of a segment
// are a range that no other segment reaches into.

const (
	mergeWidth   = 8       // segments of a tier that are merged into one of the next
	maxMergeDocs = 4 << 20 // documents of a segment, at most
	mergeOutput  = 1 << 20 // bytes a step writes, about
	deadShare    = 4       // a segment is written anew when one in so many documents is dead
	shrinkPages  = 1024    // pages given back in one transaction
	freeShare    = 4       // the file shrinks when one of so many pages is free
	dropBlocks   = 256     // blocks of dead segments deleted in one transaction
)

// tier is the size class of a segment.
func tier(s *segment) int { return (bits.Len(uint(max(1, s.live()))) - 1) / 3 }

// planMerge returns the segments to merge next, nil when all is well.
func planMerge(list []segment) []segment {
	for i := range list {
		if s := &list[i]; s.dead*deadShare > s.docs || s.live() == 0 {
			return list[i : i+1]
		}
	}
	for i := 0; i+1 < len(list); i++ {
		if tier(&list[i]) < tier(&list[i+1]) && list[i].live()+list[i+1].live() <= maxMergeDocs {
			return list[i : i+2]
		}
	}
	for i := 0; i < len(list); {
		n, docs := 0, 0
		for ; i+n < len(list) && n < 2*mergeWidth && tier(&list[i+n]) == tier(&list[i]); n++ {
			if docs += list[i+n].live(); docs > maxMergeDocs {
				break
			}
		}
		if n >= mergeWidth {
			return list[i : i+n]
		}
		i += max(n, 1)
	}
	return nil
}

// merger merges segments into one, in steps with other work between them.
type merger struct {
	x *index
	packer
	sources []*source
	dead    []store.BodyID // those left out
	build   blockBuilder
	docs    []uint32
	done    bool
}

// source is a segment being read from front to end.
type source struct {
	s        segment
	to       []int32 // document in the output; -1: left out
	block    int     // the next one
	terms    []byte  // from the LF before the next key
	postings postings
	key      []byte // current, nil at the end
}

// newMerger begins a merge.
func (x *index) newMerger(ctx context.Context, list []segment) (*merger, error) {
	m := &merger{x: x, packer: packer{pack: x.codec.pack}}
	m.out.first, m.out.last = list[0].first, list[len(list)-1].last
	m.build.emit = m.emit
	err := x.db.Read(ctx, func(c *db.Conn) error {
		dead := map[store.BodyID]bool{}
		rows := c.QueryInts("SELECT body FROM dead WHERE body BETWEEN ? AND ?", int64(m.out.first), int64(m.out.last))
		for rows.Next() {
			dead[store.BodyID(rows.Int64(0))] = true
		}
		if err := rows.Close(); err != nil {
			return err
		}
		r := &reader{c, x.id, x.cache, x.codec}
		for i := range list {
			if err := m.addSource(r, list[i], dead); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("beginning merge: %w", err)
	}
	m.build.docs = len(m.details.bodies)
	m.out.docs = len(m.details.bodies)
	err = x.db.Write(ctx, func(c *db.Conn) (err error) {
		// What a merge left that failed is of no use.
		if err := c.ExecInts("UPDATE segment SET state=? WHERE state=?", stateDead, stateBuilding); err != nil {
			return err
		}
		if m.out.id, err = nextSegment(c); err != nil {
			return err
		}
		return x.insertSegment(c, &m.out, stateBuilding, &details{})
	})
	if err != nil {
		return nil, fmt.Errorf("beginning merge: %w", err)
	}
	return m, nil
}

func (m *merger) addSource(r *reader, s segment, dead map[store.BodyID]bool) error {
	d, err := r.details(&s)
	if err != nil {
		return err
	}
	src := &source{s: s, to: make([]int32, len(d.bodies))}
	for i, id := range d.bodies {
		if dead[id] {
			src.to[i] = -1
			m.dead = append(m.dead, id)
			continue
		}
		src.to[i] = int32(len(m.details.bodies))
		m.details.bodies = append(m.details.bodies, id)
	}
	m.sources = append(m.sources, src)
	return nil
}

// step does a bounded part of the merge, and reports whether that was the last.
func (m *merger) step(ctx context.Context) (done bool, err error) {
	if err := m.gather(ctx); err != nil {
		return false, fmt.Errorf("merging segments: %w", err)
	}
	err = m.x.db.Write(ctx, func(c *db.Conn) error {
		if err := m.store(c); err != nil {
			return err
		}
		if m.done {
			return m.finish(c)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("merging segments: %w", err)
	}
	m.stored()
	return m.done, nil
}

// gather merges until there is enough to write, or all is.
func (m *merger) gather(ctx context.Context) error {
	for _, s := range m.sources {
		if s.block == 0 && s.key == nil {
			if err := s.next(ctx, m.x); err != nil {
				return err
			}
		}
	}
	for m.size < mergeOutput {
		if err := ctx.Err(); err != nil {
			return err
		}
		key := m.least()
		if key == nil {
			m.done = true
			return m.build.end()
		}
		if err := m.mergeKey(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (m *merger) least() []byte {
	var key []byte
	for _, s := range m.sources {
		if s.key != nil && (key == nil || bytes.Compare(s.key, key) < 0) {
			key = s.key
		}
	}
	return key
}

// mergeKey writes the documents of all sources with a key.
func (m *merger) mergeKey(ctx context.Context, key []byte) error {
	key = append([]byte(nil), key...)
	m.docs = m.docs[:0]
	for _, s := range m.sources {
		if s.key == nil || !bytes.Equal(s.key, key) {
			continue
		}
		err := s.postings.each(func(d uint32) {
			if to := s.to[d]; to >= 0 {
				m.docs = append(m.docs, uint32(to))
			}
		})
		if err != nil {
			return err
		}
		if err := s.next(ctx, m.x); err != nil {
			return err
		}
	}
	if len(m.docs) == 0 {
		return nil
	}
	return m.build.add(key, m.docs)
}

// next goes to the next key, whose list is then the next of postings.
func (s *source) next(ctx context.Context, x *index) error {
	for len(s.terms) <= 1 {
		if s.block == s.s.blocks {
			s.key = nil
			return nil
		}
		if err := s.read(ctx, x); err != nil {
			return err
		}
	}
	rest := s.terms[1:]
	end := bytes.IndexByte(rest, '\n')
	if end < 1 {
		return fmt.Errorf("%w: terms", errDamaged)
	}
	if bytes.Compare(rest[:end], s.key) <= 0 && s.key != nil {
		return fmt.Errorf("%w: order of terms", errDamaged)
	}
	s.key, s.terms = rest[:end], rest[end:]
	return nil
}

// read reads the next block.
func (s *source) read(ctx context.Context, x *index) error {
	err := x.db.Read(ctx, func(c *db.Conn) error {
		terms, err := readBlob(c, x.codec, "SELECT data FROM term WHERE id=?", blockID(s.s.id, s.block))
		if err != nil {
			return err
		}
		lists, err := readBlob(c, x.codec, "SELECT data FROM posting WHERE id=?", blockID(s.s.id, s.block))
		if err != nil {
			return err
		}
		s.terms = terms
		s.postings, err = readPostings(lists, s.s.docs)
		return err
	})
	s.block++
	return err
}

// finish puts the new segment in place of its sources.
func (m *merger) finish(c *db.Conn) error {
	for _, id := range m.dead {
		if err := c.ExecInts("DELETE FROM dead WHERE body=?", int64(id)); err != nil {
			return err
		}
	}
	for _, s := range m.sources {
		if err := c.ExecInts("UPDATE segment SET state=? WHERE id=?", stateDead, s.s.id); err != nil {
			return err
		}
	}
	if m.out.docs == 0 {
		return c.ExecInts("UPDATE segment SET state=? WHERE id=?", stateDead, m.out.id)
	}
	m.out.first, m.out.last = m.details.bodies[0], m.details.bodies[m.out.docs-1]
	// Bodies that went while the merge ran are still in it.
	n, _, err := c.QueryInt64("SELECT count(*) FROM dead WHERE body BETWEEN ? AND ?", int64(m.out.first), int64(m.out.last))
	if err != nil {
		return err
	}
	m.out.dead = int(n)
	if err := m.storeFilter(c, m.packFilter()); err != nil {
		return err
	}
	return m.x.insertSegment(c, &m.out, stateLive, &m.details)
}

// dropDead deletes some blocks of dead segments, and reports whether there are more.
func (x *index) dropDead(ctx context.Context) (more bool, err error) {
	err = x.db.Write(ctx, func(c *db.Conn) error {
		id, ok, err := c.QueryInt64("SELECT id FROM segment WHERE state=? LIMIT 1", stateDead)
		if err != nil || !ok {
			return err
		}
		more = true
		left := int64(0)
		for _, table := range []string{"term", "posting", "filter"} {
			err := c.ExecInts("DELETE FROM "+table+" WHERE id IN (SELECT id FROM "+table+" WHERE id BETWEEN ? AND ? LIMIT ?)",
				blockID(id, 0), blockID(id+1, 0)-1, dropBlocks)
			if err != nil {
				return err
			}
			left = max(left, c.Changes())
		}
		if left < dropBlocks {
			return c.ExecInts("DELETE FROM segment WHERE id=?", id)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("deleting old segments: %w", err)
	}
	return more, nil
}

// shrink gives some of the file's free pages back, when they are many, and reports
// whether there are more.
func (x *index) shrink(ctx context.Context) (more bool, err error) {
	var free, pages int64
	err = x.db.Read(ctx, func(c *db.Conn) (err error) {
		if free, _, err = c.QueryInt64("PRAGMA freelist_count"); err == nil {
			pages, _, err = c.QueryInt64("PRAGMA page_count")
		}
		return err
	})
	if err != nil || free < shrinkPages || free*freeShare < pages {
		return false, err
	}
	err = x.db.Write(ctx, func(c *db.Conn) error {
		return c.Script(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", shrinkPages))
	})
	if err != nil {
		return false, fmt.Errorf("shrinking index: %w", err)
	}
	return true, nil
}

// markDead notes bodies that are gone.
func (x *index) markDead(ctx context.Context, ids []store.BodyID) error {
	return x.db.Write(ctx, func(c *db.Conn) error {
		for _, id := range ids {
			if err := c.ExecInts("INSERT OR IGNORE INTO dead (body) VALUES (?)", int64(id)); err != nil {
				return err
			}
			if c.Changes() == 0 {
				continue
			}
			if err := c.ExecInts("DELETE FROM document WHERE body=?", int64(id)); err != nil {
				return err
			}
			if err := c.ExecInts("UPDATE segment SET dead=dead+1 WHERE state=? AND first<=? AND last>=?", stateLive, int64(id), int64(id)); err != nil {
				return err
			}
		}
		return nil
	})
}
