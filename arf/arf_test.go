package arf

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mox/message"
)

func parse(b string) (*Report, error) {
	root, err := message.Parse(strings.NewReader(b), message.Limits{})
	if err != nil {
		return nil, err
	}
	return Parse(strings.NewReader(b), root)
}

// example is that of RFC 5965, B.2.
func example(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/rfc5965-b2.eml")
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
}

func equal(t *testing.T, want, got *Report) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreFields(Report{}, "Text", "Original")); d != "" {
		t.Error(d)
	}
}

func TestExample(t *testing.T) {
	got, err := parse(example(t))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, &Report{
		FeedbackType: TypeAbuse, UserAgent: "SomeGenerator/1.0", Version: "1",
		OriginalMailFrom: "somespammer@example.net", OriginalRcptTo: []string{"user@example.com"},
		ArrivalDate:  time.Date(2005, 3, 8, 18, 0, 0, 0, time.UTC),
		ReportingMTA: "mail.example.com", SourceIP: netip.MustParseAddr("192.0.2.1"), Incidents: 1,
		AuthResults:    []string{"mail.example.com; spf=fail smtp.mail=somespammer@example.com"},
		ReportedDomain: []string{"example.net"}, ReportedURI: []string{"http://example.net/earn_money.html", "mailto:user@example.com"},
		Other: []Field{{"Removal-Recipient", "user@example.com"}},
		Full:  true, MessageID: "8787KJKJ3K4J3K4J3K4J3.mail@example.net",
	}, got)
	if got.Text == nil || got.Original == nil || got.Original.Message == nil {
		t.Error(got.Text, got.Original)
	}
}

func TestAuthFailure(t *testing.T) {
	in := "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/report; boundary=x\r\n\r\n" +
		"--x\r\nContent-Type: message/feedback-report\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		// Of: see want.
		"RmVlZGJhY2stVHlwZTogQXV0aC1GYWlsdXJlCkF1dGgtRmFpbHVyZTogZG1hcmMKSWRlbnRpdHktQWxpZ25tZW50OiBka2ltLCBzcGYKRGVsaXZlcnktUmVzdWx0OiBSZWplY3QKREtJTS1Eb21haW46IGEuZXhhbXBsZQpES0lNLVNlbGVjdG9yOiBzCkRLSU0tQ2Fub25pY2FsaXplZC1IZWFkZXI6IFlXSmoKIFpHVm0KU1BGLUROUzogdHh0IDogYS5leGFtcGxlIDogInY9c3BmMSAtYWxsIgpTb3VyY2UtSVA6IFtJUHY2OjIwMDE6ZGI4OjoxXQpTb3VyY2UtUG9ydDogMjUyNQpJbmNpZGVudHM6IDMKSW5jaWRlbnRzOiA5ClJlY2VpdmVkLURhdGU6IFR1ZSwgMiBKYW4gMjAyNCAwMzowNDowNSArMDEwMAo=" +
		"\r\n--x\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <m@a.example>\r\n\r\n--x--\r\n--o--\r\n"
	got, err := parse(in)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, &Report{
		FeedbackType: TypeAuthFailure, AuthFailure: []string{"dmarc"}, IdentityAlignment: []string{"dkim", "spf"}, DeliveryResult: "reject",
		DKIMDomain: "a.example", DKIMSelector: "s", DKIMHeader: "YWJjZGVm", SPFDNS: []string{`txt : a.example : "v=spf1 -all"`},
		SourceIP: netip.MustParseAddr("2001:db8::1"), SourcePort: 2525, Incidents: 3, ArrivalDate: time.Date(2024, 1, 2, 2, 4, 5, 0, time.UTC), MessageID: "m@a.example",
	}, got)
}

func TestRefused(t *testing.T) {
	part := func(header, body string) string {
		return "MIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/feedback-report\r\n" + header + "\r\n" + body + "\r\n--x--\r\n"
	}
	for name, tc := range map[string]struct {
		in  string
		err error
	}{
		"text":     {"Subject: x\r\n\r\nhello", ErrNone},
		"no type":  {part("", "Version: 1\r\n"), ErrReport},
		"nothing":  {part("", ""), ErrReport},
		"large":    {part("", "Feedback-Type: abuse\r\n"+strings.Repeat("X: y\r\n", maxFeedback/6)), ErrReport},
		"encoding": {part("Content-Transfer-Encoding: odd\r\n", "Feedback-Type: abuse\r\n"), ErrReport},
	} {
		if _, err := parse(tc.in); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := parse(part("", "Feedback-Type: abuse\r\n"+strings.Repeat("Reported-URI: x\r\nX: y\r\n", 5000)))
	if err != nil || len(r.ReportedURI) != maxValues || len(r.Other) != maxOther {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example(f))
	f.Fuzz(func(_ *testing.T, s string) {
		parse(s)
		ParseFeedback([]byte(s))
	})
}
