package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

var testMigrations = fstest.MapFS{
	"0001_t.sql": {Data: []byte("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB);")},
}

func open(t testing.TB, path string, o Options) *DB {
	t.Helper()
	if o.Migrations == nil {
		o.Migrations = testMigrations
	}
	d, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func newDB(t testing.TB) *DB { return open(t, filepath.Join(t.TempDir(), "x.db"), Options{}) }

func count(t testing.TB, d *DB) int64 {
	t.Helper()
	var n int64
	err := d.Read(context.Background(), func(c *Conn) (err error) {
		n, _, err = c.QueryInt64("SELECT count(*) FROM t")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(c *Conn, v any) error { return c.Exec("INSERT INTO t (v) VALUES (?)", v) }

type named int32

func TestValues(t *testing.T) {
	d := newDB(t)
	ctx := context.Background()
	err := d.Write(ctx, func(c *Conn) error {
		for _, v := range []any{nil, 1, int64(-5), "text", []byte("blob"), []byte{}, "", true, 1.5, named(7), []byte(nil), uint32(1 << 31), strings.Repeat("x", 100_000)} {
			if err := insert(c, v); err != nil {
				return fmt.Errorf("%v: %w", v, err)
			}
		}
		if err := insert(c, struct{}{}); err == nil {
			t.Error("a struct was bound")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"null", "1", "-5", "text", "blob", "", "", "1", "1.5", "7", "null", "2147483648", strings.Repeat("x", 100_000)}
	err = d.Read(ctx, func(c *Conn) error {
		rows := c.Query("SELECT v FROM t ORDER BY id")
		i := 0
		for ; rows.Next(); i++ {
			got := rows.Text(0)
			if rows.Null(0) {
				got = "null"
			}
			if got != want[i] {
				t.Errorf("value %d is %q, want %q", i, got, want[i])
			}
		}
		if i != len(want) {
			t.Errorf("%d rows", i)
		}
		return rows.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestErrors(t *testing.T) {
	d := newDB(t)
	ctx := context.Background()
	err := d.Write(ctx, func(c *Conn) error { return c.Exec("SELECT nonsense FROM nowhere") })
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Error(err)
	}
	err = d.Write(ctx, func(c *Conn) error {
		return errors.Join(c.Exec("INSERT INTO t (id) VALUES (1)"), c.Exec("INSERT INTO t (id) VALUES (1)"))
	})
	if !errors.Is(err, ErrConstraint) || errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if n := count(t, d); n != 0 {
		t.Errorf("%d rows after a failed transaction", n)
	}
	var p *PanicError
	if err = d.Write(ctx, func(c *Conn) error { insert(c, 1); panic("oops") }); !errors.As(err, &p) || p.Value != "oops" {
		t.Error(err)
	}
	if n := count(t, d); n != 0 {
		t.Errorf("%d rows after a panic", n)
	}
	if err := d.Read(ctx, func(c *Conn) error { return insert(c, 1) }); err == nil {
		t.Error("a reader could write")
	}
}

// TestNested runs a query inside the rows of the same query.
func TestNested(t *testing.T) {
	d := newDB(t)
	err := d.Write(context.Background(), func(c *Conn) error {
		for i := range 3 {
			if err := insert(c, i); err != nil {
				return err
			}
		}
		n := 0
		outer := c.Query("SELECT id FROM t")
		for outer.Next() {
			inner := c.Query("SELECT id FROM t")
			for inner.Next() {
				n++
			}
			if err := inner.Close(); err != nil {
				return err
			}
		}
		if n != 9 {
			t.Errorf("%d", n)
		}
		return outer.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStatementCache(t *testing.T) {
	d := newDB(t)
	err := d.Write(context.Background(), func(c *Conn) error {
		for i := range 3 * maxCached {
			if _, _, err := c.QueryInt64(fmt.Sprintf("SELECT %d", i)); err != nil {
				return err
			}
		}
		if len(c.stmts) > maxCached {
			t.Errorf("%d statements cached", len(c.stmts))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInterrupt(t *testing.T) {
	d := newDB(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := d.Read(ctx, func(c *Conn) error {
		_, _, err := c.QueryInt64("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n WHERE i<0")
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Minute {
		t.Fatal(err, time.Since(start))
	}
	count(t, d) // the connection is usable
}

func TestCommitter(t *testing.T) {
	d := newDB(t)
	ctx := context.Background()
	var befores, afters int
	var fail error
	c := d.NewCommitter(Hooks{
		Before: func(c *Conn) error { befores++; return fail },
		After:  func(err error) { afters++ },
	})
	defer c.Close()
	block, begun := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Do(ctx, 0, func(c *Conn) error { close(begun); <-block; return insert(c, "first") }); err != nil {
			t.Error(err)
		}
	})
	<-begun
	results := make([]error, 20)
	for i := range results {
		wg.Go(func() {
			results[i] = c.Do(ctx, 10, func(c *Conn) error {
				if err := insert(c, i); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return fmt.Errorf("op %d", i)
				case 2:
					panic(i)
				}
				return nil
			})
		})
	}
	// One that is given up while it waits must not run.
	gone, cancel := context.WithCancel(ctx)
	gaveUp := make(chan struct{})
	wg.Go(func() {
		defer close(gaveUp)
		err := c.Do(gone, 0, func(c *Conn) error { t.Error("ran"); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	for end := time.Now().Add(time.Minute); len(c.queue) < len(results)+1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d wait, want %d", len(c.queue), len(results)+1)
		}
	}
	cancel()
	<-gaveUp
	close(block)
	wg.Wait()
	for i, err := range results {
		var p *PanicError
		if (i%4 == 1) != (err != nil && err.Error() == fmt.Sprintf("op %d", i)) || (i%4 == 2) != errors.As(err, &p) {
			t.Errorf("op %d: %v", i, err)
		}
	}
	if n := count(t, d); n != 11 {
		t.Errorf("%d rows, want 11", n)
	}
	if befores > 3 || befores != afters {
		t.Errorf("%d commits, %d settled", befores, afters)
	}
	fail = errors.New("no commit")
	if err := c.Do(ctx, 0, func(c *Conn) error { return insert(c, 1) }); !errors.Is(err, fail) {
		t.Error(err)
	}
	if n := count(t, d); n != 11 {
		t.Errorf("%d rows after a failed commit", n)
	}
	c.Close()
	if err := c.Do(ctx, 0, func(c *Conn) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	two := fstest.MapFS{
		"0001_t.sql": testMigrations["0001_t.sql"],
		"0002_u.sql": {Data: []byte("ALTER TABLE t ADD COLUMN w INTEGER; UPDATE t SET w = id * 2;")},
	}
	d, err := Open(path, Options{Migrations: testMigrations})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(context.Background(), func(c *Conn) error { return insert(c, 1) }); err != nil {
		t.Fatal(err)
	}
	d.Close()
	broken := fstest.MapFS{"0001_t.sql": two["0001_t.sql"], "0002_u.sql": {Data: []byte("ALTER TABLE t ADD COLUMN w INTEGER; nonsense;")}}
	if _, err := Open(path, Options{Migrations: broken}); err == nil || !strings.Contains(err.Error(), "0002_u.sql") {
		t.Fatal(err)
	}
	d, err = Open(path, Options{Migrations: two})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Read(context.Background(), func(c *Conn) error {
		if w, _, err := c.QueryInt64("SELECT w FROM t"); w != 2 || err != nil {
			t.Error(w, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if _, err := Open(path, Options{Migrations: testMigrations}); !errors.Is(err, ErrNewer) {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{Migrations: fstest.MapFS{"0002_x.sql": {}}}); err == nil {
		t.Fatal("a gap in the numbers was accepted")
	}
}

func TestCorrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is not a database. ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
}

func TestBackup(t *testing.T) {
	d := newDB(t)
	ctx := context.Background()
	add := func(c *Conn) error {
		for range 1000 {
			if err := insert(c, make([]byte, 2000)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := d.Write(ctx, add); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Write(ctx, add); err != nil {
			t.Error(err)
		}
	})
	if err := d.Backup(ctx, path); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := d.Backup(ctx, path); !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	b := open(t, path, Options{})
	if n := count(t, b); n != 1000 && n != 2000 {
		t.Errorf("%d rows in the copy", n)
	}
	if lines, err := b.IntegrityCheck(ctx, 10); err != nil || lines != nil {
		t.Error(lines, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := d.Backup(cancelled, path+"2"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Stat(path + "2"); !errors.Is(err, os.ErrNotExist) {
		t.Error("a broken copy was left")
	}
}

// TestLogSize writes under constant readers: the log must not grow for ever.
func TestLogSize(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "x.db"), Options{CheckpointKiB: 64})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				d.Read(context.Background(), func(c *Conn) error {
					_, _, err := c.QueryInt64("SELECT count(*) FROM t")
					time.Sleep(time.Millisecond)
					return err
				})
			}
		})
	}
	largest := int64(0)
	for i := range 800 {
		if err := d.Write(context.Background(), func(c *Conn) error { return insert(c, make([]byte, 8000)) }); err != nil {
			t.Fatal(i, err)
		}
		largest = max(largest, logSize(d.path))
	}
	cancel()
	wg.Wait()
	if largest > 64<<10*64 {
		t.Errorf("log grew to %d bytes", largest)
	}
	// A long reader only postpones it.
	err := d.ReadLong(context.Background(), func(c *Conn) error {
		if _, _, err := c.QueryInt64("SELECT count(*) FROM t"); err != nil {
			return err
		}
		if err := d.Write(context.Background(), func(c *Conn) error { return insert(c, 1) }); err != nil {
			return err
		}
		if err := d.Checkpoint(); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Checkpoint(); err != nil || logSize(d.path) != 0 {
		t.Error(err, logSize(d.path))
	}
}

func TestFull(t *testing.T) {
	d := newDB(t)
	ctx := context.Background()
	if err := d.Write(ctx, func(c *Conn) error { return c.Script("PRAGMA max_page_count=20") }); err != nil {
		t.Fatal(err)
	}
	err := d.Write(ctx, func(c *Conn) error { return insert(c, make([]byte, 1<<20)) })
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if err := d.Write(ctx, func(c *Conn) error { return insert(c, "small") }); err != nil || count(t, d) != 1 {
		t.Fatal(err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := LockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = LockFile(path)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Fatal(err)
	}
	l.Close()
	if l, err = LockFile(path); err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestClose(t *testing.T) {
	d := newDB(t)
	d.Close()
	if err := d.Read(context.Background(), func(*Conn) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := d.Write(context.Background(), func(*Conn) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func BenchmarkRows(b *testing.B) {
	d := newDB(b)
	const rows = 100_000
	err := d.Write(context.Background(), func(c *Conn) error {
		if err := c.Script("CREATE TABLE m (a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER, f INTEGER, g INTEGER, h INTEGER, i INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID"); err != nil {
			return err
		}
		for i := range int64(rows) {
			if err := c.ExecInts("INSERT INTO m VALUES (?,?,?,?,?,?,?,?,?)", 1, i, i+1, i+2, i*7, 3, 0, 1_700_000_000+i, 1_700_000_000); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	sum := int64(0)
	for b.Loop() {
		err := d.Read(context.Background(), func(c *Conn) error {
			r := c.QueryInts("SELECT * FROM m WHERE a=?", 1)
			for r.Next() {
				for i := range 9 {
					sum += r.Int64(i)
				}
			}
			return r.Close()
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

func BenchmarkCommit(b *testing.B) {
	d := newDB(b)
	c := d.NewCommitter(Hooks{})
	defer c.Close()
	v := make([]byte, 3000)
	for b.Loop() {
		if err := c.Do(context.Background(), len(v), func(c *Conn) error { return insert(c, v) }); err != nil {
			b.Fatal(err)
		}
	}
}

// TestReadBesideWriter opens a connection for reading while a transaction writes.
func TestReadBesideWriter(t *testing.T) {
	for _, shrink := range []bool{false, true} {
		d, err := Open(filepath.Join(t.TempDir(), "x.db"), Options{Shrink: shrink, BusyTimeout: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		err = d.Write(t.Context(), func(c *Conn) error {
			if err := c.Script("CREATE TABLE t (x INTEGER)"); err != nil {
				return err
			}
			return d.Read(t.Context(), func(*Conn) error { return nil })
		})
		if err != nil {
			t.Errorf("shrink %v: %v", shrink, err)
		}
	}
}
