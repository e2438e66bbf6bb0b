package reportdb

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"mox/db"
	"mox/dns"
	"mox/tlsrpt"
)

// TLSResult is what became of sessions with the servers of a recipient domain.
type TLSResult struct {
	// Day is any moment of the UTC day; zero: now.
	Day time.Time
	// RecipientDomain is that of the mail.
	RecipientDomain dns.Domain
	// Host: the results are about the policy of an MX host (TLSA), which gets a report of
	// its own; their Policy.Domain is the TLSA base domain. Otherwise they are about that of
	// the recipient domain.
	Host bool
	// SendReport: the results are a reason to send a report. Not so are sessions for
	// reports: two servers would go on reporting reports to each other. RFC 8460 3: those for
	// TLS reports should not be added at all.
	SendReport bool
	Results    []tlsrpt.Result
}

// tlsKey is the primary key of a row.
type tlsKey struct {
	day               int64
	domain, recipient string
	host              bool
}

type tlsRow struct {
	send    bool
	results []tlsrpt.Result
}

// AddTLSResult adds results, which are written soon. It does no I/O.
func (d *DB) AddTLSResult(_ context.Context, l []TLSResult) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return db.ErrClosed
	}
	for _, r := range l {
		at := r.Day
		if at.IsZero() {
			at = d.o.Now()
		}
		k := tlsKey{day: day(at), domain: lower(r.RecipientDomain.ASCII), recipient: lower(r.RecipientDomain.ASCII), host: r.Host}
		if !r.Host {
			d.mergeTLS(k, &tlsRow{r.SendReport, r.Results})
			continue
		}
		for _, one := range r.Results {
			k.domain = lower(one.Policy.Domain)
			d.mergeTLS(k, &tlsRow{r.SendReport, []tlsrpt.Result{one}})
		}
	}
	d.added()
	return nil
}

// mergeTLS is called with d.mu held.
func (d *DB) mergeTLS(k tlsKey, r *tlsRow) {
	have := d.pending.tls[k]
	if have == nil {
		if k.domain == "" || d.pending.size() >= d.o.MaxPending {
			d.dropped++
			return
		}
		have = &tlsRow{}
		d.pending.tls[k] = have
	}
	have.send = have.send || r.send
	have.results = tlsrpt.Merge(have.results, r.results...)
}

// writeTLS merges rows with those of the database, and returns how many were dropped.
func (d *DB) writeTLS(c *db.Conn, rows map[tlsKey]*tlsRow) (dropped int64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	total, _, err := c.QueryInt64("SELECT COUNT(*) FROM tls_result")
	if err != nil {
		return 0, err
	}
	for k, r := range rows {
		q := c.Query("SELECT send, results FROM tls_result WHERE day = ? AND domain = ? AND recipient = ? AND host = ?", k.day, k.domain, k.recipient, k.host)
		merged := tlsRow{}
		found := q.Next()
		if found {
			merged.send = q.Int64(0) != 0
			err = json.Unmarshal(q.Bytes(1), &merged.results)
		}
		if e := q.Close(); e != nil || err != nil {
			return 0, firstError(e, err)
		}
		if !found {
			if total >= int64(d.o.MaxTLSResults) {
				dropped++
				continue
			}
			total++
		}
		merged.send = merged.send || r.send
		merged.results = tlsrpt.Merge(merged.results, r.results...)
		b, err := json.Marshal(merged.results)
		if err != nil {
			return 0, err
		}
		if err := c.Exec("INSERT OR REPLACE INTO tls_result (day, domain, recipient, host, send, results) VALUES (?, ?, ?, ?, ?, ?)", k.day, k.domain, k.recipient, k.host, merged.send, b); err != nil {
			return 0, err
		}
	}
	return dropped, nil
}

func firstError(l ...error) error {
	for _, err := range l {
		if err != nil {
			return err
		}
	}
	return nil
}

// TLSDay is what is known of a day about a domain with one recipient domain.
type TLSDay struct {
	Day             time.Time // its start, UTC
	Domain          string    // that the report is for
	RecipientDomain string
	Host            bool
	SendReport      bool
	Results         []tlsrpt.Result
}

// TLSResults returns what waits to be reported, by day and domain; with a domain, of that
// alone, as whom the report is for or recipient domain.
func (d *DB) TLSResults(ctx context.Context, domain string) ([]TLSDay, error) {
	var l []TLSDay
	err := d.read(ctx, func(c *db.Conn) (err error) {
		rows := c.Query("SELECT day, domain, recipient, host, send, results FROM tls_result WHERE ?1 = '' OR domain = ?1 OR recipient = ?1 ORDER BY day, domain, recipient, host", lower(domain))
		for err == nil && rows.Next() {
			r := TLSDay{Day: dayTime(rows.Int64(0)), Domain: rows.Text(1), RecipientDomain: rows.Text(2), Host: rows.Int64(3) != 0, SendReport: rows.Int64(4) != 0}
			err = json.Unmarshal(rows.Bytes(5), &r.Results)
			l = append(l, r)
		}
		return firstError(rows.Close(), err)
	})
	if err != nil {
		return nil, fmt.Errorf("reading TLS results: %w", err)
	}
	return l, nil
}

// RemoveTLSResults removes what waits to be reported to a domain about a day; a zero time
// stands for all days.
func (d *DB) RemoveTLSResults(ctx context.Context, at time.Time, domain string) error {
	if err := d.Flush(ctx); err != nil {
		return err
	}
	err := d.db.Write(ctx, func(c *db.Conn) error {
		if at.IsZero() {
			return c.Exec("DELETE FROM tls_result WHERE domain = ?", lower(domain))
		}
		return c.Exec("DELETE FROM tls_result WHERE day = ? AND domain = ?", day(at), lower(domain))
	})
	if err != nil {
		return fmt.Errorf("removing TLS results: %w", err)
	}
	return nil
}
