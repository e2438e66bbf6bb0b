package store

import (
	"context"
	"errors"
	"testing"
)

// TestReserved: only the server itself puts messages into a reserved mailbox; they can be taken out,
// and what is delivered there is not lost.
func TestReserved(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{Reserved: func(_, mailbox string) bool { return mailbox == "Archive" }})
	a, b := testAccount(t, s, "mjl"), testAccount(t, s, "other")
	in := inbox(t, a)
	arch, _ := a.MailboxByName("Archive")
	theirs, _ := b.MailboxByName("Archive")
	add(t, a, in, mail(1), mail(2))
	one := NewUIDSet(1)
	for name, try := range map[string]func() error{
		"add": func() error { _, err := a.Add(ctx, arch.ID, []NewMessage{{Spool: spool(t, s, mail(3))}}); return err },
		"some": func() error {
			_, err := a.Add(ctx, arch.ID, []NewMessage{{Spool: spool(t, s, mail(3)), Own: true}, {Spool: spool(t, s, mail(4))}})
			return err
		},
		"copy": func() error { _, err := a.Copy(ctx, in, one, arch.ID); return err },
		"move": func() error { _, err := a.Move(ctx, in, one, arch.ID); return err },
		"replace": func() error {
			_, err := a.Replace(ctx, in, 1, arch.ID, NewMessage{Spool: spool(t, s, mail(3))})
			return err
		},
		"replace to": func() error {
			_, err := a.ReplaceTo(ctx, in, 1, b, theirs.ID, NewMessage{Spool: spool(t, s, mail(3))})
			return err
		},
		"copy to":  func() error { _, err := a.CopyTo(ctx, in, one, b, theirs.ID, FlagLimit{}); return err },
		"move to":  func() error { _, err := a.MoveTo(ctx, in, one, b, theirs.ID, FlagLimit{}); return err },
		"undelete": func() error { _, err := a.Undelete(ctx, in, 1, one, arch.ID); return err },
	} {
		if err := try(); !errors.Is(err, ErrReserved) || !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.Add(ctx, arch.ID, []NewMessage{{Spool: spool(t, s, mail(3)), Own: true}}); err != nil {
		t.Error(err)
	}
	if _, err := a.Replace(ctx, arch.ID, 1, arch.ID, NewMessage{Spool: spool(t, s, mail(4)), Own: true}); err != nil {
		t.Error(err)
	}
	if _, err := a.Deliver(ctx, "Archive", NewMessage{Spool: spool(t, s, mail(5))}); err != nil {
		t.Error(err)
	}
	if r, err := a.Move(ctx, arch.ID, AllUIDs(), in); err != nil || r.Dest.Len() != 2 {
		t.Error(r, err)
	}
	if m, _ := a.MailboxByName("Inbox"); m.Messages != 4 {
		t.Errorf("%d messages", m.Messages)
	}
}
