package store

import (
	"iter"
	"slices"
	"sync"
	"unsafe"
)

// blockSize is the number of messages that a view's blocks are filled to.
const blockSize = 256

// View is an immutable snapshot of a mailbox. Its messages are in blocks that versions
// share: a flag change copies the blocks it touches and the list of blocks. Readers
// need no lock.
//
// An IMAP session keeps the view it last told its client about: that is its map of
// sequence numbers. At a safe point it calls Diff with the current one and reports.
type View struct {
	Mailbox     MailboxID
	UIDValidity uint32
	UIDNext     UID
	ModSeq      ModSeq // HIGHESTMODSEQ
	Deleted     bool   // the mailbox itself is gone; this is its last view, and empty

	counts     Counts
	blocks     [][]Message // none empty. Capacity behind a block's length belongs to the writer
	starts     []uint32    // index of the first message of each block
	n          int
	superseded chan struct{}
	alarms

	kwOnce sync.Once
	kw     []KeywordSet
}

// Len is the number of messages.
func (v *View) Len() int { return v.n }

// block returns which block message i is in.
func (v *View) block(i int) int {
	// Mostly, all blocks but the last are full.
	if b := i / blockSize; b < len(v.starts) && int(v.starts[b]) <= i && (b+1 == len(v.starts) || i < int(v.starts[b+1])) {
		return b
	}
	b, found := slices.BinarySearch(v.starts, uint32(i))
	if !found {
		b--
	}
	return b
}

// At returns message i, from 0: its sequence number is i+1. It panics when i is out of range.
func (v *View) At(i int) *Message {
	b := v.block(i)
	return &v.blocks[b][i-int(v.starts[b])]
}

// Find returns the index of the first message whose UID is uid or higher, Len when
// there is none, and whether it is uid.
func (v *View) Find(uid UID) (i int, ok bool) {
	b, found := slices.BinarySearchFunc(v.blocks, uid, func(m []Message, u UID) int {
		switch {
		case m[len(m)-1].UID < u:
			return -1
		case m[0].UID > u:
			return 1
		}
		return 0
	})
	if b == len(v.blocks) {
		return v.n, false
	}
	if !found {
		return int(v.starts[b]), false
	}
	j, ok := slices.BinarySearchFunc(v.blocks[b], uid, func(m Message, u UID) int { return int(int64(m.UID) - int64(u)) })
	return int(v.starts[b]) + j, ok
}

// All yields every message with its index.
func (v *View) All() iter.Seq2[int, *Message] { return v.Range(0, v.n) }

// Range yields messages from up to and without to.
func (v *View) Range(from, to int) iter.Seq2[int, *Message] {
	return func(yield func(int, *Message) bool) {
		from, to := max(from, 0), min(to, v.n)
		if from >= to {
			return
		}
		b := v.block(from)
		for i, j := from, from-int(v.starts[b]); i < to; b, j = b+1, 0 {
			m := v.blocks[b]
			for ; j < len(m) && i < to; i, j = i+1, j+1 {
				if !yield(i, &m[j]) {
					return
				}
			}
		}
	}
}

// Counts are the totals.
func (v *View) Counts() Counts { return v.counts }

// Superseded is closed when there is a newer view.
func (v *View) Superseded() <-chan struct{} { return v.superseded }

// KeywordSets returns the keyword sets that messages in the view have, without the
// empty one, ascending. It is computed once.
func (v *View) KeywordSets() []KeywordSet {
	v.kwOnce.Do(func() {
		seen := map[KeywordSet]bool{}
		last := KeywordSet(0)
		for _, m := range v.All() {
			if m.Keywords != last {
				last = m.Keywords
				seen[last] = true
			}
		}
		delete(seen, 0)
		for k := range seen {
			v.kw = append(v.kw, k)
		}
		slices.Sort(v.kw)
	})
	return v.kw
}

// size is about the memory the view takes.
func (v *View) size() int64 {
	return int64(len(v.blocks))*(blockSize*int64(unsafe.Sizeof(Message{}))+28) + 512
}

// add counts m in (sign 1) or out (sign -1).
func (c *Counts) add(m *Message, sign int) {
	c.Messages += uint32(sign)
	c.Size += int64(sign) * int64(m.Size)
	if m.Flags&FlagSeen == 0 {
		c.Unseen += uint32(sign)
	}
	if m.Flags&FlagDeleted != 0 {
		c.Deleted += uint32(sign)
		c.DeletedSize += int64(sign) * int64(m.Size)
	}
}

// successor returns a view with the same messages to be changed.
func (v *View) successor(b *mailbox) *View {
	return &View{
		Mailbox: v.Mailbox, UIDValidity: b.UIDValidity, UIDNext: b.UIDNext, ModSeq: b.ModSeq,
		counts: v.counts, blocks: v.blocks, starts: v.starts, n: v.n, superseded: make(chan struct{}),
	}
}

// withAdded returns the next view, with msgs at the end.
func (v *View) withAdded(b *mailbox, msgs []Message) *View {
	w := v.successor(b)
	w.blocks, w.starts = slices.Clone(v.blocks), slices.Clone(v.starts)
	for i := range msgs {
		w.counts.add(&msgs[i], 1)
	}
	w.push(msgs)
	return w
}

