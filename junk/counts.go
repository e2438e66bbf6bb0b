package junk

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"mox/classifier"
	"mox/db"
)

// budget is memory that all accounts share.
type budget struct {
	mu   sync.Mutex
	left int64
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < n {
		return false
	}
	b.left -= n
	return true
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
}

// slot is a word in memory; key 0 is an empty slot. Words that no example has any more stay
// with counts of zero until the table grows.
type slot struct {
	key    uint64
	counts classifier.Counts
}

const slotSize = 16

// counts are the counters of an account's words. Once they are wanted repeatedly they are
// held in memory: reading the 3,000 of a message from the file takes several milliseconds.
type counts struct {
	writing sync.Mutex // held by who changes the file's counters, or reads all of them
	wanted  atomic.Int32
	refused atomic.Bool // they did not fit

	mu     sync.RWMutex // guards the rest
	totals classifier.Counts
	slots  []slot // a power of two of them; nil: not in memory
	used   int
}

// reset begins with totals and nothing in memory.
func (t *counts) reset(mem *budget, totals classifier.Counts) {
	t.drop(mem)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.totals = totals
}

func (t *counts) drop(mem *budget) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mem.give(int64(len(t.slots)) * slotSize)
	t.slots, t.used = nil, 0
	t.refused.Store(false)
}

// find returns the slot of a key, or the empty one where it belongs.
func find(slots []slot, key uint64) *slot {
	mask := uint64(len(slots) - 1)
	for i := key * 0x9e3779b97f4a7c15 >> 20; ; i++ {
		if s := &slots[i&mask]; s.key == key || s.key == 0 {
			return s
		}
	}
}

// lookup returns the counts of keys, and the totals; ok is false when they are not in memory.
func (t *counts) lookup(keys []uint64) (list []classifier.Counts, totals classifier.Counts, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.slots == nil {
		return nil, t.totals, false
	}
	list = make([]classifier.Counts, len(keys))
	for i, k := range keys {
		list[i] = find(t.slots, k).counts
	}
	return list, t.totals, true
}

// applyBatch is how many words are changed while others wait.
const applyBatch = 1024

// apply makes changes that were committed. t.writing is held.
func (t *counts) apply(mem *budget, words map[uint64]delta, total delta) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.totals = plus(t.totals, total)
	if t.slots == nil {
		return
	}
	if !t.grow(mem, len(words)) {
		return
	}
	n := 0
	for k, d := range words {
		if n++; n%applyBatch == 0 {
			t.mu.Unlock()
			t.mu.Lock()
		}
		s := find(t.slots, k)
		if s.key == 0 {
			s.key = k
			t.used++
		}
		s.counts = plus(s.counts, d)
	}
}

func plus(c classifier.Counts, d delta) classifier.Counts {
	return classifier.Counts{Ham: uint32(max(0, int64(c.Ham)+int64(d.ham))), Spam: uint32(max(0, int64(c.Spam)+int64(d.junk)))}
}

// capacity is how many slots n words get: at most three quarters are used.
func capacity(n int) int {
	c := 1024
	for c*3/4 <= n {
		c *= 2
	}
	return c
}

// grow makes room for n more words; false when memory does not allow: then the counters are
// read from the file from now on. t.mu is held.
func (t *counts) grow(mem *budget, n int) bool {
	if (t.used+n)*4 <= len(t.slots)*3 {
		return true
	}
	live := 0
	for i := range t.slots {
		if t.slots[i].counts != (classifier.Counts{}) {
			live++
		}
	}
	size := capacity((live + n) * 5 / 4)
	old := t.slots
	if !mem.take(int64(size) * slotSize) {
		mem.give(int64(len(old)) * slotSize)
		t.slots, t.used = nil, 0
		t.refused.Store(true)
		return false
	}
	t.slots, t.used = make([]slot, size), live
	for i := range old {
		if old[i].counts != (classifier.Counts{}) {
			*find(t.slots, old[i].key) = old[i]
		}
	}
	mem.give(int64(len(old)) * slotSize)
	return true
}

// loadAfter is how often counters are wanted before they are brought into memory.
const loadAfter = 2

// stepLoad brings the counters into memory when they are wanted and fit.
func (a *account) stepLoad(ctx context.Context) (bool, error) {
	t := &a.words
	t.mu.RLock()
	loaded := t.slots != nil
	t.mu.RUnlock()
	if loaded || t.refused.Load() || t.wanted.Load() < loadAfter {
		return false, nil
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	var slots []slot
	var used int
	err := a.read(ctx, func(c *db.Conn) error {
		n, _, err := c.QueryInt64("SELECT count(*) FROM word")
		if err != nil {
			return err
		}
		size := capacity(int(n) * 5 / 4)
		if !a.m.memory.take(int64(size) * slotSize) {
			t.refused.Store(true)
			return nil
		}
		slots, used = make([]slot, size), int(n)
		rows := c.QueryInts("SELECT hash, ham, junk FROM word")
		for rows.Next() {
			k := uint64(rows.Int64(0))
			*find(slots, k) = slot{k, classifier.Counts{Ham: uint32(rows.Int64(1)), Spam: uint32(rows.Int64(2))}}
		}
		return rows.Close()
	})
	if err != nil {
		a.m.memory.give(int64(len(slots)) * slotSize)
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slots, t.used = slots, used
	return false, nil
}

// counts returns the counts of the words with keys, in their order, and the totals.
func (a *account) counts(ctx context.Context, keys []uint64) ([]classifier.Counts, classifier.Counts, error) {
	list, totals, ok := a.words.lookup(keys)
	if ok {
		return list, totals, nil
	}
	if n := a.words.wanted.Add(1); n == loadAfter {
		a.hasWork()
	}
	// In the order of the table, each page is read once.
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		if keys[i] < keys[j] {
			return -1
		}
		return 1
	})
	list = make([]classifier.Counts, len(keys))
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT ham, junk FROM state WHERE id=1")
		if rows.Next() {
			totals = classifier.Counts{Ham: uint32(rows.Int64(0)), Spam: uint32(rows.Int64(1))}
		}
		if err := rows.Close(); err != nil {
			return err
		}
		for _, i := range order {
			rows := c.QueryInts("SELECT ham, junk FROM word WHERE hash=?", int64(keys[i]))
			if rows.Next() {
				list[i] = classifier.Counts{Ham: uint32(rows.Int64(0)), Spam: uint32(rows.Int64(1))}
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	return list, totals, err
}
