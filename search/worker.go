package search

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"mox/db"
	"mox/store"
)

// queueAll queues all accounts, behind those that are touched.
func (m *Manager) queueAll() {
	names, err := m.c.Store.Names()
	if err != nil {
		m.c.Log.Error("listing accounts to be indexed", "err", err)
		return
	}
	for i, name := range names {
		m.keeper.Schedule(name, 5*time.Second+time.Duration(i)*20*time.Millisecond)
	}
}

func (m *Manager) failed(name string, err error) {
	m.stats.failures.Add(1)
	m.c.Log.Error("indexing messages", "account", name, "err", err)
}

// work does a bounded piece of an account's work.
func (m *Manager) work(ctx context.Context, a *account) (more bool, err error) {
	if a.bad.Load() {
		if err := m.rebuild(ctx, a); err != nil {
			return false, err
		}
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	more, err = m.step(ctx, a)
	if err != nil && isDamage(err) && !errors.Is(err, store.ErrCorrupt) {
		m.damaged(a, err)
	}
	return more, err
}

// Rebuild makes the index of an account anew: it is emptied at once, and filled in the
// background; searches meanwhile look through messages, or fill it, see CatchUp.
func (m *Manager) Rebuild(ctx context.Context, name string) error {
	a, err := m.keeper.Acquire(ctx, name)
	if err != nil {
		return fmt.Errorf("opening search index: %w", err)
	}
	defer m.keeper.Release(name)
	if err := m.rebuild(ctx, a); err != nil {
		return err
	}
	m.keeper.Schedule(name, 0)
	return nil
}

// rebuild makes a damaged index anew, once those who search in it have ended.
func (m *Manager) rebuild(ctx context.Context, a *account) error {
	a.bad.Store(true) // until it is open: no search begins to take messages into it
	m.catching.cancel(a.name)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.index != nil {
		m.closeIndex(a)
		m.stats.rebuilds.Add(1)
	}
	if err := db.Remove(filepath.Join(a.acc.Dir(), FileName)); err != nil {
		return fmt.Errorf("removing damaged search index: %w", err)
	}
	return m.openIndex(ctx, a)
}

// maxYield bounds how long a step counts, for which the worker gives way after it: in
// that of taking a batch it has done so all the time.
const maxYield = 20 * time.Millisecond

// step does some of each kind of work, unless a search is at it. It is called with a held.
func (m *Manager) step(ctx context.Context, a *account) (more bool, err error) {
	if a.hurried.Load() > 0 {
		return false, nil // it touches the account at its end
	}
	steps := []func(context.Context, *account) (bool, error){m.stepBatch, m.stepMerge, m.stepSweep}
	for _, s := range steps {
		start := time.Now()
		again, err := s(ctx, a)
		m.c.Foreground.Yield(ctx, min(time.Since(start), maxYield))
		if err != nil {
			return false, err
		}
		more = more || again
	}
	return more, nil
}

// stepBatch takes a batch. While a search does so itself there is nothing to do.
func (m *Manager) stepBatch(ctx context.Context, a *account) (more bool, err error) {
	if !a.taking.try() {
		return false, nil
	}
	defer a.taking.end()
	start, since := time.Now(), time.Now()
	k := m.taker(a, func() bool {
		if a.hurried.Load() > 0 {
			return true // a search waits to go on with it
		}
		if worked := time.Since(since); worked > time.Millisecond {
			m.c.Foreground.Yield(ctx, worked)
			since = time.Now()
		}
		return false
	})
	b, more, err := a.index.takeBatch(ctx, k)
	if err == nil && !more {
		a.looked.Store(0)
		a.slow.Store(false)
		m.lag.end(a.name)
	}
	if err != nil || b == nil {
		return more, err
	}
	m.took(a, b, start)
	return more, nil
}

func (m *Manager) taker(a *account, pause func() bool) *taker {
	return &taker{x: a.index, acc: a.acc, l: m.c.limits(), docs: m.c.Documents, pause: pause, builders: &m.free}
}

// took counts a batch.
func (m *Manager) took(a *account, b *batch, start time.Time) {
	m.stats.messages.Add(uint64(b.out.docs))
	m.stats.text.Add(uint64(b.text))
	m.stats.partial.Add(uint64(b.partial))
	m.stats.batches.Add(1)
	m.c.Log.Debug("indexed messages", "account", a.name, "messages", b.out.docs, "text", b.text, "duration", time.Since(start))
}

// stepMerge merges some, or deletes some of what was merged.
func (m *Manager) stepMerge(ctx context.Context, a *account) (more bool, err error) {
	if a.merge != nil {
		done, err := a.merge.step(ctx)
		if done || err != nil {
			a.merge = nil
		}
		return true, err
	}
	list, err := a.index.segments(ctx)
	if err != nil {
		return false, err
	}
	plan := planMerge(list)
	if plan == nil {
		if more, err := a.index.dropDead(ctx); more || err != nil {
			return more, err
		}
		return a.index.shrink(ctx)
	}
	m.stats.merges.Add(1)
	a.merge, err = a.index.newMerger(ctx, plan)
	return true, err
}

// stepSweep looks whether bodies are gone, once the last time is long ago. Nothing says
// when: they are freed some time after their last message was expunged.
func (m *Manager) stepSweep(ctx context.Context, a *account) (more bool, err error) {
	s := &a.sweep
	if !s.active {
		st, err := a.index.state(ctx)
		if err != nil {
			return false, err
		}
		// A time to come is of a clock that was wrong.
		if since := time.Since(time.Unix(st.swept, 0)); since >= 0 && since < m.c.SweepEvery {
			return false, nil
		}
		*s = sweep{active: true}
	}
	last, gone, err := a.index.sweepStep(ctx, a.acc, s.after)
	if err != nil {
		return false, err
	}
	m.stats.removed.Add(uint64(gone))
	s.gone = s.gone || gone > 0
	if s.after = last; last != 0 {
		return true, nil
	}
	s.active = false
	// Merging is what removes them; it comes with the next step.
	return s.gone, a.index.setSwept(ctx, time.Now().Unix())
}
