package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mox/config"
	"mox/dkim"
	"mox/dmarcrpt"
	"mox/dns"
	"mox/message"
	"mox/moxtest"
	"mox/smtp"
	"mox/tlsrpt"
)

// TestStoredReports: mails with reports come to a running server, and testdata/stored/*.txt
// shows them.
func TestStoredReports(t *testing.T) {
	server := moxtest.New(t, moxtest.WithConfig(func(s *config.Static, d *config.Dynamic) {
		dom := d.Domains[moxtest.Domain]
		dom.DMARC = &config.DMARC{Localpart: "dmarcreports", Account: "mox", Mailbox: "DMARC"}
		dom.TLSRPT = &config.TLSRPT{Localpart: "tlsreports", Account: "mox", Mailbox: "TLSRPT"}
		d.Domains[moxtest.Domain] = dom
	}))
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	server.DNS.TXT["_dmarc.remote.example"] = []string{"v=DMARC1; p=none; rua=mailto:wants@remote.example"}
	server.DNS.TXT["s._domainkey.remote.example"] = []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))}
	const from, tls = "reports@remote.example", "tlsreports@mox.example"
	for _, m := range []struct{ to, text string }{
		{"dmarcreports@mox.example", dmarcReportMail(t, "1", "2026-03-01")},
		{"dmarcreports@mox.example", zipReportMail()},
		{"dmarcreports@mox.example", "From: <reports@remote.example>\r\nTo: <dmarcreports@mox.example>\r\nMessage-ID: <none@remote.example>\r\n\r\nhello\r\n"},
		{tls, signMail(t, key, tlsReportMail(t))},
		{tls, strings.ReplaceAll(tlsReportMail(t), "tls.1@", "tls.2@")}, // not signed
	} {
		server.Send(t, from, m.to, m.text)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/stored", Setup: func(env *testscript.Env) error {
		env.Setenv("MOXCONF", filepath.Join(server.Dir, "mox.conf"))
		return nil
	}})
}

func dmarcReportMail(t *testing.T, id, day string) string {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	record := func(ip string, n int, disposition, dkim, spf string) dmarcrpt.Record {
		return dmarcrpt.Record{
			Row:         dmarcrpt.Row{SourceIP: ip, Count: dmarcrpt.Number(n), PolicyEvaluated: dmarcrpt.PolicyEvaluated{Disposition: disposition, DKIM: dkim, SPF: spf}},
			Identifiers: dmarcrpt.Identifiers{HeaderFrom: "mox.example", EnvelopeFrom: "mox.example"},
			AuthResults: dmarcrpt.AuthResults{DKIM: []dmarcrpt.DKIMResult{{Domain: "mox.example", Selector: "s", Result: dkim}}, SPF: []dmarcrpt.SPFResult{{Domain: "mox.example", Scope: "mfrom", Result: spf}}},
		}
	}
	m := dmarcrpt.Message{
		From: message.Address{Mailbox: "reports", Host: "remote.example"}, To: []message.Address{{Mailbox: "dmarcreports", Host: "mox.example"}},
		Date: at.Add(25 * time.Hour), MessageID: "dmarc." + id + "@remote.example", Submitter: "remote.example",
		Report: &dmarcrpt.Feedback{
			Version: "1.0", Metadata: dmarcrpt.ReportMetadata{OrgName: "Remote\x1b", Email: "reports@remote.example", ReportID: id, DateRange: dmarcrpt.DateRange{Begin: dmarcrpt.Number(at.Unix()), End: dmarcrpt.Number(at.Unix() + 86399)}},
			Policy:  dmarcrpt.PolicyPublished{Domain: "mox.example", P: "quarantine", SP: "reject"},
			Records: []dmarcrpt.Record{record("192.0.2.1", 30, "pass", "pass", "fail"), record("2001:db8::1", 4, "quarantine", "fail", "fail")},
		},
	}
	var b bytes.Buffer
	if err := m.Compose(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func tlsReportMail(t *testing.T) string {
	t.Helper()
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	m := tlsrpt.Message{
		From: message.Address{Mailbox: "reports", Host: "remote.example"}, To: []message.Address{{Mailbox: "tlsreports", Host: "mox.example"}},
		Date: at.Add(25 * time.Hour), MessageID: "tls.1@remote.example", ID: "1@remote.example", Domain: "mox.example", Submitter: "remote.example",
		Report: &tlsrpt.Report{
			OrganizationName: "Remote", DateRange: tlsrpt.Day(at), ContactInfo: "reports@remote.example", ReportID: "tls-1",
			Policies: []tlsrpt.Result{{
				Policy:         tlsrpt.Policy{Type: tlsrpt.PolicySTS, Domain: "mox.example", String: []string{"version: STSv1", "mode: enforce"}, MXHost: []string{"mail.mox.example"}},
				Summary:        tlsrpt.Summary{Success: 20, Failure: 2},
				FailureDetails: []tlsrpt.FailureDetails{{ResultType: tlsrpt.ResultCertificateExpired, SendingMTAIP: "192.0.2.9", ReceivingMXHostname: "mail.mox.example", FailedSessionCount: 2}},
			}},
		},
	}
	var b bytes.Buffer
	if err := m.Compose(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// signMail signs as remote.example.
func signMail(t *testing.T, key ed25519.PrivateKey, text string) string {
	t.Helper()
	from := smtp.Address{Localpart: "reports", Domain: dns.Domain{ASCII: "remote.example"}}
	headers := append(dkim.DefaultHeaders(), tlsrpt.Fields()...)
	sel := dkim.Selector{Name: dns.Domain{ASCII: "s"}, Key: key, Headers: headers}
	fields, err := dkim.Sign(context.Background(), slog.New(slog.DiscardHandler), dkim.SignOptions{Domain: from.Domain, Identity: from}, []dkim.Selector{sel}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return fields + text
}

// zipReportMail is the example of RFC 9990 for mox.example, in a zip file.
func zipReportMail() string {
	const xml = `<?xml version="1.0"?><feedback><report_metadata><org_name>Zipped</org_name><email>reports@remote.example</email><report_id>zip-1</report_id><date_range><begin>1772409600</begin><end>1772495999</end></date_range></report_metadata><policy_published><domain>MOX.example</domain><p>none</p></policy_published><record><row><source_ip>192.0.2.1</source_ip><count>5</count><policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>pass</spf></policy_evaluated></row><identifiers><header_from>mox.example</header_from></identifiers></record></feedback>`
	return "From: <reports@remote.example>\r\nTo: <dmarcreports@mox.example>\r\nSubject: report\r\nMessage-ID: <zip@remote.example>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: application/zip; name=r.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64Lines(zipped("r.xml", xml))
}

func zipped(name, text string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err == nil {
		_, err = f.Write([]byte(text))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func base64Lines(data []byte) string {
	var b strings.Builder
	for s := base64.StdEncoding.EncodeToString(data); s != ""; {
		n := min(len(s), 76)
		b.WriteString(s[:n] + "\r\n")
		s = s[n:]
	}
	return b.String()
}
