package store

import (
	"errors"
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
