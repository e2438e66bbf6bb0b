package queue

import "sync"

// What is kept in memory of messages just queued, at most.
const (
	recentSize  = 8 << 20
	recentEntry = 1 << 10 // about what one costs in addition to its content
)

// recent is content of messages just queued, as it is in the database: most are sent at
// once, and need not be read from there again. A message's is there from before its commit until
// its first outcome, or until others need the room. It is safe for concurrent use.
type recent struct {
	mu      sync.Mutex
	content map[int64]*recentContent // by message
	order   []*recentContent         // as they came, those that were forgotten included
	size    int64                    // of order
}

type recentContent struct {
	size   int64
	chunks [][]byte
	ids    []int64 // messages
	left   int     // of ids, those in content
}

// put keeps the content of messages, in the place of what was known under their ids: those
// of a commit that failed are given again. A nil p only forgets.
func (r *recent) put(msgs []Message, p *prepared) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range msgs {
		r.drop(msgs[i].ID)
	}
	if p == nil || p.staged != 0 || p.size > recentSize/8 || len(msgs) > 100 {
		return
	}
	c := &recentContent{size: p.size, chunks: p.chunks}
	for i := range msgs {
		c.ids = append(c.ids, msgs[i].ID)
		r.content[msgs[i].ID] = c
	}
	c.left, p.recent = len(c.ids), c
	r.order = append(r.order, c)
	r.size += c.size + recentEntry
	for r.size > recentSize || len(r.order) > 0 && r.order[0].left == 0 {
		r.evict()
	}
}

// evict removes the oldest. mu is held.
func (r *recent) evict() {
	c := r.order[0]
	r.order[0] = nil
	r.order = r.order[1:]
	r.remove(c)
	r.size -= c.size + recentEntry
}

// remove forgets the messages that have this content. mu is held.
func (r *recent) remove(c *recentContent) {
	for _, id := range c.ids {
		if r.content[id] == c {
			r.drop(id)
		}
	}
}

// discard is for content of messages that were not queued.
func (r *recent) discard(c *recentContent) {
	if c == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(c)
}

// drop forgets a message. mu is held.
func (r *recent) drop(id int64) {
	c := r.content[id]
	if c == nil {
		return
	}
	delete(r.content, id)
	if c.left--; c.left == 0 {
		c.chunks = nil
	}
}

// forget is for a message that has an outcome.
func (r *recent) forget(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(id)
}

// get returns the content of a message; false when it is not known.
func (r *recent) get(id int64) (size int64, chunks [][]byte, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.content[id]; c != nil {
		return c.size, c.chunks, true
	}
	return 0, nil, false
}
