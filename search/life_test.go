package search

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/db"
	"mox/store"
	"mox/upkeep"
)

func (f *fixture) path() string { return filepath.Join(f.acc.Dir(), FileName) }

// found is what a search for a needle in bodies gives after looking.
func (f *fixture) found(needle string) []store.BodyID {
	f.t.Helper()
	q := Query{Field: FieldBody, Needle: needle}
	res := f.check(q)
	list := res.Matches
	for _, id := range res.Candidates {
		if f.match(id, q) {
			list = append(list, id)
		}
	}
	return list
}

func (f *fixture) want(needle string, n int) {
	f.t.Helper()
	if got := f.found(needle); len(got) != n {
		f.t.Errorf("%q: found %v, want %d", needle, got, n)
	}
}

// A restart continues where the index was.
func TestRestart(t *testing.T) {
	f := newFixture(t, Config{})
	f.add(mail("a", "first words"))
	f.indexed()
	f.stop(f.m)
	f.add(mail("b", "second words"))
	f.start(Config{Linger: time.Millisecond})
	if res := f.check(Query{FieldBody, "", "words"}); len(res.Matches) != 1 || res.IndexedTo != 1 {
		t.Errorf("before catching up: %+v", res)
	}
	f.indexed()
	f.want("words", 2)
	if s := f.m.Stats(); s.Messages != 1 {
		t.Errorf("%d messages taken after the restart", s.Messages)
	}
}

