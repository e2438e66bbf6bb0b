package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mox/db"
)

type dbConn = db.Conn

func TestThreads(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	base := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
	msg := func(id, subject, refs, inReplyTo, extra string) string {
		h := fmt.Sprintf("From: a@example.org\r\nSubject: %s\r\nMessage-ID: <%s@x>\r\n", subject, id)
		if refs != "" {
			h += "References: " + refs + "\r\n"
		}
		if inReplyTo != "" {
			h += "In-Reply-To: " + inReplyTo + "\r\n"
		}
		return h + extra + "\r\ntext of " + id + "\r\n"
	}
	report := "Content-Type: multipart/report; boundary=b\r\n"
	tests := []struct {
		name, box, text string
		days            int
		thread          string // name of the thread's first message; empty: a new one
	}{
		{"first", "Inbox", msg("1", "Plans", "", "", ""), 0, ""},
		{"reply by references", "Inbox", msg("2", "Re: Plans", "<1@x>", "", ""), 1, "first"},
		{"reply by in-reply-to", "Sent", msg("3", "RE: plans", "", "<2@x>", ""), 1, "first"},
		{"closest reference wins", "Inbox", msg("4", "Re: Plans", "<0@x> <1@x>", "", ""), 1, "first"},
		{"other subject", "Inbox", msg("5", "Something else", "<1@x>", "", ""), 1, ""},
		{"report, other subject", "Inbox", msg("6", "Delivery failed", "<1@x>", "", report), 1, "first"},
		{"the same message", "Archive", msg("1", "Plans", "", "", ""), 2, "first"},
		{"the same id, changed", "Archive", msg("1", "Plans (edited)", "", "", ""), 2, "first"},
		{"reply without references", "Inbox", msg("7", "Re: Plans", "", "", ""), 5, "first"},
		{"not a reply", "Inbox", msg("8", "Plans", "", "", ""), 5, ""},
		{"reply in another mailbox", "Junk", msg("9", "Re: Plans", "", "", ""), 5, ""},
		{"reply too late", "Inbox", msg("10", "Re: Something else", "", "", ""), 40, ""},
		{"unknown references only", "Inbox", msg("11", "Re: Plans", "<unknown@x>", "", ""), 5, ""},
		{"reply to what is to come", "Inbox", msg("22", "Re: Late", "<20@x> <21@x>", "", ""), 6, ""},
		{"another reply to it", "Inbox", msg("23", "Re: Late", "<21@x>", "", ""), 6, "reply to what is to come"},
		{"an answer with another subject", "Inbox", msg("24", "Early", "<21@x>", "", ""), 6, ""},
		{"what was to come", "Inbox", msg("21", "Re: Late", "<20@x>", "", ""), 7, "reply to what is to come"},
		{"and its parent", "Sent", msg("20", "Late", "", "", ""), 7, "reply to what is to come"},
		{"no message-id", "Inbox", "Subject: x\r\n\r\n", 5, ""},
	}
	threads := map[string]ThreadID{}
	names := map[ThreadID]string{}
	for _, tt := range tests {
		r, err := a.Deliver(ctx, tt.box, NewMessage{Spool: spool(t, s, tt.text), Received: base.AddDate(0, 0, tt.days)})
		if err != nil {
			t.Fatal(err)
		}
		th, err := a.Thread(ctx, r.Bodies[0])
		if err != nil {
			t.Fatal(err)
		}
		threads[tt.name] = th
		if names[th] == "" {
			names[th] = tt.name
		}
		want := tt.thread
		if want == "" {
			want = tt.name
		}
		if names[th] != want {
			t.Errorf("%s: in the thread of %q, want %q", tt.name, names[th], want)
		}
	}
	// Equal content is kept once, and has one EMAILID.
	r1, _ := a.MailboxByName("Inbox")
	again := add(t, a, r1.ID, tests[0].text)
	if id, ok := ParseObjectID('M', EmailID(again.Bodies[0])); !ok || BodyID(id) != again.Bodies[0] || again.Bodies[0] != 1 {
		t.Error(again.Bodies)
	}
	for _, bad := range []string{"", "M", "T1", "M0", "M-1", "M01", "MZZ", "Mx "} {
		if n, ok := ParseObjectID('M', bad); ok {
			t.Errorf("ParseObjectID(%q) = %d", bad, n)
		}
	}
}

// TestThreadKeysFreed: the keys of a message that waits for what it refers to go with it,
// however long its References are.
func TestThreadKeysFreed(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	mb, _ := a.MailboxByName("Inbox")
	for _, n := range []int{0, 1, 7, 300, 2000, 5000} {
		refs := ""
		for i := range n {
			refs += fmt.Sprintf(" <%d.%d@x>\r\n", n, i)
		}
		for _, field := range []string{"References", "In-Reply-To"} {
			added := add(t, a, mb.ID, fmt.Sprintf("%s:%s\r\nSubject: %d\r\nMessage-ID: <%d.%s@x>\r\n\r\nx\r\n", field, refs, n, n, field))
			if _, _, err := a.Remove(ctx, mb.ID, NewUIDSet(added.UIDs...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 10 {
		if _, err := a.reapAt(ctx, time.Now().Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	err := a.read(ctx, func(c *db.Conn) error {
		n, _, err := c.QueryInt64("SELECT count(*) FROM lookup")
		if n != 0 {
			t.Errorf("%d keys are left", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
