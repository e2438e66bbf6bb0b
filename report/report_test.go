package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/config"
	"mox/dmarcrpt"
	"mox/dns"
	"mox/message"
	"mox/reportdb"
	"mox/tlsrpt"
)

func TestInterval(t *testing.T) {
	for in, want := range map[string]string{"0s": "1h", "1m": "1h", "1h": "1h", "119m": "1h", "2h": "2h", "5h": "4h", "7h59m": "6h", "8h": "8h", "11h": "8h", "23h": "12h", "24h": "24h", "1000h": "24h"} {
		d, _ := time.ParseDuration(in)
		w, _ := time.ParseDuration(want)
		if got := Interval(d); got != w {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
}

// fixture is a Reporter that runs in a bubble, where time begins at midnight.
type fixture struct {
	*outbox
	db      *reportdb.DB
	snap    *config.Snapshot
	r       *Reporter
	queued  int
	failed  int
	lookups map[string]int
}

// run calls test with a fixture in a bubble.
func run(t *testing.T, static string, zone dns.MockResolver, test func(t *testing.T, f *fixture)) {
	t.Helper()
	snap := snapshot(t, static)
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{outbox: &outbox{}, db: openDB(t, nil), snap: snap, lookups: map[string]int{}}
		defer f.db.Close()
		f.r = New(Config{
			DB: f.db, Snapshot: func() *config.Snapshot { return f.snap }, Resolver: zone, Sender: f.outbox, Jitter: func(time.Duration) time.Duration { return 0 },
			Metrics: Metrics{Queued: func(reportdb.Kind) { f.queued++ }, Error: func(reportdb.Kind) { f.failed++ }, TLSLookup: func(result string, _ time.Duration) { f.lookups[result]++ }},
			HTTP:    &http.Client{Transport: &web{}},
		})
		test(t, f)
	})
}

// serve runs the Reporter for a time.
func (f *fixture) serve(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	f.r.Run(ctx)
}

