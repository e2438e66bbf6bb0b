package search

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"mox/db"
	"mox/store"
)

// waiting is a fixture whose worker leaves messages alone.
func waiting(t *testing.T, c Config) *fixture {
	c.NoCatchUp, c.Linger = true, time.Hour
	return newFixture(t, c)
}

// addMany delivers n messages with the word in them.
func (f *fixture) addMany(n int, word string) (ids []store.BodyID) {
	for i := range n {
		ids = append(ids, f.add(mail(fmt.Sprint("s", i), fmt.Sprintf("%s word%d", word, i)))...)
	}
	return ids
}

func (f *fixture) catchUp(n int, last store.BodyID) bool {
	f.t.Helper()
	ok, err := f.m.CatchUp(f.ctx, f.acc, Tail{n, last}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return ok
}

// What a search takes into the index itself is found in it, as random messages show.
func TestCatchUpRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	f := waiting(t, Config{BatchMessages: 7, PartText: 2000, BatchText: 5000})
	var raws []string
	for range 120 {
		raws = append(raws, randomMail(r))
	}
	last := f.add(raws...)[len(raws)-1]
	told := 0
	ok, err := f.m.CatchUp(f.ctx, f.acc, Tail{len(raws), last}, func(n int) error { told += n; return nil })
	if !ok || err != nil || told != len(raws) {
		t.Fatal(ok, err, told)
	}
	if p, err := f.m.Progress(f.ctx, "alice"); err != nil || p.IndexedTo != last || p.Documents != len(raws) {
		t.Fatalf("%+v, %v", p, err)
	}
	for i := range 200 {
		if f.check(Query{Field: []Field{FieldText, FieldBody, FieldSubject}[i%3], Needle: randomNeedle(r, raws)}); t.Failed() {
			break
		}
	}
	// An index that is opened again goes on from there.
	f.stop(f.m)
	f.start(Config{Linger: time.Millisecond})
	f.addMany(3, "later")
	f.indexed()
	f.want("later", 3)
	if s := f.m.Stats(); s.Messages != 3 || s.Rebuilds != 0 {
		t.Errorf("%+v", s)
	}
}

// A search takes what waits only when it, or searches together, would look through as much.
func TestCatchUpWorth(t *testing.T) {
	f := waiting(t, Config{})
	ids := f.addMany(600, "common")
	last := ids[len(ids)-1]
	if f.catchUp(FewMessages-1, last) {
		t.Error("taken for few messages")
	}
	for i := range 4 {
		if f.catchUp(FewMessages, last) {
			t.Error("taken for a twelfth", i)
		}
	}
	if n := f.m.Stats().Messages; n != 0 {
		t.Errorf("%d messages taken", n)
	}
	// The first half of the tail, of which this search needs a third: 250 were looked at.
	if !f.catchUp(FewMessages, ids[299]) {
		t.Error("not taken for the fifth of such searches")
	}
	if p, _ := f.m.Progress(f.ctx, "alice"); p.IndexedTo != ids[299] || p.Waiting != 300 {
		t.Errorf("%+v", p)
	}
	if f.catchUp(2*FewMessages, last) {
		t.Error("what was looked at before counts again")
	}
	if !f.catchUp(2*FewMessages, last) {
		t.Error("not taken for two thirds")
	}
	f.want("common", 600)
	// The worker merges what searches have taken.
	f.m.keeper.Schedule("alice", 0)
	f.indexed()
	f.want("word77", 1)
}

