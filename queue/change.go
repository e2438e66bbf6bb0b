package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// changeBatch is how many messages one operation of an administrator's change has; notices
// are composed for fewer at a time.
const (
	changeBatch = 500
	failBatch   = 20
)

// change applies fn to the messages of a filter, in operations of some hundred, and
// returns how many it has changed. Messages that go in the meantime are left out.
func (q *Queue) change(ctx context.Context, f Filter, fn func(t *tx, id int64) (bool, error)) (int, error) {
	ids, err := q.ids(ctx, f)
	if err != nil {
		return 0, err
	}
	return q.changeIDs(ctx, ids, fn)
}

func (q *Queue) changeIDs(ctx context.Context, ids []int64, fn func(t *tx, id int64) (bool, error)) (int, error) {
	total := 0
	for batch := range slices.Chunk(ids, changeBatch) {
		var n int
		err := q.do(ctx, 200*len(batch), func(t *tx) error {
			n = 0
			for _, id := range batch {
				ok, err := fn(t, id)
				if err != nil {
					return err
				}
				if ok {
					n++
				}
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// hold sets or clears the hold of a message; false when it is so already, or gone.
func (t *tx) hold(id int64, hold bool) (bool, error) {
	lane, ok, err := t.c.QueryInt64("UPDATE message SET hold = ?2 WHERE id = ?1 AND hold <> ?2 RETURNING lane_id", id, hold)
	if ok {
		t.lane(lane, 0)
		t.changed = t.changed || !hold
		t.touch("")
	}
	return ok, err
}

// Hold puts messages on hold, or releases them, and returns how many were not so before.
func (q *Queue) Hold(ctx context.Context, f Filter, hold bool) (int, error) {
	return q.change(ctx, f, func(t *tx, id int64) (bool, error) { return t.hold(id, hold) })
}

// Schedule changes the time of the next attempt, and returns of how many messages.
func (q *Queue) Schedule(ctx context.Context, f Filter, s Shift) (int, error) {
	return q.change(ctx, f, func(t *tx, id int64) (bool, error) {
		sql, by := "UPDATE message SET next_attempt = max(next_attempt + ?2, 1) WHERE id = ?1 RETURNING lane_id", s.By.Milliseconds()
		if s.Now {
			sql, by = "UPDATE message SET next_attempt = ?2 WHERE id = ?1 RETURNING lane_id", millis(t.now.Add(s.By))
		}
		lane, ok, err := t.c.QueryInt64(sql, id, by)
		if ok {
			t.lane(lane, 0)
			t.changed = true
			t.touch("")
		}
		return ok, err
	})
}

// SetTransport sets the transport, "" for that of the routes, and returns of how many messages.
func (q *Queue) SetTransport(ctx context.Context, f Filter, transport string) (int, error) {
	return q.change(ctx, f, func(t *tx, id int64) (bool, error) {
		err := t.c.Exec("UPDATE message SET transport = ? WHERE id = ?", transport, id)
		return t.c.Changes() > 0, err
	})
}

// MaxPriority is the most that SetPriority takes; the least is its negative. The range is that of
// RFC 6710 4.1.
const MaxPriority = 9

// SetPriority sets the priority, and returns of how many messages. ErrInvalid for one out of range.
func (q *Queue) SetPriority(ctx context.Context, f Filter, priority int) (int, error) {
	if priority > MaxPriority || priority < -MaxPriority {
		return 0, fmt.Errorf("%w: priority %d is not between %d and %d", ErrInvalid, priority, -MaxPriority, MaxPriority)
	}
	return q.change(ctx, f, func(t *tx, id int64) (bool, error) { return t.setPriority(id, priority) })
}

// setPriority moves a message to the lane of a priority; false when it is there, or gone.
func (t *tx) setPriority(id int64, priority int) (bool, error) {
	r, ok, err := t.find(id)
	if err != nil || !ok || r.m.Priority == priority {
		return false, err
	}
	r.m.Priority = priority
	lane, err := t.laneOf(&r.m)
	if err != nil {
		return false, err
	}
	info, err := r.m.info()
	if err != nil {
		return false, err
	}
	t.lane(r.lane, -1)
	t.lane(lane, 1)
	t.changed = true
	return true, t.c.Exec("UPDATE message SET lane_id = ?, info = ? WHERE id = ?", lane, string(info), id)
}

// SetRequireTLS sets what Message.RequireTLS has, and returns of how many messages.
func (q *Queue) SetRequireTLS(ctx context.Context, f Filter, require *bool) (int, error) {
	return q.change(ctx, f, func(t *tx, id int64) (bool, error) {
		err := t.c.Exec("UPDATE message SET require_tls = ? WHERE id = ?", requireTLS(require), id)
		return t.c.Changes() > 0, err
	})
}

// Drop removes messages without telling the sender; webhooks are told that they are canceled.
// It returns how many there were.
func (q *Queue) Drop(ctx context.Context, f Filter) (int, error) {
	return q.Cancel(ctx, f, "dropped by an administrator")
}

// Cancel is Drop for a reason of the caller's, which goes into the history.
func (q *Queue) Cancel(ctx context.Context, f Filter, why string) (int, error) {
	return q.change(ctx, f, func(t *tx, id int64) (bool, error) {
		r, ok, err := t.find(id)
		if err != nil || !ok {
			return false, err
		}
		t.q.forget(id)
		if err := t.remove(r); err != nil {
			return false, err
		}
		return true, t.done(&r.m, EventCanceled, Result{Start: t.now, Error: why}, false)
	})
}

// Fail makes messages fail, with the notification of Options.Notice, and returns how
// many there were.
func (q *Queue) Fail(ctx context.Context, f Filter) (int, error) {
	ids, err := q.ids(ctx, f)
	if err != nil {
		return 0, err
	}
	total := 0
	for batch := range slices.Chunk(ids, failBatch) {
		n, err := q.failSome(ctx, batch)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (q *Queue) failSome(ctx context.Context, ids []int64) (n int, rerr error) {
	var outcomes []Outcome
	var notices []notice
	for _, id := range ids {
		m, err := q.Get(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		var more []notice
		// RFC 3463: 5.0.0, as no server has said anything.
		o := Outcome{ID: id, Action: Failed, NoSuppress: true, NotTried: true, Result: Result{Start: q.o.Now(), Enhanced: "5.0.0", Error: "delivery was canceled by an administrator"}}
		if err == nil && q.o.Notice != nil {
			more, err = q.failNotice(ctx, m, o.Result)
		}
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			for _, n := range notices {
				q.discard(n.p)
			}
			return 0, fmt.Errorf("failing message %d: %w", id, err)
		}
		outcomes, notices = append(outcomes, o), append(notices, more...)
	}
	if len(outcomes) == 0 {
		return 0, nil
	}
	return q.record(ctx, outcomes, notices, "")
}

// failNotice makes the notification about a message that fails.
func (q *Queue) failNotice(ctx context.Context, m Message, res Result) ([]notice, error) {
	c, err := q.Content(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	n, err := q.notice(ctx, Reported{Message: m, Result: res, Original: c, Size: c.Size()})
	for i := range n {
		n[i].n.For = []int64{m.ID}
	}
	return n, err
}
