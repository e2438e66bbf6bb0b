package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/dns"
	"mox/message"
)

func TestParseRecord(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"v=TLSRPTv1;rua=mailto:reports@example.com", "v=TLSRPTv1; rua=mailto:reports@example.com"},
		{"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt", "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"},
		{"v=TLSRPTv1 ; rua=mailto:a@b.example , https://b.example/x ;", "v=TLSRPTv1; rua=mailto:a@b.example,https://b.example/x"},
		{"v=TLSRPTv1; ext.1=a/b; rua=mailto:a%2Bb@b.example?subject=x", "v=TLSRPTv1; rua=mailto:a%2Bb@b.example?subject=x; ext.1=a/b"},
		{"v=TLSRPTv1; rua=other:x", "v=TLSRPTv1; rua=other:x"},
		{"v=TLSRPTv2; rua=mailto:a@b.example", "not"},
		{"v=tlsrptv1; rua=mailto:a@b.example", "not"},
		{"v=spf1 -all", "not"},
		{"v=TLSRPTv1" + strings.Repeat(" ", MaxRecord), "not"},
		{"v=TLSRPTv1", "syntax"},
		{"v=TLSRPTv1;", "syntax"},
		{"v=TLSRPTv1;;rua=mailto:a@b.example", "syntax"},
		{"v=TLSRPTv1; rua=a@b.example", "syntax"},
		{"v=TLSRPTv1; rua=mailto:nobody", "syntax"},
		{"v=TLSRPTv1; rua=mailto:a@b.example!10m", "syntax"},
		{"v=TLSRPTv1; rua=mailto:a@b.example; rua=mailto:b@b.example", "syntax"},
		{"v=TLSRPTv1; _x=1; rua=mailto:a@b.example", "syntax"},
	} {
		r, err := ParseRecord(tc.in)
		got := ""
		switch {
		case errors.Is(err, ErrNotTLSRPT):
			got = "not"
		case errors.Is(err, ErrSyntax):
			got = "syntax"
		case err != nil:
			t.Fatal(err)
		default:
			got = r.String()
		}
		if got != tc.want {
			t.Errorf("%.80q: got %q (%v), want %q", tc.in, got, err, tc.want)
		}
	}
}

func TestLookup(t *testing.T) {
	resolver := dns.MockResolver{
		TXT: map[string][]string{
			"_smtp._tls.ok.example":   {"something else", "v=TLSRPTv1; rua=mailto:a@ok.example"},
			"_smtp._tls.two.example":  {"v=TLSRPTv1; rua=mailto:a@ok.example", "v=TLSRPTv1; rua=mailto:b@ok.example"},
			"_smtp._tls.bad.example":  {"v=TLSRPTv1; rua"},
			"_smtp._tls.text.example": {"v=spf1 -all"},
		},
		Fail:      map[string]error{"txt _smtp._tls.down.example": nil},
		Authentic: []string{"txt _smtp._tls.ok.example"},
	}
	for domain, want := range map[string]error{"ok.example": nil, "two.example": ErrMultiple, "bad.example": ErrSyntax, "text.example": ErrNoRecord, "none.example": ErrNoRecord} {
		r, text, authentic, err := Lookup(t.Context(), nil, resolver, dns.Domain{ASCII: domain})
		if !errors.Is(err, want) || authentic != (want == nil) || want == nil && (text == "" || r.RUA[0] != "mailto:a@ok.example") {
			t.Error(domain, r, text, authentic, err)
		}
	}
	_, _, _, err := Lookup(t.Context(), nil, resolver, dns.Domain{ASCII: "down.example"})
	if !dns.IsTemporary(err) || errors.Is(err, ErrNoRecord) {
		t.Error(err)
	}
}

