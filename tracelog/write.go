package tracelog

import (
	"context"
	"slices"
	"time"

	"mox/db"
	"mox/trace"
)

const (
	batchSize  = 256                    // entries of a transaction
	batchDelay = 200 * time.Millisecond // for which entries are gathered
	spanSize   = 4096                   // entries whose lookup rows are together; part of the format

	sweepEvery  = 10 * time.Minute
	sweepPause  = 10 * time.Millisecond // between steps while there is more to remove
	sweepRows   = 512                   // entries removed in a step
	lookupParts = 8                     // steps in which the lookup rows of a span are removed

	complainEvery = time.Minute
)

// row is an entry as it is stored.
type row struct {
	time  int64
	trace []byte
	keys  []int64
}

// run is the goroutine that writes.
func (l *Log) run() {
	defer close(l.ended)
	gather, sweep := time.NewTimer(batchDelay), time.NewTimer(0)
	gather.Stop()
	defer gather.Stop()
	defer sweep.Stop()
	gathering := false
	for {
		select {
		case <-l.wake:
			n := l.waiting()
			if n > 0 && n < batchSize && !gathering {
				gather.Reset(batchDelay)
				gathering = true
			}
			if n < batchSize {
				continue
			}
		case <-gather.C:
		case a := <-l.asks:
			gather.Stop()
			gathering = false
			l.answer(a)
			continue
		case <-sweep.C:
			if l.sweep() {
				sweep.Reset(sweepPause)
			} else {
				sweep.Reset(sweepEvery)
			}
			continue
		case <-l.quit:
			l.flush()
			l.complain(nil, true)
			return
		}
		gather.Stop()
		gathering = false
		l.flush()
	}
}

func (l *Log) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending)
}

func (l *Log) answer(a ask) {
	if a.damaged != nil {
		if err := l.renew(a.damaged, db.ErrCorrupt); err != nil {
			l.complain(err, false)
		}
	}
	l.flush()
	close(a.done)
}

// flush writes what waits, and removes about as much if there are too many entries.
func (l *Log) flush() {
	l.mu.Lock()
	all := l.pending
	l.pending = l.spare[:0]
	l.mu.Unlock()
	for batch := range slices.Chunk(all, batchSize) {
		if err := l.write(batch); err != nil {
			l.dropped.Add(int64(len(batch)))
			l.complain(err, false)
		}
		if l.next-l.first > int64(l.o.Max) {
			l.sweep()
		}
	}
	clear(all)
	l.spare = all
	l.complain(nil, false)
}

// write adds entries in one transaction. Damage of the file gives it a second try.
func (l *Log) write(batch []*trace.Trace) error {
	rows := l.rows(batch)
	bad, err := l.transaction(func(c *db.Conn) error { return l.insert(c, rows) })
	if unusable(err) || bad == nil {
		if err := l.renew(bad, err); err != nil {
			return err
		}
		_, err = l.transaction(func(c *db.Conn) error { return l.insert(c, rows) })
	}
	if err == nil {
		l.next += int64(len(rows))
	}
	return err
}

// transaction runs fn and returns the database it ran on, nil if none is open.
func (l *Log) transaction(fn func(*db.Conn) error) (*db.DB, error) {
	l.file.RLock()
	defer l.file.RUnlock()
	if l.db == nil {
		return nil, errNoFile
	}
	return l.db, l.db.Write(context.Background(), fn)
}

// rows encodes entries. One that cannot be is dropped.
func (l *Log) rows(batch []*trace.Trace) []row {
	now := l.o.Now()
	rows := make([]row, 0, len(batch))
	for _, t := range batch {
		b, err := l.pack(t)
		if err != nil {
			l.dropped.Add(1)
			l.complain(err, false)
			continue
		}
		at := t.Time
		if at.IsZero() || at.After(now) {
			at = now // what is ahead would be kept longer
		}
		rows = append(rows, row{at.Unix(), b, appendKeys(make([]int64, 0, 12), t)})
	}
	return rows
}

// insert adds rows with ids from l.next.
func (l *Log) insert(c *db.Conn, rows []row) error {
	for i, r := range rows {
		id := l.next + int64(i)
		if err := c.Exec("INSERT INTO entry (id, time, trace) VALUES (?, ?, ?)", id, r.time, r.trace); err != nil {
			return err
		}
		for _, key := range r.keys {
			if err := c.ExecInts("INSERT INTO lookup (span, hash, entry) VALUES (?, ?, ?)", id/l.o.span, key, id); err != nil {
				return err
			}
		}
	}
	return c.ExecInts("UPDATE log SET next = ?", l.next+int64(len(rows)))
}

// readState finds which ids are in use.
func (l *Log) readState(d *db.DB) error {
	return d.Read(context.Background(), func(c *db.Conn) error {
		next, ok, err := c.QueryInt64("SELECT next FROM log")
		if err == nil && !ok {
			err = db.ErrCorrupt
		}
		if err != nil {
			return err
		}
		l.next = next
		l.first, err = oldest(c, next)
		return err
	})
}

// oldest is the id of the oldest entry, next if there is none.
func oldest(c *db.Conn, next int64) (int64, error) {
	id, ok, err := c.QueryInt64("SELECT id FROM entry ORDER BY id LIMIT 1")
	if !ok {
		id = next
	}
	return id, err
}

// sweep removes some of what is too old or too much, and says whether there is more.
func (l *Log) sweep() (more bool) {
	bad, err := l.transaction(func(c *db.Conn) (err error) {
		more, err = l.remove(c)
		return err
	})
	if unusable(err) {
		err = l.renew(bad, err)
	}
	if err != nil {
		l.complain(err, false)
		return false
	}
	return more
}

func (l *Log) remove(c *db.Conn) (more bool, err error) {
	end, before := l.first+sweepRows, l.o.Now().Add(-l.o.Retention).Unix()
	if err := c.ExecInts("DELETE FROM entry WHERE id < ? AND (id < ? OR time < ?)", end, l.next-int64(l.o.Max), before); err != nil {
		return false, err
	}
	removed := c.Changes()
	if l.first, err = oldest(c, l.next); err != nil {
		return false, err
	}
	lookups, err := removeLookups(c, l.first/l.o.span)
	return removed >= sweepRows || lookups, err
}

// removeLookups removes some lookup rows of spans before end, and says whether there were
// any: those of a span with hashes in a part of their range, which are near each other.
func removeLookups(c *db.Conn, end int64) (more bool, err error) {
	const part = 1 << 48 / lookupParts
	rows := c.QueryInts("SELECT span, hash FROM lookup ORDER BY span, hash LIMIT 1")
	span, hash := end, int64(0)
	if rows.Next() {
		span, hash = rows.Int64(0), rows.Int64(1)
	}
	if err := rows.Close(); err != nil || span >= end {
		return false, err
	}
	return true, c.ExecInts("DELETE FROM lookup WHERE span = ? AND hash < ?", span, (hash/part+1)*part)
}

// complain logs an error, and how many decisions were dropped, once a minute at most.
func (l *Log) complain(err error, last bool) {
	dropped := l.dropped.Load()
	if err == nil && dropped == l.reported {
		return
	}
	now := l.o.Now()
	if !last && !l.complained.IsZero() && now.Sub(l.complained).Abs() < complainEvery {
		return
	}
	l.complained = now
	if err != nil {
		l.o.Log.Error("writing the log of decisions", "err", err)
	}
	if dropped > l.reported {
		l.o.Log.Warn("decisions were not logged", "dropped", dropped-l.reported)
		l.reported = dropped
	}
}
