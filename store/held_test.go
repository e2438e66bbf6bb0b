package store

import (
	"context"
	"strings"
	"testing"

	"mox/db"
)

// heldText is a message as it is uploaded again.
var heldText = "Message-ID: <again@example.org>\r\nSubject: words\r\n\r\n" + strings.Repeat("Some words of a message.\r\n", 400)

// Content that is there already is not compressed again, and stored once, alone and among other messages.
func TestHeld(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "alice")
	ctx := t.Context()
	inbox, _ := a.MailboxByName(Inbox)
	first := add(t, a, inbox.ID, heldText)
	a.looks.Store(lookMore)
	again, other := spool(t, s, heldText), spool(t, s, strings.Replace(heldText, "words", "other", 1))
	list := []NewMessage{{Spool: again}, {Spool: other}}
	for i := range list {
		a.Prepare(ctx, &list[i])
	}
	if again.chunks != nil || again.content != nil || other.chunks == nil {
		t.Error("compressed is what was there, or not what was new")
	}
	r, err := a.Add(ctx, inbox.ID, list)
	if err != nil {
		t.Fatal(err)
	}
	if r.Bodies[0] != first.Bodies[0] || r.Bodies[1] == r.Bodies[0] {
		t.Errorf("bodies %v after %v", r.Bodies, first.Bodies)
	}
	// A prefix makes other content.
	r, err = a.Add(ctx, inbox.ID, []NewMessage{{Spool: spool(t, s, heldText), Prefix: []byte("X-Prefix: yes\r\n")}})
	if err != nil || r.Bodies[0] == first.Bodies[0] {
		t.Errorf("with a prefix: %v, %v", r.Bodies, err)
	}
}

// What was there when a message was prepared can be gone when it is added.
func TestHeldGone(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "alice")
	ctx := t.Context()
	inbox, _ := a.MailboxByName(Inbox)
	add(t, a, inbox.ID, heldText)
	a.looks.Store(lookMore)
	ps, err := a.prepareAll(ctx, []NewMessage{{Spool: spool(t, s, heldText)}}, 0)
	if err != nil || !ps[0].held {
		t.Fatalf("held %v, %v", ps[0].held, err)
	}
	refs := func(n int64) {
		t.Helper()
		if err := a.committer.Do(ctx, 0, func(c *db.Conn) error { return c.ExecInts("UPDATE body SET refs=? WHERE id=1", n) }); err != nil {
			t.Fatal(err)
		}
	}
	refs(0)
	var r Added
	err = a.doPrepared(ctx, ps, func(t *tx) error {
		b, err := t.box(inbox.ID)
		if err == nil {
			r, err = t.add(b, ps)
		}
		return err
	})
	if err != nil || len(r.Bodies) != 1 || r.Bodies[0] == 1 {
		t.Fatalf("%v, %v", r, err)
	}
	refs(1) // as it is, so that the account is whole
	if got := readHeld(t, ctx, a, r.Bodies[0]); got != heldText {
		t.Errorf("reads %d bytes of %d", len(got), len(heldText))
	}
}

func readHeld(t *testing.T, ctx context.Context, a *Account, id BodyID) string {
	b, err := a.OpenBody(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var text strings.Builder
	if _, err := b.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// Messages are looked up now and then, and more often once some were there.
func TestHeldLooks(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "alice")
	inbox, _ := a.MailboxByName(Inbox)
	add(t, a, inbox.ID, heldText)
	held := 0
	for range 2 * lookEvery {
		p, err := a.prepareMessage(&NewMessage{Spool: spool(t, s, heldText)})
		if err != nil {
			t.Fatal(err)
		}
		if a.holds(t.Context(), p) {
			held++
		}
	}
	if held < lookEvery || held == 2*lookEvery {
		t.Errorf("%d of %d were found", held, 2*lookEvery)
	}
}
