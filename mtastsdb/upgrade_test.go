package mtastsdb

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/db/dbtest"
	"mox/dns"
)

// upgradeTime is when the files were written, by their clocks.
var upgradeTime = time.Unix(1_800_000_000, 0)

// TestUpgrade opens databases that each version of the schema wrote.
func TestUpgrade(t *testing.T) {
	dbtest.Upgrade(t, dbtest.Versions{Schema: schema(), Write: writeUpgrade, Check: func(t *testing.T, file []byte, text string) {
		d, s := upgradeDB(t, dbtest.File(t, file, FileName))
		defer d.Close()
		dbtest.Equal(t, listing(t, d), text)
		// It is in full use.
		s.set("a.example", "1", policy("one.example", day))
		want(t, d, s, "one.example", 0, false)
		s.set("a.example", "2", policy("two.example", day))
		want(t, d, s, "two.example", 1, false)
	}})
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

func writeUpgrade(t *testing.T) (path, text string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), FileName)
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
	text = listing(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return path, text
}
