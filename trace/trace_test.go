package trace

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func example() *Trace {
	return &Trace{
		Version: Version, Time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), ID: "abc", Account: "mjl",
		Facts: Facts{
			Remote: netip.MustParseAddr("192.0.2.1"), Hello: "client.example", TLS: "TLS1.3",
			IPRev: &IPRev{Status: "pass", Name: "client.example"}, MailFrom: "bounce@b.example", RcptTo: "mjl@mx.example",
			From: "a@b.example", OrgDomain: "b.example", Validation: ValidationDMARC, Subject: "hi\r\nthere", Size: 100,
			SPF:   []SPF{{Identity: "mailfrom", Domain: "b.example", Status: "pass", Mechanism: "mx"}, {Identity: "helo", Domain: "client.example", Status: "pass"}},
			DKIM:  []DKIM{{Domain: "b.example", Status: "pass"}, {Domain: "fwd.example", Status: "pass"}, {Domain: "x.example", Status: "fail", Problem: "body hash"}, {Domain: "b.example", Status: "pass"}},
			DMARC: &DMARC{Status: "pass", Domain: "b.example", Policy: "reject", Authentic: true}, ARC: &ARC{Status: "none"},
			DNSBL: &[]DNSBL{{Zone: "bl.example", Status: "pass"}}, Mailbox: "Inbox",
			Reputation: &Reputation{Method: "msgfromfull", Key: "a@b.example", Judgment: "ham", Conclusive: true, Ham: 2},
			Words:      &Words{Probability: 0.01, Significant: true, Top: []Word{{Text: "invoice", Probability: 0.2, Ham: 5, Junk: 1}}},
		},
		Verdict: Verdict{Action: Accept, Reason: "msgfromfull", Mailbox: "Inbox", Steps: []Step{{"reputation", "+", "known"}}},
	}
}

func TestEncode(t *testing.T) {
	tr := example()
	b, err := tr.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tr, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	// What is too large loses what is not needed, and stays a trace.
	tr.Facts.Words.Top = []Word{{Text: strings.Repeat("x", MaxSize)}}
	tr.Verdict.Steps = []Step{{Text: strings.Repeat("y", MaxSize)}}
	if b, err = tr.Encode(); err != nil || len(b) > MaxSize {
		t.Fatal(len(b), err)
	}
	if got, err = Decode(b); err != nil || got.Verdict.Reason != "msgfromfull" || got.Facts.From != "a@b.example" {
		t.Error(got, err)
	}
	if len(tr.Facts.Words.Top) != 1 {
		t.Error("changed by Encode")
	}
	for _, s := range []string{"", "{}", "null", "[", `{"v":1`, strings.Repeat(" ", MaxSize+1)} {
		if _, err := Decode([]byte(s)); err == nil {
			t.Errorf("%.10q decoded", s)
		}
	}
}

func TestSender(t *testing.T) {
	f := example().Facts
	want := Sender{
		From: "a@b.example", FromDomain: "b.example", OrgDomain: "b.example", Validation: ValidationDMARC, DKIM: []string{"b.example", "fwd.example"},
		MailFrom: "bounce@b.example", MailFromDomain: "b.example", Hello: "client.example", IP: f.Remote,
	}
	if diff := cmp.Diff(want, f.Sender(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	// Of a forwarder nothing is held for or against the sender.
	f.Ruleset = &Ruleset{Forward: true, VerifiedDomain: "fwd.example"}
	want = Sender{From: "a@b.example", FromDomain: "b.example", OrgDomain: "b.example", Validation: ValidationDMARC, DKIM: []string{"b.example"}}
	if diff := cmp.Diff(want, f.Sender(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if s := (&Facts{}).Sender(); s.Validated() || s.FromDomain != "" {
		t.Error(s)
	}
}

func TestExplain(t *testing.T) {
	var b strings.Builder
	if err := example().Explain(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2026-03-04T05:06:07Z: accepted into Inbox (msgfromfull)\n", "  + reputation: known\n", "spf mailfrom of b.example pass mx\n",
		"dmarc pass, policy reject of b.example (with dnssec)\n", "dkim x.example selector - fail: body hash\n", `20.0% "invoice", in 5 messages not junk and 1 junk`,
		"dnsbl bl.example not listed\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	b.Reset()
	tr := &Trace{Verdict: Verdict{Action: Reject, Reason: "x", Code: 550, Enhanced: "5.7.1", Text: "no\r\nWhy: forged"}}
	if err := tr.Explain(&b); err != nil || !strings.Contains(b.String(), "refused (x)") || strings.Contains(b.String(), "\nWhy: forged") {
		t.Error(b.String(), err)
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := example().Encode()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := Decode(b)
		if err != nil {
			return
		}
		var s strings.Builder
		tr.Explain(&s)
		tr.Facts.Sender()
		if b, err := tr.Encode(); err == nil {
			if _, err := Decode(b); err != nil {
				t.Fatal(err)
			}
		}
	})
}
