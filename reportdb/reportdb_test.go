package reportdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/db"
	"mox/dmarcrpt"
	"mox/dns"
	"mox/smtp"
	"mox/tlsrpt"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func open(t *testing.T, path string, o Options) *DB {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return now }
	}
	d, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func newDB(t *testing.T, o Options) *DB {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), FileName), o)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func domain(s string) dns.Domain { return dns.Domain{ASCII: s} }

func result(typ tlsrpt.PolicyType, domain string, success, failure int64) tlsrpt.Result {
	r := tlsrpt.Result{Policy: tlsrpt.Policy{Type: typ, Domain: domain}, Summary: tlsrpt.Summary{Success: success, Failure: failure}}
	if failure > 0 {
		r.FailureDetails = []tlsrpt.FailureDetails{{ResultType: tlsrpt.ResultCertificateExpired, FailedSessionCount: failure}}
	}
	return r
}

func TestTLSResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	d := open(t, path, Options{})
	add := func(l ...TLSResult) {
		t.Helper()
		check(t, d.AddTLSResult(t.Context(), l))
	}
	sts := result(tlsrpt.PolicySTS, "a.example", 1, 0)
	add(TLSResult{RecipientDomain: domain("a.example"), Results: []tlsrpt.Result{sts}},
		TLSResult{RecipientDomain: domain("a.example"), Host: true, SendReport: true, Results: []tlsrpt.Result{result(tlsrpt.PolicyTLSA, "MX.a.example", 0, 2), result(tlsrpt.PolicyTLSA, "mx2.a.example", 1, 0)}})
	check(t, d.Flush(t.Context()))
	// In memory and in the file, it is one row.
	add(TLSResult{Day: now.Add(-time.Hour), RecipientDomain: domain("a.example"), SendReport: true, Results: []tlsrpt.Result{sts, result(tlsrpt.PolicySTS, "a.example", 0, 3)}})
	add(TLSResult{Day: now.Add(-24 * time.Hour), RecipientDomain: domain("b.example"), SendReport: true, Results: []tlsrpt.Result{result(tlsrpt.PolicyNone, "b.example", 1, 0)}})
	today, yesterday := now.Truncate(24*time.Hour), now.Add(-24*time.Hour).Truncate(24*time.Hour)
	want := []TLSDay{
		{yesterday, "b.example", "b.example", false, true, []tlsrpt.Result{result(tlsrpt.PolicyNone, "b.example", 1, 0)}},
		{today, "a.example", "a.example", false, true, []tlsrpt.Result{result(tlsrpt.PolicySTS, "a.example", 2, 3)}},
		{today, "mx.a.example", "a.example", true, true, []tlsrpt.Result{result(tlsrpt.PolicyTLSA, "MX.a.example", 0, 2)}},
		{today, "mx2.a.example", "a.example", true, true, []tlsrpt.Result{result(tlsrpt.PolicyTLSA, "mx2.a.example", 1, 0)}},
	}
	got, err := d.TLSResults(t.Context(), "")
	check(t, err)
	equal(t, want, got)
	// What waits is written when it is closed.
	add(TLSResult{Day: now.Add(-24 * time.Hour), RecipientDomain: domain("b.example"), Results: []tlsrpt.Result{result(tlsrpt.PolicyNone, "b.example", 1, 0)}})
	check(t, d.Close())
	if err := d.AddTLSResult(t.Context(), nil); !errors.Is(err, db.ErrClosed) {
		t.Error(err)
	}
	d = open(t, path, Options{})
	got, err = d.TLSResults(t.Context(), "B.example")
	check(t, err)
	want[0].Results[0].Summary.Success = 2
	equal(t, want[:1], got)
	check(t, d.RemoveTLSResults(t.Context(), yesterday, "b.example"))
	check(t, d.RemoveTLSResults(t.Context(), yesterday, "a.example"))
	check(t, d.RemoveTLSResults(t.Context(), time.Time{}, "mx.a.example"))
	got, err = d.TLSResults(t.Context(), "")
	check(t, err)
	equal(t, []TLSDay{want[1], want[3]}, got)
}

func evaluation(ip string) Evaluation {
	return Evaluation{
		Domain: "a.example", Interval: time.Hour, Policy: dmarcrpt.PolicyPublished{Domain: "a.example", P: "reject"},
		Record: dmarcrpt.Record{Row: dmarcrpt.Row{SourceIP: ip, PolicyEvaluated: dmarcrpt.PolicyEvaluated{Disposition: "none"}}},
	}
}