// push appends messages. The last block is extended in place when it has room: older
// views see only their own length of it.
func (v *View) push(msgs []Message) {
	v.n += len(msgs)
	for len(msgs) > 0 {
		k := len(v.blocks) - 1
		if k < 0 || len(v.blocks[k]) == cap(v.blocks[k]) {
			v.starts = append(v.starts, v.next())
			// A mailbox with few messages keeps a small block.
			size := blockSize
			if k < 0 && len(msgs) < blockSize/4 {
				size = max(8, len(msgs))
			}
			v.blocks = append(v.blocks, make([]Message, 0, size))
			k++
		}
		m := v.blocks[k]
		n := min(len(msgs), cap(m)-len(m))
		v.blocks[k] = append(m, msgs[:n]...)
		msgs = msgs[n:]
	}
}

// next is the index behind the last block.
func (v *View) next() uint32 {
	if k := len(v.blocks); k > 0 {
		return v.starts[k-1] + uint32(len(v.blocks[k-1]))
	}
	return 0
}

// edit is a message with its new content; see withChanged.
type edit struct {
	index int
	msg   Message
}

// withChanged returns the next view, with the messages in edits (ascending) replaced.
func (v *View) withChanged(b *mailbox, edits []edit) *View {
	w := v.successor(b)
	w.blocks = slices.Clone(v.blocks)
	for i := 0; i < len(edits); {
		k := v.block(edits[i].index)
		start := int(v.starts[k])
		m := make([]Message, len(v.blocks[k]), cap(v.blocks[k]))
		copy(m, v.blocks[k])
		for ; i < len(edits) && edits[i].index-start < len(m); i++ {
			p := &m[edits[i].index-start]
			w.counts.add(p, -1)
			*p = edits[i].msg
			w.counts.add(p, 1)
		}
		w.blocks[k] = m
	}
	return w
}

// without returns the next view, without the messages at indexes gone (ascending).
func (v *View) without(b *mailbox, gone []int) *View {
	w := v.successor(b)
	w.blocks, w.starts, w.n = make([][]Message, 0, len(v.blocks)), make([]uint32, 0, len(v.blocks)), v.n-len(gone)
	for k, old := range v.blocks {
		start := int(v.starts[k])
		if len(gone) == 0 || gone[0] >= start+len(old) {
			w.starts = append(w.starts, w.next())
			w.blocks = append(w.blocks, old)
			continue
		}
		m := make([]Message, 0, blockSize)
		for j := range old {
			if len(gone) > 0 && gone[0] == start+j {
				w.counts.add(&old[j], -1)
				gone = gone[1:]
				continue
			}
			m = append(m, old[j])
		}
		w.join(m)
	}
	return w
}

// join adds a block that was thinned out, into the one before where both are small.
func (v *View) join(m []Message) {
	if len(m) == 0 {
		return
	}
	if k := len(v.blocks) - 1; k >= 0 && len(v.blocks[k])+len(m) <= blockSize/2 {
		both := make([]Message, 0, blockSize)
		v.blocks[k] = append(append(both, v.blocks[k]...), m...)
		return
	}
	v.starts = append(v.starts, v.next())
	v.blocks = append(v.blocks, m)
}

// Diff is what changed from one view to a newer one.
type Diff struct {
	Expunged []int // indexes in the old view, ascending
	Changed  []int // indexes in the new view, ascending, of messages in both whose ModSeq differs
	Added    int   // number of messages at the end of the new view that are not in the old
}

// Empty reports whether nothing changed.
func (d Diff) Empty() bool { return len(d.Expunged) == 0 && len(d.Changed) == 0 && d.Added == 0 }

// Diff compares v with a newer view of the same mailbox. Its cost is about that of the
// blocks that differ.
func (v *View) Diff(newer *View) Diff {
	var d Diff
	if v == newer {
		return d
	}
	i, j := 0, 0 // messages done
	a, b := 0, 0 // their blocks
	for i < v.n && j < newer.n {
		for a+1 < len(v.starts) && int(v.starts[a+1]) <= i {
			a++
		}
		for b+1 < len(newer.starts) && int(newer.starts[b+1]) <= j {
			b++
		}
		old, cur := v.blocks[a][i-int(v.starts[a]):], newer.blocks[b][j-int(newer.starts[b]):]
		if &old[0] == &cur[0] { // shared: what both have is equal
			n := min(len(old), len(cur))
			i, j = i+n, j+n
			continue
		}
		x, y := d.blocks(old, cur, i, j)
		i, j = i+x, j+y
	}
	for ; i < v.n; i++ {
		d.Expunged = append(d.Expunged, i)
	}
	d.Added = newer.n - j
	return d
}

// blocks compares messages of one block each until one of them ends, and returns how
// many of each it did. New messages have UIDs above all old ones, and thus come only
// when the old ones have ended.
func (d *Diff) blocks(old, cur []Message, i, j int) (x, y int) {
	for x < len(old) && y < len(cur) {
		switch {
		case old[x].UID == cur[y].UID:
			if old[x].ModSeq != cur[y].ModSeq {
				d.Changed = append(d.Changed, j+y)
			}
			x, y = x+1, y+1
		default: // old[x].UID < cur[y].UID
			d.Expunged = append(d.Expunged, i+x)
			x++
		}
	}
	return x, y
}
