package store

import (
	"context"
	"errors"
	"testing"
)

func TestURLKeys(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := newStore(t, dir, Options{})
	a := testAccount(t, s, "mjl")
	in, arch := inbox(t, a), boxNamed(t, a, "Archive")
	want := func(owner string, box MailboxID, key string) {
		t.Helper()
		if got, err := a.URLKey(ctx, owner, box); err != nil || string(got) != key {
			t.Errorf("key of %q %d: %q, %v, want %q", owner, box, got, err, key)
		}
	}
	want("", in, "")
	for _, k := range []string{"one", "two"} {
		if got, err := a.MakeURLKey(ctx, "", in, []byte(k)); err != nil || string(got) != "one" {
			t.Errorf("made %q, %v", got, err)
		}
	}
	if _, err := a.MakeURLKey(ctx, "other", in, []byte("theirs")); err != nil {
		t.Error(err)
	}
	if err := a.SetURLKey(ctx, "", arch, []byte("archive")); err != nil {
		t.Error(err)
	}
	if err := a.SetURLKey(ctx, "", in, []byte("three")); err != nil {
		t.Error(err)
	}
	for _, err := range []error{a.SetURLKey(ctx, "", 99, []byte("x")), func() error { _, err := a.MakeURLKey(ctx, "", 99, []byte("x")); return err }()} {
		if !errors.Is(err, ErrNoMailbox) {
			t.Errorf("key of no mailbox: %v", err)
		}
	}
	want("", in, "three")
	want("other", in, "theirs")
	if err := a.RenameMailbox(ctx, "Archive", "Old"); err != nil {
		t.Error(err)
	}
	want("", arch, "archive")
	if err := a.DeleteMailbox(ctx, "Old"); err != nil {
		t.Error(err)
	}
	want("", arch, "")
	if err := a.RemoveURLKeys(ctx); err != nil {
		t.Error(err)
	}
	want("", in, "")
	want("other", in, "")
}
