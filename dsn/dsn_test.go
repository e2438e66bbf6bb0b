package dsn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"mox/dns"
	"mox/message"
	"mox/smtp"
)

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func rfc822(s string) smtp.ORcpt { return smtp.ORcpt{Type: "rfc822", Address: s} }

// appendixE are the statuses of RFC 3464 Appendix E.
var appendixE = []struct {
	name, text string
	want       Status
}{
	{"simple", `Reporting-MTA: dns; cs.utk.edu

Original-Recipient: rfc822;louisl@larry.slip.umd.edu
Final-Recipient: rfc822;louisl@larry.slip.umd.edu
Action: failed
Status: 4.0.0
Diagnostic-Code: smtp; 426 connection timed out
Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400
`, Status{ReportingMTA: DNS("cs.utk.edu"), Recipients: []Recipient{{
		Original: rfc822("louisl@larry.slip.umd.edu"), Final: rfc822("louisl@larry.slip.umd.edu"), Action: Failed, Status: "4.0.0",
		Diagnostic: Diagnostic{"smtp", "426 connection timed out"}, LastAttempt: time.Date(1994, 7, 7, 21, 15, 49, 0, time.UTC),
	}}}},
	{"several recipients", `Reporting-MTA: dns; cs.utk.edu

Original-Recipient: rfc822;arathib@vnet.ibm.com
Final-Recipient: rfc822;arathib@vnet.ibm.com
Action: failed
Status: 5.0.0 (permanent failure)
Diagnostic-Code: smtp;  550 'arathib@vnet.IBM.COM' is not a
 registered gateway user
Remote-MTA: dns; vnet.ibm.com

Original-Recipient: rfc822;johnh@hpnjld.njd.hp.com
Final-Recipient: rfc822;johnh@hpnjld.njd.hp.com
Action: delayed
Status: 4.0.0 (hpnjld.njd.jp.com: host name lookup failure)

Original-Recipient: rfc822;wsnell@sdcc13.ucsd.edu
Final-Recipient: rfc822;wsnell@sdcc13.ucsd.edu
Action: failed
Status: 5.0.0
Diagnostic-Code: smtp; 550 user unknown
Remote-MTA: dns; sdcc13.ucsd.edu
`, Status{ReportingMTA: DNS("cs.utk.edu"), Recipients: []Recipient{
		{
			Original: rfc822("arathib@vnet.ibm.com"), Final: rfc822("arathib@vnet.ibm.com"), Action: Failed, Status: "5.0.0",
			Diagnostic: Diagnostic{"smtp", "550 'arathib@vnet.IBM.COM' is not a registered gateway user"}, RemoteMTA: DNS("vnet.ibm.com"),
		},
		{Original: rfc822("johnh@hpnjld.njd.hp.com"), Final: rfc822("johnh@hpnjld.njd.hp.com"), Action: Delayed, Status: "4.0.0"},
		{
			Original: rfc822("wsnell@sdcc13.ucsd.edu"), Final: rfc822("wsnell@sdcc13.ucsd.edu"), Action: Failed, Status: "5.0.0",
			Diagnostic: Diagnostic{"smtp", "550 user unknown"}, RemoteMTA: DNS("sdcc13.ucsd.edu"),
		},
	}}},
	{"gateway", `Reporting-MTA: mailbus; SYS30

Final-Recipient: unknown; nair_s
Status: 5.0.0 (unknown permanent failure)
Action: failed
`, Status{ReportingMTA: MTA{"mailbus", "SYS30"}, Recipients: []Recipient{{Final: smtp.ORcpt{Type: "unknown", Address: "nair_s"}, Status: "5.0.0", Action: Failed}}}},
	{"delayed", `Reporting-MTA: dns; sun2.nsfnet-relay.ac.uk

Final-Recipient: rfc822;thomas@de-montfort.ac.uk
Status: 4.0.0 (unknown temporary failure)
Action: delayed
`, Status{ReportingMTA: DNS("sun2.nsfnet-relay.ac.uk"), Recipients: []Recipient{{Final: rfc822("thomas@de-montfort.ac.uk"), Status: "4.0.0", Action: Delayed}}}},
	// Not of the RFC: what servers write.
	{"one group", "Reporting-MTA: dns; a.example\nX-Queue: 1\nFinal-Recipient: <b@c.example>\nAction: Failed\nStatus: bad\nStatus: 5.1.1\nArrival-Date: yesterday\n",
		Status{ReportingMTA: DNS("a.example"), Other: []Field{{"X-Queue", "1"}}, Recipients: []Recipient{{Final: rfc822("b@c.example"), Action: Failed}}}},
	{"empty groups", "\n\nReporting-MTA: a.example\n\n\n \nOriginal-Recipient: b@c\nX-Note: a\n\tb\n\n\n",
		Status{ReportingMTA: DNS("a.example"), Recipients: []Recipient{{Original: rfc822("b@c"), Final: rfc822("b@c"), Other: []Field{{"X-Note", "a b"}}}}}},
	{"utf-8", "Reporting-MTA: dns; a\n\nFinal-Recipient: utf-8; \\x{E9}+t@x.example\nOriginal-Recipient: utf-8; é@x.example\n",
		Status{ReportingMTA: DNS("a"), Recipients: []Recipient{{Final: smtp.ORcpt{Type: "utf-8", Address: "é+t@x.example"}, Original: smtp.ORcpt{Type: "utf-8", Address: "é@x.example"}}}}},
}

