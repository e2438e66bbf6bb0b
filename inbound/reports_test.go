package inbound

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/config"
	"mox/deliver"
	"mox/dkim"
	"mox/dmarcrpt"
	"mox/dns"
	"mox/message"
	"mox/report"
	"mox/reportdb"
	"mox/storetest"
	"mox/tlsrpt"
	"mox/trace"
)

const reportsDynamic = `Domains:
	mx.example:
		DMARC:
			Localpart: dmarc
			Account: mjl
			Mailbox: DMARC
		TLSRPT:
			Localpart: tls
			Account: mjl
			Mailbox: TLSRPT
	only.example:
		DMARC:
			Localpart: dmarc
			Domain: mx.example
			Account: mjl
			Mailbox: DMARC
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example:
				Rulesets:
					-
						SMTPMailFromRegexp: ^forward
						VerifiedDomain: fwd.example
						IsForward: true
						Mailbox: Forwarded
`

type reportFixture struct {
	*fixture
	db     *reportdb.DB
	counts []string
}

func setupReports(t *testing.T) *reportFixture {
	f := &reportFixture{fixture: &fixture{Fixture: storetest.New(t, reportsDynamic), zone: zone()}}
	base := setup(t)
	f.c = base.c
	f.c.Hostname, f.c.Directory, f.c.Store = f.Snapshot.Hostname, f.Directory, f.Store
	f.c.Deliverer = deliver.New(deliver.Config{Store: f.Store, Hostname: f.Snapshot.Hostname})
	f.c.Trace = func(tr *trace.Trace) { f.traces = append(f.traces, tr) }
	f.zone.TXT["_dmarc.a.example"] = []string{"v=DMARC1; p=reject; rua=mailto:r@a.example; ri=7200"}
	f.zone.TXT["fwd.example"] = []string{"v=spf1 ip4:10.0.0.2 -all"}
	f.zone.MX["fwd.example"] = []dns.MX{{Host: "mx.fwd.example"}}
	f.resolve(f.zone)
	db, err := reportdb.Open(filepath.Join(t.TempDir(), reportdb.FileName), reportdb.Options{Now: f.c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f.db = db
	count := func(l ...any) { f.counts = append(f.counts, strings.TrimSpace(fmt.Sprintln(l...))) }
	f.c.Reports = report.NewReceiver(report.ReceiverConfig{DB: db, Resolver: f.zone, Now: f.c.Now, Metrics: report.ReceiverMetrics{
		PolicyEvaluated: func(domain, disposition, dkim, spf string, n int64) {
			count("policy", domain, disposition, dkim, spf, n)
		},
		DKIMResult: func(r string, n int64) { count("dkim", r, n) },
		SPFResult:  func(r string, n int64) { count("spf", r, n) },
		TLSSession: func(typ string, n int64) { count("tls", typ, n) },
	}})
	return f
}

func feedback(domain string, end time.Time) *dmarcrpt.Feedback {
	return &dmarcrpt.Feedback{
		Version: "1.0", Metadata: dmarcrpt.ReportMetadata{OrgName: "a", ReportID: "1", DateRange: dmarcrpt.DateRange{Begin: dmarcrpt.Number(end.Unix() - 86399), End: dmarcrpt.Number(end.Unix())}},
		Policy: dmarcrpt.PolicyPublished{Domain: domain},
		Records: []dmarcrpt.Record{{
			Row:         dmarcrpt.Row{SourceIP: "192.0.2.1", Count: 3, PolicyEvaluated: dmarcrpt.PolicyEvaluated{Disposition: "none", DKIM: "pass", SPF: "odd"}},
			AuthResults: dmarcrpt.AuthResults{DKIM: []dmarcrpt.DKIMResult{{Domain: domain, Result: "pass"}}, SPF: []dmarcrpt.SPFResult{{Domain: domain, Result: "fail"}}},
		}},
	}
}

func dmarcMail(t *testing.T, f *dmarcrpt.Feedback) string {
	t.Helper()
	var b bytes.Buffer
	m := dmarcrpt.Message{From: message.Address{Mailbox: "postmaster", Host: "a.example"}, To: []message.Address{{Mailbox: "dmarc", Host: "mx.example"}}, Date: now, MessageID: "1@a.example", Submitter: "a.example", Report: f}
	if err := m.Compose(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDMARCReports(t *testing.T) {
	f := setupReports(t)
	end := now.Add(-time.Hour)
	for _, tc := range []struct{ name, from, to, text, want, problem string }{
		{"valid", "postmaster@a.example", "dmarc@mx.example", dmarcMail(t, feedback("mx.example", end)), "ok, ok, ok", ""},
		{"again", "postmaster@a.example", "dmarc@mx.example", dmarcMail(t, feedback("mx.example", end)), "ok, ok, ok", ""},
		{"domain for reports only", "postmaster@a.example", "dmarc@mx.example", dmarcMail(t, feedback("only.example", end)), "ok, ok, ok", ""},
		{"other domain", "postmaster@a.example", "dmarc@mx.example", dmarcMail(t, feedback("other.example", end)), "ok, ok, ok", "report is not about a domain of this server: other.example"},
		{"future", "postmaster@a.example", "dmarc@mx.example", dmarcMail(t, feedback("mx.example", now.Add(61*time.Second))), "ok, ok, ok", "report is about the future: it ends at 2026-03-04T05:07:08Z"},
		{"no time", "postmaster@a.example", "dmarc@mx.example", dmarcMail(t, feedback("mx.example", time.Unix(0, 0))), "ok, ok, ok", "report does not say what time it is about"},
		{"no report", "postmaster@a.example", "dmarc@mx.example", "From: <postmaster@a.example>\r\n\r\nhello\r\n", "ok, ok, ok", "message has no DMARC report"},
		{"not verified", "x@b.example", "dmarc@mx.example", strings.ReplaceAll(dmarcMail(t, feedback("mx.example", end)), "@a.example", "@b.example"), "ok, ok, ok", "sender is not verified by DMARC"},
		{"forged", "x@b.example", "dmarc@mx.example", dmarcMail(t, feedback("mx.example", end)), "ok, ok, 550 5.7.26", ""},
		{"other address", "postmaster@a.example", "mjl@mx.example", dmarcMail(t, feedback("mx.example", end)), "ok, ok, ok", ""},
	} {
		got := f.sendText(t, tc.from, tc.to, tc.text)
		reason := f.last(t).Verdict.Reason
		valid := tc.problem == "" && tc.to == "dmarc@mx.example" && tc.name != "forged"
		if got != tc.want || (reason == "reporting") != valid || f.last(t).Facts.Report != valid {
			t.Errorf("%s: %s %s", tc.name, got, reason)
		}
		if got := f.last(t).Facts.ReportProblem; got != tc.problem && tc.name != "forged" {
			t.Errorf("%s: problem in the trace %q, want %q", tc.name, got, tc.problem)
		}
		if tc.problem == "" {
			continue
		}
		all := f.Messages(t, "mjl", "DMARC")
		if have := message.ParseHeader([]byte(all[len(all)-1])).Get("X-Mox-DMARCReport-Error"); have != tc.problem {
			t.Errorf("%s: %q", tc.name, have)
		}
	}
	l, err := f.db.DMARCReports(t.Context(), reportdb.Filter{})
	if err != nil || len(l) != 2 || l[0].Report.Policy.Domain != "only.example" || l[1].Reporter != "a.example" {
		t.Error(l, err)
	}
	want := []string{"policy mx.example none pass other 3", "dkim pass 3", "spf fail 3", "policy only.example none pass other 3", "dkim pass 3", "spf fail 3"}
	if d := cmp.Diff(want, f.counts); d != "" {
		t.Error(d)
	}
}

func TestTLSReports(t *testing.T) {
	f := setupReports(t)
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	record, err := dkim.NewRecord(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for selector, add := range map[string]string{"any": "", "reports": ";s=tlsrpt", "mail": ";s=email", "testing": ";t=y"} {
		f.zone.TXT[selector+"._domainkey.a.example"] = []string{record.String() + add}
		f.zone.TXT[selector+"._domainkey.b.example"] = []string{record.String() + add}
	}
	mail := func(selector, domain, about string) string {
		var b bytes.Buffer
		m := tlsrpt.Message{
			From: message.Address{Mailbox: "postmaster", Host: "sub.a.example"}, To: []message.Address{{Mailbox: "tls", Host: "mx.example"}}, Date: now, MessageID: "1@a.example", ID: "1@a.example", Domain: about, Submitter: "a.example",
			Report: &tlsrpt.Report{ReportID: selector, DateRange: tlsrpt.Day(now.Add(-24 * time.Hour)), Policies: []tlsrpt.Result{
				{Policy: tlsrpt.Policy{Type: tlsrpt.PolicySTS, Domain: about}, Summary: tlsrpt.Summary{Success: 2, Failure: 1}, FailureDetails: []tlsrpt.FailureDetails{{ResultType: tlsrpt.ResultCertificateExpired, FailedSessionCount: 1}}},
				{Policy: tlsrpt.Policy{Type: tlsrpt.PolicySTS, Domain: "other.example"}},
			}},
		}
		if err := m.Compose(&b); err != nil {
			t.Fatal(err)
		}
		if selector == "" {
			return b.String()
		}
		field, err := dkim.Sign(t.Context(), nil, dkim.SignOptions{Domain: dns.Domain{ASCII: domain}, Now: f.c.Now}, []dkim.Selector{{Name: dns.Domain{ASCII: selector}, Key: key}}, bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		return field + b.String()
	}
	for _, tc := range []struct {
		name, text string
		want       bool
	}{
		{"any service", mail("any", "a.example", "mx.example"), true},
		{"key for reports", mail("reports", "a.example", "mx.example"), true},
		{"key for mail", mail("mail", "a.example", "mx.example"), false},
		{"key in testing", mail("testing", "a.example", "mx.example"), false},
		{"not signed", mail("", "", "mx.example"), false},
		{"other signer", mail("any", "b.example", "mx.example"), false},
		{"about others", mail("any", "a.example", "b.example"), false},
	} {
		got := f.sendText(t, "postmaster@a.example", "tls@mx.example", tc.text)
		all := f.Messages(t, "mjl", "TLSRPT")
		problem := message.ParseHeader([]byte(all[len(all)-1])).Get("X-Mox-TLSReport-Error")
		if got != "ok, ok, ok" || (f.last(t).Verdict.Reason == "reporting") != tc.want || (problem == "") != tc.want {
			t.Errorf("%s: %s %s %q", tc.name, got, f.last(t).Verdict.Reason, problem)
		}
	}
	l, err := f.db.TLSReports(t.Context(), reportdb.Filter{})
	if err != nil || len(l) != 2 || l[0].Reporter != "sub.a.example" || len(l[0].Report.Policies) != 1 || l[0].Host {
		t.Error(l, err)
	}
	if d := cmp.Diff([]string{"tls success 2", "tls certificate-expired 1", "tls success 2", "tls certificate-expired 1"}, f.counts); d != "" {
		t.Error(d)
	}
}

func TestEvaluations(t *testing.T) {
	f := setupReports(t)
	for _, tc := range []struct{ from, to, header, want string }{
		{"x@a.example", "mjl@mx.example", "From: <x@a.example>", "pass fail pass a.example mx.example"},
		{"x@b.example", "mjl@mx.example", "From: <x@a.example>", "reject fail fail b.example mx.example"},
		{"forward@fwd.example", "mjl@mx.example", "From: <y@a.example>", "none fail fail fwd.example mx.example trusted_forwarder"},
		{"r@a.example", "mjl@mx.example", "From: <r@a.example>", "pass fail pass a.example mx.example optional"},
		{"y@a.example", "dmarc@mx.example", "From: <y@a.example>", "pass fail pass a.example mx.example optional"},
		// Not evaluated, or not asked for.
		{"x@b.example", "mjl@mx.example", "From: <x@b.example>", ""},
		{"x@fail.example", "mjl@mx.example", "From: <x@b.example>", ""},
	} {
		f.sendText(t, tc.from, tc.to, tc.header+"\r\n\r\ntext\r\n")
		l, err := f.db.Evaluations(t.Context(), "a.example", time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range l {
			r := e.Record
			s := strings.Join([]string{r.Row.PolicyEvaluated.Disposition, r.Row.PolicyEvaluated.DKIM, r.Row.PolicyEvaluated.SPF, r.Identifiers.EnvelopeFrom, r.Identifiers.EnvelopeTo}, " ")
			for _, reason := range r.Row.PolicyEvaluated.Reasons {
				s += " " + reason.Type
			}
			if e.Optional {
				s += " optional"
			}
			got = append(got, s)
			if e.Interval != 2*time.Hour || e.Policy.P != "reject" || r.Row.SourceIP != "10.0.0.2" || r.Identifiers.HeaderFrom != "a.example" || len(r.AuthResults.SPF) != 1 || r.AuthResults.SPF[0].Result == "" {
				t.Errorf("%+v", e)
			}
		}
		if strings.Join(got, "; ") != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.from, tc.header, got, tc.want)
		}
		if err := f.db.RemoveEvaluations(t.Context(), "a.example", time.Time{}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	f.Snapshot.Static.NoOutgoingDMARCReports = true
	f.sendText(t, "x@a.example", "mjl@mx.example", "From: <x@a.example>\r\n\r\ntext\r\n")
	if l, err := f.db.EvaluationStats(t.Context()); err != nil || len(l) != 0 {
		t.Error(l, err)
	}
}

// sink is a report.Sender that keeps mails.
type sink struct{ mails []report.Mail }

func (s *sink) Send(_ context.Context, m report.Mail) error {
	s.mails = append(s.mails, m)
	return nil
}

// TestRoundTrip: what is sent about mail that came is accepted by who asked for it, which
// here is another domain of the same configuration.
func TestRoundTrip(t *testing.T) {
	f := setupReports(t)
	f.zone.TXT["_dmarc.only.example"] = []string{"v=DMARC1; p=none; rua=mailto:dmarc@mx.example; ri=3600"}
	f.zone.TXT["only.example._report._dmarc.mx.example"] = []string{"v=DMARC1"}
	f.zone.TXT["_dmarc.mx.example"] = []string{"v=DMARC1; p=reject"}
	f.zone.TXT["mx.example"] = []string{"v=spf1 ip4:10.0.0.2 -all"}
	f.zone.MX["mx.example"] = []dns.MX{{Host: "mx.example"}}
	if got := f.sendText(t, "x@a.example", "mjl@mx.example", "From: <x@only.example>\r\n\r\ntext\r\n"); got != "ok, ok, ok" {
		t.Fatal(got)
	}
	var out sink
	r := report.New(report.Config{DB: f.db, Snapshot: func() *config.Snapshot { return f.Snapshot }, Resolver: f.zone, Sender: &out, Now: f.c.Now})
	end := now.Truncate(time.Hour).Add(time.Hour)
	r.SendDMARC(t.Context(), end)
	if len(out.mails) != 1 {
		t.Fatal(out.mails)
	}
	received := end.Add(time.Minute)
	f.c.Reports = report.NewReceiver(report.ReceiverConfig{DB: f.db, Resolver: f.zone, Now: func() time.Time { return received }})
	m := out.mails[0]
	if got := f.sendText(t, m.From.String(), m.To[0].String(), string(m.Content)); got != "ok, ok, ok" || f.last(t).Verdict.Reason != "reporting" {
		t.Fatal(got, f.last(t).Verdict, f.Messages(t, "mjl", "DMARC"))
	}
	l, err := f.db.DMARCReports(t.Context(), reportdb.Filter{Domain: "only.example"})
	if err != nil || len(l) != 1 || l[0].Report.Summary() != (dmarcrpt.Summary{Messages: 1, DKIMFail: 1, SPFFail: 1}) || l[0].Report.Records[0].Identifiers.EnvelopeFrom != "a.example" {
		t.Errorf("%+v, %v", l, err)
	}
	// Nothing is left to report but what came of the report, which is optional.
	stats, err := f.db.EvaluationStats(t.Context())
	if err != nil || len(stats) != 0 {
		t.Error(stats, err)
	}
}
