package db

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	as := path + ".old"
	for _, name := range []string{path, path + "-wal", as, as + "-wal", as + "-shm"} {
		if err := os.WriteFile(name, []byte(filepath.Base(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := SetAside(path, as); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(path + "*")
	if err != nil || strings.Join(left, " ") != as+" "+as+"-wal" {
		t.Errorf("left: %v %v", left, err)
	}
	if b, _ := os.ReadFile(as); string(b) != "x.db" {
		t.Errorf("set aside: %q", b)
	}
	if err := SetAside(path, as); err != nil {
		t.Errorf("nothing there: %v", err)
	}
	if err := Remove(as); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(path + "*"); left != nil {
		t.Errorf("left: %v", left)
	}
	if err := Remove(as); err != nil {
		t.Errorf("nothing there: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(as, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if SetAside(path, as) == nil || Remove(as) == nil {
		t.Error("a directory that is in the way was no error")
	}
}

// A damaged file is begun anew, as is a newer one, and a good one is not touched.
func TestOpenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	var log bytes.Buffer
	open := func(wantErr error) {
		t.Helper()
		d, err := OpenAnew(path, Options{Migrations: Schema(os.DirFS("testdata/anew")), Log: slog.New(slog.NewTextHandler(&log, nil))})
		if !errors.Is(err, wantErr) {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		if err != nil {
			return
		}
		defer d.Close()
		if err := d.Write(t.Context(), func(c *Conn) error { return c.Exec("INSERT INTO x VALUES (1)") }); err != nil {
			t.Error(err)
		}
	}
	open(nil)
	open(nil)
	if log.Len() > 0 {
		t.Error(log.String())
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	open(nil)
	if _, err := os.Stat(path + ".aside"); err != nil || !strings.Contains(log.String(), "begun anew") {
		t.Error(err, log.String())
	}
	d, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), func(c *Conn) error { return c.Script("PRAGMA user_version=2") }); err != nil {
		t.Error(err)
	}
	d.Close()
	log.Reset()
	open(nil)
	aside, err := FileVersion(path + ".aside")
	if err != nil || aside.Schema != 2 || !strings.Contains(log.String(), "of a newer version: it is set aside") {
		t.Errorf("newer one: %+v %v\n%s", aside, err, log.String())
	}
	open(nil)
}
