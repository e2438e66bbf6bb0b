package serve

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"mox/admin"
	"mox/db"
)

// makeDatabase makes a database with a table of one row.
func makeDatabase(t *testing.T, path, value string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(path, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(context.Background(), func(c *db.Conn) error {
		return c.Script("CREATE TABLE IF NOT EXISTS a (x TEXT); DELETE FROM a; INSERT INTO a VALUES ('" + value + "')")
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func databaseValue(t *testing.T, path string) (value string) {
	t.Helper()
	d, err := db.Open(path, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Read(context.Background(), func(c *db.Conn) error {
		rows := c.Query("SELECT x FROM a")
		for rows.Next() {
			value = rows.Text(0)
		}
		return rows.Close()
	}); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestSnapshot copies databases and puts them back, also when that was interrupted.
func TestSnapshot(t *testing.T) {
	data := t.TempDir()
	one, two, queue := filepath.Join(data, "accounts/one/account.db"), filepath.Join(data, "accounts/two/account.db"), filepath.Join(data, "queue.db")
	all := []string{one, two, queue}
	write := func(value string) {
		for _, path := range all {
			makeDatabase(t, path, value)
		}
	}
	want := func(values ...string) {
		t.Helper()
		for i, path := range all {
			if got := databaseValue(t, path); got != values[i] {
				t.Errorf("%s has %q, want %q", path, got, values[i])
			}
		}
	}
	if n, err := restoreSnapshot(data, false); n != 0 || err != nil {
		t.Errorf("nothing to put back: %d, %v", n, err)
	}
	if _, err := restoreSnapshot(data, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("asked for, and not there: %v", err)
	}
	write("old")
	if err := takeSnapshot(data, []string{"account.db"}); err != nil {
		t.Fatal(err)
	}
	write("new")
	if n, err := restoreSnapshot(data, false); n != 0 || err != nil {
		t.Errorf("not asked for: %d, %v", n, err)
	}
	want("new", "new", "new")
	// A log that the newer program left must not be read into the older database.
	if err := os.WriteFile(two+"-wal", []byte("of another file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := restoreSnapshot(data, true); n != 2 || err != nil {
		t.Errorf("put back: %d, %v", n, err)
	}
	want("old", "old", "new")
	if _, err := os.Stat(filepath.Join(data, snapshotDir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("snapshot is still there: %v", err)
	}

	// Interrupted after the first one: the rest is done at the next start, without being asked.
	if err := takeSnapshot(data, []string{"account.db"}); err != nil {
		t.Fatal(err)
	}
	write("newer")
	dir := filepath.Join(data, snapshotDir)
	if err := os.WriteFile(filepath.Join(dir, snapshotRestore), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := putBack(filepath.Join(dir, "files/accounts/one/account.db"), one); err != nil {
		t.Fatal(err)
	}
	makeDatabase(t, one, "mail since")
	if n, err := restoreSnapshot(data, false); n != 1 || err != nil {
		t.Errorf("the rest: %d, %v", n, err)
	}
	want("mail since", "old", "newer")

	// All databases, as where it is not known which of them the next program changes; not search indexes.
	others := []string{"report.db", "mtasts.db", "ban.db", "trace.db", "accounts/one/junk.db", "accounts/one/search.db"}
	for _, name := range others {
		makeDatabase(t, filepath.Join(data, name), "old")
	}
	write("old")
	link := filepath.Join(t.TempDir(), "data")
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	if err := takeSnapshot(link, []string{admin.AllDatabases}); err != nil {
		t.Fatal(err)
	}
	for _, name := range others {
		makeDatabase(t, filepath.Join(data, name), "new")
	}
	write("new")
	if n, err := restoreSnapshot(data, true); n != 8 || err != nil {
		t.Errorf("all put back: %d, %v", n, err)
	}
	want("old", "old", "old")
	for _, name := range others {
		if got := databaseValue(t, filepath.Join(data, name)); (got == "old") != (filepath.Base(name) != "search.db") {
			t.Errorf("%s has %q", name, got)
		}
	}

	// One that was not finished is not put back.
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := restoreSnapshot(data, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a snapshot: %v", err)
	}
}
