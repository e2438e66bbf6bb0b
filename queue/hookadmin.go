package queue

import (
	"context"
	"encoding/json"
	"fmt"

	"mox/db"
)

func (f *HookFilter) where() *where {
	w := &where{}
	w.ids(f.IDs)
	w.text("account", f.Account)
	w.bound("queued", f.Submitted)
	w.bound("next_attempt", f.NextAttempt)
	w.text("event", f.Event)
	return w
}

func (f *HookRetiredFilter) where() *where {
	w := &where{}
	w.ids(f.IDs)
	w.text("account", f.Account)
	w.bound("queued", f.Submitted)
	w.bound("last_activity", f.LastActivity)
	w.text("event", f.Event)
	return w
}

// HookList returns webhook calls that wait, without payload.
func (q *Queue) HookList(ctx context.Context, f HookFilter, s Sort) ([]Hook, error) {
	w := f.where()
	order := w.sort(s, f.Max, [2]string{"nextattempt", "next_attempt"}, [2]string{"queued", "queued"})
	var l []Hook
	err := q.each(ctx, w, "SELECT "+hookColumns+" FROM hook WHERE "+w.String()+order, func(st *db.Stmt) error {
		h, err := scanHook(st)
		l = append(l, h)
		return err
	})
	return l, err
}

// HookCount returns how many calls HookList would.
func (q *Queue) HookCount(ctx context.Context, f HookFilter) (int, error) {
	return q.count(ctx, f.where(), "hook", f.Max)
}

// HookGet returns a call that waits, with payload; ErrNotFound when it is not there.
func (q *Queue) HookGet(ctx context.Context, id int64) (Hook, error) {
	var h Hook
	err := q.db.Read(ctx, func(c *db.Conn) (err error) {
		var ok bool
		if h, ok, err = getHook(c, id); err == nil && !ok {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("webhook call %d: %w", id, err)
		}
		return h.payload(c)
	})
	return h, err
}

// changeHooks applies fn to the calls of a filter and returns how many there were.
func (q *Queue) changeHooks(ctx context.Context, f HookFilter, fn func(t *tx, id int64) (bool, error)) (int, error) {
	ids, err := q.idsOf(ctx, f.where(), "hook", f.Max)
	if err != nil {
		return 0, err
	}
	return q.changeIDs(ctx, ids, fn)
}

// HookSchedule changes the time of the next attempt, and returns of how many calls.
func (q *Queue) HookSchedule(ctx context.Context, f HookFilter, s Shift) (int, error) {
	return q.changeHooks(ctx, f, func(t *tx, id int64) (bool, error) {
		sql, by := "UPDATE hook SET next_attempt = max(next_attempt + ?, 1) WHERE id = ?", s.By.Milliseconds()
		if s.Now {
			sql, by = "UPDATE hook SET next_attempt = ? WHERE id = ?", millis(t.now.Add(s.By))
		}
		err := t.c.ExecInts(sql, by, id)
		t.hooks = true
		return t.c.Changes() > 0, err
	})
}

// HookCancel ends calls that wait, and returns how many.
func (q *Queue) HookCancel(ctx context.Context, f HookFilter) (int, error) {
	return q.changeHooks(ctx, f, func(t *tx, id int64) (bool, error) {
		_, ok, err := getHook(t.c, id)
		if err != nil || !ok {
			return false, err
		}
		return true, t.endHook(id, RetiredHook{Canceled: true})
	})
}

// HookRetiredList returns webhook calls that are done, without payload.
func (q *Queue) HookRetiredList(ctx context.Context, f HookRetiredFilter, s Sort) ([]RetiredHook, error) {
	w := f.where()
	order := w.sort(s, f.Max, [2]string{"lastactivity", "last_activity"}, [2]string{"queued", "queued"})
	var l []RetiredHook
	err := q.each(ctx, w, "SELECT hook FROM retired_hook WHERE "+w.String()+order, func(st *db.Stmt) error {
		var r RetiredHook
		err := json.Unmarshal(st.Bytes(0), &r)
		l = append(l, r)
		return err
	})
	return l, err
}

// HookRetiredGet returns a call that is done, with payload; ErrNotFound when it is not
// there (any more).
func (q *Queue) HookRetiredGet(ctx context.Context, id int64) (RetiredHook, error) {
	l, err := q.HookRetiredList(ctx, HookRetiredFilter{IDs: []int64{id}}, Sort{})
	if err == nil && len(l) == 0 {
		err = fmt.Errorf("retired webhook call %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return RetiredHook{}, err
	}
	r := l[0]
	err = q.db.Read(ctx, r.Hook.payload)
	return r, err
}
