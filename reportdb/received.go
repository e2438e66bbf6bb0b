package reportdb

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"mox/db"
	"mox/dmarcrpt"
	"mox/tlsrpt"
)

// MaxLimit is how many reports a query returns at most.
const MaxLimit = 1000

// Filter says which reports to return. The zero value stands for the latest MaxLimit.
type Filter struct {
	Domain string // about which; empty: any
	// Since and Until are for the start of what reports cover; zero: any.
	Since, Until time.Time
	Limit        int // at most so many, 0: MaxLimit
}

func (f Filter) bounds() (since, until int64, limit int) {
	until = 1 << 40
	if !f.Since.IsZero() {
		since = f.Since.Unix()
	}
	if !f.Until.IsZero() {
		until = f.Until.Unix()
	}
	limit = f.Limit
	if limit <= 0 || limit > MaxLimit {
		limit = MaxLimit
	}
	return since, until, limit
}

// TLSReport is a report about TLS that was received.
type TLSReport struct {
	ID       int64
	Received time.Time
	Reporter string // the domain that signed it
	Host     bool   // it came to the address of the host
	Report   tlsrpt.Report
}

// DMARCReport is an aggregate report that was received.
type DMARCReport struct {
	ID       int64
	Received time.Time
	Reporter string // the domain of its verified From address
	Report   dmarcrpt.Feedback
}

