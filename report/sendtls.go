package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"mox/config"
	"mox/dns"
	"mox/reportdb"
	"mox/smtp"
	"mox/tlsrpt"
)

// errNoSender: RFC 8460 3: reports must be signed.
var errNoSender = errors.New("no configured domain that is the hostname or above it has DKIM keys: TLS reports could not be signed")

// tlsDay is a report that is due.
type tlsDay struct {
	day     time.Time
	domain  string
	host    bool
	send    bool
	results []tlsrpt.Result
}

// SendTLS sends the TLS reports about days that have ended at a time. It takes as long as
// they are spread.
func (r *Reporter) SendTLS(ctx context.Context, at time.Time) {
	if r.c.Snapshot().Static.NoOutgoingTLSReports {
		return
	}
	l, err := r.c.DB.TLSResults(ctx, "")
	if err != nil {
		if ctx.Err() == nil {
			r.c.Log.ErrorContext(ctx, "finding TLS reports that are due", "err", err)
		}
		return
	}
	due := dueTLS(l, at.UTC().Truncate(24*time.Hour))
	// Those that nobody is to get take no time.
	due = slices.DeleteFunc(due, func(d *tlsDay) bool {
		if r.wanted(d) {
			return false
		}
		if err := r.c.DB.RemoveTLSResults(ctx, d.day, d.domain); err != nil {
			r.c.Log.ErrorContext(ctx, "removing TLS results", "err", err)
		}
		return true
	})
	r.spread(ctx, len(due), tlsSpread, func(ctx context.Context, i int) {
		d := due[i]
		sent, err := r.sendDay(ctx, d)
		if err == nil {
			err = r.c.DB.RemoveTLSResults(ctx, d.day, d.domain)
		}
		r.done(ctx, reportdb.KindTLS, d.domain, sent, err)
	})
}

// wanted tells whether a report is to be sent, if somebody wants it.
func (r *Reporter) wanted(d *tlsDay) bool {
	if !d.send {
		return false
	}
	total := (&tlsrpt.Report{Policies: d.results}).Total()
	return total.Failure > 0 || total.Success > 0 && r.c.Snapshot().Static.OutgoingTLSReportsForAllSuccess
}

// dueTLS puts together what is for one report. That to a recipient domain has the results
// about the policies of its MX hosts too (RFC 8460 4): it should know when mail to it fails.
func dueTLS(l []reportdb.TLSDay, today time.Time) []*tlsDay {
	type key struct {
		day    time.Time
		domain string
	}
	days := map[key]*tlsDay{}
	var due []*tlsDay
	for _, row := range l {
		if !row.Day.Before(today) {
			continue
		}
		k := key{row.Day, row.Domain}
		if days[k] == nil {
			days[k] = &tlsDay{day: row.Day, domain: row.Domain, host: true}
			due = append(due, days[k])
		}
		d := days[k]
		d.host = d.host && row.Host
		d.send = d.send || row.SendReport
		d.results = tlsrpt.Merge(d.results, row.Results...)
	}
	for _, row := range l {
		d := days[key{row.Day, row.RecipientDomain}]
		if row.Host && d != nil && !d.host && row.Domain != row.RecipientDomain {
			d.results = tlsrpt.Merge(d.results, row.Results...)
		}
	}
	for _, d := range due {
		tlsrpt.Sort(d.results)
	}
	return due
}

