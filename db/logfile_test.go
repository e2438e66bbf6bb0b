package db

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"mox/db/dbtest"
)

// What was committed is in the files at once, for whoever reads them, whether the log is
// synced at a commit or not; also after transactions that do not fit into the cache of pages,
// so that pages are written to the log early, read again from there, and written once more,
// and after transactions that were given up.
func TestLogWritten(t *testing.T) {
	for _, mode := range []string{"FULL", "NORMAL"} {
		t.Run(mode, func(t *testing.T) { testLogWritten(t, Options{Synchronous: mode, WriteKiB: 16, CheckpointKiB: 512}) })
	}
	t.Run("layer", func(t *testing.T) {
		l, err := dbtest.New()
		if err != nil {
			t.Fatal(err)
		}
		testLogWritten(t, Options{VFS: l.Name, WriteKiB: 16, CheckpointKiB: 512})
	})
}

func testLogWritten(t *testing.T, o Options) {
	d := open(t, filepath.Join(t.TempDir(), "x.db"), o)
	ctx := context.Background()
	if err := d.Write(ctx, func(c *Conn) error { return c.Exec("CREATE TABLE blob (id INTEGER PRIMARY KEY, v BLOB)") }); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	want := map[int64][]byte{}
	errUndo := errors.New("undo")
	for round := range 60 {
		changed := map[int64][]byte{}
		err := d.Write(ctx, func(c *Conn) error {
			for range 1 + r.IntN(60) {
				id := int64(r.IntN(40))
				b := make([]byte, r.IntN(20000)*r.IntN(2)+r.IntN(100))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				if err := c.Exec("INSERT INTO blob (id, v) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET v = ?2", id, b); err != nil {
					return err
				}
				changed[id] = b
			}
			if r.IntN(4) == 0 {
				return errUndo
			}
			return nil
		})
		if err != nil && !errors.Is(err, errUndo) {
			t.Fatal(err)
		}
		if err == nil {
			for id, b := range changed {
				want[id] = b
			}
		}
		if round%4 == 0 {
			sameAsCopy(t, d.Path(), want)
		}
		if round == 40 {
			d.Trim()
		}
	}
	if log := d.w.logPages(); log == 0 {
		t.Error("nothing was in the log")
	}
}

// sameAsCopy compares what is in the files now, as after the process was killed.
func sameAsCopy(t *testing.T, path string, want map[int64][]byte) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err == nil {
			err = os.WriteFile(to+suffix, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d := open(t, to, Options{})
	defer d.Close()
	n := 0
	err := d.Read(context.Background(), func(c *Conn) error {
		rows := c.Query("SELECT id, v FROM blob")
		for rows.Next() {
			n++
			if b, ok := want[rows.Int64(0)]; !ok || !bytes.Equal(b, rows.Bytes(1)) {
				return errors.Join(fmt.Errorf("row %d differs", rows.Int64(0)), rows.Close())
			}
		}
		return rows.Close()
	})
	if err != nil || n != len(want) {
		t.Fatalf("%d of %d rows: %v", n, len(want), err)
	}
	if bad, err := d.IntegrityCheck(context.Background(), 10); err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
}

// The writes of a commit reach the system together.
func TestLogGathered(t *testing.T) {
	l, err := dbtest.New()
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, filepath.Join(t.TempDir(), "x.db"), Options{VFS: l.Name})
	write := func() {
		if err := d.Write(context.Background(), func(c *Conn) error {
			return c.Exec("CREATE TABLE IF NOT EXISTS big (v BLOB)")
		}); err != nil {
			t.Fatal(err)
		}
		if err := d.Write(context.Background(), func(c *Conn) error {
			return c.Exec("INSERT INTO big (v) VALUES (?)", make([]byte, 40_000))
		}); err != nil {
			t.Fatal(err)
		}
	}
	write()
	writes := 0
	l.Fail(func(op dbtest.Op) error {
		if op.Kind == "write" {
			writes++
		}
		return nil
	})
	write()
	if writes == 0 || writes > 4 {
		t.Errorf("%d writes for 11 pages", writes)
	}
	// A write that fails makes the commit fail, and the next one is whole again.
	l.Fail(func(op dbtest.Op) error {
		if op.Kind == "write" {
			return errors.New("no")
		}
		return nil
	})
	if err := d.Write(context.Background(), func(c *Conn) error { return c.Exec("INSERT INTO big (v) VALUES (x'00')") }); err == nil {
		t.Error("commit that could not be written succeeded")
	}
	l.Fail(nil)
	write()
	if bad, err := d.IntegrityCheck(context.Background(), 10); err != nil || len(bad) > 0 {
		t.Error(bad, err)
	}
}

