package store

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestKnown(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	box := inbox(t, a)
	add(t, a, box, mail(1), mail(2), mail(2), "no id\r\n\r\n")
	// Delivered, with a field before the message.
	prefix := "Received: here\r\n"
	if _, err := a.Deliver(ctx, "Inbox", NewMessage{Spool: spool(t, s, mail(3)), Prefix: []byte(prefix)}); err != nil {
		t.Fatal(err)
	}
	k, err := a.Known(ctx, box)
	if err != nil {
		t.Fatal(err)
	}
	for i, tc := range []struct {
		text string
		want bool
	}{
		{mail(1), true}, {mail(1), false}, {mail(2), true}, {mail(2), true}, {mail(2), false}, {"no id\r\n\r\n", true}, {"no ie\r\n\r\n", false},
		{mail(3), false}, {prefix + mail(3), true}, {prefix + mail(3), false}, {strings.Replace(mail(1), "\r\n\r\n", "\r\n\r\n.", 1), false},
	} {
		sp := spool(t, s, tc.text)
		if _, err := sp.Condense(); err != nil {
			t.Fatal(err)
		}
		if got, err := k.Take(ctx, sp); err != nil || got != tc.want {
			t.Errorf("%d: %v, %v", i, got, err)
		}
	}
}

func TestCondense(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	box := inbox(t, a)
	free := s.spools.left.Load()
	for _, n := range []int{0, 1000, 900_000, stageSize - 10, stageSize + 10, 3 << 20} {
		text := mail(n) + strings.Repeat("0123456789abcde\n", n/16)
		sp := spool(t, s, text)
		if w, err := sp.Condense(); err != nil || w <= 0 {
			t.Fatal(w, err)
		}
		if n < spoolInMemory && s.spools.left.Load() != free {
			t.Errorf("%d bytes hold memory after Condense", n)
		}
		if n < spoolInMemory {
			var buf [10]byte
			if _, err := sp.ReadAt(buf[:], 0); err == nil {
				t.Error("condensed spool can be read")
			}
		}
		r, err := a.Add(ctx, box, []NewMessage{{Spool: sp}})
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, a, r.Bodies[0]); got != text {
			t.Errorf("%d bytes: got %d", len(text), len(got))
		}
	}
	sp := s.NewSpool()
	defer sp.Close()
	if _, err := sp.Condense(); err == nil || errors.Is(err, ErrNoBody) {
		t.Error("an unfinished spool was condensed:", err)
	}
}
