package invite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(t *testing.T, path string, c *clock) *Book {
	t.Helper()
	b, err := Open(path, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func nothing(Invite) error { return nil }

// TestLife: an invitation works once, until its end, and across restarts.
func TestLife(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	b := open(t, path, c)
	token, inv, err := b.Add("jo", "jo@example.org", time.Hour)
	if err != nil || inv.ID != 1 || inv.Hash != "" || len(token) != 32 {
		t.Fatalf("%q %+v %v", token, inv, err)
	}
	data, err := os.ReadFile(path)
	if info, serr := os.Stat(path); err != nil || serr != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(data), token) {
		t.Fatalf("%v %v %s", err, info.Mode(), data)
	}
	b = open(t, path, c)
	for _, bad := range []string{"", token + "x", token[:31], hashOf(token)} {
		if _, err := b.Look(bad); err != ErrInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if i, err := b.Look(token); err != nil || i.Address != "jo@example.org" {
		t.Fatal(i, err)
	}
	// What fails leaves it as it is.
	failure := errors.New("no")
	if _, err := b.Take(token, func(Invite) error { return failure }); err != failure {
		t.Fatal(err)
	}
	if _, err := b.Take(token, nothing); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*Book{b, open(t, path, c)} {
		if _, err := b.Take(token, nothing); err != ErrInvalid {
			t.Errorf("used twice: %v", err)
		}
		if l := b.List(); len(l) != 1 || l[0].Used.IsZero() || l[0].Hash != "" {
			t.Errorf("%+v", l)
		}
	}
	// Expired.
	token, _, _ = b.Add("jo", "jo@example.org", time.Hour)
	c.t = c.t.Add(time.Hour)
	if _, err := b.Look(token); err != ErrInvalid {
		t.Error(err)
	}
	c.t = c.t.Add(Remembered + 2*time.Hour)
	if _, _, err := b.Add("x", "x@example.org", 0); err != nil {
		t.Fatal(err)
	}
	if l := b.List(); len(l) != 1 {
		t.Errorf("old ones stay: %+v", l)
	}
	for _, life := range []time.Duration{-1, MaxLife + 1} {
		if _, _, err := b.Add("x", "x@example.org", life); err == nil {
			t.Errorf("life %v is taken", life)
		}
	}
}

// TestEnd: revoked, replaced and forgotten ones are of no use.
func TestEnd(t *testing.T) {
	c := &clock{time.Now()}
	b := open(t, filepath.Join(t.TempDir(), FileName), c)
	first, _, _ := b.Add("jo", "jo@example.org", 0)
	second, inv, _ := b.Add("jo", "jo@example.org", 0)
	other, _, _ := b.Add("mo", "mo@example.org", 0)
	if _, err := b.Look(first); err != ErrInvalid {
		t.Error("replaced one works")
	}
	if _, err := b.Revoke(inv.ID); err != nil {
		t.Error(err)
	}
	if _, err := b.Revoke(inv.ID); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := b.Look(second); err != ErrInvalid {
		t.Error("revoked one works")
	}
	if err := errors.Join(b.Forget("mo"), b.Forget("nobody")); err != nil {
		t.Error(err)
	}
	if _, err := b.Look(other); err != ErrInvalid || len(b.List()) != 0 {
		t.Error("forgotten one is there", err, b.List())
	}
}

// TestOnce: of many at a time one succeeds.
func TestOnce(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), FileName), &clock{time.Now()})
	token, _, _ := b.Add("jo", "jo@example.org", 0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 20 {
		wg.Go(func() {
			if _, err := b.Take(token, nothing); err == nil {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 1 {
		t.Errorf("%d succeeded", n)
	}
}

// TestDamaged: a file that cannot be read says what to do.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, time.Now); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Error(err)
	}
}
