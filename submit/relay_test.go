package submit

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/queue"
	"mox/smtp"
)

// withRelays lets a network and an account send for remote.example and mx.example.
func (f *fixture) withRelays(t *testing.T) {
	domains := []dns.Domain{domain(t, "printer.example"), domain(t, "mx.example")}
	f.Snapshot.Relays = []*config.RelayInfo{
		{Name: "network", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")}, FromDomains: domains, MessagesPerDay: 3},
		{Name: "user", Accounts: map[string]bool{"mjl": true}, FromDomains: domains[:1]},
	}
}

// TestRelayWho: only clients of the network, and only for the domains.
func TestRelayWho(t *testing.T) {
	f := setup(t)
	s := New(f.c)
	for _, from := range []string{"a@printer.example", "a@mx.example"} {
		if r := s.Relay(netip.MustParseAddr("192.0.2.1"), path(t, from)); r != nil {
			t.Errorf("%s may relay without configuration", from)
		}
	}
	f.withRelays(t)
	for _, tc := range []struct {
		remote, from string
		want         bool
	}{
		{"192.0.2.1", "a@printer.example", true},
		{"192.0.2.255", "anything@mx.example", true},
		{"::ffff:192.0.2.1", "a@mx.example", true},
		{"2001:db8::1%eth0", "a@mx.example", true},
		{"192.0.3.1", "a@printer.example", false},
		{"127.0.0.1", "a@mx.example", false},
		{"10.0.0.2", "mjl@mx.example", false},
		{"2001:db8:0:1::1", "a@mx.example", false},
		{"192.0.2.1", "a@sub.printer.example", false},
		{"192.0.2.1", "a@remote.example", false},
		{"192.0.2.1", "a@[192.0.2.1]", false},
		{"192.0.2.1", "", false},
	} {
		var from smtp.Path
		if tc.from != "" {
			from = path(t, tc.from)
		}
		if got := s.Relay(netip.MustParseAddr(tc.remote), from) != nil; got != tc.want {
			t.Errorf("%s from %s: %v", tc.from, tc.remote, got)
		}
	}
	if r := s.Relay(netip.Addr{}, path(t, "a@mx.example")); r != nil {
		t.Error("no address")
	}
}

// TestRelay: what a client of the network can send.
func TestRelay(t *testing.T) {
	f := setup(t)
	f.withRelays(t)
	q := f.withQueue(t, queue.Options{})
	zone := f.withKeys(t)
	now := f.c.Now()
	f.c.Now = func() time.Time { return now }
	s := New(f.c)
	send := func(from, author string, to ...string) string {
		t.Helper()
		ctx := t.Context()
		tx, err := s.Begin(ctx, peer, Sender{Relay: f.Snapshot.Relays[0]})
		if err != nil {
			t.Fatal(err)
		}
		reply := func(at string, err error) string {
			tx.Abort()
			e := smtp.AsError(err)
			return fmt.Sprintf("%s %d %s", at, e.Code, e.Enhanced)
		}
		if err := tx.Mail(ctx, path(t, from), smtp.MailParams{}); err != nil {
			return reply("mail", err)
		}
		for _, a := range to {
			if err := tx.Rcpt(ctx, path(t, a), smtp.RcptParams{}); err != nil {
				return reply("rcpt", err)
			}
		}
		w, err := tx.Data(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "From: <%s>\r\n\r\n%s", author, large[len(large)-3600:])
		if _, err := tx.Finish(ctx); err != nil {
			return reply("data", err)
		}
		return "ok"
	}
	for i, tc := range []struct {
		from, author string
		to           []string
		want         string
	}{
		{"x@remote.example", "x@remote.example", nil, "mail 550 5.7.1"},
		{"x@mx.example", "x@remote.example", []string{"a@remote.example"}, "data 550 5.7.1"},
		{"x@off.example", "x@off.example", nil, "mail 550 5.7.1"},
		{"x@mx.example", "y@mx.example", []string{"a@remote.example"}, "ok"},
		// It failed for one here: the sender, who is nobody's account, hears of it.
		{"x@printer.example", "y@printer.example", []string{"other@mx.example", "small@mx.example"}, "ok"},
		{"x@mx.example", "y@mx.example", []string{"a@remote.example"}, "rcpt 451 4.7.1"},
	} {
		if got := send(tc.from, tc.author, tc.to...); got != tc.want {
			t.Errorf("%d: %s, want %s", i, got, tc.want)
		}
	}
	l, texts := q.list(t)
	if got := summary(l); got != "<x@mx.example> a@remote.example, dsn<> x@printer.example" || l[0].Account != "" {
		t.Fatal(got)
	}
	if got := verified(t, f, zone, texts[0]); got != "pass ed25519-sha256 y@mx.example, pass rsa-sha256 y@mx.example" {
		t.Error(got)
	}
	now = now.Add(25 * time.Hour)
	if got := send("x@mx.example", "y@mx.example", "a@remote.example"); got != "ok" {
		t.Error(got)
	}
}

// TestRelayAccount: an account with more domains than its own.
func TestRelayAccount(t *testing.T) {
	f := setup(t)
	f.withRelays(t)
	q := f.withQueue(t, queue.Options{})
	for _, tc := range []struct{ account, from, author, want string }{
		{"mjl", "x@printer.example", "x@printer.example", "ok"},
		{"mjl", "mjl@mx.example", "x@printer.example", "ok"},
		{"mjl", "other@mx.example", "other@mx.example", "mail 550"},
		{"other", "x@printer.example", "x@printer.example", "mail 550"},
		{"other", "other@mx.example", "x@printer.example", "data 550"},
	} {
		got := "ok"
		if at, err := f.submit(t, submission{account: tc.account, from: tc.from, rcpts: remote("a@remote.example"), text: "From: <" + tc.author + ">\r\n\r\ntext\r\n"}); err != nil {
			got = fmt.Sprintf("%s %d", at, err.Code)
		}
		if got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
	if l, _ := q.list(t); len(l) != 2 || l[0].Account != "mjl" {
		t.Error(summary(l))
	}
}
