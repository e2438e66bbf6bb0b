package ctl

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"mox/admin"
	"mox/dmarcrpt"
	"mox/reportdb"
	"mox/tlsrpt"
)

// reportWords are the words about reports. A filter is an admin.ReportFilter as JSON; the last
// parameter is "json" for a line of JSON for each thing, or empty.
var reportWords = map[string]commandEntry{
	"dmarcreportlist":      reportList("reports (id, period, domain, reporter, messages, passed, failed)", (*admin.Admin).DMARCReports, dmarcReportLine),
	"dmarcreportprint":     {1, 2, printDMARCReport},
	"dmarcreportadd":       addReport((*admin.Admin).AddDMARCReport),
	"dmarcreportsources":   reportList("sources (domain, address, messages, passed, by DKIM, by SPF, failed, quarantined, rejected)", (*admin.Admin).DMARCSources, dmarcSourceLine),
	"dmarcreportdays":      reportList("days (day, domain, reports, messages, passed, by DKIM, by SPF, failed, quarantined, rejected)", (*admin.Admin).DMARCSummaries, dmarcDayLine),
	"dmarcevaluationlist":  {1, 2, evaluations},
	"dmarcsuppresslist":    reportSuppressList(reportdb.KindDMARC),
	"dmarcsuppressadd":     reportSuppressAdd(reportdb.KindDMARC),
	"dmarcsuppressremove":  reportSuppressRemove(reportdb.KindDMARC),
	"tlsrptreportlist":     reportList("reports (id, period, domains, reporter, sessions, failed)", (*admin.Admin).TLSReports, tlsReportLine),
	"tlsrptreportprint":    {1, 2, printTLSReport},
	"tlsrptreportadd":      addReport((*admin.Admin).AddTLSReport),
	"tlsrptreportdays":     reportList("days (day, domain, reports, sessions, failed, by type)", (*admin.Admin).TLSSummaries, tlsDayLine),
	"tlsrptresultlist":     {1, 2, tlsResults},
	"tlsrptsuppresslist":   reportSuppressList(reportdb.KindTLS),
	"tlsrptsuppressadd":    reportSuppressAdd(reportdb.KindTLS),
	"tlsrptsuppressremove": reportSuppressRemove(reportdb.KindTLS),
}

// reportList makes a command that prints a list, of a filter.
func reportList[T any](heading string, list func(*admin.Admin, context.Context, admin.ReportFilter) ([]T, error), line func(*T) string) commandEntry {
	return commandEntry{1, 2, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		var f admin.ReportFilter
		if err := decode(p[0], &f); err != nil {
			return err
		}
		l, err := list(a, ctx, f)
		if err != nil {
			return err
		}
		return printList(out, heading, p[1] == "json", l, line)
	}}
}

// addReport makes a command that stores a report. Parameter: the report as JSON, as input.
func addReport[T any](add func(*admin.Admin, context.Context, admin.Actor, T) (bool, error)) commandEntry {
	return commandEntry{1, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		var r T
		if err := decode(p[0], &r); err != nil {
			return err
		}
		added, err := add(a, ctx, actor, r)
		if err != nil {
			return err
		}
		return PrintReportAdded(out, added)
	}}
}

