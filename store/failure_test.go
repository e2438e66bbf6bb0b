package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mox/db"
	"mox/db/dbtest"
	"mox/mlog/mlogtest"
)

// zerosAhead is the size of a write of package db that may fail: of zeros after the log.
const zerosAhead = 64 << 10

// TestDiskFull fills the disk at every point of a delivery: it fails with ErrDiskFull,
// leaves nothing, and works again once there is space.
func TestDiskFull(t *testing.T) {
	ctx := context.Background()
	layer, err := dbtest.New()
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t, t.TempDir(), Options{VFS: layer.Name, Log: slog.New(slog.DiscardHandler)})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	want := 0
	for _, size := range []int{100, 200_000, 3 << 20} {
		sp := spool(t, s, mail(1)+strings.Repeat("x", size))
		for fail := int64(1); ; fail++ {
			var n atomic.Int64
			var needed atomic.Bool // a write that failed
			layer.Fail(func(op dbtest.Op) error {
				if op.Kind == "write" && n.Add(1) >= fail {
					needed.Store(needed.Load() || op.Size != zerosAhead)
					return dbtest.ErrFull
				}
				return nil
			})
			_, err := a.Add(ctx, in, []NewMessage{{Spool: sp}, {Spool: sp, Prefix: []byte("X: 1\r\n")}})
			layer.Fail(nil)
			q := a.Quota()
			if err == nil {
				want += 2
				if needed.Load() {
					t.Error("added in spite of a failed write")
				}
				if n.Load() < fail {
					break
				}
				continue
			}
			if !errors.Is(err, ErrDiskFull) {
				t.Fatal(err)
			}
			if int(q.Count) != want {
				t.Fatalf("%d messages after a failed delivery, want %d", q.Count, want)
			}
			if size > 1000 && fail > 20 {
				fail += 50
			}
		}
		mustCheck(t, a)
	}
	box, err := a.OpenBox(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	if box.View().Len() != want {
		t.Fatal(box.View().Len(), want)
	}
}

// TestIOError is the same for a disk that fails, also when it syncs.
func TestIOError(t *testing.T) {
	ctx := context.Background()
	layer, err := dbtest.New()
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t, t.TempDir(), Options{VFS: layer.Name, Log: slog.New(slog.DiscardHandler)})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	box, err := a.OpenBox(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	sp := spool(t, s, mail(1))
	for _, kind := range []string{"write", "sync"} {
		broken := errors.New("broken")
		layer.Fail(func(op dbtest.Op) error {
			if op.Kind == kind {
				return broken
			}
			return nil
		})
		before := box.View()
		if _, err := a.Add(ctx, in, []NewMessage{{Spool: sp}}); err == nil {
			t.Fatal("added on a broken disk")
		}
		if box.View() != before {
			t.Fatal("a failed operation is visible")
		}
		layer.Fail(nil)
		if _, err := a.Add(ctx, in, []NewMessage{{Spool: sp}}); err != nil {
			t.Fatal(kind, err)
		}
		if box.View().Len() != before.Len()+1 {
			t.Fatal(kind, box.View().Len())
		}
	}
}

// TestDamage damages account files: that account refuses, and says so in the log; others go on.
func TestDamage(t *testing.T) {
	ctx := context.Background()
	for name, damage := range map[string]func([]byte) []byte{
		"garbage":   func(b []byte) []byte { return bytes.Repeat([]byte("garbage "), len(b)/8) },
		"truncated": func(b []byte) []byte { return b[:len(b)/3] },
		"empty":     func(b []byte) []byte { return nil },
		"zeroed middle": func(b []byte) []byte {
			clear(b[len(b)/4:])
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log mlogtest.Buffer
			dir := t.TempDir()
			s, err := Open(dir, Options{Log: testLog(t)})
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []string{"bad", "good"} {
				if err := s.Create(ctx, n, InitialMailboxes{}); err != nil {
					t.Fatal(err)
				}
			}
			a, err := s.Account(ctx, "bad")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 50 {
				add(t, a, inbox(t, a), mail(i))
			}
			a.Release()
			s.Close()
			path := filepath.Join(dir, "accounts", "bad", "account.db")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			s = newStore(t, dir, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			err = useDamaged(s)
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error %v", err)
			}
			if !strings.Contains(log.String(), "account=bad") || !strings.Contains(log.String(), "level=ERROR") {
				t.Fatalf("log: %s", log.String())
			}
			good := openAccount(t, s, "good")
			add(t, good, inbox(t, good), mail(1))
		})
	}
}

// useDamaged does what a session does until it meets an error.
func useDamaged(s *Store) error {
	ctx := context.Background()
	a, err := s.Account(ctx, "bad")
	if err != nil {
		return err
	}
	defer a.Release()
	m, ok := a.MailboxByName(Inbox)
	if !ok {
		return ErrCorrupt
	}
	box, err := a.OpenBox(ctx, m.ID)
	if err != nil {
		return err
	}
	defer box.Close()
	for _, m := range box.View().All() {
		b, err := a.OpenBody(ctx, m.Body)
		if err != nil {
			return err
		}
		_, err = b.WriteTo(io.Discard)
		b.Close()
		if err != nil {
			return err
		}
	}
	if problems, err := a.Check(ctx); err != nil || len(problems) > 0 {
		return errors.Join(ErrCorrupt, err)
	}
	return nil
}