// Zeros are written after a log that becomes longer. Commits go on when there is no room for them,
// and what is in the log is found after the process was killed.
func TestLogAhead(t *testing.T) {
	l, err := dbtest.New()
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, filepath.Join(t.TempDir(), "x.db"), Options{VFS: l.Name})
	want := map[int64][]byte{}
	write := func(size int) {
		t.Helper()
		id, b := int64(len(want)+1), bytes.Repeat([]byte{7}, size)
		err := d.Write(context.Background(), func(c *Conn) error {
			if err := c.Exec("CREATE TABLE IF NOT EXISTS blob (id INTEGER PRIMARY KEY, v BLOB)"); err != nil {
				return err
			}
			return c.Exec("INSERT INTO blob (id, v) VALUES (?, ?)", id, b)
		})
		if err != nil {
			t.Fatal(err)
		}
		want[id] = b
	}
	frames := func() int64 { return 32 + int64(d.w.logPages())*(4096+frameHeader) }
	sizes := map[int64]bool{}
	for range 50 {
		write(10_000)
		sizes[logSize(d.path)] = true
		if got := logSize(d.path); got < frames() {
			t.Fatalf("log of %d bytes has a file of %d", frames(), got)
		}
	}
	if len(sizes) > 10 {
		t.Errorf("%d commits made the file longer", len(sizes))
	}
	// Full, for all that is not needed.
	refused := 0
	l.Fail(func(op dbtest.Op) error {
		if op.Kind == "write" && op.Size == len(zeros) {
			refused++
			return errors.New("no room")
		}
		return nil
	})
	write(2_000_000)
	write(100)
	if got := logSize(d.path); got != frames() || refused == 0 {
		t.Errorf("file of the log has %d bytes, not %d; %d times refused", got, frames(), refused)
	}
	sameAsCopy(t, d.Path(), want)
	l.Fail(nil)
	write(100)
	if got := logSize(d.path); got < frames()+frames()/2 {
		t.Errorf("log of %d bytes has a file of %d", frames(), got)
	}
	sameAsCopy(t, d.Path(), want)
}

// A checkpoint has the log started anew, unless a long reader needs it.
func TestLogStartedAnew(t *testing.T) {
	d := newDB(t)
	ctx := context.Background()
	fill := func() {
		t.Helper()
		for i := range 50 {
			if err := d.Write(ctx, func(c *Conn) error { return insert(c, i) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	before := d.w.logPages()
	if err := d.checkpoint(); err != nil {
		t.Fatal(err)
	}
	if fill(); d.w.logPages() >= before+50 {
		t.Errorf("%d pages in the log, %d before", d.w.logPages(), before)
	}
	err := d.ReadLong(ctx, func(c *Conn) error {
		n, _, err := c.QueryInt64("SELECT count(*) FROM t")
		if err != nil {
			return err
		}
		fill()
		if err := d.checkpoint(); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		fill()
		if again, _, err := c.QueryInt64("SELECT count(*) FROM t"); again != n || err != nil {
			t.Errorf("%d rows, then %d: %v", n, again, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, d); n != 200 {
		t.Errorf("%d rows", n)
	}
}
