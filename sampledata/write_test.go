package sampledata

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"mox/db"
	"mox/mlog"
)

// TestEveryTable: there are rows in each table of each database.
func TestEveryTable(t *testing.T) {
	dir := t.TempDir()
	if err := Write(context.Background(), dir, "(test)", mlog.NewTest(t, mlog.LevelError)); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(dir, "data"), func(path string, e fs.DirEntry, err error) error {
		// The other account has messages alone.
		if err != nil || !strings.HasSuffix(path, ".db") || strings.Contains(path, Other) {
			return err
		}
		files++
		checkTables(t, path)
		return nil
	})
	if err != nil || files < 7 {
		t.Error(files, "databases", err)
	}
	if err := Write(context.Background(), dir, "(test)", mlog.Discard()); !errors.Is(err, ErrExists) {
		t.Errorf("a directory that is not empty: %v", err)
	}
}

// mayBeEmpty are tables without rows, with the reason. A search index can be made anew at any time.
var mayBeEmpty = map[string]string{
	"search.db filter":   "of large segments",
	"search.db document": "needs a program that reads documents",
	"search.db dead":     "until the next sweep only",

	"account.db gone_body": "of mail whose content is gone: only some time after it went",
}

func checkTables(t *testing.T, path string) {
	t.Helper()
	d, err := db.Open(path, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.Read(context.Background(), func(c *db.Conn) error {
		var tables []string
		rows := c.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
		for rows.Next() {
			tables = append(tables, rows.Text(0))
		}
		if err := rows.Close(); err != nil {
			return err
		}
		for _, name := range tables {
			n, _, err := c.QueryInt64("SELECT count(*) FROM " + name)
			if err != nil {
				return err
			}
			if key := filepath.Base(path) + " " + name; n == 0 && mayBeEmpty[key] == "" {
				t.Errorf("%s: table %s has no rows", filepath.Base(path), name)
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
}
