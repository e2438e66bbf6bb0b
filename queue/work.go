package queue

import (
	"context"
	"time"
)

const (
	cleanEvery = time.Hour
	cleanRows  = 1000 // removed in one operation

	shrinkPages = 4096 // a file with fewer free pages stays as it is
)

// work is the goroutine in the background: it writes notes of attempts, frees large
// content, and removes what was kept long enough.
func (q *Queue) work() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	clean, note := time.NewTimer(0), time.NewTimer(noteAfter)
	note.Stop()
	defer clean.Stop()
	defer note.Stop()
	noting := false
	for {
		var err error
		select {
		case <-q.quit:
			return
		case <-q.wake:
			err = q.freeAll(ctx)
		case <-q.noted:
			if !noting {
				note.Reset(noteAfter + 10*time.Millisecond)
				noting = true
			}
		case <-note.C:
			noting = false
			if q.pendingNotes() {
				err = q.do(ctx, 0, func(*tx) error { return nil }) // the committer writes them
				if q.pendingNotes() {
					signal(q.noted)
				}
			}
		case <-clean.C:
			err = q.Clean(ctx)
			clean.Reset(cleanEvery)
		}
		if err != nil {
			q.log.Error("keeping the queue in order", "err", err)
		}
	}
}

// freeAll frees content until there is none to free, or the queue is closed.
func (q *Queue) freeAll(ctx context.Context) error {
	for {
		select {
		case <-q.quit:
			return nil
		default:
		}
		if more, err := q.freeContent(ctx); err != nil || !more {
			return err
		}
	}
}

// Clean removes what was kept long enough: history, idempotency keys, counts of failures. It
// is done every hour anyway.
func (q *Queue) Clean(ctx context.Context) error {
	now := q.o.Now()
	for _, step := range []struct {
		sql    string
		before time.Time
	}{
		{"DELETE FROM retired WHERE id IN (SELECT id FROM retired WHERE keep_until < ? LIMIT ?)", now},
		// Of what is kept for notifications only, little is kept.
		{"UPDATE retired SET shown_until = 0, message = json_remove(message, '$.Subject') WHERE id IN (SELECT id FROM retired WHERE shown_until <> 0 AND shown_until < ? LIMIT ?)", now},
		{"DELETE FROM once WHERE (account, key) IN (SELECT account, key FROM once WHERE expires < ? LIMIT ?)", now},
		{"DELETE FROM failure WHERE (account, base_address) IN (SELECT account, base_address FROM failure WHERE last < ? LIMIT ?)", now.Add(-q.o.Limits.Failures)},
	} {
		for more := true; more; {
			err := q.do(ctx, 0, func(t *tx) error {
				err := t.c.ExecInts(step.sql, millis(step.before), cleanRows)
				more = t.c.Changes() == cleanRows
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	if err := q.cleanAwaited(ctx); err != nil {
		return err
	}
	if err := q.removeHooks(ctx, "keep_until < ?", millis(now)); err != nil {
		return err
	}
	return q.shrink(ctx)
}

// cleanAwaited removes the oldest of what is kept for notifications only, as far as it is too much.
func (q *Queue) cleanAwaited(ctx context.Context) error {
	for more := true; more; {
		err := q.do(ctx, 0, func(t *tx) error {
			n, _, err := t.c.QueryInt64("SELECT count(*) FROM retired WHERE shown_until = 0")
			excess := min(n-int64(q.o.Limits.Awaited), cleanRows)
			if more = excess > 0; err != nil || !more {
				return err
			}
			return t.c.ExecInts("DELETE FROM retired WHERE id IN (SELECT id FROM retired WHERE shown_until = 0 ORDER BY id LIMIT ?)", excess)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// removeHooks removes calls that are done, with their payload.
func (q *Queue) removeHooks(ctx context.Context, where string, arg any) error {
	for more := true; more; {
		err := q.do(ctx, 0, func(t *tx) error {
			ids, err := queryIDs(t.c, "SELECT id FROM retired_hook WHERE "+where+" LIMIT ?", arg, cleanRows)
			more = len(ids) == cleanRows
			for _, id := range ids {
				if err == nil {
					err = t.c.ExecInts("DELETE FROM retired_hook WHERE id = ?", id)
				}
				if err == nil {
					err = t.c.ExecInts("DELETE FROM hook_payload WHERE id = ?", id)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shrink gives space back that a full queue took, as long as more than half of the file is free.
func (q *Queue) shrink(ctx context.Context) error {
	for more := true; more; {
		err := q.do(ctx, 0, func(t *tx) error {
			free, _, err := t.c.QueryInt64("PRAGMA freelist_count")
			if err != nil {
				return err
			}
			pages, _, err := t.c.QueryInt64("PRAGMA page_count")
			if more = free > shrinkPages && free > pages/2; err != nil || !more {
				return err
			}
			return t.c.Exec("PRAGMA incremental_vacuum(1000)")
		})
		if err != nil {
			return err
		}
	}
	return nil
}
