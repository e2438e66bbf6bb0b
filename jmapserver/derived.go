package jmapserver

import (
	"slices"
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
type flip struct {
	from, to store.ModSeq
	hidden   bool // after it
}

// flipped is an Email that became visible or ceased to be, or that came.
type flipped struct {
	body   store.BodyID
	hidden bool // it is by now
	fresh  bool // it was not there before
}

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

// flip notes flips of some Emails by operations after from and not after to. What is fresh counts only where there is
// something to correct: that it was gone.
func (d *derived) flip(flips []flipped, from, to store.ModSeq) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range flips {
		if v.fresh && len(d.flips[v.body]) == 0 {
			continue
		}
		if d.flipCount++; d.flipCount > maxFlips {
			d.since, d.flips, d.flipCount = to, map[store.BodyID][]flip{}, 0
			return
		}
		d.flips[v.body] = append(d.flips[v.body], flip{from, to, v.hidden})
	}
}

// hiddenAt tells whether an Email that was there at a ModSeq was hidden then. now tells whether it is now, or is gone;
// ok is false if it is not known.
func (d *derived) hiddenAt(body store.BodyID, seq store.ModSeq, now bool) (hidden, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if seq < d.since {
		return false, false
	}
	hidden = now
	for i, f := range d.flips[body] {
		switch {
		case f.to <= seq:
			hidden = f.hidden
		case f.from >= seq && i == 0:
			return !f.hidden, true
		case f.from >= seq:
			return hidden, true
		default: // by one of several operations
			return false, false
		}
	}
	return hidden, true
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

// within tells whether an Email became visible or ceased to be by one of several operations, some before a ModSeq and
// some after it.
func (d *derived) within(body store.BodyID, seq store.ModSeq) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.flips[body], func(f flip) bool { return f.from < seq && seq < f.to })
}

// flippedSince tells whether any Email can have become visible, or ceased to be so, after a ModSeq.
func (d *derived) flippedSince(seq store.ModSeq) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if seq < d.since {
		return true
	}
	for _, l := range d.flips {
		if l[len(l)-1].to > seq {
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