func TestEvaluations(t *testing.T) {
	d := newDB(t, Options{})
	add := func(e Evaluation) {
		t.Helper()
		check(t, d.AddEvaluation(t.Context(), e))
	}
	add(evaluation("192.0.2.1"))
	check(t, d.Flush(t.Context()))
	add(evaluation("192.0.2.1"))
	e := evaluation("192.0.2.2")
	e.Time, e.Optional, e.Record.Row.Count, e.Interval = now.Add(-2*time.Hour), true, 3, 1000*time.Hour
	add(e)
	stats, err := d.EvaluationStats(t.Context())
	check(t, err)
	hour := now.Truncate(time.Hour)
	equal(t, []EvaluationStats{{"a.example", hour.Add(-2 * time.Hour), hour, 5, 3, time.Hour}}, stats)
	one, two := evaluation("192.0.2.1"), e
	one.Time, one.Record.Row.Count = hour, 2
	two.Time, two.Interval = hour.Add(-2*time.Hour), 24*time.Hour
	for _, tc := range []struct {
		start, end time.Time
		want       []Evaluation
	}{
		{time.Time{}, time.Time{}, []Evaluation{two, one}},
		{hour, time.Time{}, []Evaluation{one}},
		{time.Time{}, hour, []Evaluation{two}},
		{hour.Add(time.Hour), time.Time{}, nil},
	} {
		got, err := d.Evaluations(t.Context(), "A.example", tc.start, tc.end)
		check(t, err)
		equal(t, tc.want, got)
	}
	check(t, d.RemoveEvaluations(t.Context(), "a.example", time.Time{}, hour))
	got, err := d.Evaluations(t.Context(), "a.example", time.Time{}, time.Time{})
	check(t, err)
	equal(t, []Evaluation{one}, got)
}

func TestBounds(t *testing.T) {
	d := newDB(t, Options{MaxPending: 10, MaxEvaluations: 15, MaxTLSResults: 3, FlushEvery: time.Hour})
	for round := range 3 {
		for i := range 20 {
			check(t, d.AddEvaluation(t.Context(), evaluation(fmt.Sprintf("192.0.2.%d", round*20+i))))
		}
		check(t, d.Flush(t.Context()))
	}
	got, err := d.Evaluations(t.Context(), "a.example", time.Time{}, time.Time{})
	check(t, err)
	if len(got) != 15 {
		t.Error(len(got))
	}
	for i := range 5 {
		check(t, d.AddTLSResult(t.Context(), []TLSResult{{RecipientDomain: domain(fmt.Sprintf("%d.example", i)), Results: []tlsrpt.Result{result(tlsrpt.PolicyNone, "x", 1, 0)}}}))
	}
	days, err := d.TLSResults(t.Context(), "")
	check(t, err)
	if len(days) != 3 {
		t.Error(len(days))
	}
}

// TestConcurrent: counts are right whoever adds and writes when.
func TestConcurrent(t *testing.T) {
	d := newDB(t, Options{FlushEvery: time.Millisecond})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				d.AddEvaluation(t.Context(), evaluation(fmt.Sprintf("192.0.2.%d", i%5)))
				d.AddTLSResult(t.Context(), []TLSResult{{RecipientDomain: domain("a.example"), Results: []tlsrpt.Result{result(tlsrpt.PolicyNone, "a.example", 1, 1)}}})
			}
		})
	}
	wg.Wait()
	stats, err := d.EvaluationStats(t.Context())
	check(t, err)
	days, err := d.TLSResults(t.Context(), "")
	check(t, err)
	if stats[0].Messages != 800 || days[0].Results[0].Summary != (tlsrpt.Summary{Success: 800, Failure: 800}) || days[0].Results[0].FailureDetails[0].FailedSessionCount != 800 {
		t.Error(stats, days)
	}
}

func tlsReport(id string, start time.Time) TLSReport {
	return TLSReport{Received: now, Reporter: "reporter.example", Report: tlsrpt.Report{
		ReportID: id, DateRange: tlsrpt.Day(start), Policies: []tlsrpt.Result{result(tlsrpt.PolicySTS, "a.example", 5, 2), result(tlsrpt.PolicyTLSA, "a.example", 1, 1), result(tlsrpt.PolicyTLSA, "mx.example", 7, 0)},
	}}
}

