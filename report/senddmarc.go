package report

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"mox/config"
	"mox/dmarc"
	"mox/dmarcrpt"
	"mox/dns"
	"mox/reportdb"
	"mox/smtp"
)

// Interval is how often reports are sent to who asks for some interval: rounded down to
// one by which days can be divided, from an hour to a day.
func Interval(d time.Duration) time.Duration {
	for _, h := range []time.Duration{24, 12, 8, 6, 4, 3, 2} {
		if d >= h*time.Hour {
			return h * time.Hour
		}
	}
	return time.Hour
}

// dmarcPeriod is a report that is due.
type dmarcPeriod struct {
	domain      string
	start, end  time.Time
	evaluations []reportdb.Evaluation
}

// SendDMARC sends the DMARC reports that are due at an hour: about periods that have ended
// by then, also earlier. It takes as long as they are spread.
func (r *Reporter) SendDMARC(ctx context.Context, at time.Time) {
	if r.c.Snapshot().Static.NoOutgoingDMARCReports {
		return
	}
	due, err := r.dueDMARC(ctx, at)
	if err != nil {
		if ctx.Err() == nil {
			r.c.Log.ErrorContext(ctx, "finding DMARC reports that are due", "err", err)
		}
		return
	}
	r.spread(ctx, len(due), dmarcSpread, func(ctx context.Context, i int) {
		p := due[i]
		sent, err := r.sendPeriod(ctx, p)
		if err == nil {
			err = r.c.DB.RemoveEvaluations(ctx, p.domain, p.start, p.end)
		}
		r.done(ctx, reportdb.KindDMARC, p.domain, sent, err)
	})
}

// dueDMARC finds what there is to report. Evaluations themselves are read again when their
// turn comes: only which periods there are is kept.
func (r *Reporter) dueDMARC(ctx context.Context, at time.Time) ([]*dmarcPeriod, error) {
	stats, err := r.c.DB.EvaluationStats(ctx)
	if err != nil {
		return nil, err
	}
	var due []*dmarcPeriod
	for _, s := range stats {
		if s.Messages == s.Optional {
			continue
		}
		interval := Interval(s.Interval)
		// Of UTC days, as 1970 began with one.
		for start := s.First.Truncate(interval); !start.After(s.Last) && !start.Add(interval).After(at); start = start.Add(interval) {
			p := &dmarcPeriod{domain: s.Domain, start: start, end: start.Add(interval)}
			l, err := r.c.DB.Evaluations(ctx, p.domain, p.start, p.end)
			if err != nil {
				return nil, err
			}
			if required(l) {
				due = append(due, p)
			}
		}
	}
	return due, nil
}

// required tells whether there is a reason to send a report.
func required(l []reportdb.Evaluation) bool {
	return slices.ContainsFunc(l, func(e reportdb.Evaluation) bool { return !e.Optional })
}

// sendPeriod sends a report and returns to how many addresses. An error is a reason to try
// again later.
func (r *Reporter) sendPeriod(ctx context.Context, p *dmarcPeriod) (sent int, err error) {
	if p.evaluations, err = r.c.DB.Evaluations(ctx, p.domain, p.start, p.end); err != nil {
		return 0, err
	}
	if !required(p.evaluations) {
		return 0, nil // somebody removed them
	}
	domain, err := dns.ParseDomainLax(p.domain)
	if err != nil {
		return 0, nil // it could never be looked up
	}
	uris, err := r.destinations(ctx, domain)
	if err != nil || len(uris) == 0 {
		return 0, err
	}
	return r.mailDMARC(ctx, r.c.Snapshot(), p, uris)
}

// destinations returns the addresses that are to get reports about a domain: the record may
// have changed since.
func (r *Reporter) destinations(ctx context.Context, domain dns.Domain) ([]dmarc.URI, error) {
	d := dmarc.Lookup(ctx, r.c.Log, r.c.Resolver, domain)
	switch {
	case d.Record != nil && d.PolicyDomain == domain:
	case d.Err != nil:
		return nil, d.Err
	default:
		return nil, nil
	}
	var uris []dmarc.URI
	var failed error
	for _, dest := range dmarc.CheckReportURIs(ctx, r.c.Log, r.c.Resolver, domain, d.Record) {
		switch {
		case dest.Tag != "rua":
		case dest.Accepted:
			for _, u := range dest.Send {
				u.MaxSize = cmp.Or(u.MaxSize, dest.URI.MaxSize)
				uris = append(uris, u)
			}
		default:
			failed = errors.Join(failed, dest.Err)
		}
	}
	if len(uris) > 0 {
		failed = nil
	}
	return uris, failed
}

