package search

import (
	"container/list"
	"sync"
)

// cache keeps what was read and decompressed last, of all accounts, up to a number of
// bytes. Entries are never changed. Safe for concurrent use.
type cache struct {
	mu   sync.Mutex // guards the fields below
	max  int64
	size int64
	by   map[cacheKey]*list.Element
	used list.List // of *cacheEntry, the last used first
}

// cacheKey names a blob of an open index. Segments are never changed and their ids never
// used again, so that nothing in the cache is ever out of date.
type cacheKey struct {
	index   uint64 // of one opening
	kind    blobKind
	segment int64
	block   int // of the segment
}

type blobKind uint8

const (
	kindSegment blobKind = iota
	kindTerms
	kindPostings
	kindFilter
)

type cacheEntry struct {
	key   cacheKey
	value any
	size  int64
}

func newCache(max int64) *cache { return &cache{max: max, by: map[cacheKey]*list.Element{}} }

func (c *cache) get(k cacheKey) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.by[k]
	if !ok {
		return nil, false
	}
	c.used.MoveToFront(e)
	return e.Value.(*cacheEntry).value, true
}

func (c *cache) put(k cacheKey, v any, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.by[k]; ok || size > c.max/4 {
		return
	}
	c.by[k] = c.used.PushFront(&cacheEntry{k, v, size})
	for c.size += size; c.size > c.max; {
		c.remove(c.used.Back())
	}
}

// drop forgets an index.
func (c *cache) drop(index uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.used.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*cacheEntry).key.index == index {
			c.remove(e)
		}
		e = next
	}
}

func (c *cache) remove(e *list.Element) {
	entry := c.used.Remove(e).(*cacheEntry)
	delete(c.by, entry.key)
	c.size -= entry.size
}

func (c *cache) bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}
