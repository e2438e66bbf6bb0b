package moxtest_test

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"mox/dns"
	"mox/metrics"
	"mox/moxtest"
	"mox/queue"
	state "mox/status"
)

// statusOf returns the kinds of what is told, the worst first.
func statusOf(t *testing.T, mox *moxtest.Server) (state.Report, string) {
	t.Helper()
	r, err := mox.Admin.Status(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, s := range r.Sentences {
		kinds = append(kinds, s.Kind)
	}
	return r, strings.Join(kinds, " ")
}

// TestStatus breaks a server in ways that "mox status" finds by what the server knows.
func TestStatus(t *testing.T) {
	t.Parallel()
	blocked := true
	mox := moxtest.New(t, moxtest.WithDial(func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	}))
	if r, kinds := statusOf(t, mox); !r.OK || kinds != "nobackup" {
		t.Fatalf("a new server: %+v", r)
	}
	for _, d := range []string{"a.example", "b.example", "c.example"} {
		mox.DNS.MX[d] = []dns.MX{{Preference: 10, Host: "mail." + d}}
		mox.DNS.A["mail."+d] = []string{"192.0.2.25"}
		mox.Submit(t, "mox@mox.example", "x@"+d, "From: <mox@mox.example>\r\nSubject: hi\r\n\r\nHello.\r\n")
	}
	var r state.Report
	var kinds string
	for end := time.Now().Add(time.Minute); blocked && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		r, kinds = statusOf(t, mox)
		blocked = kinds != "port25 nobackup"
	}
	if blocked || r.OK || r.Sentences[0].Level != state.Urgent {
		l, err := mox.Queue.List(t.Context(), queue.Filter{}, queue.Sort{})
		t.Fatalf("no connection works: %+v\nqueue: %+v, %v", r, l, err)
	}
	if _, err := mox.Queue.Drop(t.Context(), queue.Filter{}); err != nil {
		t.Fatal(err)
	}
	mox.Registry.Panic("ctl")
	mox.Registry.Counter(metrics.SMTPServerDelivery).Inc("accounterror", "")
	if r, kinds := statusOf(t, mox); kinds != "storing panic nobackup" || r.OK {
		t.Errorf("a panic, and a message not stored: %+v", r)
	}
}