// mailDMARC makes the report and hands it over.
func (r *Reporter) mailDMARC(ctx context.Context, snap *config.Snapshot, p *dmarcPeriod, uris []dmarc.URI) (sent int, err error) {
	var all []smtp.Address
	limits := map[smtp.Address]uint64{}
	for _, u := range uris {
		if a, ok := u.Mailto(); ok {
			all = append(all, a)
			limits[a] = u.MaxSize
		}
	}
	if all, err = r.unsuppressed(ctx, reportdb.KindDMARC, all); err != nil || len(all) == 0 {
		return 0, err
	}
	host := snap.Hostname
	from := smtp.Address{Localpart: "postmaster", Domain: host}
	m := dmarcrpt.Message{From: mailbox(from), To: mailboxes(all), Date: r.c.Now(), Submitter: host.ASCII, Report: p.feedback(host, from)}
	content, err := r.compose(host, &m, m.Compose)
	if err != nil {
		return 0, err
	}
	// RFC 7489 7.2.1: an address that wants less than the whole message gets none. A
	// signature is to be added.
	const signature = 2 << 10
	size := uint64(len(content)) + signature
	to := slices.DeleteFunc(slices.Clone(all), func(a smtp.Address) bool { return limits[a] > 0 && size > limits[a] })
	if len(to) == 0 {
		// RFC 7489 7.2.2: they all hear that there is one.
		e := dmarcrpt.ErrorMessage{Message: m, Size: int64(size)}
		for _, u := range uris {
			e.URIs = append(e.URIs, u.String())
		}
		to = all
		if content, err = r.compose(host, &e.Message, e.Compose); err != nil {
			return 0, err
		}
	} else if len(to) < len(all) {
		m.To = mailboxes(to)
		if content, err = r.compose(host, &m, m.Compose); err != nil {
			return 0, err
		}
	}
	err = r.c.Sender.Send(ctx, Mail{Kind: reportdb.KindDMARC, From: from, To: to, Content: content, MaxAttempts: maxAttempts})
	return len(to), err
}

func (r *Reporter) compose(host dns.Domain, m *dmarcrpt.Message, compose func(io.Writer) error) ([]byte, error) {
	var err error
	if m.MessageID, err = newMessageID(host); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := compose(&b); err != nil {
		return nil, fmt.Errorf("composing DMARC report: %w", err)
	}
	return b.Bytes(), nil
}

// feedback is the report. Its id follows from what it is about: sent again, it is known.
func (p *dmarcPeriod) feedback(host dns.Domain, from smtp.Address) *dmarcrpt.Feedback {
	f := &dmarcrpt.Feedback{
		Version: "1.0",
		Metadata: dmarcrpt.ReportMetadata{
			OrgName: host.ASCII, Email: from.Path().XString(false),
			DateRange: dmarcrpt.DateRange{Begin: dmarcrpt.Number(p.start.Unix()), End: dmarcrpt.Number(p.end.Unix() - 1)},
			Generator: "mox",
		},
		// RFC 7489 7.2: of policies that changed, one may be given.
		Policy:  p.evaluations[len(p.evaluations)-1].Policy,
		Records: mergeRecords(p.evaluations),
	}
	f.Metadata.ReportID = reportID(host.ASCII, p.domain, p.start, p.end, f.Summary())
	return f
}

// reportID is one for a report with these sums: what came late makes another report.
func reportID(host, domain string, start, end time.Time, sums any) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d %v", host, domain, start.Unix(), end.Unix(), sums))
	return strings.ToLower(base32.StdEncoding.EncodeToString(h[:15])) + "@" + host
}

// mergeRecords adds up messages that are alike, of all hours, most frequent first.
func mergeRecords(l []reportdb.Evaluation) []dmarcrpt.Record {
	merged := map[string]*dmarcrpt.Record{}
	for _, e := range l {
		rec := e.Record
		rec.Row.Count = 0
		text, err := json.Marshal(rec)
		if err != nil {
			continue // it could not have been stored
		}
		key := string(text)
		if have := merged[key]; have != nil {
			have.Row.Count += e.Record.Row.Count
			continue
		}
		rec.Row.Count = e.Record.Row.Count
		merged[key] = &rec
	}
	keys := slices.SortedFunc(maps.Keys(merged), func(a, b string) int {
		return cmp.Or(cmp.Compare(merged[b].Row.Count, merged[a].Row.Count), cmp.Compare(a, b))
	})
	var records []dmarcrpt.Record
	for _, k := range keys {
		records = append(records, *merged[k])
	}
	return records
}
