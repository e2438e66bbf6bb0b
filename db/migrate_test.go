package db

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/fstest"
)

// TestCompatible opens databases of newer programs.
func TestCompatible(t *testing.T) {
	file := func(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(sql)} }
	all := fstest.MapFS{
		"0001_a.sql": file("CREATE TABLE a (x INTEGER)"),
		"0002_b.sql": file("CREATE TABLE b (x INTEGER)"),
		"0003_c.sql": file("-- compatible: 2\nCREATE TABLE c (x INTEGER)"),
		"0004_d.sql": file("-- compatible: 2\nALTER TABLE b ADD COLUMN y INTEGER NOT NULL DEFAULT 7"),
		"0005_e.sql": file("-- compatible: 4\nCREATE TABLE e (x INTEGER)"),
	}
	first := func(n int) fstest.MapFS {
		some := fstest.MapFS{}
		for name, f := range all {
			if int(name[3]-'0') <= n {
				some[name] = f
			}
		}
		return some
	}
	for _, tc := range []struct {
		made, opened int
		ok           bool
		want         Version
	}{
		{1, 1, true, Version{1, 1}},
		{2, 1, false, Version{2, 2}},
		{3, 2, true, Version{3, 2}},
		{3, 1, false, Version{3, 2}},
		{4, 2, true, Version{4, 2}},
		{4, 3, true, Version{4, 2}},
		{5, 4, true, Version{5, 4}},
		{5, 3, false, Version{5, 4}}, // 5 wants 4 to be known
		{5, 2, false, Version{5, 4}},
	} {
		path := filepath.Join(t.TempDir(), "a.db")
		d, err := Open(path, Options{Migrations: first(tc.made)})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if v, err := FileVersion(path); err != nil || v != tc.want {
			t.Errorf("made by %d: version %v, %v, want %v", tc.made, v, err, tc.want)
		}
		d, err = Open(path, Options{Migrations: first(tc.opened)})
		if (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrNewer) {
			t.Errorf("made by %d, opened by %d: %v, want %v", tc.made, tc.opened, err, tc.ok)
		}
		if err != nil {
			continue
		}
		if tc.opened >= 2 {
			if err := d.Write(t.Context(), func(c *Conn) error { return c.Script("INSERT INTO b (x) VALUES (1)") }); err != nil {
				t.Error(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		// The version is still that of the newer program, which goes on where it was.
		if v, err := FileVersion(path); err != nil || v != tc.want {
			t.Errorf("after %d: version %v, %v, want %v", tc.opened, v, err, tc.want)
		}
		if d, err = Open(path, Options{Migrations: all}); err != nil {
			t.Fatal(err)
		}
		d.Close()
		if v, _ := FileVersion(path); v != (Version{5, 4}) {
			t.Errorf("brought up to date: version %v", v)
		}
	}
	bad := fstest.MapFS{"0001_a.sql": file("-- compatible: 2\nCREATE TABLE a (x INTEGER)")}
	if _, err := Open(filepath.Join(t.TempDir(), "b.db"), Options{Migrations: bad}); err == nil {
		t.Error("compatible with a later version was taken")
	}
}
