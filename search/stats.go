package search

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"mox/db"
	"mox/store"
)

// counters are what a Manager counts.
type counters struct {
	opened, searches, messages, text, partial, batches, merges, removed, rebuilds, failures atomic.Uint64
}

// Stats are totals since the Manager was made, and its present state.
type Stats struct {
	Messages uint64 // taken into an index
	Text     uint64 // bytes of decoded text of those
	Partial  uint64 // messages with more text than is indexed, or unreadable
	Batches  uint64 // transactions that took messages
	Merges   uint64
	Removed  uint64 // messages dropped because they are gone
	Rebuilds uint64 // indexes found damaged in use
	Failures uint64 // turns of the worker that ended with an error
	Searches uint64
	Open     int   // indexes
	Queued   int   // accounts with work under way, or waiting for its time
	Cache    int64 // bytes
	// Lag is how long the message waits that has waited longest to be taken into an index.
	Lag time.Duration
}

// Stats returns the totals, for metrics.
func (m *Manager) Stats() Stats {
	c := &m.stats
	s := Stats{
		Messages: c.messages.Load(), Text: c.text.Load(), Partial: c.partial.Load(), Batches: c.batches.Load(), Merges: c.merges.Load(),
		Removed: c.removed.Load(), Rebuilds: c.rebuilds.Load(), Failures: c.failures.Load(), Searches: c.searches.Load(), Cache: m.cache.bytes(),
	}
	k := m.keeper.Stats()
	s.Open, s.Queued, s.Lag = k.Open, k.Queued, m.lag.longest()
	return s
}

// Progress tells how far the index of one account is.
type Progress struct {
	IndexedTo store.BodyID
	Waiting   int // bodies above that, counted up to 10,000
	Documents int // in the index, those of messages that are gone not counted
	Segments  int
	Bytes     int64 // of terms and postings, as stored
}

// maxWaiting bounds what Progress counts.
const maxWaiting = 10_000

// Progress returns how far the index of an account is.
func (m *Manager) Progress(ctx context.Context, name string) (p Progress, err error) {
	a, err := m.acquire(ctx, name)
	if err != nil {
		return p, fmt.Errorf("progress of search index: %w", err)
	}
	defer m.release(a)
	s, err := a.index.state(ctx)
	if err != nil {
		return p, err
	}
	list, err := a.index.segments(ctx)
	if err != nil {
		return p, err
	}
	p.IndexedTo, p.Segments = s.indexed, len(list)
	for i := range list {
		p.Documents += list[i].live()
		p.Bytes += list[i].bytes
	}
	waiting, err := a.acc.NewBodies(ctx, s.indexed, maxWaiting)
	p.Waiting = len(waiting)
	return p, err
}

// segments returns the live segments.
func (x *index) segments(ctx context.Context) (list []segment, err error) {
	err = x.db.Read(ctx, func(c *db.Conn) (err error) {
		list, err = segments(c)
		return err
	})
	return list, err
}