func dmarcReport(id string, start time.Time) DMARCReport {
	return DMARCReport{Received: now, Reporter: "Reporter.example", Report: dmarcrpt.Feedback{
		Metadata: dmarcrpt.ReportMetadata{ReportID: id, DateRange: dmarcrpt.DateRange{Begin: dmarcrpt.Number(start.Unix()), End: dmarcrpt.Number(start.Unix() + 86399)}},
		Policy:   dmarcrpt.PolicyPublished{Domain: "a.example"},
		Records:  []dmarcrpt.Record{{Row: dmarcrpt.Row{Count: 3, PolicyEvaluated: dmarcrpt.PolicyEvaluated{Disposition: "reject", DKIM: "fail", SPF: "fail"}}}},
	}}
}

func TestReceivedTLS(t *testing.T) {
	d := newDB(t, Options{})
	yesterday := now.Add(-24 * time.Hour).Truncate(24 * time.Hour)
	for i, want := range []bool{true, false} {
		if added, err := d.AddTLSReport(t.Context(), tlsReport("1", yesterday)); err != nil || added != want {
			t.Fatal(i, added, err)
		}
	}
	for _, r := range []TLSReport{tlsReport("2", yesterday), tlsReport("1", yesterday.Add(-24*time.Hour))} {
		if added, err := d.AddTLSReport(t.Context(), r); err != nil || !added {
			t.Fatal(err)
		}
	}
	l, err := d.TLSReports(t.Context(), Filter{Domain: "MX.example"})
	check(t, err)
	want := tlsReport("1", yesterday)
	want.ID, want.Received = 1, now.Truncate(time.Second)
	if len(l) != 3 {
		t.Fatal(len(l))
	}
	equal(t, want, l[1])
	for _, f := range []Filter{{Domain: "b.example"}, {Since: now}, {Until: yesterday.Add(-24 * time.Hour)}} {
		if l, err := d.TLSReports(t.Context(), f); err != nil || len(l) != 0 {
			t.Error(l, err)
		}
	}
	if l, err := d.TLSReports(t.Context(), Filter{Limit: 1}); err != nil || len(l) != 1 || l[0].Report.ReportID != "2" {
		t.Error(l, err)
	}
	got, err := d.TLSReport(t.Context(), 1)
	check(t, err)
	equal(t, want, got)
	if _, err := d.TLSReport(t.Context(), 99); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	sums, err := d.TLSSummaries(t.Context(), Filter{Since: yesterday})
	check(t, err)
	equal(t, []TLSSummary{
		{yesterday, "a.example", 2, tlsrpt.Summary{Success: 12, Failure: 6}, map[tlsrpt.ResultType]int64{tlsrpt.ResultCertificateExpired: 6}},
		{yesterday, "mx.example", 2, tlsrpt.Summary{Success: 14}, map[tlsrpt.ResultType]int64{}},
	}, sums)
}

func TestReceivedDMARC(t *testing.T) {
	d := newDB(t, Options{})
	yesterday := now.Add(-24 * time.Hour).Truncate(24 * time.Hour)
	for i, want := range []bool{true, false} {
		if added, err := d.AddDMARCReport(t.Context(), dmarcReport("1", yesterday)); err != nil || added != want {
			t.Fatal(i, added, err)
		}
	}
	if added, err := d.AddDMARCReport(t.Context(), dmarcReport("2", yesterday)); err != nil || !added {
		t.Fatal(err)
	}
	want := dmarcReport("1", yesterday)
	want.ID, want.Received, want.Reporter = 1, now.Truncate(time.Second), "reporter.example"
	l, err := d.DMARCReports(t.Context(), Filter{Domain: "A.example"})
	check(t, err)
	if len(l) != 2 {
		t.Fatal(len(l))
	}
	equal(t, want, l[1])
	got, err := d.DMARCReport(t.Context(), 1)
	check(t, err)
	equal(t, want, got)
	if _, err := d.DMARCReport(t.Context(), 99); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	sums, err := d.DMARCSummaries(t.Context(), Filter{})
	check(t, err)
	equal(t, []DMARCSummary{{yesterday, "a.example", 2, dmarcrpt.Summary{Messages: 6, Reject: 6, DKIMFail: 6, SPFFail: 6}}}, sums)
}

