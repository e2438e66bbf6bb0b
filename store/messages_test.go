package store

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// junkFlags are AutoFlags of a mailbox for junk and one for what is not; Inbox is neutral.
func junkFlags(account, _, mailbox string, use SpecialUse) (set, clear Flags) {
	switch {
	case use&UseJunk != 0:
		return FlagJunk, FlagNotJunk
	case mailbox == "Archive":
		return FlagNotJunk, FlagJunk
	case mailbox == Inbox:
		return 0, flagsJudged
	}
	return 0, 0
}

func boxNamed(t testing.TB, a *Account, name string) MailboxID {
	t.Helper()
	m, ok := a.MailboxByName(name)
	if !ok {
		t.Fatalf("no mailbox %s", name)
	}
	return m.ID
}

func flagsOf(t testing.TB, a *Account, name string) []Flags {
	t.Helper()
	msgs, err := a.MessagesAt(context.Background(), boxNamed(t, a, name), AllUIDs())
	if err != nil {
		t.Fatal(err)
	}
	var list []Flags
	for i := range msgs {
		list = append(list, msgs[i].Flags)
	}
	return list
}

func TestAutoFlags(t *testing.T) {
	ctx := t.Context()
	classified := 0
	s := newStore(t, t.TempDir(), Options{AutoFlags: junkFlags, Classified: func(string) { classified++ }})
	a := testAccount(t, s, "alice")
	in, junk, archive, trash := inbox(t, a), boxNamed(t, a, "Junk"), boxNamed(t, a, "Archive"), boxNamed(t, a, "Trash")
	want := func(name string, f ...Flags) {
		t.Helper()
		if got := flagsOf(t, a, name); !slices.Equal(got, f) {
			t.Errorf("%s: flags %v, want %v", name, got, f)
		}
	}
	// What clients append keeps the flags that they say.
	if _, err := a.Add(ctx, junk, []NewMessage{{Spool: spool(t, s, mail(1)), Flags: FlagSeen}}); err != nil {
		t.Fatal(err)
	}
	want("Junk", FlagSeen)
	if classified != 0 {
		t.Errorf("classified %d times, want none", classified)
	}
	// What is delivered gets those of the mailbox, also of one that is made for it.
	for i, name := range []string{Inbox, "Archive", "Junk", "New"} {
		if _, err := a.Deliver(ctx, name, NewMessage{Spool: spool(t, s, mail(10+i)), Flags: FlagJunk | FlagFlagged}); err != nil {
			t.Fatal(err)
		}
	}
	want(Inbox, FlagFlagged)
	want("Archive", FlagFlagged|FlagNotJunk)
	want("Junk", FlagSeen, FlagFlagged|FlagJunk)
	want("New", FlagFlagged|FlagJunk)
	if classified != 3 {
		t.Errorf("classified %d times, want 3", classified)
	}

	// A view that is open has the flags, and the change log has one entry of it.
	box, err := a.OpenBox(ctx, archive)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	seq := a.ModSeq()
	if _, err := a.Copy(ctx, junk, AllUIDs(), archive); err != nil {
		t.Fatal(err)
	}
	want("Archive", FlagFlagged|FlagNotJunk, FlagSeen|FlagNotJunk, FlagFlagged|FlagNotJunk)
	want("Junk", FlagSeen, FlagFlagged|FlagJunk)
	if m := box.View().At(1); m.Flags != FlagSeen|FlagNotJunk {
		t.Errorf("view has flags %v", m.Flags.Names())
	}
	changes, err := a.Changes(ctx, seq, 10)
	if err != nil || len(changes) != 1 || changes[0].Kind != MessagesAdded {
		t.Errorf("changes %v, %v", changes, err)
	}
	if classified != 4 {
		t.Errorf("classified %d times, want 4", classified)
	}
	if _, err := a.Move(ctx, archive, NewUIDSet(2), junk); err != nil {
		t.Fatal(err)
	}
	want("Junk", FlagSeen, FlagFlagged|FlagJunk, FlagSeen|FlagJunk)
	if _, err := a.Move(ctx, junk, NewUIDSet(3), in); err != nil {
		t.Fatal(err)
	}
	want(Inbox, FlagFlagged, FlagSeen)
	// A mailbox that says nothing keeps flags; within one mailbox nothing changes.
	if _, err := a.Move(ctx, junk, NewUIDSet(2), trash); err != nil {
		t.Fatal(err)
	}
	want("Trash", FlagFlagged|FlagJunk)
	if _, err := a.Copy(ctx, junk, AllUIDs(), junk); err != nil {
		t.Fatal(err)
	}
	want("Junk", FlagSeen, FlagSeen)
	if _, err := a.SetFlags(ctx, in, AllUIDs(), FlagChange{Flags: FlagNotJunk}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Remove(ctx, in, NewUIDSet(1)); err != nil {
		t.Fatal(err)
	}
	if classified != 9 {
		t.Errorf("classified %d times, want 9", classified)
	}
	// RENAME of Inbox moves mail aside; what it is does not change.
	if err := a.RenameMailbox(ctx, Inbox, "Old"); err != nil {
		t.Fatal(err)
	}
	want("Old", FlagSeen|FlagNotJunk)
}

func TestMessagesAt(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := newStore(t, dir, Options{})
	a := testAccount(t, s, "alice")
	in := inbox(t, a)
	for i := range 20 {
		add(t, a, in, mail(i))
	}
	check := func(set UIDSet, want ...UID) {
		t.Helper()
		msgs, err := a.MessagesAt(ctx, in, set)
		if err != nil {
			t.Fatal(err)
		}
		var got []UID
		for i := range msgs {
			got = append(got, msgs[i].UID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: UIDs %v, want %v", set, got, want)
		}
	}
	tests := func() {
		t.Helper()
		check(nil)
		check(NewUIDSet(3), 3)
		check(NewUIDSet(99))
		check(UIDSet{{18, 40}, {2, 3}}, 2, 3, 18, 19, 20)
	}
	if a.published(in) != nil {
		t.Error("mailbox is in memory")
	}
	tests()
	fromFile, err := a.MessagesAt(ctx, in, AllUIDs())
	if err != nil {
		t.Fatal(err)
	}
	if a.published(in) != nil {
		t.Error("mailbox was brought into memory")
	}
	box, err := a.OpenBox(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	tests()
	fromView, err := a.MessagesAt(ctx, in, AllUIDs())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fromFile, fromView); d != "" {
		t.Error(d)
	}
	box.Close()
	if _, err := a.MessagesAt(ctx, 999, AllUIDs()); !errors.Is(err, ErrNoMailbox) {
		t.Errorf("no mailbox: %v", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := a.MessagesAt(canceled, boxNamed(t, a, "Sent"), AllUIDs()); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
