package junk

import (
	"context"
	"time"

	"mox/db"
	"mox/store"
	"mox/upkeep"
)

// remake is which examples are to be made anew of their messages: those with ids above
// next, up to last.
type remake struct{ next, last int64 }

// awaits tells whether an example is still to be made anew: what it has is not to be copied.
func (r remake) awaits(id int64) bool { return id > r.next && id <= r.last }

// stepParams begins to make examples anew when words are to be taken in another way.
func (a *account) stepParams(ctx context.Context) (bool, error) {
	if p := fingerprint(a.m.c.Params(a.name)); p != *a.params.Load() {
		a.m.c.Log.Info("learning words anew: parameters have changed", "account", a.name)
		return true, a.startRemake(ctx, p, "params")
	}
	return false, nil
}

func (a *account) startRemake(ctx context.Context, params, why string) error {
	var last int64
	err := a.write(ctx, func(c *db.Conn) (err error) {
		if last, _, err = c.QueryInt64("SELECT max(id) FROM example"); err != nil {
			return err
		}
		return c.Exec("UPDATE state SET remake_next=0, remake_last=?, params=? WHERE id=1", last, params)
	})
	if err != nil {
		return err
	}
	if last > 0 {
		a.m.c.Metrics.Rebuilt(why)
	}
	a.remake = remake{0, last}
	a.params.Store(&params)
	return nil
}

// stepRemake makes some examples anew.
func (a *account) stepRemake(ctx context.Context) (more bool, err error) {
	r := a.remake
	if r.next >= r.last {
		return false, nil
	}
	type row struct {
		id   int64
		body store.BodyID
	}
	var list []row
	err = a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT id, body_id FROM example WHERE id>? AND id<=? ORDER BY id LIMIT ?", r.next, r.last, turnExamples)
		for rows.Next() {
			list = append(list, row{rows.Int64(0), store.BodyID(rows.Int64(1))})
		}
		return rows.Close()
	})
	if err != nil {
		return false, err
	}
	r.next = r.last
	if len(list) == turnExamples {
		r.next = list[len(list)-1].id
	}
	b := batch{a: a, remade: &r}
	for _, e := range list {
		if err := b.remake(ctx, e.id, e.body); err != nil {
			return false, err
		}
	}
	if err := b.apply(ctx); err != nil {
		return false, err
	}
	return r.next < r.last, nil
}

// Retrain makes all that an account has learned anew of its messages, and returns when that
// is done. It goes on in the background when ctx ends before, also after a restart, when the
// account is next used. Others go on judging and learning meanwhile.
func (m *Manager) Retrain(ctx context.Context, name string) error {
	a, err := m.keeper.Acquire(ctx, name)
	if err != nil {
		return err
	}
	done, err := a.request(ctx)
	m.keeper.Schedule(name, 0)
	m.keeper.Release(name)
	if err != nil {
		return err
	}
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-a.gone: // it was detached, or all is closed
			select {
			case <-done:
				return nil
			default:
				return upkeep.ErrClosed
			}
		case <-time.After(time.Minute): // after failures, the worker waits longer each time
			m.keeper.Schedule(name, 0)
		}
	}
}

// request begins to make all anew, and returns what is closed when that is done.
func (a *account) request(ctx context.Context) (<-chan struct{}, error) {
	if err := a.lock(ctx); err != nil {
		return nil, err
	}
	defer a.unlock()
	if a.bad.Load() {
		if err := a.repair(ctx); err != nil {
			return nil, err
		}
	}
	if err := a.startRemake(ctx, fingerprint(a.m.c.Params(a.name)), "request"); err != nil {
		return nil, err
	}
	if err := a.startCompare(ctx); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	a.jobs = append(a.jobs, done)
	return done, nil
}

// finishJobs tells those who asked for it that all is made anew.
func (a *account) finishJobs() {
	if a.wantCompare || a.compare != nil || a.remake.next < a.remake.last {
		return
	}
	for _, done := range a.jobs {
		close(done)
	}
	a.jobs = nil
}