// PrintReportAdded tells whether a report is new.
func PrintReportAdded(out io.Writer, added bool) error {
	text := "added"
	if !added {
		text = "there already"
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// word is text of strangers as a column: a word, safe for a terminal.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return cmp.Or(s, "-")
}

// period is what a report covers: a day as such, else both ends.
func period(start, stop time.Time) string {
	start, stop = start.UTC(), stop.UTC()
	if stop.Sub(start).Round(time.Minute) == 24*time.Hour && start.Equal(start.Truncate(24*time.Hour)) {
		return start.Format(time.DateOnly)
	}
	return start.Format("2006-01-02T15:04") + ".." + stop.Format("2006-01-02T15:04")
}

// counts are the columns of a summary.
func counts(s dmarcrpt.Summary) string {
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%d\t%d\t%d", s.Messages, s.Pass, s.Messages-s.DKIMFail, s.Messages-s.SPFFail, s.Messages-s.Pass, s.Quarantine, s.Reject)
}

func dmarcReportLine(r *reportdb.DMARCReport) string {
	m, s := &r.Report.Metadata, r.Report.Summary()
	return fmt.Sprintf("%d\t%s\t%s\t%s\t%d\t%d\t%d", r.ID, period(m.DateRange.Start(), m.DateRange.Stop()), word(r.Report.Policy.Domain), word(r.Reporter), s.Messages, s.Pass, s.Messages-s.Pass)
}

func dmarcSourceLine(s *reportdb.DMARCSource) string {
	return fmt.Sprintf("%s\t%s\t%s", word(s.Domain), cmp.Or(s.SourceIP, "(others)"), counts(s.Summary))
}

func dmarcDayLine(s *reportdb.DMARCSummary) string {
	return fmt.Sprintf("%s\t%s\t%d\t%s", s.Day.Format(time.DateOnly), word(s.Domain), s.Reports, counts(s.Summary))
}

// printDMARCReport prints a report in words, or as JSON.
func printDMARCReport(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	id, err := parseID(p[0])
	if err != nil {
		return err
	}
	r, err := a.DMARCReport(ctx, id)
	if err != nil {
		return err
	}
	if p[1] == "json" {
		return printJSON(out, r)
	}
	f := &r.Report
	line := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	line("report %d, received %s from %s", r.ID, r.Received.Format(time.RFC3339), word(r.Reporter))
	line("organization: %q, address %q, report id %q", f.Metadata.OrgName, f.Metadata.Email, f.Metadata.ReportID)
	line("period: %s to %s", f.Metadata.DateRange.Start().Format(time.RFC3339), f.Metadata.DateRange.Stop().Format(time.RFC3339))
	for _, e := range f.Metadata.Errors {
		line("error: %q", e)
	}
	line("policy of %s: %s", word(f.Policy.Domain), policyText(f.Policy))
	s := f.Summary()
	line("messages: %d, passed %d, failed %d", s.Messages, s.Pass, s.Messages-s.Pass)
	for i := range f.Records {
		printRecord(&f.Records[i], line)
	}
	return nil
}

// policyText is a policy as in its record, of what is given.
func policyText(p dmarcrpt.PolicyPublished) string {
	var l []string
	for _, tag := range [][2]string{{"p", p.P}, {"sp", p.SP}, {"np", p.NP}, {"adkim", p.ADKIM}, {"aspf", p.ASPF}, {"fo", p.FO}, {"t", p.Testing}, {"pct", p.Pct}} {
		if tag[1] != "" {
			l = append(l, tag[0]+"="+word(tag[1]))
		}
	}
	return strings.Join(l, " ")
}

// printRecord prints a line for messages that are alike, and one for each result of theirs.
func printRecord(r *dmarcrpt.Record, line func(format string, args ...any)) {
	e, id := &r.Row.PolicyEvaluated, &r.Identifiers
	line("%d from %s: disposition %s, aligned DKIM %s, aligned SPF %s; From %s, envelope from %s, to %s",
		int64(r.Row.Count), word(r.Row.SourceIP), word(e.Disposition), word(e.DKIM), word(e.SPF), word(id.HeaderFrom), word(id.EnvelopeFrom), word(id.EnvelopeTo))
	for _, reason := range e.Reasons {
		line("\treason %s %q", word(reason.Type), reason.Comment)
	}
	for _, d := range r.AuthResults.DKIM {
		line("\tdkim %s, selector %s: %s%s", word(d.Domain), word(d.Selector), word(d.Result), remark(d.HumanResult))
	}
	for _, s := range r.AuthResults.SPF {
		line("\tspf %s %s: %s%s", word(s.Scope), word(s.Domain), word(s.Result), remark(s.HumanResult))
	}
}

func remark(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf(" %q", s)
}

// evaluations prints the domains to which evaluations are to be reported, or those of one.
func evaluations(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	if p[0] == "" {
		l, err := a.EvaluationStats(ctx)
		if err != nil {
			return err
		}
		return printList(out, "evaluations (domain, first hour, last hour, messages, of these without a reason to report, interval)", p[1] == "json", l, func(s *reportdb.EvaluationStats) string {
			return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s", word(s.Domain), s.First.Format(time.RFC3339), s.Last.Format(time.RFC3339), s.Messages, s.Optional, s.Interval)
		})
	}
	l, err := a.Evaluations(ctx, p[0])
	if err != nil {
		return err
	}
	return printList(out, "evaluations (hour, source, messages, disposition, DKIM, SPF, From)", p[1] == "json", l, func(e *reportdb.Evaluation) string {
		row := &e.Record.Row
		return fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%s\t%s", e.Time.Format(time.RFC3339), word(row.SourceIP), int64(row.Count), word(row.PolicyEvaluated.Disposition),
			word(row.PolicyEvaluated.DKIM), word(row.PolicyEvaluated.SPF), word(e.Record.Identifiers.HeaderFrom))
	})
}

func tlsReportLine(r *reportdb.TLSReport) string {
	domains := map[string]bool{}
	for _, p := range r.Report.Policies {
		domains[word(p.Policy.Domain)] = true
	}
	t := r.Report.Total()
	return fmt.Sprintf("%d\t%s\t%s\t%s\t%d\t%d", r.ID, period(r.Report.DateRange.Start, r.Report.DateRange.End),
		strings.Join(slices.Sorted(maps.Keys(domains)), ","), word(r.Reporter), t.Success+t.Failure, t.Failure)
}