// Searches that catch up at once, and the worker, take each message once, while messages
// come and go.
func TestCatchUpTogether(t *testing.T) {
	f := newFixture(t, Config{BatchMessages: 5})
	f.addMany(150, "first")
	var mu sync.Mutex // guards f.raw
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 100 {
			mu.Lock()
			f.addMany(1, fmt.Sprintf("more%d", i))
			mu.Unlock()
			if i%10 == 0 {
				if _, _, err := f.acc.Remove(f.ctx, f.box, store.UIDSet{{Start: store.UID(i + 1), End: store.UID(i + 3)}}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 3 {
		wg.Go(func() {
			for range 20 {
				mu.Lock()
				var tail Tail
				seen := map[store.BodyID]bool{}
				for id := range f.raw {
					tail.Add(id)
					seen[id] = true
				}
				mu.Unlock()
				if ok, err := f.m.CatchUp(f.ctx, f.acc, tail, nil); err != nil || !ok {
					t.Error(ok, err)
				}
				res, ok := f.m.Candidates(f.ctx, f.acc, Query{FieldBody, "", "word"})
				if !ok || res.IndexedTo < tail.Last {
					t.Error("not caught up", ok, res.IndexedTo, tail.Last)
				}
				for _, id := range res.Matches {
					delete(seen, id)
				}
				for id := range seen {
					if !f.removed(id) {
						t.Errorf("body %d is missing", id)
					}
				}
			}
		})
	}
	wg.Wait()
	f.indexed()
	if s := f.m.Stats(); s.Messages > 250 || s.Failures != 0 || s.Rebuilds != 0 {
		t.Errorf("%+v", s)
	}
}

// removed reports whether no message has a body any more.
func (f *fixture) removed(id store.BodyID) bool {
	ids, err := f.acc.NewBodies(f.ctx, id-1, 1)
	return err == nil && (len(ids) == 0 || ids[0] != id)
}

// endless is a reader of documents that never ends by itself.
type endless chan struct{}

func (endless) Handles(string) bool { return true }

func (begun endless) Text(ctx context.Context, _ string, _ io.Reader) ([]byte, error) {
	select {
	case begun <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// A search that takes messages ends with its client, with the account, and with the server;
// what it has written stays, and the rest can be taken later.
func TestCatchUpEnds(t *testing.T) {
	gone := errors.New("client is gone")
	for name, end := range map[string]func(f *fixture, cancel context.CancelFunc){
		"context": func(_ *fixture, cancel context.CancelFunc) { cancel() },
		"detach":  func(f *fixture, _ context.CancelFunc) { f.m.Detach("alice") },
		"close":   func(f *fixture, _ context.CancelFunc) { f.stop(f.m) },
		"rebuild": func(f *fixture, _ context.CancelFunc) {
			if err := f.m.Rebuild(f.ctx, "alice"); err != nil {
				f.t.Error(err)
			}
		},
		"report": nil,
	} {
		t.Run(name, func(t *testing.T) {
			begun := make(endless)
			f := waiting(t, Config{Documents: begun})
			f.addMany(300, "plain")
			raws := make([]string, 300)
			for i := range raws {
				raws[i] = withDocuments("Content-Type: application/x-endless\r\n\r\nx")
			}
			ids := f.add(raws...)
			ctx, cancel := context.WithCancel(f.ctx)
			defer cancel()
			report := func(n int) error {
				if end == nil && n == 0 { // a tick: the rest takes long
					return gone
				}
				return nil
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				ok, err := f.m.CatchUp(ctx, f.acc, Tail{600, ids[299]}, report)
				if want := map[bool]error{true: gone}[end == nil]; ok || err != want {
					t.Errorf("%v, %v, want %v", ok, err, want)
				}
			})
			<-begun
			if end != nil {
				end(f, cancel)
			}
			wg.Wait()
			if name != "close" {
				f.stop(f.m)
			}
			f.start(Config{Linger: time.Millisecond})
			f.indexed()
			f.want("plain", 300)
		})
	}
}

// Where documents take long, searches wait once and not again.
func TestCatchUpSlow(t *testing.T) {
	f := waiting(t, Config{Documents: make(endless)})
	f.m.patience = 10 * time.Millisecond
	f.addMany(60, "plain")
	last := f.add(withDocuments("Content-Type: application/x-endless\r\n\r\nx"))[0]
	start := time.Now()
	if f.catchUp(61, last) {
		t.Error("caught up with what takes forever")
	}
	if took := time.Since(start); took < 61*catchUpMessage {
		t.Errorf("it waited for %v", took)
	}
	f.m.patience = time.Hour
	if f.catchUp(61, last) {
		t.Error("caught up with what takes forever")
	}
	f.want("plain", int(f.m.Stats().Messages))
}

// A damaged index is not a reason to fail: the search looks through, and the index is made
// anew.
func TestCatchUpDamaged(t *testing.T) {
	f := waiting(t, Config{})
	ids := f.addMany(100, "common")
	f.catchUp(50, ids[49])
	a, err := f.m.acquire(f.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.index.db.Write(f.ctx, func(c *db.Conn) error { return c.Exec("DELETE FROM state") }); err != nil {
		t.Fatal(err)
	}
	if f.catchUp(50, ids[99]) {
		t.Error("caught up with a damaged index")
	}
	f.m.release(a)
	for range 10000 {
		if f.m.Stats().Rebuilds == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	f.indexed()
	f.want("common", 100)
	if s := f.m.Stats(); s.Rebuilds != 1 {
		t.Errorf("%+v", s)
	}
}
