package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mox/dns"
	"mox/reportdb"
)

// ReportFilter selects reports of others. The zero value selects all.
type ReportFilter struct {
	Domain string        `json:",omitempty"` // that they are about
	Since  time.Duration `json:",omitempty"` // how far back they begin; 0: any
	Max    int           `json:",omitempty"` // 0: reportdb.MaxLimit
}

// SuppressPeriod is for how long an address gets no reports when a person does not say.
const SuppressPeriod = 365 * 24 * time.Hour

// errNoReports: what was asked for needs the database of reports.
var errNoReports = errors.New("this server keeps no reports")

func (a *Admin) reportFilter(f ReportFilter) (reportdb.Filter, error) {
	if a.Reports == nil {
		return reportdb.Filter{}, errNoReports
	}
	domain, err := reportDomain(f.Domain)
	if err != nil {
		return reportdb.Filter{}, err
	}
	if f.Since < 0 || f.Max < 0 || f.Max > reportdb.MaxLimit {
		return reportdb.Filter{}, fmt.Errorf("how far back must not be negative, and at most %d can be asked for", reportdb.MaxLimit)
	}
	r := reportdb.Filter{Domain: domain, Limit: f.Max}
	if f.Since > 0 {
		r.Since = a.Now().Add(-f.Since)
	}
	return r, nil
}

// reportDomain is a domain as reports have it; empty stays empty.
func reportDomain(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	d, err := dns.ParseDomainLax(s)
	return d.ASCII, err
}

// reportsOf calls list with a filter as reportdb has it.
func reportsOf[T any](ctx context.Context, a *Admin, f ReportFilter, list func(*reportdb.DB, context.Context, reportdb.Filter) ([]T, error)) ([]T, error) {
	filter, err := a.reportFilter(f)
	if err != nil {
		return nil, err
	}
	return list(a.Reports, ctx, filter)
}

// DMARCReports returns aggregate reports of others, those about the latest time first.
func (a *Admin) DMARCReports(ctx context.Context, f ReportFilter) ([]reportdb.DMARCReport, error) {
	return reportsOf(ctx, a, f, (*reportdb.DB).DMARCReports)
}

// DMARCSources returns what reports say by domain and source, the most messages first.
func (a *Admin) DMARCSources(ctx context.Context, f ReportFilter) ([]reportdb.DMARCSource, error) {
	return reportsOf(ctx, a, f, (*reportdb.DB).DMARCSources)
}

// DMARCSummaries returns what reports say by domain and day.
func (a *Admin) DMARCSummaries(ctx context.Context, f ReportFilter) ([]reportdb.DMARCSummary, error) {
	return reportsOf(ctx, a, f, (*reportdb.DB).DMARCSummaries)
}

// TLSReports returns reports of others about TLS, those about the latest time first.
func (a *Admin) TLSReports(ctx context.Context, f ReportFilter) ([]reportdb.TLSReport, error) {
	return reportsOf(ctx, a, f, (*reportdb.DB).TLSReports)
}

// TLSSummaries returns what reports about TLS say by domain and day.
func (a *Admin) TLSSummaries(ctx context.Context, f ReportFilter) ([]reportdb.TLSSummary, error) {
	return reportsOf(ctx, a, f, (*reportdb.DB).TLSSummaries)
}

// reportError gives errors of reportdb the sentinel of this package.
func reportError(err error) error {
	if errors.Is(err, reportdb.ErrNotFound) {
		return fmt.Errorf("report: %w", ErrNotFound)
	}
	return err
}

// DMARCReport returns a report; ErrNotFound if there is none with that id.
func (a *Admin) DMARCReport(ctx context.Context, id int64) (reportdb.DMARCReport, error) {
	if a.Reports == nil {
		return reportdb.DMARCReport{}, errNoReports
	}
	r, err := a.Reports.DMARCReport(ctx, id)
	return r, reportError(err)
}

// TLSReport returns a report; ErrNotFound if there is none with that id.
func (a *Admin) TLSReport(ctx context.Context, id int64) (reportdb.TLSReport, error) {
	if a.Reports == nil {
		return reportdb.TLSReport{}, errNoReports
	}
	r, err := a.Reports.TLSReport(ctx, id)
	return r, reportError(err)
}