func TestParseStatus(t *testing.T) {
	for _, tc := range appendixE {
		for _, text := range []string{tc.text, crlf(tc.text)} {
			got, err := ParseStatus([]byte(text))
			if err != nil || !reflect.DeepEqual(*got, tc.want) {
				t.Errorf("%s:\ngot  %+v, %v\nwant %+v", tc.name, got, err, tc.want)
			}
		}
		for _, utf8 := range []bool{false, true} {
			printed := tc.want.Append(nil, utf8)
			again, err := ParseStatus(printed)
			if err != nil || !reflect.DeepEqual(*again, tc.want) {
				t.Errorf("%s: printed and parsed: %+v, %v\n%s", tc.name, again, err, printed)
			}
			if !utf8 && bytes.ContainsFunc(printed, func(r rune) bool { return r >= 0x80 }) {
				t.Errorf("%s: not ASCII: %q", tc.name, printed)
			}
		}
	}
	for _, bad := range []string{"", "x", "Reporting-MTA: dns; a\n\nAction: failed\n", strings.Repeat("\nFinal-Recipient: a@b\n", maxRecipients+1), strings.Repeat("x", maxStatus+1)} {
		if _, err := ParseStatus([]byte(bad)); !errors.Is(err, ErrStatus) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

const original = "From: <a@b.example>\r\nSubject: The quarterly\r\n figures\r\nMessage-ID: <1@b.example>\r\n\r\ntext\r\n"

func notification() *Message {
	zone := time.FixedZone("", 3600)
	return &Message{
		From: message.Address{Name: "Mail delivery", Mailbox: "postmaster", Host: "mx.example"},
		To:   smtp.Path{Localpart: "a", IPDomain: smtp.IPDomain{Domain: dns.Domain{ASCII: "b.example"}}},
		Date: time.Date(2026, 3, 4, 5, 6, 7, 0, zone), MessageID: "2@mx.example",
		Status: Status{
			EnvID: "QQ314159", ReportingMTA: DNS("mx.example"), ReceivedFrom: DNS("client.example"), Arrival: time.Date(2026, 3, 4, 5, 0, 0, 0, zone),
			Recipients: []Recipient{
				{
					Original: rfc822("sales@c.example"), Final: rfc822("x@d.example"), Action: Failed, Status: "5.1.1", RemoteMTA: DNS("mx.d.example"),
					Diagnostic: Diagnostic{"smtp", "550 5.1.1 no such user\r\nBcc: evil"}, LastAttempt: time.Date(2026, 3, 4, 5, 6, 0, 0, zone),
				},
				{Final: rfc822("y@e.example"), Action: Delayed, Status: "4.4.1", RetryUntil: time.Date(2026, 3, 6, 0, 0, 0, 0, zone)},
			},
		},
		Original: strings.NewReader(original), OriginalSize: int64(len(original)),
	}
}

func compose(t *testing.T, m *Message) (string, Needs) {
	t.Helper()
	var b bytes.Buffer
	needs, err := m.Compose(&b)
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), needs
}

func parse(t *testing.T, s string) *Report {
	t.Helper()
	r, err := Parse(strings.NewReader(s), int64(len(s)))
	if err != nil {
		t.Fatalf("%v\n%s", err, s)
	}
	return r
}

func content(t *testing.T, s string, p *message.Part) string {
	t.Helper()
	r, err := p.Decoded(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCompose(t *testing.T) {
	text, needs := compose(t, notification())
	if needs != (Needs{}) {
		t.Error(needs)
	}
	for _, want := range []string{
		"To: a@b.example\r\n", "Subject: Your message could not be delivered\r\n", "In-Reply-To: <1@b.example>\r\n", "Auto-Submitted: auto-replied\r\n",
		"report-type=delivery-status", "Original-Envelope-Id: QQ314159\r\n", "Diagnostic-Code: smtp; 550 5.1.1 no such user Bcc: evil\r\n", "\r\n\r\nFinal-Recipient: rfc822; y@e.example\r\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	r := parse(t, text)
	if r.MessageID != "1@b.example" || r.Full || len(r.Status.Recipients) != 2 || !r.Status.Arrival.Equal(notification().Status.Arrival) {
		t.Errorf("%+v %+v", r, r.Status)
	}
	if got := content(t, text, r.Returned); got != original[:strings.Index(original, "text")] {
		t.Errorf("returned %q", got)
	}
	// What people read.
	const want = `This is the mail server mx.example, about your message

    Subject: The quarterly figures
    Received: Wed, 4 Mar 2026 05:00:00 +0100
    Your identifier: QQ314159

Your message could not be delivered to:

    x@d.example
        You wrote to: sales@c.example
        The server mx.d.example said: 550 5.1.1 no such user Bcc: evil

It will not be tried again. Check the address, or ask the recipient by other
means; what the other server said, if anything, may help its postmaster.

Your message could not be delivered yet, and will be tried again, to:

    y@e.example
        Status: 4.4.1
        Will be tried until: Fri, 6 Mar 2026 00:00:00 +0100

Your message, or its beginning with subject and recipients, is attached.
`
	if got := content(t, text, r.Text); got != crlf(want) {
		t.Errorf("text is\n%s", got)
	}
}

func TestReturn(t *testing.T) {
	failed := func(m *Message) { m.Return = smtp.RetFull }
	for _, tc := range []struct {
		name, original string
		change         func(m *Message)
		typ            string
		full           bool
		needs          Needs
	}{
		{"full", original, failed, "message/rfc822", true, Needs{}},
		{"8bit", original + "\xc3\xa9\r\n", failed, "message/rfc822", true, Needs{EightBit: true}},
		{"binary", original + "\x00", failed, "text/rfc822-headers", false, Needs{}},
		{"bare LF", original + "a\nb\r\n", failed, "text/rfc822-headers", false, Needs{}},
		{"long line", original + strings.Repeat("x", 1200) + "\r\n", failed, "text/rfc822-headers", false, Needs{}},
		{"large", original, func(m *Message) { failed(m); m.MaxReturn = 10 }, "text/rfc822-headers", false, Needs{}},
		{"no failure", original, func(m *Message) { failed(m); m.Status.Recipients = m.Status.Recipients[1:] }, "text/rfc822-headers", false, Needs{}},
		{"header with UTF-8", "Subject: é\r\n\r\n", func(*Message) {}, "text/rfc822-headers", false, Needs{}},
		{"global, encoded", "Subject: é\r\n\r\n", func(m *Message) { failed(m); m.OriginalUTF8 = true }, "message/global", true, Needs{}},
		{"global", "Subject: é\r\n\r\n", func(m *Message) { failed(m); m.OriginalUTF8, m.UTF8 = true, true }, "message/global", true, Needs{EightBit: true}},
		{"global headers", "Subject: é\r\n\r\n", func(m *Message) { m.OriginalUTF8, m.UTF8 = true, true }, "message/global-headers", false, Needs{EightBit: true}},
		{"global headers, encoded", "Subject: é\r\n\r\n", func(m *Message) { m.OriginalUTF8 = true }, "message/global-headers", false, Needs{}},
		{"nothing", "", func(m *Message) { m.Original = nil }, "", false, Needs{}},
		{"utf-8 address", original, func(m *Message) {
			m.UTF8 = true
			m.Status.Recipients[0].Final = smtp.ORcpt{Type: "utf-8", Address: "é@x"}
		}, "text/rfc822-headers", false, Needs{true, true}},
		{"utf-8 address, escaped", original, func(m *Message) { m.Status.Recipients[0].Final = smtp.ORcpt{Type: "utf-8", Address: "é@x"} }, "text/rfc822-headers", false, Needs{}},
	} {
		m := notification()
		m.Original, m.OriginalSize = strings.NewReader(tc.original), int64(len(tc.original))
		tc.change(m)
		text, needs := compose(t, m)
		r := parse(t, text)
		typ := ""
		if r.Returned != nil {
			typ = r.Returned.MediaType()
		}
		if typ != tc.typ || r.Full != tc.full || needs != tc.needs {
			t.Errorf("%s: %s, %v, %+v", tc.name, typ, r.Full, needs)
		}
		if got := r.Status.Recipients[0].Final; got != m.Status.Recipients[0].Final {
			t.Errorf("%s: recipient %v", tc.name, got)
		}
		if !needs.EightBit && !isASCII(text) {
			t.Errorf("%s: not ASCII", tc.name)
		}
		if tc.full && content(t, text, r.Returned) != tc.original {
			t.Errorf("%s: returned %q", tc.name, content(t, text, r.Returned))
		}
		for line := range strings.Lines(text) {
			if !strings.HasSuffix(line, "\r\n") || len(line) > 1000 {
				t.Errorf("%s: line %.100q", tc.name, line)
			}
		}
	}
	m := notification()
	m.To.Localpart = "é"
	if _, err := m.Compose(io.Discard); !errors.Is(err, message.ErrNeedsUTF8) {
		t.Error(err)
	}
	m.UTF8 = true
	if needs, err := m.Compose(io.Discard); err != nil || !needs.SMTPUTF8 {
		t.Error(needs, err)
	}
}

func TestParse(t *testing.T) {
	// RFC 3464 Appendix E, the first whole.
	text := crlf(`From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="RAA14128.773615765/CS.UTK.EDU"

--RAA14128.773615765/CS.UTK.EDU

The original message was received at Sat, 2 Jul 1994 17:10:28 -0400
--RAA14128.773615765/CS.UTK.EDU
content-type: message/delivery-status

` + appendixE[0].text + `
--RAA14128.773615765/CS.UTK.EDU
content-type: message/rfc822

Message-ID: <1@x>

[original message goes here]

--RAA14128.773615765/CS.UTK.EDU--
`)
	r := parse(t, text)
	if !reflect.DeepEqual(*r.Status, appendixE[0].want) || !r.Full || r.MessageID != "1@x" || r.Text == nil {
		t.Errorf("%+v", r)
	}
	if _, err := Parse(strings.NewReader(original), int64(len(original))); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	bad := strings.Replace(text, "Recipient", "Recip", 2)
	if _, err := Parse(strings.NewReader(bad), int64(len(bad))); !errors.Is(err, ErrStatus) {
		t.Error(err)
	}
}

func FuzzParseStatus(f *testing.F) {
	for _, tc := range appendixE {
		f.Add([]byte(tc.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseStatus(b)
		if err != nil {
			return
		}
		for w := range bytes.FieldsSeq(b) {
			if len(w) > 700 {
				return // a line has no room for it
			}
		}
		printed := s.Append(nil, true)
		again, err := ParseStatus(printed)
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%+v\nprinted and parsed is\n%+v, %v\n%q", s, again, err, printed)
		}
		s.Append(nil, false)
		s.Explain("")
	})
}

func FuzzParse(f *testing.F) {
	var b bytes.Buffer
	if _, err := notification().Compose(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(bytes.NewReader(b), int64(len(b)))
		if err == nil && r.Status == nil {
			t.Error("no status")
		}
	})
}

func ExampleStatus_Append() {
	s := Status{ReportingMTA: DNS("mx.example"), Recipients: []Recipient{{
		Final: smtp.ORcpt{Type: "utf-8", Address: "é@x.example"}, Action: Failed, Status: "5.1.1",
	}}}
	fmt.Fprint(os.Stdout, strings.ReplaceAll(string(s.Append(nil, false)), "\r", ""))
	// Output:
	// Reporting-MTA: dns; mx.example
	//
	// Final-Recipient: utf-8; \x{E9}@x.example
	// Action: failed
	// Status: 5.1.1
}

// Where the address is not the reason and nobody else has said anything, it is no use to
// check the address.
func TestAdvice(t *testing.T) {
	for _, tc := range []struct {
		r    Recipient
		want string
	}{
		{Recipient{Action: Failed, Status: "5.1.2", Diagnostic: Diagnostic{"x-mox", "no such domain"}}, "Check the address"},
		{Recipient{Action: Failed, Status: "5.7.1", RemoteMTA: DNS("mx.d.example"), Diagnostic: Diagnostic{"smtp", "550 no"}}, "the other server"},
		{Recipient{Action: Failed, Status: "5.0.0"}, "Check the address"},
		{Recipient{Action: Failed, Status: "4.7.8", Diagnostic: Diagnostic{"x-mox", "cannot log in"}}, "postmaster of this server"},
	} {
		if got := advice([]Recipient{{Action: Delayed, Status: "4.1.1"}, tc.r}); !strings.Contains(got, tc.want) {
			t.Errorf("%+v: %s", tc.r, got)
		}
	}
}
