package junk

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"mox/db"
	"mox/store"
)

// With -make-upgrade, TestUpgrade first writes testdata/upgrade/N for the current version of
// the schema. That is done once, in the commit that adds the version, and the file is never
// changed again.
var makeUpgrade = flag.Bool("make-upgrade", false, "write a file of the current schema version for TestUpgrade")

const upgradeDir = "testdata/upgrade"

// TestUpgrade opens files that each version of the schema wrote, and finds what was in them.
func TestUpgrade(t *testing.T) {
	files, err := fs.Glob(schema(), "*.sql")
	must(t, err)
	if *makeUpgrade {
		writeUpgrade(t, len(files))
	}
	for v := 1; v <= len(files); v++ {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			base := filepath.Join(upgradeDir, fmt.Sprint(v))
			data, err := os.ReadFile(base + ".db.zst")
			if err != nil {
				t.Fatalf("%v: every version of the schema has a file here, see -make-upgrade", err)
			}
			want, err := os.ReadFile(base + ".txt")
			must(t, err)
			dec, err := zstd.NewReader(bytes.NewReader(data))
			must(t, err)
			defer dec.Close()
			var raw bytes.Buffer
			_, err = raw.ReadFrom(dec)
			must(t, err)
			f := newFixture(t, Config{Linger: time.Hour})
			for range 50 { // the account is not older than the file
				must(t, f.acc.Subscribe(f.ctx, "X", true))
				must(t, f.acc.Subscribe(f.ctx, "X", false))
			}
			must(t, os.WriteFile(filepath.Join(f.acc.Dir(), FileName), raw.Bytes(), 0o600))
			if got := f.listing(); got != string(want) {
				t.Errorf("file of version %d:\n%s\nwant:\n%s", v, got, want)
			}
			// It is in full use.
			f.teach(3)
			must(t, f.m.Retrain(f.ctx, "alice"))
			f.check()
		})
	}
}

// listing is what a file has.
func (f *fixture) listing() string {
	x := f.filter()
	defer x.Release()
	var b strings.Builder
	for _, q := range []string{
		"SELECT modseq, compare, remake_next, remake_last, params, ham, junk FROM state",
		"SELECT hash, ham, junk FROM word ORDER BY hash",
		"SELECT id, mailbox_id, uid, body_id, junk, received, hex(signals), hex(words) FROM example ORDER BY id",
		"SELECT key, time, example, junk, who FROM signal ORDER BY key, time, example",
		"SELECT key, time FROM sent ORDER BY key",
		"SELECT slot, recipients, first FROM outgoing ORDER BY slot",
	} {
		must(f.t, x.a.read(f.ctx, func(c *db.Conn) error {
			fmt.Fprintln(&b, q)
			columns := strings.Count(strings.Split(q, " FROM ")[0], ", ") + 1
			rows := c.Query(q)
			for rows.Next() {
				var row []string
				for i := range columns {
					row = append(row, rows.Text(i))
				}
				fmt.Fprintln(&b, strings.Join(row, "|"))
			}
			return rows.Close()
		}))
	}
	return b.String()
}

func writeUpgrade(t *testing.T, version int) {
	f := newFixture(t, Config{Linger: time.Hour})
	f.deliver("Inbox", junkMail(1), nil, store.FlagJunk, now)
	facts := sender(1)
	f.deliver("Inbox", hamMail(1), &facts, store.FlagNotJunk, now)
	x := f.filter()
	must(t, x.Sent(f.ctx, []string{"bob@example.org"}, now))
	must(t, x.MaySend(f.ctx, []string{"bob@example.org", "eve@example.org"}, Limits{}, now))
	x.Release()
	f.settled()
	f.m.Detach("alice")
	list := f.listing()
	f.m.Detach("alice")
	raw, err := os.ReadFile(filepath.Join(f.acc.Dir(), FileName))
	must(t, err)
	must(t, os.MkdirAll(upgradeDir, 0o755))
	enc, err := zstd.NewWriter(nil)
	must(t, err)
	base := filepath.Join(upgradeDir, fmt.Sprint(version))
	must(t, os.WriteFile(base+".db.zst", enc.EncodeAll(raw, nil), 0o644))
	must(t, os.WriteFile(base+".txt", []byte(list), 0o644))
}
