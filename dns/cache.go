package dns

import (
	"sync"
	"time"
)

// cache keeps answers until their time is over or there is no room: then those not used
// for longest go. Safe for concurrent use.
type cache struct {
	maxEntries, maxBytes int

	mu      sync.Mutex // guards all below
	entries map[question]*entry
	bytes   int
	// used is the ring of entries by use: next is the latest used, prev the one not
	// used for longest.
	used entry
}

type entry struct {
	q          question
	a          *answer
	until      time.Time
	prev, next *entry
}

func (c *cache) init() {
	c.entries = map[question]*entry{}
	c.bytes = 0
	c.used.prev, c.used.next = &c.used, &c.used
}

// get returns the answer, or nil when it is not known or its time is over.
func (c *cache) get(q question, now time.Time) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[q]
	if e == nil {
		return nil
	}
	if !now.Before(e.until) {
		c.remove(e)
		return nil
	}
	if c.used.next != e {
		e.unlink()
		c.link(e)
	}
	return e.a
}

// put keeps an answer for as long as it says.
func (c *cache) put(q question, a *answer, now time.Time) {
	if a.ttl <= 0 || a.size > c.maxBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[q]; old != nil {
		c.remove(old)
	}
	e := &entry{q: q, a: a, until: now.Add(a.ttl)}
	c.entries[q] = e
	c.bytes += a.size
	c.link(e)
	for len(c.entries) > c.maxEntries || c.bytes > c.maxBytes {
		c.remove(c.used.prev)
	}
}

// clear forgets all.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.init()
}

func (c *cache) link(e *entry) {
	e.prev, e.next = &c.used, c.used.next
	e.prev.next, e.next.prev = e, e
}

func (e *entry) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

func (c *cache) remove(e *entry) {
	e.unlink()
	delete(c.entries, e.q)
	c.bytes -= e.a.size
}
