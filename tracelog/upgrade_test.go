package tracelog

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// With -make-upgrade, TestUpgrade first writes testdata/upgrade/N for the current
// version of the schema. That is done once, in the commit that adds the version, and
// the file is never changed again: what a release wrote, every later one opens.
var makeUpgrade = flag.Bool("make-upgrade", false, "write a file of the current schema version for TestUpgrade")

const upgradeDir = "testdata/upgrade"

// TestUpgrade opens logs that each version of the schema wrote, and finds what was in them.
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
		want, err := os.ReadFile(base + ".txt")
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
		l := openLog(t, path, Options{})
		if got := listing(t, l); got != string(want) {
			t.Errorf("log of version %d:\n%s\nwant:\n%s", v, got, want)
		}
		// It is in full use.
		l.Add(sample(1000))
		if got := find(t, l, Query{Text: sample(1000).ID}); len(got) != 1 {
			t.Error(got)
		}
	}
}

// listing is what some queries find, as text.
func listing(t *testing.T, l *Log) string {
	t.Helper()
	var b strings.Builder
	for _, q := range []Query{{Text: "recipient.example"}, {Text: sample(2).Facts.MessageID}, {Text: "person3@sender3.example"}, {Text: "192.0.2.4"}, {Account: "user5"}} {
		found, err := l.Find(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "query %q of %q:\n", q.Text, q.Account)
		for _, tr := range found {
			text, err := tr.Encode()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s\n", text)
		}
	}
	return b.String()
}

func writeUpgrade(t *testing.T, version int) {
	t.Helper()
	l := newLog(t, Options{})
	fill(t, l, 0, 10)
	text := listing(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(l.path)
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