// EvaluationStats returns the domains with evaluations of DMARC that wait to be reported, what
// was noted up to now included.
func (a *Admin) EvaluationStats(ctx context.Context) ([]reportdb.EvaluationStats, error) {
	if a.Reports == nil {
		return nil, errNoReports
	}
	if err := a.Reports.Flush(ctx); err != nil {
		return nil, err
	}
	return a.Reports.EvaluationStats(ctx)
}

// flushReports makes all that waits be in the database, and returns the domain as it is there.
func (a *Admin) flushReports(ctx context.Context, domain string) (string, error) {
	if a.Reports == nil {
		return "", errNoReports
	}
	domain, err := reportDomain(domain)
	if err == nil {
		err = a.Reports.Flush(ctx)
	}
	return domain, err
}

// Evaluations returns what waits to be reported to a domain.
func (a *Admin) Evaluations(ctx context.Context, domain string) ([]reportdb.Evaluation, error) {
	domain, err := a.flushReports(ctx, domain)
	if err != nil {
		return nil, err
	}
	return a.Reports.Evaluations(ctx, domain, time.Time{}, time.Time{})
}

// TLSResults returns what waits to be reported about TLS, by day and domain; all for "".
func (a *Admin) TLSResults(ctx context.Context, domain string) ([]reportdb.TLSDay, error) {
	domain, err := a.flushReports(ctx, domain)
	if err != nil {
		return nil, err
	}
	return a.Reports.TLSResults(ctx, domain)
}

// ReportSuppressions returns the addresses that get no reports of a kind for now.
func (a *Admin) ReportSuppressions(ctx context.Context, k reportdb.Kind) ([]reportdb.Suppression, error) {
	if a.Reports == nil {
		return nil, errNoReports
	}
	return a.Reports.Suppressions(ctx, k)
}

// ReportSuppress sends an address no reports of a kind for a period, 0 for SuppressPeriod.
func (a *Admin) ReportSuppress(ctx context.Context, actor Actor, k reportdb.Kind, address string, period time.Duration, comment string) (s reportdb.Suppression, err error) {
	if a.Reports == nil {
		return s, errNoReports
	}
	defer func() {
		a.audit(ctx, actor, "suppress reports", err, "kind", string(k), "address", address, "until", s.Until)
	}()
	if period < 0 {
		return s, errors.New("the period must not be negative")
	} else if period == 0 {
		period = SuppressPeriod
	}
	s = reportdb.Suppression{Kind: k, Address: address, Until: a.Now().Add(period), Comment: comment}
	if s.ID, err = a.Reports.Suppress(ctx, s); err != nil {
		return s, err
	}
	l, err := a.Reports.Suppressions(ctx, k)
	for _, have := range l {
		if have.ID == s.ID {
			s = have // with the address as it is compared
		}
	}
	return s, err
}

// ReportUnsuppress sends an address reports of a kind again; ErrNotFound if it gets them.
func (a *Admin) ReportUnsuppress(ctx context.Context, actor Actor, k reportdb.Kind, address string) (err error) {
	if a.Reports == nil {
		return errNoReports
	}
	defer func() {
		a.audit(ctx, actor, "send reports again", err, "kind", string(k), "address", address)
	}()
	if err = a.Reports.UnsuppressAddress(ctx, k, address); errors.Is(err, reportdb.ErrNotFound) {
		err = fmt.Errorf("suppression of %s: %w", address, ErrNotFound)
	}
	return err
}

// AddDMARCReport stores a report without any check, and tells whether it was not there yet.
func (a *Admin) AddDMARCReport(ctx context.Context, actor Actor, r reportdb.DMARCReport) (added bool, rerr error) {
	defer func() { a.audit(ctx, actor, "add DMARC report", rerr, "reporter", r.Reporter, "new", added) }()
	if a.Reports == nil {
		return false, errNoReports
	}
	return a.Reports.AddDMARCReport(ctx, r)
}

// AddTLSReport stores a report without any check, and tells whether it was not there yet.
func (a *Admin) AddTLSReport(ctx context.Context, actor Actor, r reportdb.TLSReport) (added bool, rerr error) {
	defer func() { a.audit(ctx, actor, "add TLS report", rerr, "reporter", r.Reporter, "new", added) }()
	if a.Reports == nil {
		return false, errNoReports
	}
	return a.Reports.AddTLSReport(ctx, r)
}
