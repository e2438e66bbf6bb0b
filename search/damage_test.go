package search

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"mox/db"
)

// An index that is missing, damaged or not the account's is made anew when it is opened.
func TestRebuild(t *testing.T) {
	damage := map[string]func(f *fixture){
		"missing":  func(f *fixture) { os.Remove(f.path()) },
		"not ours": func(f *fixture) { os.WriteFile(f.path(), []byte(strings.Repeat("no database ", 1000)), 0o600) },
		"empty":    func(f *fixture) { os.WriteFile(f.path(), nil, 0o600) },
		"cut":      func(f *fixture) { os.Truncate(f.path(), 4096) },
		"other format": func(f *fixture) {
			f.exec("UPDATE state SET format='mox search 1'")
		},
		"other tables":     func(f *fixture) { f.exec("DROP TABLE state") },
		"no state":         func(f *fixture) { f.exec("DELETE FROM state") },
		"of later account": func(f *fixture) { f.exec("UPDATE state SET modseq=1000000") },
		"of other account": func(f *fixture) { f.exec("UPDATE state SET prints=x'000000000000000100000001'") },
	}
	for name, hurt := range damage {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, Config{})
			f.add(mail("a", "some words"), mail("b", "other words"))
			f.indexed()
			f.stop(f.m)
			hurt(f)
			f.start(Config{Linger: time.Millisecond})
			f.found("words")
			f.indexed()
			f.want("words", 2)
			if s := f.m.Stats(); s.Messages != 2 {
				t.Errorf("%d messages taken", s.Messages)
			}
		})
	}
}

// exec changes an index that is not open.
func (f *fixture) exec(sql string) {
	f.t.Helper()
	d, err := db.Open(f.path(), db.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(f.ctx, func(c *db.Conn) error { return c.Script(sql) }); err != nil {
		f.t.Fatal(err)
	}
}

// Damage found while searching or merging makes the index anew; until then the caller
// looks through all messages.
func TestDamagedInUse(t *testing.T) {
	for _, sql := range []string{
		"UPDATE term SET data=x'00'",
		"UPDATE posting SET data=zeroblob(100)",
		"UPDATE posting SET data=substr(data, 1, length(data)-1)||x'55'",
		"DELETE FROM posting",
		"UPDATE segment SET docs=docs+1",
		"UPDATE segment SET firsts=x''",
	} {
		t.Run(sql, func(t *testing.T) {
			f := newFixture(t, Config{})
			f.add(mail("a", "some words"), mail("b", "other words"))
			f.indexed()
			f.stop(f.m)
			f.exec(sql)
			f.start(Config{Linger: time.Millisecond})
			if _, ok := f.m.Candidates(f.ctx, f.acc, Query{FieldBody, "", "words"}); ok {
				t.Error("search did not notice")
			}
			for range 10000 {
				if _, ok := f.m.Candidates(f.ctx, f.acc, Query{FieldBody, "", "words"}); ok {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			f.indexed()
			f.want("words", 2)
			if s := f.m.Stats(); s.Rebuilds != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Random bytes of the file are changed: the results are right, or there are none.
func TestDamagedAnywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	f := newFixture(t, Config{})
	for i := range 30 {
		f.add(mail(fmt.Sprint("subject ", i), randomText(r, 40)))
	}
	f.indexed()
	f.stop(f.m)
	good, err := os.ReadFile(f.path())
	if err != nil {
		t.Fatal(err)
	}
	n := 60
	if testing.Short() {
		n = 15
	}
	for range n {
		b := append([]byte(nil), good...)
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
		}
		if err := os.WriteFile(f.path(), b, 0o600); err != nil {
			t.Fatal(err)
		}
		f.start(Config{NoCatchUp: true, Linger: time.Hour})
		f.m.keeper.Stop() // no worker beside the steps below
		for _, needle := range []string{"the", "brown", "e", "日本", "ภาษา", "subject 2"} {
			// A changed number may be believed; nothing may crash or hang.
			f.m.Candidates(f.ctx, f.acc, Query{FieldText, "", needle})
		}
		if a, err := f.m.acquire(f.ctx, "alice"); err == nil {
			f.m.step(f.ctx, a)
			f.m.release(a)
		}
		f.stop(f.m)
	}
}
