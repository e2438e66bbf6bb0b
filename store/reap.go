package store

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"mox/db"
)

// Bounds of one transaction of the reaper.
const (
	reapBodies = 64      // bodies freed,
	reapBytes  = 4 << 20 // or this much of them
	reapLog    = 2000    // log entries
)

// reaper frees what nobody needs any more, in small operations in the background:
// references of expunged messages after the retention time, bodies without references
// after the grace time, old uploads, old entries of the logs.
type reaper struct {
	mu      sync.Mutex // guards the fields below
	timer   *time.Timer
	due     time.Time
	stopped bool
	wait    sync.WaitGroup
	cancel  context.CancelFunc // of the run under way
}

// scheduleReap makes the reaper run at the end of the grace time, unless it will earlier.
func (a *Account) scheduleReap() { a.reap.at(a.now().Add(min(a.s.o.Grace, time.Minute)), a) }

func (r *reaper) at(due time.Time, a *Account) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.timer != nil && !due.Before(r.due) {
		return
	}
	if r.timer != nil && r.timer.Stop() {
		r.wait.Done()
	}
	r.due = due
	r.wait.Add(1)
	r.timer = time.AfterFunc(due.Sub(a.now()), func() { r.run(a) })
}

func (r *reaper) run(a *Account) {
	defer r.wait.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.mu.Lock()
	r.timer, r.cancel = nil, cancel
	stopped := r.stopped
	r.mu.Unlock()
	if stopped {
		return
	}
	next, err := a.reapOnce(ctx)
	switch {
	case err == nil && next.IsZero():
	case err == nil:
		r.at(next, a)
	case !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed):
		a.log.Error("freeing expunged messages", "account", a.name, "err", err)
		r.at(a.now().Add(10*time.Minute), a)
	}
}

// stop ends the reaper and waits for it.
func (r *reaper) stop() {
	r.mu.Lock()
	r.stopped = true
	if r.timer != nil && r.timer.Stop() {
		r.wait.Done()
	}
	r.timer = nil
	if r.cancel != nil {
		r.cancel()
	}
	r.mu.Unlock()
	r.wait.Wait()
}

// reapOnce does all that is due, and returns when something will be, zero for never.
func (a *Account) reapOnce(ctx context.Context) (time.Time, error) {
	return a.reapAt(ctx, a.now())
}

// reapAt is reapOnce at a given time.
func (a *Account) reapAt(ctx context.Context, now time.Time) (next time.Time, err error) {
	for _, step := range []func(context.Context, time.Time) (bool, error){a.releaseExpunged, a.freeBodies, a.freeUploads, a.trimLogs} {
		for more := true; more; {
			if more, err = step(ctx, now); err != nil {
				return next, err
			}
		}
	}
	err = a.read(ctx, func(c *db.Conn) error {
		held, ok, err := c.QueryInt64("SELECT time FROM held ORDER BY id LIMIT 1")
		if ok {
			next = time.Unix(held, 0).Add(a.s.o.Retention)
		}
		if err != nil {
			return err
		}
		freed, ok, err := c.QueryInt64("SELECT freed FROM body WHERE refs=0 ORDER BY freed LIMIT 1")
		if at := time.Unix(freed, 0).Add(a.s.o.Grace); ok && (next.IsZero() || at.Before(next)) {
			next = at
		}
		if err != nil {
			return err
		}
		uploaded, ok, err := c.QueryInt64("SELECT created FROM upload ORDER BY created LIMIT 1")
		if at := time.Unix(uploaded, 0).Add(a.s.o.Uploads.Most); ok && (next.IsZero() || at.Before(next)) {
			next = at
		}
		return err
	})
	if !next.IsZero() && next.Before(now.Add(time.Second)) {
		next = now.Add(time.Second)
	}
	return next, err
}

// releaseExpunged drops the references of messages that were expunged before the
// retention time, oldest first.
func (a *Account) releaseExpunged(ctx context.Context, now time.Time) (more bool, err error) {
	err = a.do(ctx, 0, func(t *tx) error {
		rows := t.c.QueryInts("SELECT id, time, messages FROM held ORDER BY id LIMIT 1")
		more = rows.Next() && rows.Int64(1) <= now.Add(-a.s.o.Retention).Unix()
		if !more {
			return rows.Close()
		}
		id, at := rows.Int64(0), rows.Int64(1)
		msgs, err := unpackMessages(rows.Bytes(2))
		if err := cmp.Or(err, rows.Close()); err != nil {
			return err
		}
		return cmp.Or(t.release(msgs, at), t.releaseAnnotations(msgs), t.c.ExecInts("DELETE FROM held WHERE id=?", id))
	})
	return more, err
}

// release drops a reference to the body of each message.
func (t *tx) release(msgs []Message, at int64) error {
	bodies := make([]BodyID, len(msgs))
	for i := range msgs {
		bodies[i] = msgs[i].Body
	}
	if err := t.addRefs(bodies, -1); err != nil {
		return err
	}
	for _, id := range bodies {
		if err := t.c.ExecInts("UPDATE body SET freed=? WHERE id=? AND refs=0", at, int64(id)); err != nil {
			return err
		}
	}
	return nil
}

