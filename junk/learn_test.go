package junk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/config"
	"mox/db"
	"mox/store"
	"mox/trace"
	"mox/upkeep"
)

func junkMail(i int) string {
	return fmt.Sprintf("From: a@example.org\r\nSubject: cheap pills\r\n\r\nbuy cheap pills now, %s\r\n", word(i))
}

func hamMail(i int) string {
	return fmt.Sprintf("From: b@example.org\r\nSubject: project meeting\r\n\r\nminutes of the meeting about %s\r\n", word(i))
}

// teach delivers and classifies messages of two kinds.
func (f *fixture) teach(n int) {
	for i := range n {
		f.deliver("Inbox", hamMail(i), nil, store.FlagNotJunk, now)
		f.deliver("Inbox", junkMail(i), nil, store.FlagJunk, now)
	}
}

func TestWords(t *testing.T) {
	f := newFixture(t, Config{Linger: time.Hour})
	if w := f.words(junkMail(0)); w.Significant || w.Probability != 0.5 {
		t.Errorf("before anything was taught: %+v", w)
	}
	f.teach(49)
	f.settled()
	if w := f.words(junkMail(100)); w.Significant {
		t.Errorf("significant after 49: %+v", w)
	}
	f.teach(1)
	for range 4 { // from the file, then from memory
		w := f.words(junkMail(100))
		if !w.Significant || w.Probability < 0.9 || len(w.Top) == 0 || w.Top[0].Junk == 0 || w.Top[0].Probability < 0.7 {
			t.Errorf("junk: %+v", w)
		}
		if w := f.words(hamMail(100)); !w.Significant || w.Probability > 0.1 {
			t.Errorf("ham: %+v", w)
		}
		f.loaded()
	}
	f.check()
}

// loaded waits until counters are in memory.
func (f *fixture) loaded() {
	f.t.Helper()
	x := f.filter()
	defer x.Release()
	f.m.keeper.Schedule("alice", 0)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, _, ok := x.a.words.lookup(nil); ok {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatal("counters are not brought into memory")
		}
	}
}

// TestMemory: with little memory, counters are read from the file, with the same result.
func TestMemory(t *testing.T) {
	f := newFixture(t, Config{Linger: time.Hour, Memory: 1024 * slotSize})
	f.teach(10)
	for range 3 {
		f.words(junkMail(1))
	}
	f.loaded()
	x := f.filter()
	f.teach(500) // they grow beyond what there is
	f.settled()
	if _, _, ok := x.a.words.lookup(nil); ok {
		t.Error("counters are still in memory")
	}
	x.Release()
	f.check()
	f.m.Detach("alice")
	if f.m.memory.left != 1024*slotSize {
		t.Errorf("memory left %d", f.m.memory.left)
	}
}

// TestParams: without filter, senders are learned still; words once there is a filter.
func TestParams(t *testing.T) {
	var mu sync.Mutex
	var params *config.JunkFilter
	set := func(p *config.JunkFilter) { mu.Lock(); defer mu.Unlock(); params = p }
	var reasons []string
	f := newFixture(t, Config{Linger: time.Millisecond, Params: func(string) *config.JunkFilter { mu.Lock(); defer mu.Unlock(); return params },
		Metrics: Metrics{Rebuilt: func(r string) { reasons = append(reasons, r) }}})
	f.teach(60)
	if w := f.words(junkMail(1)); w != nil {
		t.Errorf("words without filter: %+v", w)
	}
	f.check()
	set(testParams)
	f.words(junkMail(1))
	f.settled()
	f.waitParams(fingerprint(testParams))
	f.check()
	if w := f.words(junkMail(1)); !w.Significant || w.Probability < 0.9 {
		t.Errorf("with filter: %+v", w)
	}
	three := *testParams
	three.Params.Threegrams, three.Params.Onegrams = true, false
	f.stop()
	set(&three)
	f.start()
	f.waitParams(fingerprint(&three))
	f.check()
	set(nil)
	f.m.Touch("alice")
	f.waitParams("")
	f.check()
	f.stop()
	if got := strings.Join(reasons, " "); got != "params params params" {
		t.Errorf("rebuilt for %s", got)
	}
	f.start()
}

func (f *fixture) waitParams(want string) {
	f.t.Helper()
	x := f.filter()
	defer x.Release()
	f.m.Touch("alice")
	for deadline := time.Now().Add(time.Minute); *x.a.params.Load() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatal("parameters are not noticed")
		}
	}
}