// sendDay sends a report and returns to how many addresses. An error is a reason to try
// again later.
func (r *Reporter) sendDay(ctx context.Context, d *tlsDay) (sent int, err error) {
	domain, err := dns.ParseDomainLax(d.domain)
	if err != nil {
		return 0, nil // it could never be looked up
	}
	record, err := r.lookupTLS(ctx, domain)
	switch {
	case errors.Is(err, tlsrpt.ErrNoRecord) || errors.Is(err, tlsrpt.ErrMultiple) || errors.Is(err, tlsrpt.ErrSyntax):
		return 0, nil
	case err != nil:
		return 0, err
	}
	from, err := signer(r.c.Snapshot())
	if err != nil {
		return 0, err
	}
	rep := &tlsrpt.Report{
		OrganizationName: r.c.Snapshot().Hostname.ASCII, ContactInfo: from.Path().XString(false), DateRange: tlsrpt.Day(d.day),
		Policies: d.results,
	}
	rep.ReportID = reportID(from.Domain.ASCII, d.domain, d.day, d.day.Add(24*time.Hour), rep.Total())
	var to []smtp.Address
	for _, uri := range record.RUA {
		if a, ok := smtp.ParseMailto(uri); ok {
			to = append(to, a)
		}
	}
	if to, err = r.unsuppressed(ctx, reportdb.KindTLS, to); err != nil {
		return 0, err
	}
	if len(to) > 0 {
		return len(to), r.mailTLS(ctx, rep, d.domain, from, to)
	}
	// RFC 8460 3: one of the places is enough.
	return r.post(ctx, rep, record.RUA)
}

// lookupTLS looks up the record of a domain.
func (r *Reporter) lookupTLS(ctx context.Context, domain dns.Domain) (*tlsrpt.Record, error) {
	begin := r.c.Now()
	record, _, _, err := tlsrpt.Lookup(ctx, r.c.Log, r.c.Resolver, domain)
	if observe := r.c.Metrics.TLSLookup; observe != nil {
		result := "temperror"
		switch {
		case err == nil:
			result = "ok"
		case errors.Is(err, tlsrpt.ErrNoRecord):
			result = "notfound"
		case errors.Is(err, tlsrpt.ErrSyntax) || errors.Is(err, tlsrpt.ErrMultiple):
			result = "malformed"
		}
		observe(result, r.c.Now().Sub(begin))
	}
	return record, err
}

// signer is who TLS reports are from: postmaster at the nearest domain of the host that can
// sign.
func signer(snap *config.Snapshot) (smtp.Address, error) {
	name := snap.Hostname.ASCII
	for name != "" {
		d, err := dns.ParseDomainLax(name)
		if err == nil {
			if info := snap.Domain(d); info != nil && len(info.Sign) > 0 && !info.Config.Disabled {
				return smtp.Address{Localpart: "postmaster", Domain: d}, nil
			}
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return smtp.Address{}, errNoSender
}

func (r *Reporter) mailTLS(ctx context.Context, rep *tlsrpt.Report, domain string, from smtp.Address, to []smtp.Address) error {
	id, err := newMessageID(from.Domain)
	if err != nil {
		return err
	}
	m := tlsrpt.Message{
		From: mailbox(from), To: mailboxes(to), Date: r.c.Now(), MessageID: id, ID: rep.ReportID,
		Domain: domain, Submitter: from.Domain.ASCII, Report: rep,
	}
	var b bytes.Buffer
	if err := m.Compose(&b); err != nil {
		return fmt.Errorf("composing TLS report: %w", err)
	}
	return r.c.Sender.Send(ctx, Mail{Kind: reportdb.KindTLS, From: from, To: to, Content: b.Bytes(), SignFields: tlsrpt.Fields(), IgnoreTLS: true, MaxAttempts: maxAttempts})
}

// post sends the report to the first https URI that takes it (RFC 8460 5.4).
func (r *Reporter) post(ctx context.Context, rep *tlsrpt.Report, uris []string) (int, error) {
	var failed error
	for _, uri := range uris {
		if r.c.HTTP == nil || !strings.HasPrefix(strings.ToLower(uri), "https://") {
			continue
		}
		if err := r.postTo(ctx, rep, uri); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		return 1, nil
	}
	return 0, failed
}

func (r *Reporter) postTo(ctx context.Context, rep *tlsrpt.Report, uri string) error {
	data, err := rep.Gzip()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("posting TLS report: %w", err)
	}
	req.Header.Set("Content-Type", "application/tlsrpt+gzip")
	resp, err := r.c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("posting TLS report: %w", err)
	}
	defer resp.Body.Close()
	const most = 64 << 10 // read so that the connection can be used again
	io.Copy(io.Discard, io.LimitReader(resp.Body, most))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("posting TLS report: %s", resp.Status)
	}
	return nil
}
