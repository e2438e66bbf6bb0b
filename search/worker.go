package search

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mox/store"
)

// Delays of the worker.
const (
	retryFirst = 10 * time.Second
	retryLast  = time.Hour
)

// work is the one goroutine that indexes. It takes the account that waits longest, does
// a bounded piece of its work, and puts it at the end when there is more.
func (m *Manager) work() {
	if !m.c.NoCatchUp {
		m.catchUp()
	}
	idle := time.NewTicker(max(m.c.Idle/2, time.Millisecond))
	defer idle.Stop()
	for m.ctx.Err() == nil {
		name, wait := m.next()
		if name != "" {
			m.turn(name)
			if m.tooMany() {
				m.closeIdle()
			}
			wait = 0
		}
		select {
		case <-m.ctx.Done():
		case <-idle.C:
			m.closeIdle()
		case <-m.wake:
		case <-time.After(wait):
		}
	}
}

// catchUp queues all accounts, behind those that are touched.
func (m *Manager) catchUp() {
	names, err := m.c.Store.Names()
	if err != nil {
		m.c.Log.Error("listing accounts to be indexed", "err", err)
		return
	}
	for i, name := range names {
		m.schedule(name, 5*time.Second+time.Duration(i)*20*time.Millisecond, false)
	}
}

// next takes the account that is due, or returns how long to wait for one.
func (m *Manager) next() (name string, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var first time.Time
	for n, at := range m.queue {
		if name == "" || at.Before(first) {
			name, first = n, at
		}
	}
	if name == "" {
		return "", time.Hour
	}
	if wait := time.Until(first); wait > 0 {
		return "", wait
	}
	delete(m.queue, name)
	delete(m.touched, name)
	m.busy = true
	return name, 0
}

// turn does a piece of an account's work.
func (m *Manager) turn(name string) {
	defer func() {
		m.mu.Lock()
		m.busy = false
		m.mu.Unlock()
	}()
	more, err := m.accountTurn(name)
	switch {
	case m.ctx.Err() != nil:
	case err == nil:
		m.mu.Lock()
		delete(m.retries, name)
		m.mu.Unlock()
		if more {
			m.schedule(name, 0, false)
		}
	case errors.Is(err, store.ErrNoAccount), errors.Is(err, store.ErrClosed):
	default:
		m.stats.failures.Add(1)
		m.mu.Lock()
		n := m.retries[name]
		m.retries[name] = n + 1
		m.mu.Unlock()
		m.c.Log.Error("indexing messages", "account", name, "err", err)
		m.schedule(name, min(retryLast, retryFirst<<min(n, 10)), true)
	}
}

func (m *Manager) accountTurn(name string) (more bool, err error) {
	a, err := m.acquire(m.ctx, name)
	if err != nil {
		return false, err
	}
	if a.bad.Load() {
		a, err = m.rebuild(a)
		if err != nil {
			return false, err
		}
	}
	defer m.release(a)
	more, err = m.step(m.ctx, a)
	if err != nil && isDamage(err) && !errors.Is(err, store.ErrCorrupt) {
		m.damaged(a, err)
	}
	return more, err
}

// rebuild makes a damaged index anew. a is held as by acquire, before and after, except
// with an error.
func (m *Manager) rebuild(a *account) (*account, error) {
	a.mu.RUnlock()
	a.mu.Lock()
	if a.index != nil && a.bad.Load() {
		path := filepath.Join(a.acc.Dir(), FileName)
		m.closeAccount(a)
		m.stats.rebuilds.Add(1)
		if err := removeIndex(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			a.mu.Unlock()
			a.mu.RLock()
			m.release(a)
			return nil, fmt.Errorf("removing damaged search index: %w", err)
		}
	}
	a.mu.Unlock()
	a.mu.RLock()
	m.release(a)
	return m.acquire(m.ctx, a.name)
}

// step does some of each kind of work. It is called with a held.
func (m *Manager) step(ctx context.Context, a *account) (more bool, err error) {
	steps := []func(context.Context, *account) (bool, error){m.stepBatch, m.stepMerge, m.stepSweep}
	for _, s := range steps {
		again, err := s(ctx, a)
		if err != nil {
			return false, err
		}
		more = more || again
	}
	return more, nil
}

func (m *Manager) stepBatch(ctx context.Context, a *account) (more bool, err error) {
	start := time.Now()
	t, err := a.index.takeBatch(ctx, a.acc, m.c.limits())
	if err != nil || t.messages == 0 {
		return t.more, err
	}
	m.stats.messages.Add(uint64(t.messages))
	m.stats.text.Add(uint64(t.text))
	m.stats.partial.Add(uint64(t.partial))
	m.stats.batches.Add(1)
	m.c.Log.Debug("indexed messages", "account", a.name, "messages", t.messages, "text", t.text, "duration", time.Since(start))
	return t.more, nil
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

func (m *Manager) tooMany() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.open) > m.c.MaxOpen+m.c.MaxOpen/4
}

// closeIdle closes indexes that nobody has used for a while, and those that are too
// many, the longest unused first.
func (m *Manager) closeIdle() {
	before := time.Now().Add(-m.c.Idle)
	var idle []*account
	m.mu.Lock()
	for _, a := range m.open {
		if a.refs == 0 {
			idle = append(idle, a)
		}
	}
	slices.SortFunc(idle, func(a, b *account) int { return a.used.Compare(b.used) })
	n := max(0, len(idle)-m.c.MaxOpen)
	for n < len(idle) && idle[n].used.Before(before) {
		n++
	}
	for _, a := range idle[:n] {
		a.refs++
	}
	m.mu.Unlock()
	for _, a := range idle[:n] {
		a.mu.Lock()
		m.mu.Lock()
		alone := a.refs == 1
		m.mu.Unlock()
		if alone {
			m.closeAccount(a)
		}
		gone := a.index == nil
		a.mu.Unlock()
		m.mu.Lock()
		if a.refs--; a.refs == 0 && gone {
			delete(m.open, a.name)
		}
		m.mu.Unlock()
	}
}
