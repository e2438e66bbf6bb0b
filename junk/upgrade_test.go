package junk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/db"
	"mox/db/dbtest"
	"mox/store"
)

// TestUpgrade opens files that each version of the schema wrote, and finds what was in them.
func TestUpgrade(t *testing.T) {
	dbtest.Upgrade(t, dbtest.Versions{Schema: schema(), Write: writeUpgrade, Check: func(t *testing.T, file []byte, text string) {
		f := newFixture(t, Config{Linger: time.Hour})
		for range 50 { // the account is not older than the file
			must(t, f.acc.Subscribe(f.ctx, "X", true))
			must(t, f.acc.Subscribe(f.ctx, "X", false))
		}
		must(t, os.WriteFile(filepath.Join(f.acc.Dir(), FileName), file, 0o600))
		dbtest.Equal(t, f.listing(), text)
		// It is in full use.
		f.teach(3)
		must(t, f.m.Retrain(f.ctx, "alice"))
		f.check()
	}})
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

func writeUpgrade(t *testing.T) (path, text string) {
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
	text = f.listing()
	f.m.Detach("alice")
	return filepath.Join(f.acc.Dir(), FileName), text
}
