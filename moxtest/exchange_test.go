package moxtest_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/moxtest"
	"mox/queue"
)

// TestExchange has two servers send mail to each other: a submission there, what it gives
// here, and the notification that comes back for an unknown recipient.
func TestExchange(t *testing.T) {
	t.Parallel()
	other := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithAccount("else", "me@else.example"), moxtest.WithConfig(func(_ *config.Static, d *config.Dynamic) {
		d.Domains["else.example"] = config.Domain{}
	}))
	mox := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithDial(func(context.Context, string, string) (net.Conn, error) {
		return other.Dial(t, "smtp"), nil
	}))
	mox.DNS.MX["else.example"] = []dns.MX{{Preference: 10, Host: "remote.example"}}
	for _, s := range []*moxtest.Server{mox, other} {
		s.DNS.MX["mox.example"] = []dns.MX{{Preference: 10, Host: "localhost"}}
		s.DNS.TXT["mox.example"] = []string{"v=spf1 ip4:127.0.0.0/8 ip6:::1 -all"}
	}
	mox.Submit(t, "mox@mox.example", "me@else.example", "From: <mox@mox.example>\r\nSubject: hi\r\n\r\nHello.\r\n")
	if got := waitFor(t, other, "me@else.example", "Subject: hi"); !strings.Contains(got, "spf=pass") {
		t.Errorf("received %s", got)
	}
	mox.Submit(t, "mox@mox.example", "nobody@else.example", "From: <mox@mox.example>\r\nSubject: lost\r\n\r\nHello?\r\n")
	got := waitFor(t, mox, "mox@mox.example", "multipart/report")
	for _, want := range []string{"nobody@else.example", "Status: 5.1.1", "Action: failed", "Subject: lost", "Auto-Submitted: auto-replied"} {
		if !strings.Contains(got, want) {
			t.Errorf("notification lacks %q: %s", want, got)
		}
	}
	// A person may try again.
	if l, err := mox.Queue.SuppressionList(t.Context(), ""); err != nil || len(l) != 0 {
		t.Errorf("suppressed %+v, %v", l, err)
	}
	// What is delivered leaves the queue a moment later.
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		n, err := mox.Queue.Count(t.Context(), queue.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d messages stay in the queue", n)
		}
	}
}

// waitFor returns the message of an address in which text occurs, once it is there.
func waitFor(t *testing.T, s *moxtest.Server, address, text string) string {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, m := range s.Messages(t, address) {
			if strings.Contains(m, text) {
				return m
			}
		}
	}
	l, err := s.Queue.List(t.Context(), queue.Filter{}, queue.Sort{})
	t.Logf("queue: %+v, %v", l, err)
	t.Fatalf("no message with %q for %s", text, address)
	return ""
}