func tlsDayLine(s *reportdb.TLSSummary) string {
	line := fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t", s.Day.Format(time.DateOnly), word(s.Domain), s.Reports, s.Success+s.Failure, s.Failure)
	var types []string
	for _, t := range slices.Sorted(maps.Keys(s.Types)) {
		types = append(types, fmt.Sprintf("%s=%d", word(string(t)), s.Types[t]))
	}
	return line + cmp.Or(strings.Join(types, ","), "-")
}

// printTLSReport prints a report in words, or as JSON.
func printTLSReport(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	id, err := parseID(p[0])
	if err != nil {
		return err
	}
	r, err := a.TLSReport(ctx, id)
	if err != nil {
		return err
	}
	if p[1] == "json" {
		return printJSON(out, r)
	}
	host := ""
	if r.Host {
		host = ", to the address of the host"
	}
	fmt.Fprintf(out, "report %d, received %s from %s%s\n", r.ID, r.Received.Format(time.RFC3339), word(r.Reporter), host)
	fmt.Fprintf(out, "organization: %q, contact %q, report id %q\n", r.Report.OrganizationName, r.Report.ContactInfo, r.Report.ReportID)
	fmt.Fprintf(out, "period: %s to %s\n", r.Report.DateRange.Start.UTC().Format(time.RFC3339), r.Report.DateRange.End.UTC().Format(time.RFC3339))
	for i := range r.Report.Policies {
		printTLSResult(out, &r.Report.Policies[i])
	}
	return nil
}

// printTLSResult prints what became of sessions under one policy.
func printTLSResult(out io.Writer, r *tlsrpt.Result) {
	fmt.Fprintf(out, "policy %s of %s, hosts %s: %d sessions, failed %d\n", word(string(r.Policy.Type)), word(r.Policy.Domain),
		word(strings.Join(r.Policy.MXHost, ",")), r.Summary.Success+r.Summary.Failure, r.Summary.Failure)
	for _, l := range r.Policy.String {
		fmt.Fprintf(out, "\tpolicy line %q\n", l)
	}
	for _, d := range r.FailureDetails {
		fmt.Fprintf(out, "\t%d %s: from %s to %s %s%s\n", d.FailedSessionCount, word(string(d.ResultType)), word(d.SendingMTAIP), word(d.ReceivingMXHostname), word(d.ReceivingIP), remark(d.FailureReasonCode))
	}
}

// tlsResults prints what is to be reported about TLS.
func tlsResults(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	l, err := a.TLSResults(ctx, p[0])
	if err != nil {
		return err
	}
	return printList(out, "results (day, report is for, recipient domain, sessions, failed, will be reported)", p[1] == "json", l, func(d *reportdb.TLSDay) string {
		var sum tlsrpt.Summary
		for _, r := range d.Results {
			sum.Success, sum.Failure = sum.Success+r.Summary.Success, sum.Failure+r.Summary.Failure
		}
		return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s", d.Day.Format(time.DateOnly), word(d.Domain), word(d.RecipientDomain), sum.Success+sum.Failure, sum.Failure, yesNo(d.SendReport))
	})
}

func reportSuppressList(k reportdb.Kind) commandEntry {
	return commandEntry{0, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		l, err := a.ReportSuppressions(ctx, k)
		if err != nil {
			return err
		}
		return printList(out, "suppressions (address, added, until, comment)", p[0] == "json", l, func(s *reportdb.Suppression) string {
			return fmt.Sprintf("%q\t%s\t%s\t%q", s.Address, s.Added.Format(time.RFC3339), s.Until.Format(time.RFC3339), s.Comment)
		})
	}}
}

// reportSuppressAdd has the parameters address, period (empty for the default), comment.
func reportSuppressAdd(k reportdb.Kind) commandEntry {
	return commandEntry{3, 4, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		var d time.Duration
		if p[1] != "" {
			var err error
			if d, err = time.ParseDuration(p[1]); err != nil || d <= 0 {
				return fmt.Errorf("%q is not a period such as 720h", p[1])
			}
		}
		s, err := a.ReportSuppress(ctx, actor, k, p[0], d, p[2])
		if err == nil && p[3] == "json" {
			return printJSON(out, s)
		}
		return err
	}}
}

func reportSuppressRemove(k reportdb.Kind) commandEntry {
	return commandEntry{1, 2, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		err := a.ReportUnsuppress(ctx, actor, k, p[0])
		if err == nil && p[1] == "json" {
			return printJSON(out, struct{ Removed string }{p[0]})
		}
		return err
	}}
}