// freeBodies deletes bodies that have had no reference for the grace time.
func (a *Account) freeBodies(ctx context.Context, now time.Time) (more bool, err error) {
	err = a.do(ctx, 0, func(t *tx) error {
		rows := t.c.QueryInts("SELECT id, size FROM body WHERE refs=0 AND freed<=? ORDER BY freed LIMIT ?", now.Add(-a.s.o.Grace).Unix(), reapBodies)
		var ids, sizes []int64
		for rows.Next() {
			ids, sizes = append(ids, rows.Int64(0)), append(sizes, rows.Int64(1))
		}
		if err := rows.Close(); err != nil {
			return err
		}
		bytes := int64(0)
		for i, id := range ids {
			if more = bytes > reapBytes; more {
				break
			}
			bytes += sizes[i]
			if err := t.freeBody(id); err != nil {
				return err
			}
		}
		more = more || len(ids) == reapBodies
		return nil
	})
	return more, err
}

func (t *tx) freeBody(id int64) error {
	rows := t.c.QueryInts("SELECT b.subject, b.thread, e.headers, f.id FROM body b LEFT JOIN body_env e ON e.id=b.id LEFT JOIN body f ON f.id=b.thread WHERE b.id=?", id)
	var keys []int64
	if rows.Next() {
		keys = append(keys, rows.Int64(0))
		// What begins a thread waits for others, also where the one that names it is gone.
		if rows.Int64(1) == id || rows.Null(3) {
			wanted := threadKeys{refs: referencesOf(rows.Bytes(2))}
			keys = append(keys, wanted.wanted()...)
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	rows = t.c.QueryInts("SELECT message_id FROM body_key WHERE id=?", id)
	if rows.Next() {
		if s := rows.Text(0); s != "" {
			keys = append(keys, hashKey("id", s))
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	for _, h := range keys {
		if err := t.c.ExecInts("DELETE FROM lookup WHERE hash=? AND body_id=?", h, id); err != nil {
			return err
		}
	}
	if err := t.c.ExecInts("DELETE FROM chunk WHERE id BETWEEN ? AND ?", id*chunksOf, id*chunksOf+chunksOf-1); err != nil {
		return err
	}
	if err := t.c.ExecInts("INSERT OR REPLACE INTO gone_body (id, thread, modseq) SELECT id, thread, ? FROM body WHERE id=?", int64(t.modseq), id); err != nil {
		return err
	}
	for _, sql := range []string{"DELETE FROM body_env WHERE id=?", "DELETE FROM body_key WHERE id=?", "DELETE FROM body WHERE id=?"} {
		if err := t.c.ExecInts(sql, id); err != nil {
			return err
		}
	}
	return nil
}

// trimLogs forgets the oldest entries of the change log and of expunged messages, once
// there are a tenth more than are to be kept.
func (a *Account) trimLogs(ctx context.Context, _ time.Time) (more bool, err error) {
	err = a.do(ctx, 0, func(t *tx) error {
		var e1, e2 error
		more, e1 = t.trimChanges(int64(a.s.o.ChangeLog))
		for _, b := range t.all() {
			m, err := t.trimExpunged(b, int64(a.s.o.ExpungeLog))
			more, e2 = more || m, errors.Join(e2, err)
		}
		return errors.Join(e1, e2)
	})
	return more, err
}

// trimChanges keeps the last keep operations. The clock ticks once for each, so that
// nothing need be counted.
func (t *tx) trimChanges(keep int64) (more bool, err error) {
	floor := int64(t.modseq) - keep
	oldest, ok, err := t.c.QueryInt64("SELECT modseq FROM change ORDER BY modseq LIMIT 1")
	if err != nil || !ok || floor-oldest < keep/10 {
		return false, err
	}
	upto := min(floor, oldest+reapLog)
	if err := t.c.ExecInts("DELETE FROM change WHERE modseq<=?", upto); err != nil {
		return false, err
	}
	if err := t.c.ExecInts("DELETE FROM gone_body WHERE modseq<=?", upto); err != nil {
		return false, err
	}
	t.changeFloor = ModSeq(upto)
	t.dirty = true
	return upto < floor, nil
}

func (t *tx) trimExpunged(b *mailbox, keep int64) (more bool, err error) {
	if int64(b.ModSeq-b.expungeFloor) < keep+keep/10 {
		return false, nil // there were not that many operations
	}
	n, _, err := t.c.QueryInt64("SELECT count(*) FROM expunge WHERE mailbox_id=? AND modseq>?", int64(b.ID), int64(b.expungeFloor))
	if err != nil || n < keep+keep/10+1 {
		return false, err
	}
	cut := min(n-keep, reapLog)
	upto, ok, err := t.c.QueryInt64("SELECT modseq FROM expunge WHERE mailbox_id=? AND modseq>? ORDER BY modseq LIMIT 1 OFFSET ?", int64(b.ID), int64(b.expungeFloor), cut-1)
	if err != nil || !ok {
		return false, err
	}
	if err := t.c.ExecInts("DELETE FROM expunge WHERE mailbox_id=? AND modseq<=?", int64(b.ID), upto); err != nil {
		return false, err
	}
	nb := *b
	nb.expungeFloor = ModSeq(upto)
	t.update(nb)
	return cut < n-keep, nil
}
