package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/moxtest"
)

// answerer is a server elsewhere that answers RCPT with a reply.
func answerer(conn net.Conn, reply string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 mx.there.example ESMTP\r\n")
	for data := false; ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		answer := "250 2.0.0 ok\r\n"
		switch verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " "); {
		case data:
			if line != ".\r\n" {
				continue
			}
			data = false
		case verb == "EHLO":
			answer = "250 mx.there.example\r\n"
		case verb == "RCPT" && reply != "":
			answer = reply + "\r\n"
		case verb == "DATA":
			data, answer = true, "354 go on\r\n"
		case verb == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		}
		fmt.Fprint(conn, answer)
	}
}

// TestSend follows test messages that others take or refuse, and one that comes back.
func TestSend(t *testing.T) {
	t.Parallel()
	replies := map[string]string{"good.example": "", "bad.example": "550-5.7.1 Client host blocked using zen.spamhaus.org;\r\n550 5.7.1 see https://www.spamhaus.org/sbl/query/SBLCSS", "slow.example": "451 4.7.1 Greylisted, try again in 5 minutes"}
	hosts := map[string]string{}
	mox := moxtest.New(t, moxtest.WithConfig(func(s *config.Static, _ *config.Dynamic) {
		l := s.Listeners["test"]
		l.NATIPs = []string{"192.0.2.10"}
		s.Listeners["test"] = l
	}), moxtest.WithDial(func(_ context.Context, _, address string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		host, _, _ := net.SplitHostPort(address)
		go answerer(theirs, replies[hosts[host]])
		return ours, nil
	}))
	n := 20
	for domain := range replies {
		n++
		ip := fmt.Sprint("192.0.2.", n)
		hosts[ip] = domain
		mox.DNS.MX[domain] = []dns.MX{{Preference: 10, Host: "mx." + domain + "."}}
		mox.DNS.A["mx."+domain] = []string{ip}
	}
	mox.DNS.MX["mox.example"] = []dns.MX{{Preference: 10, Host: moxtest.Hostname}}
	mox.DNS.A[moxtest.Hostname] = []string{"192.0.2.10"}
	mox.DNS.TXT["mox.example"] = []string{"v=spf1 ip4:192.0.2.10 -all"}
	mox.DNS.PTR["192.0.2.10"] = []string{moxtest.Hostname}
	mox.DNS.A["10.2.0.192.bl.spamcop.net"] = []string{"127.0.0.2"}
	send := func(status int, args ...string) string {
		t.Helper()
		p, stdout, stderr := testProgram()
		p.roots, p.dns = mox.RootCAs, mox.DNS
		p.connect = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "192.0.2.10:25" {
				address = mox.SMTPAddr()
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		if got := p.main(append([]string{"-config", filepath.Join(mox.Dir, "mox.conf"), "send"}, args...)); got != status {
			t.Fatalf("send %q: status %d, want %d\n%s%s", args, got, status, stdout, stderr)
		}
		return stdout.String() + stderr.String()
	}
	tests := []struct {
		status int
		args   string
		want   []string
	}{
		{0, "x@good.example", []string{"from mox@mox.example to x@good.example", "As seen by others, from 192.0.2.10", "ok   reverse DNS  192.0.2.10 is mail.mox.example.", "ok   SPF", "BAD  DKIM", "POOR DMARC",
			"BAD  block lists  192.0.2.10 is on bl.spamcop.net", "ok   MX           mx.good.example.", "In the queue as ", "attempt 1: mx.good.example took it", "Delivered."}},
		{1, "x@bad.example", []string{"attempt 1: mx.bad.example did not take it", "means: Spamhaus lists 192.0.2.10", "do:    Look up 192.0.2.10 at https://check.spamhaus.org", "It will not be tried again: failed."}},
		{1, "-wait 1s x@nowhere.example", []string{"takes no mail", "BAD  MX"}},
		{0, "mox@mox.example", []string{"was delivered without leaving it"}},
		{0, "-self", []string{"from mox@mox.example to mox@mox.example", "attempt 1: mail.mox.example took it, by verified TLS", "It is in mailbox", "Authentication-Results: mail.mox.example;", "spf="}},
		{1, "-from nobody@mox.example x@good.example", []string{"no account has that address"}},
		{1, "-from x@other.example x@good.example", []string{"sender x@other.example"}},
		{2, "x", []string{`address "x"`}},
		{2, "", []string{"an address to send to is needed"}},
	}
	for _, tc := range tests {
		got := send(tc.status, strings.Fields(tc.args)...)
		for _, w := range tc.want {
			if !strings.Contains(got, w) {
				t.Errorf("send %s lacks %q:\n%s", tc.args, w, got)
			}
		}
	}
	// Waiting ends before the attempt on a machine that is busy: then it is waited for longer.
	for wait := 2 * time.Second; ; wait *= 2 {
		got := send(1, "-wait", wait.String(), "x@slow.example")
		attempted := strings.Contains(got, "asks senders that it does not know to try again")
		if !strings.Contains(got, "It waits in the queue") || !attempted && wait > time.Minute {
			t.Errorf("send -wait %v:\n%s", wait, got)
		}
		if attempted || t.Failed() {
			break
		}
	}
	var r sendReport
	if err := json.Unmarshal([]byte(send(0, "-json", "x@good.example")), &r); err != nil || !r.Delivered || r.Card == nil || len(r.Attempts) != 1 || r.Card.Addresses[0].Facts.SPF[0].Status != "pass" {
		t.Errorf("%+v, %v", r, err)
	}
}