// TestTooOld: where the change log does not reach back, messages are compared.
func TestTooOld(t *testing.T) {
	f := newFixtureOptions(t, Config{Linger: time.Hour}, store.Options{ChangeLog: 50})
	f.teach(30)
	f.check()
	f.stop()
	for i := range 200 {
		f.setFlags("Inbox", store.UID(1+i%20), store.FlagsReplace, someFlags[i%3])
	}
	f.teach(5)
	_, _, err := f.acc.Remove(f.ctx, f.box("Inbox"), store.UIDSet{{Start: 3, End: 9}})
	must(t, err)
	f.deliver("New", hamMail(1), nil, store.FlagNotJunk, now)
	must(t, f.acc.DeleteMailbox(f.ctx, "New"))
	for range 300 {
		f.setFlags("Inbox", 20, store.FlagsReplace, store.FlagSeen)
		f.setFlags("Inbox", 20, store.FlagsReplace, 0)
	}
	f.start()
	if _, err := f.acc.Changes(f.ctx, 61, 1); !errors.Is(err, store.ErrTooOld) {
		t.Fatalf("change log: %v", err)
	}
	f.check()
}

// TestDamage: a damaged file is set aside and made anew, when opened and in use.
func TestDamage(t *testing.T) {
	f := newFixture(t, Config{Linger: time.Hour, Wait: time.Second})
	path := filepath.Join(f.acc.Dir(), FileName)
	bob := mailFacts(nil)
	f.teach(20)
	f.classified(bob, store.FlagJunk, now)
	f.check()
	f.stop()
	for _, content := range [][]byte{bytes.Repeat([]byte("garbage "), 2000), []byte("SQLite format 3\x00 and no more"), nil} {
		must(t, os.WriteFile(path, content, 0o600))
		f.start()
		f.check()
		if r := f.reputation(bob); r.Judgment != "junk" {
			t.Errorf("reputation: %+v", r)
		}
		f.stop()
	}
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Error(err)
	}

	// Of a newer release.
	d, err := db.Open(path, db.Options{})
	must(t, err)
	must(t, d.Write(t.Context(), func(c *db.Conn) error { return c.Script("PRAGMA user_version=999") }))
	must(t, d.Close())
	f.start()
	f.check()
	f.stop()
	if v, err := db.FileVersion(path + ".damaged"); err != nil || v.Schema != 999 {
		t.Errorf("newer file is not set aside: %+v, %v", v, err)
	}

	// Pages of a file in use.
	f.start()
	x := f.filter()
	b, err := os.ReadFile(path)
	must(t, err)
	x.Release()
	f.stop()
	for i := 4096; i < len(b); i++ {
		b[i] ^= 0x55
	}
	must(t, os.WriteFile(path, b, 0o600))
	f.start()
	failed := false
	for range 50 {
		x, err := f.m.Account(f.ctx, f.acc)
		if err != nil {
			failed = true
			break
		}
		if _, err := x.Reputation(f.ctx, "Inbox", bob.Sender()); err != nil {
			failed = true
		}
		x.Release()
	}
	t.Log("an error was seen:", failed)
	f.check()
	if r := f.reputation(bob); r.Judgment != "junk" {
		t.Errorf("reputation: %+v", r)
	}
}

// TestDamageInUse: what a query meets makes the file be made anew.
func TestDamageInUse(t *testing.T) {
	f := newFixture(t, Config{Linger: time.Hour})
	f.teach(5)
	f.check()
	x := f.filter()
	defer x.Release()
	must(t, x.a.write(f.ctx, func(c *db.Conn) error { return c.Exec("UPDATE example SET words=?", []byte{0x80}) }))
	f.setFlags("Inbox", 1, store.FlagsReplace, 0)
	sp := f.spool(junkMail(1))
	defer sp.Close()
	if _, err := x.Words(f.ctx, sp.Part(), sp); !errors.Is(err, errDamaged) {
		t.Errorf("judging with damaged data: %v", err)
	}
	f.check()
}

