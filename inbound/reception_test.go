package inbound

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"mox/junk"
	"mox/smtp"
	"mox/store"
	"mox/storetest"
	"mox/trace"
)

// withJunk makes what accounts were taught count.
func (f *fixture) withJunk(t *testing.T) {
	m, err := junk.New(junk.Config{Store: f.Store, Now: func() time.Time { return f.c.Now() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	f.c.Junk = m
}

// last returns the last decision.
func (f *fixture) last(t *testing.T) *trace.Trace {
	t.Helper()
	if len(f.traces) == 0 {
		t.Fatal("no decision")
	}
	return f.traces[len(f.traces)-1]
}

func (f *fixture) sendText(t *testing.T, from, to, text string) string {
	t.Helper()
	return f.send(t, peer, smtp.MailParams{}, from, []string{to}, text)
}

func TestAuthentication(t *testing.T) {
	f := setup(t)
	for _, tc := range []struct{ name, from, header, to, want, reason string }{
		{"verified by SPF", "x@a.example", "From: <x@a.example>", "mjl@mx.example", "ok, ok, ok", "no-bad-signals"},
		{"another domain's policy", "x@b.example", "From: <x@a.example>", "mjl@mx.example", "ok, ok, 550 5.7.26", "dmarc-policy"},
		{"SPF fails", "x@fail.example", "From: <x@b.example>", "mjl@mx.example", "ok, ok, 451 4.7.23", "spf-policy"},
		{"authors of two domains", "x@a.example", "From: <x@a.example>, <y@b.example>", "mjl@mx.example", "ok, ok, 550 5.7.26", "from"},
		{"authors of two domains without policies", "x@b.example", "From: <x@b.example>, <y@c.example>", "mjl@mx.example", "ok, ok, 550 5.7.26", "from"},
		{"no author", "x@a.example", "To: x", "mjl@mx.example", "ok, ok, ok", "no-bad-signals"},
		{"verified, as the address asks", "x@a.example", "From: <x@a.example>", "verified@mx.example", "ok, ok, ok", "no-bad-signals"},
		{"not verified, as the address asks", "x@b.example", "From: <x@b.example>", "verified@mx.example", "ok, ok, 550 5.7.26", "msg-auth-required"},
		{"verified, no member", "x@a.example", "From: <x@a.example>", "members@mx.example", "ok, ok, 550 5.7.2", "alias-members"},
		{"forged member", "x@b.example", "From: <mjl@mx.example>", "members@mx.example", "ok, ok, 550 5.7.26", "alias-members"},
		{"null reverse-path", "", "From: <mailer-daemon@b.example>", "mjl@mx.example", "ok, ok, ok", "no-bad-signals"},
	} {
		got := f.sendText(t, tc.from, tc.to, tc.header+"\r\n\r\ntext\r\n")
		tr := f.last(t)
		if got != tc.want || tr.Verdict.Reason != tc.reason {
			t.Errorf("%s: got %s %s, want %s %s", tc.name, got, tr.Verdict.Reason, tc.want, tc.reason)
		}
		var b strings.Builder
		if err := tr.Explain(&b); err != nil || !strings.Contains(b.String(), "Why:") {
			t.Error(b.String(), err)
		}
	}
	// A message that a member sent, verified by DKIM or SPF of our domain, may be posted.
	f.zone.TXT["mx.example"] = []string{"v=spf1 ip4:10.0.0.2 -all"}
	f.zone.A["mx.example"] = []string{"10.0.0.1"}
	if got := f.sendText(t, "mjl@mx.example", "members@mx.example", "From: <mjl@mx.example>\r\n\r\n"); got != "ok, ok, ok" {
		t.Error(got)
	}
}

// TestStoredTrace: the decision is stored with the message, and the forged fields of the
// message are not.
func TestStoredTrace(t *testing.T) {
	f := setup(t)
	const text = "Authentication-Results: MX.example.; dmarc=pass header.from=a.example\r\nAuthentication-Results: other.example; none\r\n" +
		"X-Mox-Reason: trusted\r\nFrom: <x@a.example>\r\nMessage-ID: <1@a.example>\r\nSubject: =?utf-8?q?h=C3=A9?=\r\n\r\ntext\r\n"
	if got := f.sendText(t, "x@a.example", "mjl@mx.example", text); got != "ok, ok, ok" {
		t.Fatal(got)
	}
	got := f.Messages(t, "mjl", "Inbox")[0]
	if n := strings.Count(got, "mx.example; dmarc"); n != 0 || strings.Contains(got, "MX.example") || strings.Contains(got, "trusted") || !strings.Contains(got, "Authentication-Results: other.example; none") {
		t.Errorf("%q", got)
	}
	acc, err := f.Store.Account(t.Context(), "mjl")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	tr := storetest.LastTrace(t, acc, "Inbox")
	want := *f.last(t)
	want.Version = trace.Version
	a, _ := json.Marshal(tr)
	b, _ := json.Marshal(&want)
	if string(a) != string(b) {
		t.Errorf("stored %s\nreported %s", a, b)
	}
	fs := tr.Facts
	if fs.From != "x@a.example" || fs.Validation != trace.ValidationStrict || fs.MessageID != "<1@a.example>" || fs.Subject != "hé" || fs.IPRev.Name != "rev.example" || tr.Verdict.Mailbox != "Inbox" {
		t.Errorf("%s", a)
	}
}

// flag flags all messages of a mailbox.
func (f *fixture) flag(t *testing.T, mailbox string, flags store.Flags) {
	t.Helper()
	acc, err := f.Store.Account(t.Context(), "mjl")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	mb, ok := acc.MailboxByName(mailbox)
	if !ok {
		t.Fatal("no mailbox " + mailbox)
	}
	if _, err := acc.SetFlags(t.Context(), mb.ID, store.AllUIDs(), store.FlagChange{Op: store.FlagsAdd, Flags: flags}); err != nil {
		t.Fatal(err)
	}
}

// TestReputation: what the user says of a message decides about the next of its sender.
func TestReputation(t *testing.T) {
	f := setup(t)
	f.withJunk(t)
	const text = "From: <x@a.example>\r\n\r\ntext\r\n"
	if got := f.sendText(t, "x@a.example", "mjl@mx.example", text); got != "ok, ok, ok" || !f.last(t).Verdict.First {
		t.Fatal(got)
	}
	f.flag(t, "Inbox", store.FlagJunk)
	if got := f.sendText(t, "x@a.example", "mjl@mx.example", text); got != "ok, ok, 451 4.7.1" || f.last(t).Verdict.Reason != "msgfromfull" {
		t.Error(got, f.last(t).Verdict)
	}
	// Another sender of the network is not that one.
	if got := f.sendText(t, "y@b.example", "mjl@mx.example", "From: <y@b.example>\r\n\r\n"); got != "ok, ok, ok" {
		t.Error(got, f.last(t).Verdict)
	}
	f.flag(t, "Inbox", store.FlagNotJunk) // both is neither
	if got := f.sendText(t, "x@a.example", "mjl@mx.example", text); got != "ok, ok, ok" {
		t.Error(got, f.last(t).Verdict)
	}
}

// TestLargeHeader: a header too large to find the author in does not get past DMARC.
func TestLargeHeader(t *testing.T) {
	f := setup(t)
	pad := strings.Repeat("X-Pad: "+strings.Repeat("x", 900)+"\r\n", 1300)
	if got := f.sendText(t, "x@b.example", "mjl@mx.example", pad+"From: <x@a.example>\r\n\r\n"); got != "ok, ok, 552 5.3.4" {
		t.Error(got)
	}
	if got := f.sendText(t, "x@b.example", "mjl@mx.example", pad[:900<<10]+"\r\nFrom: <x@a.example>\r\n\r\n"); got != "ok, ok, 550 5.7.26" {
		t.Error(got)
	}
	many := "From: <x@b.example>" + strings.Repeat(",\r\n <x@b.example>", 3)
	for i := range 150 {
		many += fmt.Sprintf(",\r\n <%d@b.example>", i)
	}
	if got := f.sendText(t, "x@b.example", "mjl@mx.example", many+",\r\n <x@a.example>\r\n\r\n"); got != "ok, ok, 550 5.7.26" {
		t.Error(got)
	}
}

// TestUnjudged: what fails before it can be judged is told too.
func TestUnjudged(t *testing.T) {
	f := setup(t)
	loop := strings.Repeat("Received: x\r\n", 101) + "From: <x@a.example>\r\n\r\n"
	if got := f.sendText(t, "x@a.example", "mjl@mx.example", loop); got != "ok, ok, 550 5.4.6" {
		t.Error(got)
	}
	v := f.last(t).Verdict
	if v.Reason != "delivery-error" || v.Action != trace.Reject || v.Code != 550 || len(v.Steps) != 1 {
		t.Errorf("%+v", v)
	}
}

func TestSubjectPass(t *testing.T) {
	f := setup(t)
	acc, err := f.Store.Account(t.Context(), "mjl")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	to := path(t, "mjl@mx.example").Address()
	key, err := subjectPassKey(t.Context(), acc, to, true)
	if err != nil || len(key) != 16 {
		t.Fatal(key, err)
	}
	again, err := subjectPassKey(t.Context(), acc, to, true)
	if err != nil || string(again) != string(key) {
		t.Error("another key")
	}
	token := signToken(key, "x@a.example", now)
	for _, tc := range []struct {
		subject, from string
		after         time.Duration
		want          bool
	}{
		{"hi " + token, "x@a.example", 0, true},
		{token + " hi", "X@A.example", 12 * time.Hour, true},
		{token, "x@a.example", 13 * time.Hour, false},
		{token, "y@a.example", 0, false},
		{token, "x@a.example", -time.Hour, false},
		{strings.Replace(token, token[8:9], "_", 1), "x@a.example", 0, false},
	} {
		b := findToken(tc.subject)
		if b == nil {
			t.Errorf("%s: no token", tc.subject)
			continue
		}
		if got := checkToken(key, b, tc.from, now.Add(tc.after), 12*time.Hour); got != tc.want {
			t.Errorf("%v: %v", tc, got)
		}
	}
	for _, s := range []string{"", "(pass:", "(pass:)", "(pass:AAAA)", token[:len(token)-1], strings.Repeat("(pass:", 100)} {
		if b := findToken(s); b != nil {
			t.Errorf("%q: token", s)
		}
	}
	if checkToken(nil, findToken(token), "x@a.example", now, time.Hour) {
		t.Error("valid without key")
	}
}

func TestHighRate(t *testing.T) {
	r := newRates()
	ip := peer.Remote.Addr()
	for i := range 500 {
		if s := r.add("mjl", ip, now, 1000); s != "" {
			t.Fatal(i, s)
		}
	}
	if s := r.add("mjl", ip, now, 1000); s == "" {
		t.Error("no limit")
	}
	if s := r.add("other", ip, now, 1000); s != "" {
		t.Error("limit of another account")
	}
	if s := r.add("mjl", ip, now.Add(time.Minute), 1001<<20); s == "" {
		t.Error("no limit of size")
	}
}

// TestLMTP: programs on our network are not checked.
func TestLMTP(t *testing.T) {
	f := setup(t)
	p := peer
	p.LMTP = true
	got := f.send(t, p, smtp.MailParams{}, "x@nowhere.example", []string{"mjl@mx.example", "members@mx.example"}, "From: <x@a.example>\r\n\r\n")
	if got != "ok, ok, ok, ok" || f.last(t).Verdict.Reason != "lmtp" {
		t.Error(got, f.last(t).Verdict)
	}
	if s := f.Messages(t, "mjl", "Inbox")[0]; strings.Contains(s, "Authentication-Results") || !strings.Contains(s, "with LMTP") {
		t.Error(s)
	}
}
