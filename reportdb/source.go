package reportdb

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"mox/db"
	"mox/dmarcrpt"
)

// DMARCSource adds up what reports say about mail with From addresses at a domain that came
// from one address.
type DMARCSource struct {
	Domain   string
	SourceIP string // as in reports; "" stands for those beyond maxSources
	Reports  int64
	First    time.Time // start of the first report
	Last     time.Time // end of the last
	dmarcrpt.Summary
}

// maxSources is how many domains with sources are told apart.
const maxSources = 20_000

// DMARCSources returns what reports say, by domain and source, the most messages first. All
// reports that match are read; Limit is that of the sources.
func (d *DB) DMARCSources(ctx context.Context, f Filter) ([]DMARCSource, error) {
	since, until, limit := f.bounds()
	found := sources{}
	err := d.db.Read(ctx, func(c *db.Conn) (err error) {
		rows := c.Query("SELECT id, received, reporter, report FROM dmarc_report WHERE (?1 = '' OR domain = ?1) AND begin >= ?2 AND begin < ?3 ORDER BY begin", lower(f.Domain), since, until)
		for err == nil && rows.Next() {
			var r DMARCReport
			if r, err = d.dmarcReport(rows); err == nil {
				found.add(&r.Report)
			}
			err = firstError(err, ctx.Err())
		}
		return firstError(rows.Close(), err)
	})
	if err != nil {
		return nil, fmt.Errorf("reading sources in DMARC reports: %w", err)
	}
	l := slices.SortedFunc(maps.Values(found), func(a, b *DMARCSource) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.SourceIP, b.SourceIP))
	})
	all := make([]DMARCSource, 0, min(len(l), limit))
	for _, s := range l[:min(len(l), limit)] {
		all = append(all, *s)
	}
	return all, nil
}

// sources are what was found so far, by domain and address.
type sources map[[2]string]*DMARCSource

func (m sources) add(f *dmarcrpt.Feedback) {
	seen := map[*DMARCSource]bool{}
	for i := range f.Records {
		s := m.source(lower(f.Policy.Domain), f.Records[i].Row.SourceIP)
		one := dmarcrpt.Feedback{Records: f.Records[i : i+1]}
		s.Summary = s.Summary.Plus(one.Summary())
		if seen[s] {
			continue
		}
		seen[s] = true
		s.Reports++
		if start := f.Metadata.DateRange.Start(); s.First.IsZero() || start.Before(s.First) {
			s.First = start
		}
		if stop := f.Metadata.DateRange.Stop(); stop.After(s.Last) {
			s.Last = stop
		}
	}
}

func (m sources) source(domain, ip string) *DMARCSource {
	key := [2]string{domain, ip}
	if m[key] == nil && len(m) >= maxSources {
		key[1] = ""
	}
	if m[key] == nil {
		m[key] = &DMARCSource{Domain: key[0], SourceIP: key[1]}
	}
	return m[key]
}