// example is that of RFC 8460, Appendix B.
func example(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/appendix-b.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func exampleReport() *Report {
	return &Report{
		OrganizationName: "Company-X", ContactInfo: "sts-reporting@company-x.example", ReportID: "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
		DateRange: Day(time.Date(2016, 4, 1, 12, 0, 0, 0, time.UTC)),
		Policies: []Result{{
			Policy:  Policy{Type: PolicySTS, String: []string{"version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"}, Domain: "company-y.example", MXHost: []string{"*.mail.company-y.example"}},
			Summary: Summary{5326, 303},
			FailureDetails: []FailureDetails{
				{ResultType: ResultCertificateExpired, SendingMTAIP: "2001:db8:abcd:0012::1", ReceivingMXHostname: "mx1.mail.company-y.example", FailedSessionCount: 100},
				{ResultType: ResultSTARTTLSNotSupported, SendingMTAIP: "2001:db8:abcd:0013::1", ReceivingMXHostname: "mx2.mail.company-y.example", ReceivingIP: "203.0.113.56", FailedSessionCount: 200,
					AdditionalInformation: "https://reports.company-x.example/            report_info ? id = 5065427 c - 23 d3# StarttlsNotSupported"},
				{ResultType: ResultValidationFailure, SendingMTAIP: "198.51.100.62", ReceivingIP: "203.0.113.58", ReceivingMXHostname: "mx-backup.mail.company-y.example", FailedSessionCount: 3, FailureReasonCode: "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"},
			},
		}},
	}
}

func TestExample(t *testing.T) {
	got, err := Parse(bytes.NewReader(example(t)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(exampleReport(), got); d != "" {
		t.Error(d)
	}
	if got.Total() != (Summary{5326, 303}) {
		t.Error(got.Total())
	}
}

func gz(b []byte) []byte {
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	w.Write(b)
	w.Close()
	return buf.Bytes()
}

func TestSloppy(t *testing.T) {
	const whole = `{"organization-name":null,"report-id":12,"date-range":{"start-datetime":"2024-01-02 00:00:00","end-datetime":"2024-01-02T23:59:59+0000"},
		"policies":{"policy":{"policy-type":"TLSA","policy-string":"3 1 1 AA","policy-domain":"MX.Example.","mx-host":null},
		"summary":{"total-successful-session-count":"7","total-failure-session-count":2.0},"failure-details":[{"failed-session-count":-3,"receiving-ip":{}}]},"unknown":[{}]}`
	want := &Report{
		ReportID: "12", DateRange: Day(time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)),
		Policies: []Result{{Policy: Policy{Type: PolicyTLSA, Domain: "mx.example", String: []string{"3 1 1 AA"}}, Summary: Summary{7, 2}, FailureDetails: []FailureDetails{{}}}},
	}
	for name, in := range map[string][]byte{
		"plain":           []byte(whole),
		"BOM":             []byte("\xef\xbb\xbf" + whole),
		"gzip":            gz([]byte(whole)),
		"trailing octets": append(gz([]byte(whole)), "\r\n\x00garbage"...),
		"trailing text":   []byte(whole + "\n\n-- \nfooter of a list"),
	} {
		got, err := Parse(bytes.NewReader(in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	compressed := gz(bytes.Repeat([]byte(" "), MaxSize+2))
	for name, tc := range map[string]struct {
		in  []byte
		err error
	}{
		"empty":          {nil, ErrReport},
		"no JSON":        {[]byte("<feedback/>"), ErrReport},
		"array":          {[]byte("[]"), ErrReport},
		"no policies":    {[]byte("{}"), ErrReport},
		"truncated":      {[]byte(whole[:200]), ErrReport},
		"truncated gzip": {gz([]byte(whole))[:100], ErrReport},
		"damaged gzip":   {append(gz([]byte(whole))[:20], 0xff, 0xff, 0xff), ErrReport},
		"bomb":           {compressed, ErrTooLarge},
		"policies":       {[]byte(`{"policies":[` + strings.Repeat("{},", MaxPolicies) + `{}]}`), ErrTooLarge},
		"details":        {[]byte(`{"policies":[` + strings.Repeat(`{"failure-details":[`+strings.Repeat("{},", 1000)+`{}]},`, 20) + `{}]}`), ErrTooLarge},
		"time":           {[]byte(`{"date-range":{"start-datetime":"yesterday"},"policies":[]}`), ErrReport},
		"number":         {[]byte(`{"policies":[{"summary":{"total-failure-session-count":"many"}}]}`), ErrReport},
	} {
		if r, err := Parse(bytes.NewReader(tc.in)); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

func TestMerge(t *testing.T) {
	sts := Policy{Type: PolicySTS, Domain: "a.example", String: []string{"version: STSv1"}}
	none := Policy{Type: PolicyNone, Domain: "a.example"}
	expired := FailureDetails{ResultType: ResultCertificateExpired, FailedSessionCount: 1}
	other := FailureDetails{ResultType: ResultCertificateExpired, ReceivingIP: "192.0.2.1", FailedSessionCount: 5}
	add := []Result{{Policy: sts, Summary: Summary{1, 1}, FailureDetails: []FailureDetails{expired}}}
	l := Merge(nil, add...)
	l = Merge(l, Result{Policy: sts, Summary: Summary{2, 6}, FailureDetails: []FailureDetails{expired, other}}, Result{Policy: none, Summary: Summary{1, 0}})
	want := []Result{
		{Policy: none, Summary: Summary{1, 0}},
		{Policy: sts, Summary: Summary{3, 7}, FailureDetails: []FailureDetails{{ResultType: ResultCertificateExpired, FailedSessionCount: 2}, other}},
	}
	Sort(l)
	if d := cmp.Diff(want, l); d != "" {
		t.Error(d)
	}
	if add[0].Summary.Success != 1 || add[0].FailureDetails[0].FailedSessionCount != 1 {
		t.Error("argument was changed")
	}
	for i := range MaxMergedDetails + 10 {
		l = Merge(l, Result{Policy: Policy{Domain: fmt.Sprint(i)}}, Result{Policy: none, FailureDetails: []FailureDetails{{ReceivingIP: fmt.Sprint(i)}}})
	}
	if len(l) != MaxMergedPolicies || len(l[0].FailureDetails) != MaxMergedDetails {
		t.Error(len(l), len(l[0].FailureDetails))
	}
}

func TestFailure(t *testing.T) {
	for _, tc := range []struct {
		err    error
		typ    ResultType
		reason string
	}{
		{&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, ResultCertificateExpired, ""},
		{fmt.Errorf("x: %w", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "a"}), ResultCertificateHostMismatch, ""},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, ResultCertificateNotTrusted, "x509: certificate signed by unknown authority"},
		{tls.AlertError(40), ResultValidationFailure, "tls: handshake failure"},
		{errors.New("\x1b" + strings.Repeat("ä", 300)), ResultValidationFailure, strings.Repeat("?", 200)},
	} {
		if typ, reason := Failure(tc.err); typ != tc.typ || reason != tc.reason {
			t.Errorf("%v: %s %q", tc.err, typ, reason)
		}
	}
}

func composed(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	m := Message{
		From: message.Address{Mailbox: "postmaster", Host: "mail.sender.example.com"}, To: []message.Address{{Mailbox: "mts-sts-tlsrpt", Host: "example.net"}},
		Date: time.Date(2016, 4, 2, 0, 4, 0, 0, time.UTC), MessageID: "x@mail.sender.example.com", ID: "735ff.e317+bf22029@example.net",
		Domain: "example.net", Submitter: "mail.sender.example.com", Report: exampleReport(),
	}
	if err := m.Compose(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parseMessage(b []byte) (*Report, error) {
	root, err := message.Parse(bytes.NewReader(b), message.Limits{})
	if err != nil {
		return nil, err
	}
	return ParseMessage(bytes.NewReader(b), root)
}

func TestCompose(t *testing.T) {
	b := composed(t)
	got, err := parseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(exampleReport(), got); d != "" {
		t.Error(d)
	}
	h := message.ParseHeader(b)
	for name, want := range map[string]string{
		"Subject":              "Report Domain: example.net Submitter: mail.sender.example.com Report-ID: <735ff.e317+bf22029@example.net>",
		"TLS-Report-Domain":    "example.net",
		"TLS-Report-Submitter": "mail.sender.example.com",
		"TLS-Required":         "No",
	} {
		if got := strings.Join(strings.Fields(h.Get(name)), " "); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	root, err := message.Parse(bytes.NewReader(b), message.Limits{})
	if err != nil || root.MediaType() != "multipart/report" || root.Param("report-type") != "tlsrpt" || len(root.Parts) != 2 {
		t.Fatal(err, root)
	}
	if p := root.Parts[1]; p.MediaType() != "application/tlsrpt+gzip" || p.Filename() != "mail.sender.example.com!example.net!1459468800!1459555199.json.gz" {
		t.Error(p.MediaType(), p.Filename())
	}
}

// TestPython has another program read what is composed.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", `
import sys, email, email.policy, gzip, json
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
text, part = m.iter_parts()
r = json.loads(gzip.decompress(part.get_content()))
print(m["TLS-Report-Domain"], part.get_filename(), r["policies"][0]["failure-details"][1]["failed-session-count"], r["date-range"]["end-datetime"])
`)
	cmd.Stdin = bytes.NewReader(composed(t))
	out, err := cmd.CombinedOutput()
	if want := "example.net mail.sender.example.com!example.net!1459468800!1459555199.json.gz 200 2016-04-01T23:59:59Z\n"; err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}

func TestParseMessage(t *testing.T) {
	data := base64.StdEncoding.EncodeToString(gz(example(t)))
	bare := func(header, body string) []byte {
		return []byte("From: a@b.example\r\nMIME-Version: 1.0\r\n" + header + "\r\n" + body)
	}
	for name, tc := range map[string]struct {
		in  []byte
		err error
	}{
		"bare":         {bare("Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n", data), nil},
		"octet-stream": {bare("Content-Type: application/octet-stream; name=\"a!b!1!2.json.gz\"\r\nContent-Transfer-Encoding: base64\r\n", data), nil},
		"plain":        {bare("Content-Type: application/tlsrpt+json\r\n", string(example(t))), nil},
		"wrong type":   {bare("Content-Type: application/tlsrpt+json\r\nContent-Transfer-Encoding: base64\r\n", data), nil},
		"mixed": {bare("Content-Type: multipart/mixed; boundary=x\r\n", "--x\r\n\r\nhello\r\n--x\r\nContent-Type: application/gzip; name=logo.gz\r\n\r\nno\r\n--x\r\nContent-Type: text/plain; name=a.json\r\n\r\n"+
			string(example(t))+"\r\n--x--\r\n"), nil},
		"text":     {bare("", "hello"), ErrNone},
		"damaged":  {bare("Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n", data[:100]), ErrReport},
		"encoding": {bare("Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: odd\r\n", data), ErrReport},
		"large":    {bare("Content-Type: application/tlsrpt+json\r\n", strings.Repeat(" ", MaxMessage)), ErrTooLarge},
	} {
		r, err := parseMessage(tc.in)
		if !errors.Is(err, tc.err) || err == nil && r.ReportID != exampleReport().ReportID {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("v=TLSRPTv1; rua=mailto:a@b.example, https://b.example/x; ext=1")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRecord(s)
		if err != nil {
			return
		}
		again, err := ParseRecord(r.String())
		if err != nil || cmp.Diff(r, again) != "" {
			t.Fatalf("%q: %v, %q", s, err, r)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(example(f))
	f.Add(gz(example(f)))
	f.Add([]byte(`{"policies":{"policy":{"mx-host":"a"}},"date-range":{"start-datetime":1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(bytes.NewReader(b))
		if err != nil {
			return
		}
		out, err := r.Gzip()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, again); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add(composed(f))
	f.Fuzz(func(_ *testing.T, b []byte) { parseMessage(b) })
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := Parse(io.MultiReader(strings.NewReader("{"), readerFunc(func([]byte) (int, error) { return 0, broken }))); !errors.Is(err, broken) || errors.Is(err, ErrReport) {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
