package queue

import (
	"context"
	"math"
	"time"

	"mox/db"
)

// Due returns messages whose next attempt is at or before now and that are not on hold.
// Of the destinations, those are first that have the highest priority, then those that
// have waited longest; of each, the submission that has waited longest, with
// all its recipients there that are due, next to each other.
//
// Due does not mark them: until Record, the caller says by Busy or Skip what is under way.
func (q *Queue) Due(ctx context.Context, now time.Time, o DueOptions) ([]Message, error) {
	o.setDefaults()
	p := picker{o: o, now: millis(now), taken: map[string]int{}}
	err := q.db.Read(ctx, func(c *db.Conn) error {
		for prio := int64(math.MaxInt64); len(p.found) < o.Max; {
			var ok bool
			var err error
			prio, ok, err = c.QueryInt64("SELECT priority FROM lane WHERE next IS NOT NULL AND priority < ? ORDER BY priority DESC LIMIT 1", prio)
			if err != nil || !ok {
				return err
			}
			if err := p.lanes(c, prio); err != nil {
				return err
			}
		}
		return nil
	})
	return p.found, err
}

func (o *DueOptions) setDefaults() {
	set := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	set(&o.Max, 100)
	set(&o.PerDestination, 1)
	set(&o.Recipients, 100)
	if o.Busy == nil {
		o.Busy = func(string) bool { return false }
	}
	if o.Skip == nil {
		o.Skip = func(int64) bool { return false }
	}
}

// picker gathers messages that are due.
type picker struct {
	o     DueOptions
	now   int64
	taken map[string]int // submissions, by destination
	found []Message
}

// lanes goes through the lanes of a priority with something due.
func (p *picker) lanes(c *db.Conn, priority int64) error {
	rows := c.QueryInts("SELECT id, destination FROM lane WHERE priority = ? AND next <= ? ORDER BY next", priority, p.now)
	var err error
	for err == nil && len(p.found) < p.o.Max && rows.Next() {
		dest := rows.Text(1)
		if p.taken[dest] >= p.o.PerDestination || p.o.Busy(dest) {
			continue
		}
		err = p.lane(c, rows.Int64(0), dest)
	}
	if e := rows.Close(); e != nil {
		return e
	}
	return err
}

// lane takes submissions of one lane.
func (p *picker) lane(c *db.Conn, id int64, dest string) error {
	rows := c.QueryInts("SELECT id, base_id FROM message WHERE lane_id = ? AND hold = 0 AND next_attempt <= ? ORDER BY next_attempt", id, p.now)
	seen := map[int64]bool{} // submissions
	var err error
	for err == nil && p.taken[dest] < p.o.PerDestination && len(p.found) < p.o.Max && rows.Next() {
		base := rows.Int64(1)
		if seen[base] || p.o.Skip(rows.Int64(0)) {
			continue
		}
		seen[base] = true
		p.taken[dest]++
		err = p.submission(c, id, base)
	}
	if e := rows.Close(); e != nil {
		return e
	}
	return err
}

// submission takes the recipients of one submission in a lane, whose ids follow its base.
func (p *picker) submission(c *db.Conn, lane, base int64) error {
	rows := c.QueryInts("SELECT "+columns+" FROM message WHERE id >= ? ORDER BY id", base)
	var err error
	for n := 0; err == nil && n < p.o.Recipients && len(p.found) < p.o.Max && rows.Next() && rows.Int64(1) == base; {
		if rows.Int64(2) != lane || rows.Int64(4) != 0 || rows.Int64(6) > p.now || p.o.Skip(rows.Int64(0)) {
			continue
		}
		var r row
		if r, err = scan(rows); err == nil {
			p.found = append(p.found, r.m)
			n++
		}
	}
	if e := rows.Close(); e != nil {
		return e
	}
	return err
}

// Next returns when the next message is due that Due with these options would return, or a
// time in the past when there is one now; false: there is none.
func (q *Queue) Next(ctx context.Context, o DueOptions) (time.Time, bool, error) {
	o.setDefaults()
	best, found := int64(0), false
	err := q.db.Read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT id, destination, next FROM lane WHERE next IS NOT NULL ORDER BY next")
		var err error
		for err == nil && rows.Next() && (!found || rows.Int64(2) < best) {
			if o.Busy(rows.Text(1)) {
				continue
			}
			var at int64
			var ok bool
			at, ok, err = firstInLane(c, rows.Int64(0), o.Skip)
			if ok && (!found || at < best) {
				best, found = at, true
			}
		}
		if e := rows.Close(); e != nil {
			return e
		}
		return err
	})
	return fromMillis(best), found, err
}

// firstInLane returns when the first message is due that is not skipped.
func firstInLane(c *db.Conn, lane int64, skip func(int64) bool) (at int64, ok bool, err error) {
	rows := c.QueryInts("SELECT id, next_attempt FROM message WHERE lane_id = ? AND hold = 0 ORDER BY next_attempt", lane)
	for !ok && rows.Next() {
		if !skip(rows.Int64(0)) {
			at, ok = rows.Int64(1), true
		}
	}
	return at, ok, rows.Close()
}
