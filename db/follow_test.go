package db

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// replica is a copy that commits are applied to.
type replica struct {
	t    *testing.T
	path string
	page int
}

func newReplica(t *testing.T, p *Pages) *replica {
	t.Helper()
	r := &replica{t: t, path: filepath.Join(t.TempDir(), "replica.db"), page: p.PageSize()}
	b, err := io.ReadAll(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *replica) apply(c Commit) {
	r.t.Helper()
	f, err := os.OpenFile(r.path, os.O_RDWR, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	for _, p := range c.Frames {
		if _, err := f.WriteAt(p.Data, int64(p.Page-1)*int64(r.page)); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(c.Pages) * int64(r.page)); err != nil {
		r.t.Fatal(err)
	}
}

// count is the number that each commit adds one to, as the copy has it.
func (r *replica) count() int {
	r.t.Helper()
	b, err := os.ReadFile(r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	look := filepath.Join(r.t.TempDir(), "look.db")
	if err := os.WriteFile(look, b, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return countOf(r.t, look)
}

// countOf checks a database of follow tests, and returns its number.
func countOf(t *testing.T, path string) int {
	t.Helper()
	d, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if l, err := d.IntegrityCheck(context.Background(), 3); err != nil || len(l) > 0 {
		t.Fatal(l, err)
	}
	var n, rows, sum int64
	err = d.Read(context.Background(), func(c *Conn) error {
		var err error
		n, _, err = c.QueryInt64("SELECT v FROM n")
		if err == nil {
			rows, _, err = c.QueryInt64("SELECT count(*) FROM a")
		}
		if err == nil {
			sum, _, err = c.QueryInt64("SELECT ifnull(sum(k), 0) FROM a")
		}
		return err
	})
	// Commit k adds row k and removes row k-50.
	want := min(n, 50)
	wantSum := want * (2*n - want + 1) / 2
	if err != nil || rows != want || sum != wantSum {
		t.Fatalf("after commit %d there are %d rows of sum %d, not %d of %d: %v", n, rows, sum, want, wantSum, err)
	}
	return int(n)
}

func followed(t *testing.T, o Options) (*DB, func()) {
	t.Helper()
	d, err := Open(filepath.Join(t.TempDir(), "x.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(context.Background(), func(c *Conn) error {
		return c.Script("CREATE TABLE n(v); INSERT INTO n VALUES(0); CREATE TABLE a(k INTEGER PRIMARY KEY, x)")
	}); err != nil {
		t.Fatal(err)
	}
	return d, func() { commit(t, d) }
}

func commit(t *testing.T, d *DB) {
	t.Helper()
	if err := tryCommit(d); err != nil {
		t.Fatal(err)
	}
}

func tryCommit(d *DB) error {
	return d.Write(context.Background(), func(c *Conn) error {
		if err := c.Exec("UPDATE n SET v = v + 1"); err != nil {
			return err
		}
		if err := c.Exec("INSERT INTO a SELECT v, randomblob(abs(random()) % 9000) FROM n"); err != nil {
			return err
		}
		return c.Exec("DELETE FROM a WHERE k <= (SELECT v FROM n) - 50")
	})
}

// TestFollow applies commits to a copy, while the log is started anew again and again.
func TestFollow(t *testing.T) {
	ctx := context.Background()
	d, write := followed(t, Options{CheckpointKiB: 64})
	defer d.Close()
	for range 20 {
		write()
	}
	f := d.Follow()
	if _, _, err := f.Next(ctx); !errors.Is(err, ErrLost) {
		t.Errorf("before the start: %v", err)
	}
	pages, err := OpenPages(ctx, d.Path())
	if err != nil {
		t.Fatal(err)
	}
	f.Start(pages)
	write()
	r := newReplica(t, pages)
	pages.Close()
	at := 20
	rnd := rand.New(rand.NewPCG(1, 2))
	restarts := map[uint32]bool{}
	for round := range 40 {
		for range rnd.IntN(30) {
			write()
		}
		if rnd.IntN(4) == 0 {
			time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond) // it is copied
		}
		if rnd.IntN(15) == 0 {
			if err := d.Checkpoint(); err != nil && !errors.Is(err, ErrBusy) {
				t.Fatal(err)
			}
		}
		for {
			commits, mark, err := f.Next(ctx)
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if len(commits) == 0 {
				break
			}
			if rnd.IntN(5) == 0 {
				continue // not stored: they come again
			}
			for _, c := range commits {
				r.apply(c)
				at++
			}
			restarts[mark.pos.Salt[0]] = true
			f.Done(mark)
		}
		if round%10 == 9 {
			if n := r.count(); n != at {
				t.Fatalf("round %d: the copy has %d commits, not %d", round, n, at)
			}
		}
	}
	if len(restarts) < 3 {
		t.Errorf("the log was started anew %d times only", len(restarts))
	}
}

// TestFollowClose goes on after the database was closed and opened again.
func TestFollowClose(t *testing.T) {
	ctx := context.Background()
	d, write := followed(t, Options{})
	write()
	f := d.Follow()
	pages, err := OpenPages(ctx, d.Path())
	if err != nil {
		t.Fatal(err)
	}
	f.Start(pages)
	r := newReplica(t, pages)
	pages.Close()
	drain := func() {
		t.Helper()
		for {
			commits, mark, err := f.Next(ctx)
			if errors.Is(err, ErrClosed) || err == nil && len(commits) == 0 {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			for _, c := range commits {
				r.apply(c)
			}
			f.Done(mark)
		}
	}
	for range 3 {
		for range 10 {
			write()
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		drain()
		path := d.Path()
		if d, err = Open(path, Options{}); err != nil {
			t.Fatal(err)
		}
		old := f
		f = d.Follow()
		f.Resume(old)
		for range 5 {
			commit(t, d)
		}
		drain()
		write = func() { commit(t, d) }
	}
	defer d.Close()
	if n := r.count(); n != 46 {
		t.Errorf("the copy has %d commits, not 46", n)
	}
}

// TestFollowLost does not get what it does not fetch, and nobody waits for it.
func TestFollowLost(t *testing.T) {
	ctx := context.Background()
	d, write := followed(t, Options{CheckpointKiB: 64})
	defer d.Close()
	f := d.Follow()
	pages, err := OpenPages(ctx, d.Path())
	if err != nil {
		t.Fatal(err)
	}
	f.Start(pages)
	pages.Close()
	big := func() {
		if err := d.Write(ctx, func(c *Conn) error {
			return c.Exec("INSERT INTO a VALUES((SELECT max(k) FROM a) + 1000000, zeroblob(1000000))")
		}); err != nil {
			t.Fatal(err)
		}
	}
	write()
	for range 30 {
		big()
		time.Sleep(2 * time.Millisecond)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		write()
		if fi, err := os.Stat(d.Path() + "-wal"); err != nil {
			t.Fatal(err)
		} else if fi.Size() < 4<<20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the log does not become short")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, _, err := f.Next(ctx); !errors.Is(err, ErrLost) {
		t.Errorf("what was not fetched: %v", err)
	}
	// It begins anew.
	if pages, err = OpenPages(ctx, d.Path()); err != nil {
		t.Fatal(err)
	}
	f.Start(pages)
	pages.Close()
	write()
	if commits, _, err := f.Next(ctx); err != nil || len(commits) != 1 {
		t.Errorf("after a new beginning: %d commits, %v", len(commits), err)
	}
}