// TestPanic contains a panic in an operation: the operation fails, others go on.
func TestPanic(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{Log: slog.New(slog.DiscardHandler)})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	err := a.do(ctx, 0, func(t *tx) error {
		b, _ := t.box(in)
		nb := *b
		nb.UIDNext = 77
		t.next()
		t.update(nb)
		panic("oops")
	})
	var p *db.PanicError
	if !errors.As(err, &p) {
		t.Fatal(err)
	}
	if r := add(t, a, in, mail(1)); r.UIDs[0] != 1 {
		t.Fatal(r)
	}
}

// TestCancel gives up operations that wait.
func TestCancel(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	sp := spool(t, s, mail(1))
	var wg sync.WaitGroup
	var added atomic.Int64
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i*20)*time.Microsecond)
			defer cancel()
			_, err := a.Add(ctx, in, []NewMessage{{Spool: sp}})
			switch {
			case err == nil:
				added.Add(1)
			case !errors.Is(err, context.DeadlineExceeded):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if q := a.Quota(); q.Count != added.Load() {
		t.Errorf("%d messages, %d were acknowledged", q.Count, added.Load())
	}
}

func TestQuota(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := newStore(t, dir, Options{LimitsOf: func(string) Limits { return Limits{Bytes: 1000} }, MaxMessageSize: 5000})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	sp := spool(t, s, mail(1))
	size := sp.Size()
	for n := size; n <= 1000; n += size {
		if _, err := a.Add(ctx, in, []NewMessage{{Spool: sp}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Deliver(ctx, "New", NewMessage{Spool: sp}); !errors.Is(err, ErrQuota) {
		t.Fatal(err)
	}
	if _, ok := a.MailboxByName("New"); ok {
		t.Fatal("a mailbox was made for a message that was refused")
	}
	arch, _ := a.MailboxByName("Archive")
	if _, err := a.Copy(ctx, in, AllUIDs(), arch.ID); !errors.Is(err, ErrQuota) {
		t.Fatal(err)
	}
	if _, err := a.Move(ctx, in, AllUIDs(), arch.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Remove(ctx, arch.ID, AllUIDs()); err != nil {
		t.Fatal(err)
	}
	if q := a.Quota(); q.Used != 0 || q.Count != 0 || q.Limit != 1000 {
		t.Fatal(q)
	}
	a.SetQuota(0)
	if _, err := a.Add(ctx, in, []NewMessage{{Spool: spool(t, s, strings.Repeat("x", 5001))}}); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
}

// TestSpool writes messages of many sizes in pieces, with little memory for spools.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir, Options{SpoolMemory: 3 * spoolBlock})
	var open []*Spool
	for i, n := range []int{0, 1, 100, spoolBlock - 1, spoolBlock, spoolBlock + 1, 3 * spoolBlock, 300_000, spoolInMemory + 5, 3 << 20} {
		want := make([]byte, n)
		for j := range want {
			want[j] = byte(j * (i + 3) / 7)
		}
		sp := s.NewSpool()
		for at := 0; at < n; {
			k := min(n-at, 1+(at*7+13)%90_000)
			if m, err := sp.Write(want[at : at+k]); err != nil || m != k {
				t.Fatal(m, err)
			}
			at += k
		}
		if err := sp.Finish(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(sp, 0, sp.Size()))
		if err != nil || !bytes.Equal(got, want) || sp.Size() != int64(n) || sp.Part() == nil {
			t.Fatalf("spool of %d bytes: %d, %v", n, len(got), err)
		}
		if _, err := sp.ReadAt(make([]byte, 1), int64(n)); err != io.EOF {
			t.Fatal(err)
		}
		if _, err := sp.Write([]byte("x")); err == nil {
			t.Fatal("write after Finish")
		}
		open = append(open, sp)
	}
	for _, sp := range open {
		if err := sp.Close(); err != nil {
			t.Fatal(err)
		}
		sp.Close()
	}
	if left := s.spools.left.Load(); left != 3*spoolBlock {
		t.Fatalf("%d bytes left", left)
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(entries) != 0 {
		t.Fatal(entries)
	}
}

// TestReap frees bodies after the grace time, and not before.
func TestReap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s, err := Open(t.TempDir(), Options{Grace: 10 * time.Minute, Retention: time.Hour, Log: testLog(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		a := testAccount(t, s, "a")
		in := inbox(t, a)
		box, err := a.OpenBox(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		defer box.Close()
		r := add(t, a, in, mail(1), mail(2))
		old := box.View()
		if _, _, err := a.Remove(ctx, in, NewUIDSet(1)); err != nil {
			t.Fatal(err)
		}
		there := func(id BodyID) bool {
			b, err := a.OpenBody(ctx, id)
			if errors.Is(err, ErrNoBody) {
				return false
			}
			if err != nil {
				t.Fatal(err)
			}
			b.Close()
			return true
		}
		time.Sleep(time.Hour - time.Minute)
		synctest.Wait()
		if !there(r.Bodies[0]) {
			t.Fatal("freed within the retention time")
		}
		time.Sleep(time.Hour + 30*time.Minute)
		synctest.Wait()
		if there(r.Bodies[0]) || !there(r.Bodies[1]) {
			t.Fatal("not freed, or too much")
		}
		for r, err := range a.Rendered(ctx, []*Message{old.At(0), old.At(1)}, FieldEnvelope, false) {
			if err != nil || r.Gone != (r.Index == 0) {
				t.Fatal(r, err)
			}
		}
		gone, err := a.MissingBodies(ctx, r.Bodies)
		if err != nil || len(gone) != 1 || gone[0] != r.Bodies[0] {
			t.Fatal(gone, err)
		}
	})
}
