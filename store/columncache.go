package store

import (
	"errors"
	"sync"
	"time"
)

// ignoreGone drops ErrNoBody.
func ignoreGone(err error) error {
	if errors.Is(err, ErrNoBody) {
		return nil
	}
	return err
}

// columnKey is a column of a mailbox in memory.
type columnKey struct {
	e  *entry
	id columnID
}

// columnCache keeps columns of mailboxes that are open, for all accounts together. A
// column goes when its mailbox is closed, when it was not used for a while, and when
// others need the memory.
type columnCache struct {
	limit int64 // bytes
	idle  time.Duration

	mu     sync.Mutex // guards all below
	cols   map[columnKey]*cachedColumn
	total  int64 // bytes of all
	timer  *time.Timer
	closed bool
}

type cachedColumn struct {
	c    *sortColumn
	size int64
	used time.Time
}

// get returns a column, nil when there is none.
func (cc *columnCache) get(k columnKey) *sortColumn {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	e := cc.cols[k]
	if e == nil {
		return nil
	}
	e.used = time.Now()
	return e.c
}

// put keeps a column, in place of one that was there.
func (cc *columnCache) put(k columnKey, c *sortColumn) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	e := &cachedColumn{c, c.size(), time.Now()}
	if cc.closed || e.size > cc.limit {
		return
	}
	cc.remove(k)
	for cc.total+e.size > cc.limit {
		cc.remove(cc.oldest())
	}
	if cc.cols == nil {
		cc.cols = map[columnKey]*cachedColumn{}
	}
	cc.cols[k] = e
	cc.total += e.size
	if cc.timer == nil {
		cc.timer = time.AfterFunc(cc.idle, cc.sweep)
	}
}

// oldest is the column not used for the longest time. cc.mu is held, here and below.
func (cc *columnCache) oldest() (oldest columnKey) {
	var used time.Time
	for k, e := range cc.cols {
		if used.IsZero() || e.used.Before(used) {
			oldest, used = k, e.used
		}
	}
	return oldest
}

func (cc *columnCache) remove(k columnKey) {
	if e := cc.cols[k]; e != nil {
		cc.total -= e.size
		delete(cc.cols, k)
	}
}

// sweep drops what was not used for a while.
func (cc *columnCache) sweep() {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	for k, e := range cc.cols {
		if time.Since(e.used) >= cc.idle {
			cc.remove(k)
		}
	}
	cc.timer = nil
	if len(cc.cols) > 0 && !cc.closed {
		cc.timer = time.AfterFunc(cc.idle, cc.sweep)
	}
}

// forget drops the columns of a mailbox.
func (cc *columnCache) forget(e *entry) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	for k := range cc.cols {
		if k.e == e {
			cc.remove(k)
		}
	}
}

// close drops all, for good.
func (cc *columnCache) close() {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	cc.closed = true
	clear(cc.cols)
	cc.total = 0
	if cc.timer != nil {
		cc.timer.Stop()
	}
}
