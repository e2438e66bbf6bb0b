package mtastsdb

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"mox/dns"
)

// With -make-upgrade, TestUpgrade first writes testdata/upgrade/N for the current
// version of the schema. That is done once, in the commit that adds the version, and
// the file is never changed again: what a release wrote, every later one opens.
var makeUpgrade = flag.Bool("make-upgrade", false, "write a file of the current schema version for TestUpgrade")

const upgradeDir = "testdata/upgrade"

// upgradeTime is when the files were written, by their clocks.
var upgradeTime = time.Unix(1_800_000_000, 0)

// TestUpgrade opens databases that each version of the schema wrote.
func TestUpgrade(t *testing.T) {
	files, err := fs.Glob(schema(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if *makeUpgrade {
		writeUpgrade(t, len(files))
	}
	for v := 1; v <= len(files); v++ {
		base := filepath.Join(upgradeDir, fmt.Sprint(v))
		data, err := os.ReadFile(base + ".db.zst")
		if err != nil {
			t.Fatalf("%v: every version of the schema has a file here, see -make-upgrade", err)
		}
		text, err := os.ReadFile(base + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		dec, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer dec.Close()
		raw, err := dec.DecodeAll(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), FileName)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		d, s := upgradeDB(t, path)
		if got := listing(t, d); got != string(text) {
			t.Errorf("database of version %d:\n%s\nwant:\n%s", v, got, text)
		}
		// It is in full use.
		s.set("a.example", "1", policy("one.example", day))
		want(t, d, s, "one.example", 0, false)
		s.set("a.example", "2", policy("two.example", day))
		want(t, d, s, "two.example", 1, false)
		d.Close()
	}
}

func upgradeDB(t *testing.T, path string) (*DB, *source) {
	t.Helper()
	s := &source{ids: map[string]string{}, texts: map[string]string{}}
	d, err := Open(path, Options{Source: s, Now: func() time.Time { return upgradeTime }})
	if err != nil {
		t.Fatal(err)
	}
	return d, s
}

func listing(t *testing.T, d *DB) string {
	t.Helper()
	l, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	for _, e := range l {
		p := "no policy"
		if e.Policy != nil {
			p = e.Policy.String()
		}
		fmt.Fprintf(&b, "%s id=%s fetched=%s expires=%s tried=%s used=%s error=%v\n%s\n", e.Domain, e.RecordID, at(e.Fetched), at(e.Expires), at(e.Tried), at(e.Used), e.FetchError, p)
	}
	return b.String()
}

func writeUpgrade(t *testing.T, version int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), FileName)
	d, s := upgradeDB(t, path)
	s.set("a.example", "1", policy("one.example", 7*day))
	s.set("b.example", "2", "")
	s.set("c.example", "3", policy("*.three.example", day))
	ask := func() {
		for _, name := range []string{"a.example", "b.example", "c.example"} {
			if _, _, err := d.Get(t.Context(), dns.Domain{ASCII: name}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask()
	s.set("c.example", "4", "")
	ask()
	text := listing(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(upgradeDir, 0o755); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(upgradeDir, fmt.Sprint(version))
	for name, data := range map[string][]byte{".db.zst": enc.EncodeAll(raw, nil), ".txt": []byte(text)} {
		if err := os.WriteFile(base+name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
