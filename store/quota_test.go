package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestAccountLimits: RFC 9208 5: every way in is limited, and nothing of what is refused is there.
func TestAccountLimits(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{LimitsOf: func(string) Limits { return Limits{Messages: 3, Mailboxes: 8} }})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	arch, _ := a.MailboxByName("Archive")
	full := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrQuota) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	msgs := func(n int) (list []NewMessage) {
		for i := range n {
			list = append(list, NewMessage{Spool: spool(t, s, mail(i))})
		}
		return list
	}
	_, err := a.Add(ctx, in, msgs(4))
	full("adding four", err)
	add(t, a, in, mail(1), mail(2))
	_, err = a.Add(ctx, in, msgs(2))
	full("adding two more", err)
	_, err = a.Copy(ctx, in, AllUIDs(), arch.ID)
	full("copying", err)
	_, err = a.Deliver(ctx, "Inbox", msgs(1)[0])
	must(err)
	_, err = a.Deliver(ctx, "Inbox", msgs(1)[0])
	full("delivering", err)
	_, err = a.Move(ctx, in, NewUIDSet(1), arch.ID)
	must(err)
	if q := a.Quota(); q.Count != 3 || q.MaxMessages != 3 || q.Mailboxes != 6 || q.MaxMailboxes != 8 || !q.Limited() {
		t.Errorf("%+v", q)
	}
	// A mailbox with its parents counts whole.
	_, err = a.CreateMailbox(ctx, "a/b/c", 0)
	full("creating three", err)
	_, err = a.CreateMailbox(ctx, "a/b", 0)
	must(err)
	full("renaming with a new parent", a.RenameMailbox(ctx, "a/b", "x/b"))
	must(a.RenameMailbox(ctx, "a/b", "b"))
	a.SetLimits(Limits{Mailboxes: 8})
	_, err = a.Deliver(ctx, "new", msgs(1)[0])
	full("delivering to a new mailbox", err)
	must(a.DeleteMailbox(ctx, "b"))
	_, err = a.Deliver(ctx, "new", msgs(1)[0])
	must(err)
	// Lower limits than what there is keep nobody from working with it.
	a.SetLimits(Limits{Bytes: 1, Messages: 1, Mailboxes: 1})
	_, err = a.Move(ctx, in, AllUIDs(), arch.ID)
	must(err)
	must(a.DeleteMailbox(ctx, "new"))
	mustCheck(t, a)
}

// TestAccountLimitsTogether: operations of one commit count each other.
func TestAccountLimitsTogether(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{LimitsOf: func(string) Limits { return Limits{Messages: 20, Mailboxes: 16} }})
	a := testAccount(t, s, "a")
	errs := make(chan error)
	for i := range 40 {
		go func() {
			_, err := a.Deliver(ctx, "Inbox", NewMessage{Spool: spool(t, s, mail(i))})
			errs <- err
		}()
		go func() {
			_, err := a.CreateMailbox(ctx, fmt.Sprint("box", i), 0)
			errs <- err
		}()
	}
	for range 80 {
		if err := <-errs; err != nil && !errors.Is(err, ErrQuota) {
			t.Error(err)
		}
	}
	if q := a.Quota(); q.Count != 20 || q.Mailboxes != 16 {
		t.Errorf("%+v", q)
	}
	mustCheck(t, a)
}
