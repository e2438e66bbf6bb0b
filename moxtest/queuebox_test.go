package moxtest_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"mox/admin"
	"mox/imap"
	"mox/imapclient"
	"mox/moxtest"
	"mox/queue"
)

// letter is a message with a hidden recipient.
const letter = "From: <mox@mox.example>\r\nTo: <a@far.example>\r\nBcc: <hidden@far.example>\r\nSubject: hello\r\nMessage-ID: <1@mox.example>\r\nDate: Sat, 1 Jan 2000 00:00:00 +0000\r\n\r\nHi.\r\n"

// inBox returns the messages of a mailbox as "UID FLAGS text"; nil if there is none.
func inBox(t *testing.T, mox *moxtest.Server, name string) []string {
	t.Helper()
	ctx := context.Background()
	c := mox.DialIMAP(t)
	defer c.Logout(ctx)
	box, err := c.Examine(ctx, name, "")
	if err != nil && strings.Contains(err.Error(), "NONEXISTENT") {
		return nil
	} else if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	if box.Exists == 0 {
		return all
	}
	err = c.Fetch(ctx, false, "1:*", "(UID FLAGS BODY.PEEK[])", func(f *imap.FetchResponse) error {
		text, _ := f.Section("BODY[]")
		all = append(all, fmt.Sprintf("%d %v %s", f.UID, f.Flags, text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func queued(t *testing.T, mox *moxtest.Server) []queue.Message {
	t.Helper()
	l, err := mox.Queue.List(context.Background(), queue.Filter{Account: "mox"}, queue.Sort{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// until waits until something is so.
func until(t *testing.T, mox *moxtest.Server, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so: %s; Queue %q, Scheduled %q, Drafts %q", what, inBox(t, mox, "Queue"), inBox(t, mox, "Scheduled"), inBox(t, mox, "Drafts"))
		}
	}
}

// TestQueueMailbox: what could not be delivered is seen by IMAP, changes with each attempt, and is
// canceled by deleting it.
func TestQueueMailbox(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t, moxtest.WithoutNetwork())
	mox.DNS.A["far.example"] = []string{"192.0.2.1"}
	mox.Submit(t, "mox@mox.example", "a@far.example", letter)
	until(t, mox, "shown", func() bool { return len(inBox(t, mox, "Queue")) == 1 })
	l := inBox(t, mox, "Queue")
	if !strings.HasPrefix(l[0], `1 [\Seen] X-Mox-Queue-ID: 1`) || !strings.Contains(l[0], "X-Mox-Queue-Attempts: 1\r\n") ||
		!regexp.MustCompile(`X-Mox-Queue-Recipient: <a@far.example>; attempts 1, last [^;]*; (451 )?4\.4\.1`).MatchString(strings.ReplaceAll(l[0], "\r\n ", " ")) || !strings.HasSuffix(l[0], "\r\n\r\nHi.\r\n") {
		t.Fatalf("%q", l)
	}
	c := mox.DialIMAP(t)
	do(t, c, "select Queue")
	do(t, c, `store 1 +flags (\Flagged)`)
	if _, err := mox.Admin.QueueSchedule(t.Context(), "test", admin.QueueFilter{}, queue.Shift{Now: true}); err != nil {
		t.Fatal(err)
	}
	until(t, mox, "attempted again", func() bool {
		l = inBox(t, mox, "Queue")
		return len(l) == 1 && strings.Contains(l[0], "X-Mox-Queue-Attempts: 2\r\n")
	})
	if strings.HasPrefix(l[0], "1 ") || !strings.Contains(l[0], `\Flagged`) {
		t.Errorf("%q", l)
	}
	do(t, c, "noop")
	for _, command := range []string{"copy 1 Queue", "move 1 Scheduled"} {
		if _, err := c.Do(t.Context(), command); err == nil || !strings.Contains(err.Error(), "shows messages that are to be sent") && !strings.Contains(err.Error(), "TRYCREATE") {
			t.Error(command, err)
		}
	}
	if _, err := c.Append(t.Context(), "Queue", imapclient.AppendMessage{Data: strings.NewReader(letter), Size: int64(len(letter))}); err == nil || !strings.Contains(err.Error(), "shows messages that are to be sent") {
		t.Error(err)
	}
	do(t, c, `store 1 +flags (\Deleted)`)
	do(t, c, "expunge")
	until(t, mox, "canceled", func() bool { return len(queued(t, mox)) == 0 })
	until(t, mox, "gone", func() bool { return len(inBox(t, mox, "Queue")) == 0 })
}

// TestTakeBack: a message on hold is scheduled, and comes back by a move to Drafts, or by a copy and
// EXPUNGE, as an editable draft.
func TestTakeBack(t *testing.T) {
	for _, how := range []string{"move", "copy", "copy and trash", "trash"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			takeBack(t, how)
		})
	}
}

func takeBack(t *testing.T, how string) {
	mox := moxtest.New(t, moxtest.WithoutNetwork())
	hold(t, mox, "far.example")
	mox.Submit(t, "mox@mox.example", "hidden@far.example", letter)
	until(t, mox, "shown", func() bool { return len(inBox(t, mox, "Scheduled")) == 1 })
	if l := inBox(t, mox, "Scheduled"); !strings.Contains(l[0], "X-Mox-Queue-Status: on hold\r\n") || inBox(t, mox, "Queue") != nil {
		t.Fatalf("%q", l)
	}
	c := mox.DialIMAP(t)
	do(t, c, "select Scheduled")
	switch how {
	case "move":
		do(t, c, "move 1 Drafts")
	case "copy":
		do(t, c, "copy 1 Drafts")
		do(t, c, `store 1 +flags.silent (\Deleted)`)
		do(t, c, "expunge")
	case "copy and trash":
		do(t, c, "copy 1 Drafts")
		do(t, c, "move 1 Trash")
	case "trash":
		do(t, c, "move 1 Trash")
	}
	until(t, mox, "canceled", func() bool { return len(queued(t, mox)) == 0 })
	drafts := inBox(t, mox, "Drafts")
	if how == "trash" {
		if len(drafts) != 0 || len(inBox(t, mox, "Trash")) != 1 {
			t.Errorf("%q", drafts)
		}
		return
	}
	if len(drafts) != 1 {
		t.Fatalf("%q", drafts)
	}
	d := drafts[0]
	if strings.Contains(d, "X-Mox-Queue") || strings.Contains(d, "DKIM-Signature") || strings.Contains(d, "Received:") || !strings.Contains(d, `\Draft`) ||
		!strings.Contains(d, "Bcc: hidden@far.example\r\n") || !strings.Contains(d, "Subject: hello\r\n") || !strings.HasSuffix(d, "\r\n\r\nHi.\r\n") {
		t.Errorf("%q", d)
	}
}

// TestQueueMailboxUnused: what is delivered at once is not shown.
func TestQueueMailboxUnused(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t, moxtest.WithoutNetwork())
	mox.Submit(t, "mox@mox.example", "mox@mox.example", letter)
	if len(mox.Messages(t, "mox@mox.example")) != 1 || inBox(t, mox, "Queue") != nil || inBox(t, mox, "Scheduled") != nil {
		t.Error("there are mailboxes for the queue")
	}
}
