package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// An account that does not exist is an error at once, also after it was removed.
func TestAccountMissing(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	if _, err := s.Account(ctx, "nobody"); !errors.Is(err, ErrNoAccount) {
		t.Error(err)
	}
	if err := s.Create(ctx, "bob", InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Account(ctx, "bob"); !errors.Is(err, ErrNoAccount) {
		t.Error(err)
	}
}

// A body that is being staged has its id before others, and its message after them.
func TestNewBodiesStaged(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "alice")
	ctx := t.Context()
	large := spool(t, s, "Subject: large\r\n\r\n"+strings.Repeat("words\r\n", 500_000))
	inbox, _ := a.MailboxByName(Inbox)
	_, err := a.add(ctx, []NewMessage{{Spool: large}}, false, func(t2 *tx) (*mailbox, error) { return t2.box(inbox.ID) })
	if err != nil {
		t.Fatal(err)
	}
	ps, err := a.prepareAll(ctx, []NewMessage{{Spool: spool(t, s, "Subject: other\r\n\r\n"+strings.Repeat("Words\r\n", 500_000))}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Add(ctx, inbox.ID, []NewMessage{{Spool: spool(t, s, "Subject: small\r\n\r\n")}}); err != nil {
		t.Fatal(err)
	}
	want := func(want ...BodyID) {
		t.Helper()
		if got, err := a.NewBodies(ctx, 0, 10); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	want(1)
	err = a.do(ctx, 0, func(t *tx) error {
		b, err := t.box(inbox.ID)
		if err == nil {
			_, err = t.add(b, ps)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want(1, 2, 3)
}

func TestFindMessageID(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "alice")
	ctx := t.Context()
	for range 3 {
		for _, text := range []string{"Message-ID: <a@x>\r\n\r\n", "Message-ID: <b@x>\r\n\r\n", "\r\n"} {
			if _, err := a.Deliver(ctx, Inbox, NewMessage{Spool: spool(t, s, text)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := a.Deliver(ctx, "Other", NewMessage{Spool: spool(t, s, "Message-ID: <a@x>\r\n\r\n")}); err != nil {
		t.Fatal(err)
	}
	inbox, _ := a.MailboxByName(Inbox)
	for id, want := range map[string]string{"<a@x>": "1,4,7", "b@x": "2,5,8", "<c@x>": "", "": "", "<>": ""} {
		if got, err := a.FindMessageID(ctx, inbox.ID, id); err != nil || got.String() != want {
			t.Errorf("%q: %s, %v; want %s", id, got, err, want)
		}
	}
}

// FindMessage and MessageOfBody follow a message through its moves.
func TestFindMessage(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "alice")
	ctx := t.Context()
	inbox, _ := a.MailboxByName(Inbox)
	archive, _ := a.MailboxByName("Archive")
	var last Added
	for _, text := range []string{"Subject: 1\r\n\r\n", "Subject: 2\r\n\r\n", "Subject: 3\r\n\r\n"} {
		var err error
		if last, err = a.Add(ctx, inbox.ID, []NewMessage{{Spool: spool(t, s, text)}}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want MailboxID, err error) {
		t.Helper()
		box, m, e := a.FindMessage(ctx, last.IDs[0])
		box2, m2, e2 := a.MessageOfBody(ctx, last.Bodies[0])
		if box != want || box2 != want || !errors.Is(e, err) || !errors.Is(e2, err) || m != m2 || err == nil && m.ID != last.IDs[0] {
			t.Errorf("got %d %+v %v, %d %+v %v; want mailbox %d", box, m, e, box2, m2, e2, want)
		}
	}
	check(inbox.ID, nil)
	if _, err := a.Move(ctx, inbox.ID, NewUIDSet(last.UIDs...), archive.ID); err != nil {
		t.Fatal(err)
	}
	check(archive.ID, nil)
	if _, _, err := a.Remove(ctx, archive.ID, AllUIDs()); err != nil {
		t.Fatal(err)
	}
	check(0, ErrNoMessage)
	if _, _, err := a.MessageOfBody(ctx, 1000); !errors.Is(err, ErrNoMessage) {
		t.Error(err)
	}
}