func reportKey(parts ...string) []byte {
	b, _ := json.Marshal(parts) // strings
	h := sha256.Sum256(b)
	return h[:16]
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// AddTLSReport stores a report, and tells whether it was not there yet. Its ID is ignored.
func (d *DB) AddTLSReport(ctx context.Context, r TLSReport) (added bool, err error) {
	begin, end := r.Report.DateRange.Start.Unix(), r.Report.DateRange.End.Unix()
	packed, err := d.pack(&r.Report)
	if err != nil {
		return false, fmt.Errorf("storing TLS report: %w", err)
	}
	domains := summarize(&r.Report)
	err = d.db.Write(ctx, func(c *db.Conn) error {
		key := reportKey(lower(r.Reporter), r.Report.ReportID, number(begin), number(end))
		err := c.Exec("INSERT OR IGNORE INTO tls_report (key, received, begin, end, reporter, host, report) VALUES (?, ?, ?, ?, ?, ?, ?)", key, r.Received.Unix(), begin, end, lower(r.Reporter), r.Host, packed)
		if added = err == nil && c.Changes() > 0; !added {
			return err
		}
		id := c.LastRowID()
		for domain, s := range domains {
			types, err := json.Marshal(s.Types)
			if err != nil {
				return err
			}
			if err := c.Exec("INSERT INTO tls_report_domain (domain, begin, report, success, failure, types) VALUES (?, ?, ?, ?, ?, ?)", domain, begin, id, s.Success, s.Failure, types); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("storing TLS report: %w", err)
	}
	return added, nil
}

// TLSSummary adds up what reports about a day say about a domain.
type TLSSummary struct {
	Day     time.Time
	Domain  string
	Reports int64
	tlsrpt.Summary
	Types map[tlsrpt.ResultType]int64 // failed sessions
}

// maxTypes bounds the result types in a summary: they are others' words.
const maxTypes = 50

func (s *TLSSummary) add(o tlsrpt.Summary, types map[tlsrpt.ResultType]int64) {
	s.Success += o.Success
	s.Failure += o.Failure
	for t, n := range types {
		if _, ok := s.Types[t]; !ok && len(s.Types) >= maxTypes {
			t = "other"
		}
		s.Types[t] += n
	}
}

// summarize adds up a report for each of its domains.
func summarize(r *tlsrpt.Report) map[string]*TLSSummary {
	m := map[string]*TLSSummary{}
	for _, p := range r.Policies {
		s := m[p.Policy.Domain]
		if s == nil {
			s = &TLSSummary{Types: map[tlsrpt.ResultType]int64{}}
			m[p.Policy.Domain] = s
		}
		types := map[tlsrpt.ResultType]int64{}
		for _, f := range p.FailureDetails {
			types[f.ResultType] += f.FailedSessionCount
		}
		s.add(p.Summary, types)
	}
	return m
}

// TLSReports returns reports, those about the latest time first.
func (d *DB) TLSReports(ctx context.Context, f Filter) ([]TLSReport, error) {
	since, until, limit := f.bounds()
	var l []TLSReport
	err := d.db.Read(ctx, func(c *db.Conn) error {
		const columns = "SELECT id, received, reporter, host, report FROM tls_report WHERE begin >= ? AND begin < ?"
		rows := c.Query(columns+" ORDER BY begin DESC, id DESC LIMIT ?", since, until, limit)
		if f.Domain != "" {
			rows.Close()
			rows = c.Query(columns+" AND id IN (SELECT report FROM tls_report_domain WHERE domain = ?) ORDER BY begin DESC, id DESC LIMIT ?", since, until, lower(f.Domain), limit)
		}
		var err error
		for err == nil && rows.Next() {
			var r TLSReport
			r, err = d.tlsReport(rows)
			l = append(l, r)
		}
		return firstError(rows.Close(), err)
	})
	if err != nil {
		return nil, fmt.Errorf("reading TLS reports: %w", err)
	}
	return l, nil
}

func (d *DB) tlsReport(rows *db.Stmt) (TLSReport, error) {
	r := TLSReport{ID: rows.Int64(0), Received: time.Unix(rows.Int64(1), 0).UTC(), Reporter: rows.Text(2), Host: rows.Int64(3) != 0}
	err := d.unpack(rows.Bytes(4), &r.Report)
	return r, err
}

// TLSReport returns the report with an id, or [ErrNotFound].
func (d *DB) TLSReport(ctx context.Context, id int64) (r TLSReport, err error) {
	err = d.db.Read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT id, received, reporter, host, report FROM tls_report WHERE id = ?", id)
		err := ErrNotFound
		if rows.Next() {
			r, err = d.tlsReport(rows)
		}
		return firstError(rows.Close(), err)
	})
	if err != nil {
		return TLSReport{}, fmt.Errorf("reading TLS report: %w", err)
	}
	return r, nil
}

// TLSSummaries returns what reports say, by domain and day.
func (d *DB) TLSSummaries(ctx context.Context, f Filter) ([]TLSSummary, error) {
	since, until, _ := f.bounds()
	var l []TLSSummary
	err := d.db.Read(ctx, func(c *db.Conn) (err error) {
		rows := c.Query("SELECT domain, begin / 86400, success, failure, types FROM tls_report_domain WHERE (?1 = '' OR domain = ?1) AND begin >= ?2 AND begin < ?3 ORDER BY domain, begin", lower(f.Domain), since, until)
		for err == nil && rows.Next() {
			domain, at := rows.Text(0), dayTime(rows.Int64(1))
			if n := len(l); n == 0 || l[n-1].Domain != domain || !l[n-1].Day.Equal(at) {
				l = append(l, TLSSummary{Day: at, Domain: domain, Types: map[tlsrpt.ResultType]int64{}})
			}
			var types map[tlsrpt.ResultType]int64
			err = json.Unmarshal(rows.Bytes(4), &types)
			s := &l[len(l)-1]
			s.Reports++
			s.add(tlsrpt.Summary{Success: rows.Int64(2), Failure: rows.Int64(3)}, types)
		}
		return firstError(rows.Close(), err)
	})
	if err != nil {
		return nil, fmt.Errorf("reading summaries of TLS reports: %w", err)
	}
	return l, nil
}

// AddDMARCReport stores a report, and tells whether it was not there yet. Its ID is
// ignored.
func (d *DB) AddDMARCReport(ctx context.Context, r DMARCReport) (added bool, err error) {
	m := &r.Report.Metadata
	packed, err := d.pack(&r.Report)
	if err != nil {
		return false, fmt.Errorf("storing DMARC report: %w", err)
	}
	summary, err := json.Marshal(r.Report.Summary())
	if err != nil {
		return false, fmt.Errorf("storing DMARC report: %w", err)
	}
	begin, end := int64(m.DateRange.Begin), int64(m.DateRange.End)
	err = d.db.Write(ctx, func(c *db.Conn) error {
		key := reportKey(lower(r.Reporter), r.Report.Policy.Domain, m.ReportID, number(begin), number(end))
		err := c.Exec("INSERT OR IGNORE INTO dmarc_report (key, received, begin, end, domain, reporter, summary, report) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			key, r.Received.Unix(), begin, end, lower(r.Report.Policy.Domain), lower(r.Reporter), summary, packed)
		added = err == nil && c.Changes() > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("storing DMARC report: %w", err)
	}
	return added, nil
}

// DMARCReports returns reports, those about the latest time first.
func (d *DB) DMARCReports(ctx context.Context, f Filter) ([]DMARCReport, error) {
	since, until, limit := f.bounds()
	var l []DMARCReport
	err := d.db.Read(ctx, func(c *db.Conn) (err error) {
		rows := c.Query("SELECT id, received, reporter, report FROM dmarc_report WHERE (?1 = '' OR domain = ?1) AND begin >= ?2 AND begin < ?3 ORDER BY begin DESC, id DESC LIMIT ?4", lower(f.Domain), since, until, limit)
		for err == nil && rows.Next() {
			var r DMARCReport
			r, err = d.dmarcReport(rows)
			l = append(l, r)
		}
		return firstError(rows.Close(), err)
	})
	if err != nil {
		return nil, fmt.Errorf("reading DMARC reports: %w", err)
	}
	return l, nil
}

func (d *DB) dmarcReport(rows *db.Stmt) (DMARCReport, error) {
	r := DMARCReport{ID: rows.Int64(0), Received: time.Unix(rows.Int64(1), 0).UTC(), Reporter: rows.Text(2)}
	err := d.unpack(rows.Bytes(3), &r.Report)
	return r, err
}

// DMARCReport returns the report with an id, or [ErrNotFound].
func (d *DB) DMARCReport(ctx context.Context, id int64) (r DMARCReport, err error) {
	err = d.db.Read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT id, received, reporter, report FROM dmarc_report WHERE id = ?", id)
		err := ErrNotFound
		if rows.Next() {
			r, err = d.dmarcReport(rows)
		}
		return firstError(rows.Close(), err)
	})
	if err != nil {
		return DMARCReport{}, fmt.Errorf("reading DMARC report: %w", err)
	}
	return r, nil
}

// DMARCSummary adds up what reports about a day say about a domain.
type DMARCSummary struct {
	Day     time.Time
	Domain  string
	Reports int64
	dmarcrpt.Summary
}

// DMARCSummaries returns what reports say, by domain and day.
func (d *DB) DMARCSummaries(ctx context.Context, f Filter) ([]DMARCSummary, error) {
	since, until, _ := f.bounds()
	var l []DMARCSummary
	err := d.db.Read(ctx, func(c *db.Conn) (err error) {
		rows := c.Query("SELECT domain, begin / 86400, summary FROM dmarc_report WHERE (?1 = '' OR domain = ?1) AND begin >= ?2 AND begin < ?3 ORDER BY domain, begin", lower(f.Domain), since, until)
		for err == nil && rows.Next() {
			domain, at := rows.Text(0), dayTime(rows.Int64(1))
			if n := len(l); n == 0 || l[n-1].Domain != domain || !l[n-1].Day.Equal(at) {
				l = append(l, DMARCSummary{Day: at, Domain: domain})
			}
			var one dmarcrpt.Summary
			err = json.Unmarshal(rows.Bytes(2), &one)
			s := &l[len(l)-1]
			s.Reports++
			s.Summary = s.Summary.Plus(one)
		}
		return firstError(rows.Close(), err)
	})
	if err != nil {
		return nil, fmt.Errorf("reading summaries of DMARC reports: %w", err)
	}
	return l, nil
}
