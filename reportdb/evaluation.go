package reportdb

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"mox/db"
	"mox/dmarcrpt"
)

// Evaluation is what DMARC gave for a message, or for several that are alike.
type Evaluation struct {
	Time time.Time // zero: now. Of those that are read, the start of the hour
	// Domain is that of the policy record, in ASCII.
	Domain string
	// Interval is how often its owner wants reports, a day at most.
	Interval time.Duration
	// Optional: it is reported with others, but no reason to report. For reports, which
	// would otherwise be reported to each other for ever.
	Optional bool
	Policy   dmarcrpt.PolicyPublished
	// Record is how it is in a report. Its Count is that of messages; 0: 1.
	Record dmarcrpt.Record
}

// evaluationKey is a row but for its count.
type evaluationKey struct {
	domain   string
	hour     int64
	optional bool
	interval int64
	data     string
}

// evaluationData is what a row has as JSON.
type evaluationData struct {
	Policy dmarcrpt.PolicyPublished
	Record dmarcrpt.Record // without Count
}

func (k *evaluationKey) hash() []byte {
	h := sha256.Sum256(fmt.Appendf(nil, "%t %d %s", k.optional, k.interval, k.data))
	return h[:16]
}

// AddEvaluation adds an evaluation, which is written soon. It does no I/O.
func (d *DB) AddEvaluation(_ context.Context, e Evaluation) error {
	n := max(int64(e.Record.Row.Count), 1)
	e.Record.Row.Count = 0
	data, err := json.Marshal(evaluationData{e.Policy, e.Record})
	if err != nil {
		return fmt.Errorf("encoding evaluation: %w", err)
	}
	if e.Time.IsZero() {
		e.Time = d.o.Now()
	}
	k := evaluationKey{lower(e.Domain), hour(e.Time), e.Optional, int64(min(max(e.Interval, 0), 24*time.Hour) / time.Second), string(data)}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return db.ErrClosed
	}
	if _, ok := d.pending.evaluations[k]; !ok && d.pending.size() >= d.o.MaxPending {
		d.dropped++
		return nil
	}
	d.pending.evaluations[k] += n
	d.added()
	return nil
}

func (d *DB) writeEvaluations(c *db.Conn, rows map[evaluationKey]int64) (dropped int64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	total, _, err := c.QueryInt64("SELECT COUNT(*) FROM evaluation")
	if err != nil {
		return 0, err
	}
	for k, n := range rows {
		hash := k.hash()
		if err := c.Exec("UPDATE evaluation SET count = count + ? WHERE domain = ? AND hour = ? AND hash = ?", n, k.domain, k.hour, hash); err != nil {
			return 0, err
		}
		if c.Changes() > 0 {
			continue
		}
		if total >= int64(d.o.MaxEvaluations) {
			dropped += n
			continue
		}
		total++
		err := c.Exec("INSERT INTO evaluation (domain, hour, hash, optional, interval, count, data) VALUES (?, ?, ?, ?, ?, ?, ?)", k.domain, k.hour, hash, k.optional, k.interval, n, []byte(k.data))
		if err != nil {
			return 0, err
		}
	}
	return dropped, nil
}

// EvaluationStats tells what waits to be reported to a domain.
type EvaluationStats struct {
	Domain      string
	First, Last time.Time // hours
	Messages    int64
	Optional    int64         // of the messages
	Interval    time.Duration // as wanted last
}

// EvaluationStats returns the domains with evaluations that wait to be reported.
func (d *DB) EvaluationStats(ctx context.Context) ([]EvaluationStats, error) {
	var l []EvaluationStats
	err := d.read(ctx, func(c *db.Conn) error {
		// SQLite: with one MAX, other columns are of the row that has it.
		rows := c.Query("SELECT domain, MIN(hour), SUM(count), SUM(CASE WHEN optional THEN count ELSE 0 END), interval, MAX(hour * 1000000 + interval) FROM evaluation GROUP BY domain ORDER BY domain")
		for rows.Next() {
			l = append(l, EvaluationStats{
				Domain: rows.Text(0), First: hourTime(rows.Int64(1)), Last: hourTime(rows.Int64(5) / 1000000), Messages: rows.Int64(2), Optional: rows.Int64(3),
				Interval: time.Duration(rows.Int64(5)%1000000) * time.Second,
			})
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading evaluations: %w", err)
	}
	return l, nil
}

// Evaluations returns what waits to be reported to a domain, of hours from start on and
// before end; zero times are no bounds.
func (d *DB) Evaluations(ctx context.Context, domain string, start, end time.Time) ([]Evaluation, error) {
	var l []Evaluation
	err := d.read(ctx, func(c *db.Conn) (err error) {
		from, to := hours(start, end)
		rows := c.Query("SELECT hour, optional, interval, count, data FROM evaluation WHERE domain = ? AND hour >= ? AND hour < ? ORDER BY hour, hash", lower(domain), from, to)
		for err == nil && rows.Next() {
			var data evaluationData
			err = json.Unmarshal(rows.Bytes(4), &data)
			data.Record.Row.Count = dmarcrpt.Number(rows.Int64(3))
			l = append(l, Evaluation{
				Time: hourTime(rows.Int64(0)), Domain: lower(domain), Optional: rows.Int64(1) != 0, Interval: time.Duration(rows.Int64(2)) * time.Second,
				Policy: data.Policy, Record: data.Record,
			})
		}
		return firstError(rows.Close(), err)
	})
	if err != nil {
		return nil, fmt.Errorf("reading evaluations: %w", err)
	}
	return l, nil
}

func hours(start, end time.Time) (from, to int64) {
	to = 1 << 40
	if !start.IsZero() {
		from = hour(start)
	}
	if !end.IsZero() {
		to = hour(end.Add(time.Hour - 1))
	}
	return from, to
}

// RemoveEvaluations removes what Evaluations returns.
func (d *DB) RemoveEvaluations(ctx context.Context, domain string, start, end time.Time) error {
	if err := d.Flush(ctx); err != nil {
		return err
	}
	from, to := hours(start, end)
	err := d.db.Write(ctx, func(c *db.Conn) error {
		return c.Exec("DELETE FROM evaluation WHERE domain = ? AND hour >= ? AND hour < ?", lower(domain), from, to)
	})
	if err != nil {
		return fmt.Errorf("removing evaluations: %w", err)
	}
	return nil
}
