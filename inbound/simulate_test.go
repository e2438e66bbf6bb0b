package inbound

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"mox/dns"
	"mox/smtp"
	"mox/store"
	"mox/trace"
)

// TestSimulate: what a simulation says is what then happens, for messages of many kinds.
func TestSimulate(t *testing.T) {
	f := setup(t)
	f.withJunk(t)
	f.c.Resolver = f.zone
	f.door = Door{Delay: 0, DNSBLs: []dns.Domain{{ASCII: "bl.example"}}}
	f.zone.A["2.0.0.127.bl.example"], f.zone.A["4.0.0.10.bl.example"] = []string{"127.0.0.2"}, []string{"127.0.0.2"}
	froms := []string{"x@a.example", "x@b.example", "x@fail.example", "x@null.example", "x@nowhere.example", ""}
	headers := []string{"From: <x@a.example>", "From: <x@b.example>", "From: <x@a.example>, <y@b.example>", "To: <mjl@mx.example>"}
	tos := []string{"mjl@mx.example", "mjl+x@mx.example", "nobody@mx.example", "verified@mx.example", "members@mx.example", "public@mx.example", "small@mx.example", "gone@mx.example", "x@elsewhere.example"}
	flags := []store.Flags{0, store.FlagJunk, store.FlagNotJunk}
	n, kinds := 0, map[string]bool{}
	for i, from := range froms {
		for j, header := range headers {
			for k, to := range tos {
				text := fmt.Sprintf("%s\r\nMessage-ID: <%d.%d.%d@x>\r\n\r\n%s\r\n", header, i, j, k, strings.Repeat("text ", 10*k))
				p := peer
				p.Remote = netip.AddrPortFrom(netip.MustParseAddr([]string{"10.0.0.2", "10.0.0.4"}[(i+j)%2]), 25)
				want := f.simulate(t, p, from, to, text)
				f.traces = nil
				f.send(t, p, smtp.MailParams{HasSize: true, Size: int64(len(text))}, from, []string{to}, text)
				if got := outcomes(f.traces); got != want {
					t.Errorf("from %q, %s, to %s: simulated %s, happened %s", from, header, to, want, got)
				}
				kinds[want] = true
				// The user says what is junk, at times.
				if n++; n%7 == 0 {
					f.flag(t, "Inbox", flags[n/7%3])
				}
			}
		}
	}
	if len(kinds) < 12 {
		t.Errorf("%d kinds of outcomes only: %v", len(kinds), kinds)
	}
}

func (f *fixture) simulate(t *testing.T, p smtp.Peer, from, to, text string) string {
	t.Helper()
	q := Query{To: path(t, to), Remote: p.Remote.Addr(), Hello: p.Hello.IPDomain.Domain, Message: []byte(text), Door: f.door}
	if from != "" {
		q.From = path(t, from)
	}
	l, err := New(f.c).Simulate(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes(l)
}

func outcomes(l []*trace.Trace) string {
	var s []string
	for _, t := range l {
		v := t.Verdict
		if v.Action == trace.Reject {
			s = append(s, fmt.Sprintf("%s %s %d %s", t.Account, v.Reason, v.Code, v.Enhanced))
		} else {
			s = append(s, fmt.Sprintf("%s %s %s", t.Account, v.Reason, v.Mailbox))
		}
	}
	return strings.Join(s, ", ")
}

// TestSimulatePlain: without message, client and name.
func TestSimulatePlain(t *testing.T) {
	f := setup(t)
	f.zone.MX["a.example"] = []dns.MX{{Host: "rev.example"}}
	f.c.Resolver = f.zone
	in := New(f.c)
	l, err := in.Simulate(t.Context(), Query{From: path(t, "x@a.example"), To: path(t, "mjl@mx.example"), TLS: true})
	if err != nil || outcomes(l) != "mjl no-bad-signals Inbox" || l[0].Facts.SPF[0].Status != "pass" || l[0].Facts.Hello != "a.example" {
		t.Error(outcomes(l), err)
	}
	// A signature that is taken as given.
	q := Query{From: path(t, "x@a.example"), To: path(t, "mjl@mx.example"), Remote: netip.MustParseAddr("10.0.0.9")}
	if l, err = in.Simulate(t.Context(), q); err != nil || outcomes(l) != "mjl dmarc-policy 550 5.7.26" {
		t.Error(outcomes(l), err)
	}
	q.DKIM = []dns.Domain{{ASCII: "a.example"}}
	if l, err = in.Simulate(t.Context(), q); err != nil || outcomes(l) != "mjl no-bad-signals Inbox" {
		t.Error(outcomes(l), err)
	}
	if _, err := in.Simulate(t.Context(), Query{From: path(t, "x@nowhere.example"), To: path(t, "mjl@mx.example")}); err == nil {
		t.Error("no client")
	}
	if got := f.Messages(t, "mjl", "Inbox"); len(got) != 0 || len(f.results) != 0 || len(f.traces) != 0 {
		t.Error("a simulation did something", len(got), f.results)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Simulate(ctx, q); err != nil {
		t.Log(err)
	}
}