// TestOlderAccount: the account is from a backup made before.
func TestOlderAccount(t *testing.T) {
	f := newFixture(t, Config{Linger: time.Hour})
	f.teach(5)
	f.settled()
	x := f.filter()
	must(t, x.a.write(f.ctx, func(c *db.Conn) error {
		return c.Script("UPDATE state SET modseq=1000000; INSERT INTO example (mailbox_id, uid, body_id, junk, received, signals) VALUES (99, 1, 1, 1, 1, x'')")
	}))
	x.a.seq.Store(1000000)
	x.a.saved = 1000000
	x.Release()
	f.stop()
	f.start()
	f.check()
}

func TestRetrain(t *testing.T) {
	var reasons []string
	f := newFixture(t, Config{Linger: time.Hour, Metrics: Metrics{Rebuilt: func(r string) { reasons = append(reasons, r) }}})
	f.teach(30)
	f.check()
	x := f.filter()
	// Something that should not be.
	must(t, x.a.write(f.ctx, func(c *db.Conn) error {
		return c.Script("UPDATE example SET signals=x'' WHERE id%2=0; DELETE FROM signal WHERE example%2=0")
	}))
	x.Release()
	ctx, cancel := context.WithTimeout(f.ctx, time.Minute)
	defer cancel()
	must(t, f.m.Retrain(ctx, "alice"))
	f.check()
	if err := f.m.Retrain(ctx, "nobody"); !errors.Is(err, store.ErrNoAccount) {
		t.Errorf("no account: %v", err)
	}
	// It goes on after a restart.
	gone, stop := context.WithCancel(ctx)
	stop()
	if err := f.m.Retrain(gone, "alice"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	f.stop()
	f.start()
	f.check()
}

// TestBigMove: as much as the worker has to do in many turns; who judges does not wait for all.
func TestBigMove(t *testing.T) {
	f := newFixture(t, Config{Linger: time.Millisecond})
	f.teach(150)
	f.settled()
	before := f.stored()
	_, err := f.acc.Move(f.ctx, f.box("Inbox"), store.AllUIDs(), f.box("Archive"))
	must(t, err)
	f.words(junkMail(1))
	f.check()
	if got := f.stored(); got.totals != before.totals {
		t.Errorf("totals %v, were %v", got.totals, before.totals)
	}
	_, err = f.acc.SetFlags(f.ctx, f.box("Archive"), store.AllUIDs(), store.FlagChange{Flags: store.FlagJunk, Op: store.FlagsReplace})
	must(t, err)
	f.words(junkMail(1))
	f.check()
}

// TestConcurrent: many judge and teach at once, while accounts come and go.
func TestConcurrent(t *testing.T) {
	f := newFixture(t, Config{Linger: time.Millisecond, Idle: 5 * time.Millisecond, MaxOpen: 1})
	f.teach(20)
	text := junkMail(1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			sp := f.s.NewSpool()
			defer sp.Close()
			sp.Write([]byte(text))
			if err := sp.Finish(); err != nil {
				t.Error(err)
				return
			}
			for j := range 25 {
				x, err := f.m.Account(f.ctx, f.acc)
				if errors.Is(err, upkeep.ErrClosed) {
					continue
				} else if err != nil {
					t.Error(err)
					return
				}
				if _, err := x.Words(f.ctx, sp.Part(), sp); err != nil {
					t.Error(err)
				}
				if _, err := x.Reputation(f.ctx, "Inbox", trace.Sender{From: "x@example.org"}); err != nil {
					t.Error(err)
				}
				if err := x.Sent(f.ctx, []string{fmt.Sprintf("%d@example.org", j)}, now); err != nil {
					t.Error(err)
				}
				x.Release()
				if j%8 == i {
					_, err := f.acc.SetFlags(f.ctx, f.box("Inbox"), store.NewUIDSet(store.UID(i+1)), store.FlagChange{Flags: someFlags[(i+j)%3], Op: store.FlagsReplace})
					if err != nil {
						t.Error(err)
					}
				}
				if i == 0 && j%10 == 0 {
					f.m.Detach("alice")
				}
				if i == 1 && j%10 == 0 {
					time.Sleep(6 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	f.check()
}

func TestClosed(t *testing.T) {
	f := newFixture(t, Config{})
	f.stop()
	if _, err := f.m.Account(f.ctx, f.acc); !errors.Is(err, upkeep.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	f.m.Touch("alice")
	f.m.Detach("alice")
	if _, err := New(Config{}); err == nil {
		t.Error("a manager without store")
	}
}
