package dbtest

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// With -make-upgrade, Upgrade first writes testdata/upgrade/N for the current version of the
// schema. That is done once, in the commit that adds the version, and the files are never
// changed again.
var makeUpgrade = flag.Bool("make-upgrade", false, "write a database of the current version of the schema for TestUpgrade")

const upgradeDir = "testdata/upgrade"

// Versions are the databases that each version of a schema wrote: testdata/upgrade/N.db.zst,
// and beside it N.txt, with what was in it.
type Versions struct {
	Schema fs.FS // the numbered files of the schema, as for db.Options.Migrations
	// Write makes a database that has something of everything. It returns its file, which is
	// closed, and as text what can be seen of it.
	Write func(t *testing.T) (path, text string)
	// Check opens a copy of a database, compares what can be seen of it with the text, see
	// [Equal], and tries that it is in full use.
	Check func(t *testing.T, file []byte, text string)
}

// Upgrade checks the databases of all versions.
func Upgrade(t *testing.T, v Versions) {
	t.Helper()
	names, err := fs.Glob(v.Schema, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal("no schema", err)
	}
	if *makeUpgrade {
		path, text := v.Write(t)
		writeVersion(t, len(names), path, text)
	}
	for n := range names {
		t.Run(fmt.Sprint(n+1), func(t *testing.T) {
			file, text := readVersion(t, n+1)
			v.Check(t, file, text)
		})
	}
}

// Equal compares what can be seen of a database with what was seen when it was written.
func Equal(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("in the database is:\n%s\nwant:\n%s", got, want)
	}
}

func base(version int) string { return filepath.Join(upgradeDir, fmt.Sprint(version)) }

func readVersion(t *testing.T, version int) (file []byte, text string) {
	t.Helper()
	packed, err := os.ReadFile(base(version) + ".db.zst")
	if err != nil {
		t.Fatalf("%v: every version of the schema has a file here, see -make-upgrade", err)
	}
	b, err := os.ReadFile(base(version) + ".txt")
	check(t, err)
	dec, err := zstd.NewReader(nil)
	check(t, err)
	defer dec.Close()
	file, err = dec.DecodeAll(packed, nil)
	check(t, err)
	return file, string(b)
}

func writeVersion(t *testing.T, version int, path, text string) {
	t.Helper()
	file, err := os.ReadFile(path)
	check(t, err)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	check(t, err)
	defer enc.Close()
	check(t, os.MkdirAll(upgradeDir, 0o755))
	check(t, os.WriteFile(base(version)+".db.zst", enc.EncodeAll(file, nil), 0o644))
	check(t, os.WriteFile(base(version)+".txt", []byte(text), 0o644))
}

// File writes a copy of a database to a file of the test, and returns its path.
func File(t *testing.T, file []byte, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	check(t, os.WriteFile(path, file, 0o600))
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