// Accounts that nobody touches are indexed after a start, others when they change.
func TestCatchUp(t *testing.T) {
	f := newFixture(t, Config{NoCatchUp: true})
	f.add(mail("a", "words"))
	f.stop(f.m)
	f.start(Config{Linger: time.Millisecond})
	f.m.keeper.Schedule("alice", 0) // what queueAll does in some seconds
	f.indexed()
	f.add(mail("b", "words"))
	for range 10000 {
		p, err := f.m.Progress(f.ctx, "alice")
		if err != nil {
			t.Fatal(err)
		}
		if p.Documents == 2 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("not indexed without being touched")
}

// Messages that are gone leave the index.
func TestRemoved(t *testing.T) {
	f := newFixture(t, Config{SweepEvery: time.Nanosecond})
	for i := range 40 {
		f.add(mail(fmt.Sprint("s", i), fmt.Sprintf("common word%d", i)))
	}
	f.indexed()
	if _, _, err := f.acc.Remove(f.ctx, f.box, store.UIDSet{{Start: 1, End: 30}}); err != nil {
		t.Fatal(err)
	}
	for range 10000 {
		missing, err := f.acc.MissingBodies(f.ctx, []store.BodyID{1, 30})
		if err != nil {
			t.Fatal(err)
		}
		if len(missing) == 2 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	for id := range f.raw {
		if id <= 30 {
			delete(f.raw, id)
		}
	}
	for range 10000 {
		f.indexed()
		if p, _ := f.m.Progress(f.ctx, "alice"); p.Documents == 10 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	f.indexed()
	res := f.check(Query{FieldBody, "", "common"})
	if len(res.Matches)+len(res.Candidates) != 10 {
		t.Errorf("%+v, %+v", res, f.m.Stats())
	}
	if res := f.check(Query{FieldBody, "", "word7"}); len(res.Matches) != 0 {
		t.Errorf("%+v", res)
	}
	// Nothing of it is in the file's live or free pages of terms.
	p, _ := f.m.Progress(f.ctx, "alice")
	if p.Documents != 10 {
		t.Errorf("%+v", p)
	}
}

// The number of segments stays small whatever comes in whatever pieces.
func TestMerging(t *testing.T) {
	f := newFixture(t, Config{NoCatchUp: true, Linger: time.Hour, BatchMessages: 1})
	f.m.keeper.Stop() // no worker beside the steps below
	for i := range 150 {
		f.add(mail(fmt.Sprint("s", i), fmt.Sprintf("common word%d", i)))
	}
	for turn := true; turn; {
		a, err := f.m.acquire(f.ctx, "alice")
		if err != nil {
			t.Fatal(err)
		}
		if turn, err = f.m.step(f.ctx, a); err != nil {
			t.Fatal(err)
		}
		f.m.release(a)
	}
	p, err := f.m.Progress(f.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if p.Documents != 150 || p.Segments > 15 {
		t.Errorf("%+v", p)
	}
	f.want("common", 150)
	f.want("ord77", 1)
	f.want("word7", 11)
}

func TestPlanMerge(t *testing.T) {
	seg := func(docs ...int) (list []segment) {
		for i, d := range docs {
			list = append(list, segment{id: int64(i), docs: d})
		}
		return list
	}
	tests := []struct {
		list []segment
		want int
	}{
		{seg(), 0},
		{seg(1), 0},
		{seg(100, 1, 1, 1), 0},
		{seg(100, 1, 1, 1, 1, 1, 1, 1, 1), 8},
		{seg(200, 200, 200, 200, 200, 200, 200, 150, 3), 8},
		{seg(1, 100), 2},
		{seg(5_000_000, 3_000_000), 0},
		{[]segment{{docs: 10, dead: 10}}, 1},
		{[]segment{{docs: 10, dead: 3}, {docs: 10, dead: 2}}, 1},
		{[]segment{{docs: 10, dead: 2}}, 0},
	}
	for i, tt := range tests {
		if got := planMerge(tt.list); len(got) != tt.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

// A merge that did not come to its end leaves nothing.
func TestMergeAbandoned(t *testing.T) {
	f := newFixture(t, Config{NoCatchUp: true, Linger: time.Hour, BatchMessages: 1})
	f.m.keeper.Stop() // no worker beside the steps below
	for i := range 9 {
		f.add(mail(fmt.Sprint("s", i), fmt.Sprintf("common word%d", i)))
		a, err := f.m.acquire(f.ctx, "alice")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.m.stepBatch(f.ctx, a); err != nil {
			t.Fatal(err)
		}
		f.m.release(a)
	}
	a, err := f.m.acquire(f.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.m.stepMerge(f.ctx, a); err != nil || a.merge == nil {
		t.Fatal("no merge", err)
	}
	f.m.release(a)
	f.stop(f.m)
	f.start(Config{Linger: time.Millisecond})
	f.indexed()
	f.want("common", 9)
	d, err := db.Open(f.path(), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Read(f.ctx, func(c *db.Conn) error {
		if n, _, _ := c.QueryInt64("SELECT count(*) FROM segment WHERE state<>1"); n != 0 {
			t.Errorf("%d segments left", n)
		}
		if n, _, _ := c.QueryInt64("SELECT count(*) FROM term WHERE id/16777216 NOT IN (SELECT id FROM segment)"); n != 0 {
			t.Errorf("%d blocks left", n)
		}
		return nil
	})
}

// Text beyond the limits is found all the same.
func TestPartial(t *testing.T) {
	f := newFixture(t, Config{PartText: 2000})
	f.add(mail("long", strings.Repeat("filler words here ", 200)+"the last"), mail("short", "nothing"))
	f.indexed()
	if s := f.m.Stats(); s.Partial != 1 {
		t.Errorf("%+v", s)
	}
	f.want("the last", 1)
	f.want("THE LAST", 1)
	f.want("filler", 1)
	if res := f.check(Query{FieldBody, "", "absent"}); len(res.Candidates) != 1 {
		t.Errorf("%+v", res)
	}
	if res := f.check(Query{FieldSubject, "", "absent"}); len(res.Candidates) != 0 {
		t.Errorf("%+v", res)
	}
}

// While messages come, large ones among them, what the index says is right at any time.
func TestWhileDelivering(t *testing.T) {
	f := newFixture(t, Config{BatchMessages: 3})
	var mu sync.Mutex // guards f.raw
	var wg sync.WaitGroup
	deliver := func(i int, raw string) {
		sp := f.s.NewSpool()
		defer sp.Close()
		sp.Write([]byte(raw))
		if err := sp.Finish(); err != nil {
			t.Error(err)
			return
		}
		added, err := f.acc.Add(f.ctx, f.box, []store.NewMessage{{Spool: sp}})
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		f.raw[added.Bodies[0]] = raw
		mu.Unlock()
	}
	large := strings.Repeat("large words of a large message\r\n", 130_000) // 4 MB: staged
	wg.Go(func() {
		for i := range 3 {
			deliver(i, mail(fmt.Sprint("large", i), large+fmt.Sprint(i)))
		}
	})
	wg.Go(func() {
		for i := range 60 {
			deliver(i, mail(fmt.Sprint("small", i), "common words"))
			time.Sleep(time.Millisecond)
		}
	})
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for again := true; again; {
		select {
		case <-done:
			again = false
		default:
		}
		mu.Lock()
		n := 0
		seen := map[store.BodyID]bool{}
		for id := range f.raw {
			seen[id] = true
		}
		res, ok := f.m.Candidates(f.ctx, f.acc, Query{FieldBody, "", "words"})
		for _, id := range append(res.Matches, res.Candidates...) {
			delete(seen, id)
		}
		for id := range seen {
			if ok && id <= res.IndexedTo {
				n++
			}
		}
		mu.Unlock()
		if n > 0 {
			t.Fatalf("%d bodies up to %d are missing", n, res.IndexedTo)
		}
		time.Sleep(2 * time.Millisecond)
	}
	f.indexed()
	f.want("words", 63)
}

// Idle indexes are closed, with what they hold of the account; a detached one at once.
func TestIdle(t *testing.T) {
	f := newFixture(t, Config{NoCatchUp: true, Idle: 20 * time.Millisecond})
	if err := f.s.Create(f.ctx, "bob", store.InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	bob, err := f.s.Account(f.ctx, "bob")
	if err != nil {
		t.Fatal(err)
	}
	f.m.Candidates(f.ctx, bob, Query{FieldBody, "", "x"})
	bob.Release()
	for range 10000 {
		if f.m.Stats().Open == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if s := f.m.Stats(); s.Open != 0 {
		t.Errorf("%+v", s)
	}
	bob, err = f.s.Account(f.ctx, "bob")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.m.Candidates(f.ctx, bob, Query{FieldBody, "", "x"}); !ok {
		t.Error("not opened again")
	}
	bob.Release()
	f.m.Detach("bob")
	if err := f.s.Remove(f.ctx, "bob"); err != nil {
		t.Error(err)
	}
	f.m.Touch("bob") // is no longer there
	f.m.Touch("nobody")
	f.add(mail("a", "still works"))
	f.indexed()
	f.want("works", 1)
}

func TestClosed(t *testing.T) {
	f := newFixture(t, Config{})
	f.add(mail("a", "words"))
	f.stop(f.m)
	f.stop(f.m)
	f.m.Touch("alice")
	if _, ok := f.m.Candidates(f.ctx, f.acc, Query{FieldBody, "", "words"}); ok {
		t.Error("answered after Close")
	}
	if _, err := f.m.Progress(f.ctx, "alice"); !errors.Is(err, upkeep.ErrClosed) {
		t.Error(err)
	}
}

// Many search, deliver and close at once.
func TestConcurrent(t *testing.T) {
	f := newFixture(t, Config{Idle: 5 * time.Millisecond, SweepEvery: time.Millisecond, BatchMessages: 5, Cache: 100 << 10})
	for i := range 3 {
		if err := f.s.Create(f.ctx, fmt.Sprint("user", i), store.InitialMailboxes{}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(f.ctx, time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for n := 0; ctx.Err() == nil; n++ {
				name := fmt.Sprint("user", r.IntN(3))
				acc, err := f.s.Account(f.ctx, name)
				if err != nil {
					t.Error(err)
					return
				}
				switch r.IntN(4) {
				case 0:
					sp := f.s.NewSpool()
					sp.Write([]byte(mail("x", randomText(r, 20))))
					sp.Finish()
					if _, err := acc.Deliver(f.ctx, "Inbox", store.NewMessage{Spool: sp}); err != nil {
						t.Error(err)
					}
					sp.Close()
					f.m.Touch(name)
				case 1:
					if r.IntN(10) == 0 {
						f.m.Detach(name)
					}
				default:
					f.m.Candidates(ctx, acc, Query{Field(r.IntN(2)), "", randomNeedle(r, samples)})
				}
				acc.Release()
				time.Sleep(time.Millisecond)
			}
		})
	}
	wg.Wait()
	if s := f.m.Stats(); s.Failures != 0 || s.Rebuilds != 0 {
		t.Errorf("%+v", s)
	}
}
