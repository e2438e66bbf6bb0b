package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func messagesOf(t testing.TB, a *Account, box MailboxID) (list []string) {
	t.Helper()
	b, err := a.OpenBox(context.Background(), box)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, m := range b.View().All() {
		list = append(list, fmt.Sprintf("%d %s %v %d %s", m.UID, strings.Join(m.Flags.Names(), " "), a.Keywords(m.Keywords), m.Received, body(t, a, m.Body)))
	}
	return list
}

// TestBetween copies and moves messages to another account, in several batches.
func TestBetween(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a, b := makeAccount(t, s, "a"), makeAccount(t, s, "b")
	from, to := inbox(t, a), inbox(t, b)
	var texts []string
	for i := range 2*betweenMessages + 5 {
		texts = append(texts, mail(i))
	}
	texts = append(texts, strings.Repeat("a large body\r\n", 300_000))
	add(t, a, from, texts...)
	add(t, b, to, mail(1000))
	if _, err := a.SetFlags(ctx, from, AllUIDs(), FlagChange{Flags: FlagSeen | FlagDeleted | FlagFlagged, Keywords: []string{"Work"}}); err != nil {
		t.Fatal(err)
	}
	want := messagesOf(t, a, from)
	r, err := a.CopyTo(ctx, from, AllUIDs(), b, to, FlagLimit{})
	if err != nil {
		t.Fatal(err)
	}
	n := len(texts)
	if r.Source.String() != fmt.Sprintf("1:%d", n) || r.Dest.String() != fmt.Sprintf("2:%d", n+1) || r.UIDValidity == 0 {
		t.Errorf("copied %v to %v", r.Source, r.Dest)
	}
	got := messagesOf(t, b, to)[1:]
	for i := range got {
		_, g, _ := strings.Cut(got[i], " ")
		_, w, _ := strings.Cut(want[i], " ")
		if g != w {
			t.Fatalf("message %d: %.200s, want %.200s", i, g, w)
		}
	}
	// Moved, with flags that may not be set.
	r, err = a.MoveTo(ctx, from, UIDSet{{2, 3}, {5, 5}}, b, to, FlagLimit{Flags: FlagDeleted | FlagFlagged, Keywords: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Source.String() != "2:3,5" || r.Dest.Len() != 3 {
		t.Errorf("moved %v to %v", r.Source, r.Dest)
	}
	if left := messagesOf(t, a, from); len(left) != n-3 {
		t.Errorf("%d messages are left of %d", len(left), n)
	}
	last := messagesOf(t, b, to)
	if m := last[len(last)-1]; !strings.Contains(m, ` \Seen [] `) || !strings.Contains(m, "Hello 4") {
		t.Errorf("moved message: %s", m)
	}
	// What is not there is passed over.
	if r, err := a.MoveTo(ctx, from, UIDSet{{2, 3}}, b, to, FlagLimit{}); err != nil || len(r.Source) > 0 {
		t.Errorf("%v %v", r, err)
	}
}

// TestBetweenFails: a copy or move that fails in a later batch leaves both mailboxes as they
// were.
func TestBetweenFails(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{MaxMessageSize: 20_000})
	a, b := makeAccount(t, s, "a"), makeAccount(t, s, "b")
	from, to := inbox(t, a), inbox(t, b)
	var texts []string
	for i := range betweenMessages + 1 {
		texts = append(texts, mail(i))
	}
	add(t, a, from, texts...)
	s.o.MaxMessageSize = 0
	add(t, a, from, strings.Repeat("too large\r\n", 4000))
	s.o.MaxMessageSize = 20_000
	for name, f := range map[string]func(context.Context, MailboxID, UIDSet, *Account, MailboxID, FlagLimit) (Copied, error){"copy": a.CopyTo, "move": a.MoveTo} {
		if _, err := f(ctx, from, AllUIDs(), b, to, FlagLimit{}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(messagesOf(t, b, to)); n != 0 {
			t.Errorf("%s: %d messages were left in the destination", name, n)
		}
		if n := len(messagesOf(t, a, from)); n != len(texts)+1 {
			t.Errorf("%s: %d messages are left in the source", name, n)
		}
		if _, err := f(ctx, from, AllUIDs(), b, 999, FlagLimit{}); !errors.Is(err, ErrNoMailbox) {
			t.Errorf("%s to no mailbox: %v", name, err)
		}
	}
	b.SetQuota(1000)
	if _, err := a.MoveTo(ctx, from, AllUIDs(), b, to, FlagLimit{}); !errors.Is(err, ErrQuota) {
		t.Error(err)
	}
}

// TestBothWays moves messages between two accounts in both directions at once: nothing
// waits for ever, and nothing is lost.
func TestBothWays(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a, b := makeAccount(t, s, "a"), makeAccount(t, s, "b")
	ia, ib := inbox(t, a), inbox(t, b)
	var texts []string
	for i := range 30 {
		texts = append(texts, mail(i))
	}
	add(t, a, ia, texts[:15]...)
	add(t, b, ib, texts[15:]...)
	errs := make(chan error, 4)
	for i := range 4 {
		go func() {
			for range 6 {
				var err error
				if i%2 == 0 {
					_, err = a.MoveTo(ctx, ia, AllUIDs(), b, ib, FlagLimit{})
				} else {
					_, err = b.MoveTo(ctx, ib, AllUIDs(), a, ia, FlagLimit{})
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	found := map[string]int{}
	for _, list := range [][]string{messagesOf(t, a, ia), messagesOf(t, b, ib)} {
		for _, m := range list {
			_, text, _ := strings.Cut(m, "From:")
			found[text]++
		}
	}
	for text, n := range found {
		if n != 1 {
			t.Errorf("%d times: %q", n, text)
		}
	}
	if len(found) != len(texts) {
		t.Errorf("%d of %d messages are left", len(found), len(texts))
	}
}

// TestFlagLimit: flags that may not be changed stay as they are.
func TestFlagLimit(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := makeAccount(t, s, "a")
	box := inbox(t, a)
	limit := FlagLimit{Flags: FlagsAll &^ FlagSeen, Keywords: true}
	for _, tc := range []struct {
		change FlagChange
		want   string
	}{
		{FlagChange{Op: FlagsAdd, Flags: FlagSeen | FlagDraft, Keywords: []string{"New"}}, `\Seen \Flagged $Junk [Work]`},
		{FlagChange{Op: FlagsRemove, Flags: FlagSeen | FlagFlagged, Keywords: []string{"Work"}}, `\Flagged $Junk [Work]`},
		{FlagChange{Op: FlagsReplace, Flags: FlagSeen, Keywords: []string{"New"}}, `\Seen \Flagged $Junk [Work]`},
		{FlagChange{Op: FlagsReplace}, `\Flagged $Junk [Work]`},
	} {
		r := add(t, a, box, mail(1))
		set := NewUIDSet(r.UIDs...)
		if _, err := a.SetFlags(ctx, box, set, FlagChange{Op: FlagsReplace, Flags: FlagFlagged | FlagJunk, Keywords: []string{"Work"}}); err != nil {
			t.Fatal(err)
		}
		tc.change.Limit = limit
		if _, err := a.SetFlags(ctx, box, set, tc.change); err != nil {
			t.Fatal(err)
		}
		list := messagesOf(t, a, box)
		if got := list[len(list)-1]; !strings.Contains(got, " "+tc.want+" ") {
			t.Errorf("%+v: %s, want %s", tc.change, got, tc.want)
		}
	}
}

// TestBetweenReserved: a mailbox that messages must not be put into takes none from another
// account either.
func TestBetweenReserved(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{Reserved: func(account, mailbox string) bool { return account == "b" && mailbox == "Archive" }})
	a, b := makeAccount(t, s, "a"), makeAccount(t, s, "b")
	add(t, a, inbox(t, a), mail(1))
	if _, err := a.MoveTo(ctx, inbox(t, a), AllUIDs(), b, mustBox(t, b, "Archive"), FlagLimit{}); !errors.Is(err, ErrReserved) {
		t.Error(err)
	}
	if n := len(messagesOf(t, a, inbox(t, a))); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestReplaceTo: of those who replace, move or expunge one message at the same time one does, and
// what the others added is gone again.
func TestReplaceTo(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{Synchronous: "OFF"})
	a, b := testAccount(t, s, "a"), testAccount(t, s, "b")
	from, to := inbox(t, a), inbox(t, b)
	const n = 10
	for i := range n {
		uid := add(t, a, from, mail(i)).UIDs[0]
		got := make(chan bool)
		for w := range 4 {
			sp := spool(t, s, mail(100*i+w))
			go func() {
				var err error
				switch w {
				case 0:
					var r Copied
					if r, err = a.MoveTo(ctx, from, NewUIDSet(uid), b, to, FlagLimit{}); err == nil && len(r.Source) == 0 {
						err = ErrNoMessage
					}
				case 1:
					var gone UIDSet
					if gone, _, err = a.Remove(ctx, from, NewUIDSet(uid)); err == nil {
						if len(gone) > 0 { // as if it had been moved
							_, err = b.Add(ctx, to, []NewMessage{{Spool: sp}})
						} else {
							err = ErrNoMessage
						}
					}
				default:
					_, err = a.ReplaceTo(ctx, from, uid, b, to, NewMessage{Spool: sp})
				}
				if err != nil && !errors.Is(err, ErrNoMessage) {
					t.Error(err)
				}
				got <- err == nil
			}()
		}
		won := 0
		for range 4 {
			if <-got {
				won++
			}
		}
		if won != 1 {
			t.Errorf("%d of 4 replaced message %d", won, i)
		}
	}
	if l := messagesOf(t, b, to); len(l) != n {
		t.Errorf("%d messages, want %d: %q", len(l), n, l)
	}
	if _, err := a.ReplaceTo(ctx, from, 1, b, to, NewMessage{Spool: spool(t, s, mail(1))}); !errors.Is(err, ErrNoMessage) {
		t.Error(err)
	}
	uid := add(t, a, from, mail(1)).UIDs[0]
	if _, err := a.ReplaceTo(ctx, from, uid, b, 999, NewMessage{Spool: spool(t, s, mail(1))}); !errors.Is(err, ErrNoMailbox) {
		t.Error(err)
	}
	if l := messagesOf(t, a, from); len(l) != 1 {
		t.Errorf("a message went for none: %q", l)
	}
}