func TestSuppression(t *testing.T) {
	at := now
	d := newDB(t, Options{Now: func() time.Time { return at }})
	address := func(s string) smtp.Address {
		a, err := smtp.ParseAddressLax(s)
		check(t, err)
		return a
	}
	id, err := d.Suppress(t.Context(), Suppression{Kind: KindTLS, Address: "Reports@A.example", Until: now.Add(time.Hour), Comment: "bounced"})
	check(t, err)
	again, err := d.Suppress(t.Context(), Suppression{Kind: KindTLS, Address: "reports@a.example", Until: now.Add(2 * time.Hour)})
	check(t, err)
	if again != id {
		t.Error(again, id)
	}
	for _, tc := range []struct {
		kind    Kind
		address string
		after   time.Duration
		want    bool
	}{{KindTLS, "reports@a.example", 0, true}, {KindTLS, "REPORTS@a.EXAMPLE", 0, true}, {KindDMARC, "reports@a.example", 0, false}, {KindTLS, "a@a.example", 0, false}, {KindTLS, "reports@a.example", 2 * time.Hour, false}} {
		at = now.Add(tc.after)
		if got, err := d.Suppressed(t.Context(), tc.kind, address(tc.address)); err != nil || got != tc.want {
			t.Error(tc, got, err)
		}
	}
	at = now
	l, err := d.Suppressions(t.Context(), KindTLS)
	check(t, err)
	equal(t, []Suppression{{id, KindTLS, "reports@a.example", now.Truncate(time.Second), now.Add(2 * time.Hour).Truncate(time.Second), ""}}, l)
	check(t, d.Unsuppress(t.Context(), id))
	if err := d.Unsuppress(t.Context(), id); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := d.Suppress(t.Context(), Suppression{Kind: KindTLS, Address: "nobody"}); err == nil {
		t.Error("no error")
	}
}

func TestSweep(t *testing.T) {
	at := now
	d := newDB(t, Options{Now: func() time.Time { return at }, MaxReports: 2})
	check(t, d.AddTLSResult(t.Context(), []TLSResult{{RecipientDomain: domain("a.example"), Results: []tlsrpt.Result{result(tlsrpt.PolicyNone, "a.example", 1, 0)}}}))
	check(t, d.AddEvaluation(t.Context(), evaluation("192.0.2.1")))
	for i := range 3 {
		_, err := d.AddTLSReport(t.Context(), tlsReport(fmt.Sprint(i), now))
		check(t, err)
		_, err = d.AddDMARCReport(t.Context(), dmarcReport(fmt.Sprint(i), now))
		check(t, err)
	}
	_, err := d.Suppress(t.Context(), Suppression{Kind: KindTLS, Address: "a@a.example", Until: now.Add(time.Hour)})
	check(t, err)
	counts := func() string {
		var l []string
		check(t, d.read(t.Context(), func(c *db.Conn) error {
			for _, table := range []string{"tls_result", "evaluation", "tls_report", "tls_report_domain", "dmarc_report", "suppression"} {
				n, _, err := c.QueryInt64("SELECT COUNT(*) FROM " + table)
				if err != nil {
					return err
				}
				l = append(l, fmt.Sprint(n))
			}
			return nil
		}))
		return strings.Join(l, " ")
	}
	for _, tc := range []struct {
		after time.Duration
		want  string
	}{{0, "1 1 2 4 2 1"}, {47 * time.Hour, "1 1 2 4 2 0"}, {49 * time.Hour, "1 0 2 4 2 0"}, {72 * time.Hour, "0 0 2 4 2 0"}, {401 * 24 * time.Hour, "0 0 0 0 0 0"}} {
		at = now.Add(tc.after)
		if tc.after == 0 {
			counts() // writes what waits
		}
		d.sweep(t.Context())
		if got := counts(); got != tc.want {
			t.Errorf("after %v: %s, want %s", tc.after, got, tc.want)
		}
	}
}

func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	check(t, os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600))
	d := open(t, path, Options{})
	check(t, d.AddEvaluation(t.Context(), evaluation("192.0.2.1")))
	check(t, d.Flush(t.Context()))
	if _, err := os.Stat(path + ".aside"); err != nil {
		t.Error(err)
	}
}
