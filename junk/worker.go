package junk

import (
	"context"
	"errors"
	"time"

	"mox/store"
)

// Delays of the worker after failures.
const (
	retryFirst = 10 * time.Second
	retryLast  = time.Hour
)

// work is the one goroutine that learns in the background. It takes the account that waits
// longest, does a bounded piece of its work, and puts it at the end when there is more.
func (m *Manager) work() {
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
		t := time.NewTimer(wait)
		select {
		case <-m.ctx.Done():
		case <-idle.C:
			m.closeIdle()
		case <-m.wake:
		case <-t.C:
		}
		t.Stop()
	}
}

func (m *Manager) tooMany() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.open) > m.c.MaxOpen+m.c.MaxOpen/4
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
	return name, 0
}

// turn does a piece of an account's work.
func (m *Manager) turn(name string) {
	more, err := m.accountTurn(m.ctx, name)
	switch {
	case m.ctx.Err() != nil:
	case err == nil:
		m.mu.Lock()
		delete(m.retries, name)
		m.mu.Unlock()
		if more {
			m.schedule(name, 0, false)
		}
	case errors.Is(err, store.ErrNoAccount), errors.Is(err, store.ErrClosed), errors.Is(err, errClosed):
	default:
		m.mu.Lock()
		n := m.retries[name]
		m.retries[name] = n + 1
		m.mu.Unlock()
		m.c.Log.Error("learning from messages", "account", name, "err", err)
		m.schedule(name, min(retryLast, retryFirst<<min(n, 10)), true)
	}
}

// turnExamples is how many examples a turn of each kind of work makes or takes back: those
// who judge wait for about as long.
const turnExamples = 12

func (m *Manager) accountTurn(ctx context.Context, name string) (more bool, err error) {
	a, err := m.acquire(ctx, name)
	if err != nil {
		return false, err
	}
	defer m.release(a)
	if err := a.lock(ctx); err != nil {
		return false, err
	}
	defer a.unlock()
	if a.bad.Load() {
		if err := a.repair(ctx); err != nil {
			return false, err
		}
	}
	for _, step := range []func(context.Context) (bool, error){a.stepParams, a.stepFollow, a.stepCompare, a.stepRemake, a.stepLoad} {
		again, err := step(ctx)
		if err != nil {
			return false, a.note(err)
		}
		more = more || again
	}
	a.finishJobs()
	return more, nil
}