func (f *fixture) evaluate(t *testing.T, domain string, interval time.Duration, after time.Duration, optional bool, ip string) {
	t.Helper()
	err := f.db.AddEvaluation(t.Context(), reportdb.Evaluation{
		Time: time.Now().Add(after), Domain: domain, Interval: interval, Optional: optional, Policy: dmarcrpt.PolicyPublished{Domain: domain, P: "reject"},
		Record: dmarcrpt.Record{Row: dmarcrpt.Row{SourceIP: ip, PolicyEvaluated: dmarcrpt.PolicyEvaluated{Disposition: "none", DKIM: "fail", SPF: "fail"}}, Identifiers: dmarcrpt.Identifiers{HeaderFrom: domain}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func dmarcZone(records ...string) dns.MockResolver {
	z := dns.MockResolver{TXT: map[string][]string{}, Fail: map[string]error{}}
	for _, r := range records {
		name, text, _ := strings.Cut(r, " ")
		z.TXT[name] = append(z.TXT[name], text)
	}
	return z
}

// parsed reads the report of a mail.
func parsed(t *testing.T, m Mail) *dmarcrpt.Feedback {
	t.Helper()
	root, err := message.Parse(bytes.NewReader(m.Content), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := dmarcrpt.ParseMessage(bytes.NewReader(m.Content), root)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDMARC(t *testing.T) {
	zone := dmarcZone(
		"_dmarc.a.example v=DMARC1; p=reject; rua=mailto:r@a.example,mailto:R2@sub.a.example", "_dmarc.b.example v=DMARC1; p=none; rua=mailto:r@b.example; ri=14400",
		"_dmarc.c.example v=DMARC1; p=none; rua=mailto:r@agreed.example,mailto:r@other.example", "c.example._report._dmarc.agreed.example v=DMARC1",
		"_dmarc.d.example v=DMARC1; p=none; rua=mailto:r@other.example", "_dmarc.e.example v=DMARC1; p=none; rua=mailto:r@e.example",
	)
	run(t, "", zone, func(t *testing.T, f *fixture) {
		f.evaluate(t, "a.example", 24*time.Hour, 0, false, "192.0.2.1")
		f.evaluate(t, "a.example", 24*time.Hour, 5*time.Hour, false, "192.0.2.1")
		f.evaluate(t, "a.example", 24*time.Hour, 6*time.Hour, true, "192.0.2.2")
		f.evaluate(t, "b.example", 5*time.Hour, 3*time.Hour, false, "192.0.2.3")
		f.evaluate(t, "b.example", 5*time.Hour, 4*time.Hour, false, "192.0.2.4")
		f.evaluate(t, "c.example", time.Second, 30*time.Minute, false, "192.0.2.5")
		f.evaluate(t, "d.example", time.Hour, 0, false, "192.0.2.6")    // has not agreed
		f.evaluate(t, "e.example", time.Hour, 0, true, "192.0.2.7")     // optional only
		f.evaluate(t, "gone.example", time.Hour, 0, false, "192.0.2.8") // wants no more
		f.serve(t, 25*time.Hour)
		want := "01 01:00:30 dmarc r@agreed.example\n01 04:00:30 dmarc r@b.example\n01 08:00:30 dmarc r@b.example\n02 00:00:30 dmarc r@a.example,R2@sub.a.example\n"
		if got := f.list(); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
		if f.queued != 4 || f.failed != 0 {
			t.Error(f.queued, f.failed)
		}
		stats, err := f.db.EvaluationStats(t.Context())
		if err != nil || len(stats) != 1 || stats[0].Domain != "e.example" {
			t.Error(stats, err)
		}
		m := f.mails[3]
		if m.From.String() != "postmaster@host.mx.example" || m.MaxAttempts != 5 || m.IgnoreTLS {
			t.Errorf("%+v", m)
		}
		got := parsed(t, m)
		start := dmarcrpt.Number(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
		if got.Metadata.DateRange != (dmarcrpt.DateRange{Begin: start, End: start + 86399}) || len(got.Records) != 2 || got.Records[0].Row.Count != 2 || got.Policy.P != "reject" {
			t.Errorf("%+v", got)
		}
		if b := parsed(t, f.mails[1]).Metadata.DateRange; b.End-b.Begin != 4*3600-1 || b.Begin != start {
			t.Error(b)
		}
	})
}

// TestDMARCSpread: many reports are sent apart, all before the next hour.
func TestDMARCSpread(t *testing.T) {
	zone := dmarcZone()
	for i := range 30 {
		zone.TXT[fmt.Sprintf("_dmarc.d%02d.example", i)] = []string{fmt.Sprintf("v=DMARC1; p=none; rua=mailto:r@d%02d.example", i)}
	}
	run(t, "", zone, func(t *testing.T, f *fixture) {
		for i := range 30 {
			f.evaluate(t, fmt.Sprintf("d%02d.example", i), time.Hour, 0, false, "192.0.2.1")
		}
		f.serve(t, 2*time.Hour)
		n := len(f.times)
		if n != 30 || f.times[1].Sub(f.times[0]) != 90*time.Second || f.times[29].Sub(f.times[0]) > 45*time.Minute {
			t.Error(n, f.times)
		}
	})
}

// TestDMARCLater: what cannot be sent for now is sent later, and dropped in the end.
func TestDMARCLater(t *testing.T) {
	broken := time.Date(2000, 1, 1, 2, 30, 0, 0, time.UTC)
	zone := dmarcZone("_dmarc.a.example v=DMARC1; p=none; rua=mailto:r@a.example")
	zone.Script = func(_ context.Context, typ, name string) error {
		if typ == "txt" && strings.HasPrefix(name, "_dmarc.") && time.Now().Before(broken) {
			return errors.New("server failure")
		}
		return nil
	}
	run(t, "", zone, func(t *testing.T, f *fixture) {
		f.evaluate(t, "a.example", time.Hour, 0, false, "192.0.2.1")
		f.fail = 1
		f.serve(t, 5*time.Hour)
		if got, want := f.list(), "01 04:00:30 dmarc r@a.example\n"; got != want || f.failed != 3 {
			t.Error(got, f.failed)
		}
		id := parsed(t, f.mails[0]).Metadata.ReportID
		broken = time.Now().Add(1000 * time.Hour)
		f.evaluate(t, "a.example", time.Hour, 0, false, "192.0.2.1")
		f.serve(t, 50*time.Hour)
		stats, err := f.db.EvaluationStats(t.Context())
		if err != nil || len(stats) != 0 || len(f.mails) != 1 {
			t.Error(stats, err, f.list())
		}
		if !strings.HasSuffix(id, "@host.mx.example") {
			t.Error(id)
		}
	})
}

func TestDMARCSize(t *testing.T) {
	zone := dmarcZone("_dmarc.a.example v=DMARC1; p=none; rua=mailto:small@a.example!4k,mailto:large@a.example!10m,mailto:s@a.example", "_dmarc.b.example v=DMARC1; p=none; rua=mailto:small@b.example!1k,mailto:s@b.example!2k")
	run(t, "", zone, func(t *testing.T, f *fixture) {
		for _, a := range []string{"S@A.example", "x@b.example"} {
			if err := f.r.Failed(t.Context(), reportdb.KindDMARC, address(t, a), "550 no\r\nsuch user"); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 200 {
			f.evaluate(t, "a.example", time.Hour, 0, false, fmt.Sprintf("192.0.2.%d", i))
		}
		f.evaluate(t, "b.example", time.Hour, 0, false, "192.0.2.1")
		f.serve(t, 2*time.Hour)
		if got, want := f.list(), "01 01:00:30 dmarc large@a.example\n01 01:05:30 dmarc small@b.example,s@b.example\n"; got != want {
			t.Fatal(got)
		}
		if to := message.ParseHeader(f.mails[0].Content).Get("To"); to != "large@a.example" {
			t.Error(to)
		}
		if s := string(f.mails[1].Content); !strings.Contains(s, "Report-Domain: b.example\r\n") || !strings.Contains(s, "Submitting-URI: mailto:small@b.example!1024,\r\n mailto:s@b.example!2048\r\n") {
			t.Error(s)
		}
		l, err := f.db.Suppressions(t.Context(), reportdb.KindDMARC)
		if err != nil || len(l) != 2 || l[0].Comment != "550 no??such user" || !l[0].Until.Equal(time.Date(2000, 1, 8, 0, 0, 0, 0, time.UTC)) {
			t.Error(l, err)
		}
	})
}

func TestOff(t *testing.T) {
	zone := dmarcZone("_dmarc.a.example v=DMARC1; p=none; rua=mailto:r@a.example", "_smtp._tls.a.example v=TLSRPTv1; rua=mailto:r@a.example")
	run(t, "NoOutgoingDMARCReports: true\nNoOutgoingTLSReports: true\n", zone, func(t *testing.T, f *fixture) {
		f.evaluate(t, "a.example", time.Hour, 0, false, "192.0.2.1")
		f.tls(t, "a.example", false, true, tlsResult(tlsrpt.PolicySTS, "a.example", 0, 1))
		f.serve(t, 25*time.Hour)
		if len(f.mails) != 0 {
			t.Error(f.list())
		}
	})
}

func tlsResult(typ tlsrpt.PolicyType, domain string, success, failure int64) tlsrpt.Result {
	return tlsrpt.Result{Policy: tlsrpt.Policy{Type: typ, Domain: domain}, Summary: tlsrpt.Summary{Success: success, Failure: failure}}
}

func (f *fixture) tls(t *testing.T, recipient string, host, send bool, l ...tlsrpt.Result) {
	t.Helper()
	if err := f.db.AddTLSResult(t.Context(), []reportdb.TLSResult{{RecipientDomain: domain(recipient), Host: host, SendReport: send, Results: l}}); err != nil {
		t.Fatal(err)
	}
}

func tlsZone() dns.MockResolver {
	z := dmarcZone("_smtp._tls.a.example v=TLSRPTv1; rua=mailto:r@a.example,mailto:r@A.example,mailto:%C3%A9@a.example", "_smtp._tls.mx.a.example v=TLSRPTv1; rua=mailto:r@mx.a.example",
		"_smtp._tls.b.example v=TLSRPTv1; rua=mailto:r@b.example", "_smtp._tls.c.example v=TLSRPTv1; rua=https://c.example/tls", "_smtp._tls.e.example v=TLSRPTv1; rua=mailto:r@e.example",
		"_smtp._tls.f.example v=TLSRPTv1; rua=https://f.example/down, https://f.example/tls")
	z.Fail["txt _smtp._tls.e.example"] = nil
	return z
}

// web takes what is posted.
type web struct{}

func (*web) RoundTrip(req *http.Request) (*http.Response, error) {
	r, err := tlsrpt.Parse(req.Body)
	if err != nil || req.Header.Get("Content-Type") != "application/tlsrpt+gzip" || r.Total().Failure != 1 {
		return nil, errors.New("no report")
	}
	code := http.StatusCreated
	if req.URL.Path == "/down" {
		code = http.StatusBadGateway
	}
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader(""))}, nil
}

func TestTLS(t *testing.T) {
	run(t, "", tlsZone(), func(t *testing.T, f *fixture) {
		f.tls(t, "a.example", false, true, tlsResult(tlsrpt.PolicySTS, "a.example", 3, 1))
		f.tls(t, "a.example", true, true, tlsResult(tlsrpt.PolicyTLSA, "mx.a.example", 2, 1))
		f.tls(t, "b.example", false, true, tlsResult(tlsrpt.PolicyNone, "b.example", 5, 0)) // only successes
		f.tls(t, "c.example", false, true, tlsResult(tlsrpt.PolicyNone, "c.example", 0, 1))
		f.tls(t, "d.example", false, true, tlsResult(tlsrpt.PolicyNone, "d.example", 0, 1)) // wants none
		f.tls(t, "e.example", false, true, tlsResult(tlsrpt.PolicyNone, "e.example", 0, 1)) // cannot be looked up
		f.tls(t, "f.example", false, true, tlsResult(tlsrpt.PolicyNone, "f.example", 0, 1))
		f.tls(t, "g.example", false, false, tlsResult(tlsrpt.PolicyNone, "g.example", 0, 1)) // mail with reports only
		f.serve(t, 26*time.Hour)
		if got, want := f.list(), "02 00:04:00 tls r@a.example\n02 00:29:00 tls r@mx.a.example\n"; got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
		if f.queued != 4 || f.failed != 1 || f.lookups["ok"] != 4 || f.lookups["notfound"] != 1 || f.lookups["temperror"] != 1 {
			t.Error(f.queued, f.failed)
		}
		left, err := f.db.TLSResults(t.Context(), "")
		if err != nil || len(left) != 1 || left[0].Domain != "e.example" {
			t.Error(left, err)
		}
		m := f.mails[0]
		if m.From.String() != "postmaster@mx.example" || !m.IgnoreTLS || len(m.SignFields) == 0 {
			t.Errorf("%+v", m)
		}
		root, err := message.Parse(bytes.NewReader(m.Content), message.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		rep, err := tlsrpt.ParseMessage(bytes.NewReader(m.Content), root)
		if err != nil {
			t.Fatal(err)
		}
		want := &tlsrpt.Report{
			OrganizationName: "host.mx.example", ContactInfo: "postmaster@mx.example", DateRange: tlsrpt.Day(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), ReportID: rep.ReportID,
			Policies: []tlsrpt.Result{tlsResult(tlsrpt.PolicySTS, "a.example", 3, 1), tlsResult(tlsrpt.PolicyTLSA, "mx.a.example", 2, 1)},
		}
		if d := cmp.Diff(want, rep); d != "" {
			t.Error(d)
		}
		// At the start, days that have ended are reported at once; then those results are too
		// old.
		f.r.c.Resolver = dmarcZone("_smtp._tls.e.example v=TLSRPTv1; rua=mailto:r@e.example")
		f.serve(t, time.Hour)
		if n := len(f.mails); n != 3 || f.mails[2].To[0].String() != "r@e.example" {
			t.Error(f.list())
		}
	})
}

func TestTLSAllSuccess(t *testing.T) {
	run(t, "OutgoingTLSReportsForAllSuccess: true\n", tlsZone(), func(t *testing.T, f *fixture) {
		f.tls(t, "b.example", false, true, tlsResult(tlsrpt.PolicyNone, "b.example", 5, 0))
		f.tls(t, "a.example", false, true, tlsResult(tlsrpt.PolicyNone, "a.example", 5, 0))
		if err := f.r.Failed(t.Context(), reportdb.KindTLS, address(t, "r@a.example"), "no"); err != nil {
			t.Fatal(err)
		}
		f.serve(t, 26*time.Hour)
		if got, want := f.list(), "02 00:09:00 tls r@b.example\n"; got != want {
			t.Error(got)
		}
	})
}

func TestTLSUnsigned(t *testing.T) {
	run(t, "", tlsZone(), func(t *testing.T, f *fixture) {
		f.snap.Domain(domain("mx.example")).Sign = nil
		f.tls(t, "a.example", false, true, tlsResult(tlsrpt.PolicyNone, "a.example", 5, 1))
		f.serve(t, 26*time.Hour)
		if len(f.mails) != 0 || f.failed != 1 {
			t.Error(f.list(), f.failed)
		}
	})
}
