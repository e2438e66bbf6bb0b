package moxtest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"mox/admin"
	"mox/imapclient"
	"mox/moxtest"
	"mox/tracelog"
)

// TestReception: what a user says of a message decides about the next of its sender, who
// is told, and so is whoever asks why.
func TestReception(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t, moxtest.WithoutNetwork())
	ctx := t.Context()
	n := 0
	send := func() error {
		n++
		return mox.TrySend(t, "a@remote.example", "mox@mox.example", fmt.Sprintf("From: <a@remote.example>\r\nTo: <mox@mox.example>\r\nMessage-ID: <%d@remote.example>\r\n\r\nHello.\r\n", n))
	}
	why := func() string {
		l, err := mox.Admin.Decisions(ctx, tracelog.Query{Text: fmt.Sprintf("<%d@remote.example>", n)})
		if err != nil || len(l) != 1 {
			t.Fatal(len(l), err)
		}
		return string(l[0].Verdict.Action) + " " + l[0].Verdict.Reason + " " + l[0].Verdict.Mailbox
	}
	simulated := func() string {
		l, err := mox.Admin.Simulate(ctx, admin.Simulation{From: "a@remote.example", To: "mox@mox.example", Remote: "127.0.0.1"})
		if err != nil || len(l) != 1 {
			t.Fatal(len(l), err)
		}
		return string(l[0].Verdict.Action) + " " + l[0].Verdict.Reason
	}
	if err := send(); err != nil || why() != "accept no-bad-signals Inbox" {
		t.Fatal(err, why())
	}
	c := mox.DialIMAP(t)
	do(t, c, "select inbox")
	do(t, c, "move 1 Junk")
	if got := simulated(); got != "reject msgfromfull" {
		t.Error(got)
	}
	if err := send(); err == nil || !strings.Contains(err.Error(), "4.7.1 earlier mail of this sender") || why() != "reject msgfromfull Inbox" {
		t.Error(err, why())
	}
	// It was a mistake.
	do(t, c, "select Rejects")
	do(t, c, "move 1 inbox")
	do(t, c, "select Junk")
	do(t, c, "store 1 flags.silent ()")
	if got := simulated(); got != "accept msgfromfull" {
		t.Error(got)
	}
	if err := send(); err != nil || why() != "accept msgfromfull Inbox" {
		t.Error(err, why())
	}
	if box, err := c.Select(ctx, "inbox", ""); err != nil || box.Exists != 2 {
		t.Errorf("%+v, %v", box, err)
	}
	c.Close()
}

func do(t *testing.T, c *imapclient.Client, command string) {
	t.Helper()
	if _, err := c.Do(context.Background(), command); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}
