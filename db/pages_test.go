package db

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPages reads a database while it is written to: what comes is one moment.
func TestPages(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	d, err := Open(path, Options{CheckpointKiB: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	write := func(n int) {
		t.Helper()
		err := d.Write(ctx, func(c *Conn) error {
			if err := c.Exec("INSERT INTO a VALUES(?, randomblob(3000))", n); err != nil {
				return err
			}
			return c.Exec("INSERT INTO b VALUES(?)", n)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Write(ctx, func(c *Conn) error {
		return c.Script("CREATE TABLE a(n, x); CREATE TABLE b(n)")
	}); err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		write(n)
	}
	p, err := OpenPages(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if p.Position().Frames == 0 {
		t.Error("no position in the log")
	}
	var got bytes.Buffer
	buf := make([]byte, 5000)
	for n := 100; ; n++ {
		k, err := p.Read(buf)
		got.Write(buf[:k])
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		write(n)
	}
	if int64(got.Len()) != p.Size() {
		t.Errorf("read %d bytes of %d", got.Len(), p.Size())
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "copy.db")
	if err := os.WriteFile(copied, got.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(copied, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lines, err := c.IntegrityCheck(ctx, 5)
	if err != nil || len(lines) > 0 {
		t.Fatal(lines, err)
	}
	err = c.Read(ctx, func(c *Conn) error {
		for _, sql := range []string{"SELECT count(*) FROM a", "SELECT count(*) FROM b"} {
			if n, _, err := c.QueryInt64(sql); err != nil || n != 100 {
				return fmt.Errorf("%s: %d, %v", sql, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestMark sees every commit.
func TestMark(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	d, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	later := func() time.Time { return time.Now().Add(time.Hour) }
	exec := func(sql string) {
		t.Helper()
		if err := d.Write(ctx, func(c *Conn) error { return c.Script(sql) }); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE a(n)")
	exec("INSERT INTO a VALUES(0)")
	if m := Mark(path, time.Now()); m != "" {
		t.Errorf("a mark of a file that was just written: %q", m)
	}
	last := Mark(path, later())
	if last == "" || last != Mark(path, later()) {
		t.Fatalf("mark %q is not stable", last)
	}
	for n := range 20 {
		time.Sleep(5 * time.Millisecond)
		exec(fmt.Sprintf("UPDATE a SET n = %d", n+1))
		if m := Mark(path, later()); m == last {
			t.Fatalf("commit %d is not seen", n)
		} else {
			last = m
		}
	}
	if err := d.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if Mark(path, later()) == last {
		t.Error("the checkpoint is not seen")
	}
}
