package junk

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"mox/config"
	"mox/store"
)

var someFlags = []store.Flags{0, store.FlagJunk, store.FlagNotJunk, store.FlagJunk | store.FlagNotJunk, store.FlagSeen}

// TestModel does things to an account at random, and compares what is learned with what
// reading all messages gives.
func TestModel(t *testing.T) {
	for seed := range uint64(5) {
		params := &atomic.Pointer[config.JunkFilter]{}
		params.Store(testParams)
		f := newFixture(t, Config{Linger: time.Hour, Params: func(string) *config.JunkFilter { return params.Load() }})
		model(f, params, rand.New(rand.NewPCG(seed, 1)), 250)
	}
}

func model(f *fixture, params *atomic.Pointer[config.JunkFilter], r *rand.Rand, steps int) {
	t := f.t
	t.Helper()
	now := time.Now()
	ops := []func(box, other string){
		func(box, _ string) { // deliver
			facts := sender(r.IntN(9))
			for range 1 + r.IntN(4) {
				f.deliver(box, f.mail(), &facts, someFlags[r.IntN(len(someFlags))], now.Add(-time.Duration(r.IntN(1000))*time.Hour))
			}
		},
		func(box, _ string) { // append the same content twice, without trace
			text := f.mail()
			for range 2 {
				f.deliver(box, text, nil, someFlags[r.IntN(len(someFlags))], now)
			}
		},
		func(box, _ string) {
			c := store.FlagChange{Op: store.FlagOp(r.IntN(3)), Flags: someFlags[r.IntN(len(someFlags))]}
			_, err := f.acc.SetFlags(f.ctx, f.box(box), someUIDs(r), c)
			must(t, err)
		},
		func(box, other string) {
			_, err := f.acc.Move(f.ctx, f.box(box), someUIDs(r), f.box(other))
			must(t, err)
		},
		func(box, other string) {
			_, err := f.acc.Copy(f.ctx, f.box(box), someUIDs(r), f.box(other))
			must(t, err)
		},
		func(box, _ string) {
			_, _, err := f.acc.Remove(f.ctx, f.box(box), someUIDs(r))
			must(t, err)
		},
		func(string, string) { // a mailbox goes with its messages
			facts := sender(r.IntN(9))
			f.deliver("New", f.mail(), &facts, store.FlagJunk, now)
			if r.IntN(2) == 0 {
				must(t, f.acc.DeleteMailbox(f.ctx, "New"))
			}
		},
		func(string, string) {
			f.stop()
			f.start()
		},
		func(string, string) { f.words(f.mail()) },
		func(string, string) { // words are taken otherwise, now and then
			three := *testParams
			three.Params.Threegrams = true
			params.Store([]*config.JunkFilter{testParams, testParams, &three, nil}[r.IntN(4)])
			f.m.keeper.Schedule("alice", 0)
		},
		func(string, string) { f.reputation(sender(r.IntN(9))) },
		func(string, string) {
			f.words(f.mail())
			f.words(f.mail())
			f.m.keeper.Schedule("alice", 0)
		},
	}
	boxes := []string{"Inbox", "Junk", "Archive"}
	for i := range steps {
		ops[r.IntN(len(ops))](boxes[r.IntN(len(boxes))], boxes[r.IntN(len(boxes))])
		if i%10 == 0 {
			f.check()
		}
	}
	f.check()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func someUIDs(r *rand.Rand) store.UIDSet {
	from := store.UID(1 + r.IntN(60))
	return store.UIDSet{{Start: from, End: from + store.UID(r.IntN(12))}}
}

// TestUntrain: what is taken back leaves nothing, also when the content is gone and words
// are taken differently.
func TestUntrain(t *testing.T) {
	params := *testParams
	f := newFixture(t, Config{Params: func(string) *config.JunkFilter { return &params }, Linger: time.Hour})
	var uids []store.UID
	for i := range 20 {
		uids = append(uids, f.classified(sender(i), someFlags[1+i%2], time.Now()))
	}
	f.check()
	x := f.filter()
	stats, err := x.Stats(f.ctx)
	must(t, err)
	x.Release()
	if stats.Ham != 10 || stats.Junk != 10 || stats.TrainedHam != 10 || stats.Words == 0 || stats.Working || stats.ModSeq != f.acc.ModSeq() {
		t.Errorf("stats %+v", stats)
	}
	f.stop()
	for _, uid := range uids {
		_, _, err := f.acc.Remove(f.ctx, f.box("Inbox"), store.NewUIDSet(uid))
		must(t, err)
	}
	params.Params.Threegrams = true
	f.start()
	f.check()
	if got := f.stored(); got.examples != 0 || len(got.words) != 0 || len(got.signals) != 0 || got.totals.Ham+got.totals.Spam != 0 {
		t.Errorf("left: %+v", got)
	}
}
