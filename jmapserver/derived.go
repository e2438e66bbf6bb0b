package jmapserver

import (
	"sync"

	"mox/message"
	"mox/store"
)

// Bounds of what is kept for an account.
const (
	maxFlips = 100_000
	maxFiles = 1_000_000
	maxSizes = 100_000
)

// derived is what versions of mails share: what was found out about contents, which do not change, and what the change
// log does not tell.
type derived struct {
	mu         sync.Mutex
	attachment map[store.BodyID]bool // hasAttachment, of those that were asked for
	since      store.ModSeq          // from when flips are known
	flips      map[store.BodyID][]flip
	flipCount  int
	sizes      map[partOf]int64 // of parts, decoded
}

// flip is that an Email became visible or ceased to be, by an operation after from and not after to.
type flip struct{ from, to store.ModSeq }

// partOf is a part of a message, by its number.
type partOf struct {
	body store.BodyID
	part string
}

func newDerived() *derived {
	return &derived{sizes: map[partOf]int64{}, attachment: map[store.BodyID]bool{}, flips: map[store.BodyID][]flip{}}
}

// begin says that flips are known after seq.
func (d *derived) begin(seq store.ModSeq) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since, d.flips, d.flipCount = seq, map[store.BodyID][]flip{}, 0
}

// flip notes flips of some Emails.
func (d *derived) flip(bodies []store.BodyID, f flip) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flipCount += len(bodies); d.flipCount > maxFlips {
		d.since, d.flips, d.flipCount = f.to, map[store.BodyID][]flip{}, 0
		return
	}
	for _, b := range bodies {
		d.flips[b] = append(d.flips[b], f)
	}
}

// flipped tells whether an operation that changed flags of an Email can have made it visible, or ceased to be so.
func (d *derived) flipped(body store.BodyID, seq store.ModSeq) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if seq <= d.since {
		return true
	}
	for _, f := range d.flips[body] {
		if seq > f.from && seq <= f.to {
			return true
		}
	}
	return false
}

// size returns the decoded size of a part, if it was computed.
func (d *derived) size(body store.BodyID, part string) (int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.sizes[partOf{body, part}]
	return n, ok
}

func (d *derived) setSize(body store.BodyID, part string, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.sizes) >= maxSizes {
		clear(d.sizes)
	}
	d.sizes[partOf{body, part}] = n
}

// hasAttachment returns the property of an Email, if it was computed.
func (d *derived) hasAttachment(body store.BodyID) (has, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	has, ok = d.attachment[body]
	return has, ok
}

// setAttachment computes it from the part tree.
func (d *derived) setAttachment(body store.BodyID, p *message.Part) {
	b := p.Bodies()
	has := hasAttachment(&b)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.attachment) >= maxFiles {
		clear(d.attachment)
	}
	d.attachment[body] = has
}
