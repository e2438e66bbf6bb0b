package search

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// termSet gathers keys with the documents that have each. It is what indexing spends most
// of its time on: a table with open addressing, and one piece of memory with all keys.
type termSet struct {
	slots []termSlot
	keys  []termKeyInfo
	text  []byte                        // of all keys
	blobs [areas]*[blobBuckets]termSlot // of keys of buckets, which are not in slots
	pairs []uint64                      // number of the key << 32 | document, each once, documents ascending
	seed  [3]uint64                     // so that nobody can make mail whose keys have equal hashes

	// Of all, kept for the next batch.
	order []sortKey
	at    []uint32 // by key: where its documents end in docs
	docs  []uint32
}

// termSlot is a place of the table.
type termSlot struct {
	prefix uint64 // of the key, see keyPrefix
	n      uint32 // its number plus one; 0: free
	last   uint32 // the last document that has it, plus one
}

// termKeyInfo is a key: the byte that says where, and the term.
type termKeyInfo struct {
	start, size uint32 // in text
	docs        uint32 // that have it
}

type sortKey struct {
	prefix uint64
	n      uint32
}

// slotsMin is the size of an empty table, a power of two as all sizes.
const slotsMin = 1 << 12

func newTermSet() *termSet {
	return &termSet{slots: make([]termSlot, slotsMin), seed: [3]uint64{rand.Uint64() | 1, rand.Uint64() | 1, rand.Uint64() | 1}}
}

// reset empties the set and keeps its memory.
func (s *termSet) reset() {
	clear(s.slots)
	for _, b := range s.blobs {
		if b != nil {
			clear(b[:])
		}
	}
	s.keys, s.text, s.pairs = s.keys[:0], s.text[:0], s.pairs[:0]
}

// insert notes that a document has a key. Documents come in ascending order.
func (s *termSet) insert(where byte, t []byte, doc uint32) {
	prefix := keyPrefix(where, t)
	mask := uint64(len(s.slots) - 1)
	for at := s.hash(prefix, t) & mask; ; at = (at + 1) & mask {
		slot := &s.slots[at]
		if slot.n == 0 {
			s.add(slot, prefix, where, t)
			s.note(slot, doc)
			if 3*len(s.keys) > 2*len(s.slots) {
				s.grow()
			}
			return
		}
		if slot.prefix == prefix && (byte(prefix) == 0 || s.is(slot.n-1, t)) {
			s.note(slot, doc)
			return
		}
	}
}

// is reports whether key n, which has the same prefix, is that of a term.
func (s *termSet) is(n uint32, t []byte) bool {
	k := &s.keys[n]
	return string(s.text[k.start+1:k.start+k.size]) == string(t)
}

// insertBlob notes that a document has the key of a bucket of an area.
func (s *termSet) insertBlob(a area, bucket uint16, doc uint32) {
	if s.blobs[a] == nil {
		s.blobs[a] = new([blobBuckets]termSlot)
	}
	slot := &s.blobs[a][bucket]
	if slot.n == 0 {
		var b [2]byte
		s.add(slot, 0, blobKey(a), appendBucket(b[:0], bucket))
	}
	s.note(slot, doc)
}

// note notes that a document has a key.
func (s *termSet) note(slot *termSlot, doc uint32) {
	if slot.last != doc+1 {
		slot.last = doc + 1
		s.keys[slot.n-1].docs++
		s.pairs = append(s.pairs, uint64(slot.n-1)<<32|uint64(doc))
	}
}

// add adds a key.
func (s *termSet) add(slot *termSlot, prefix uint64, where byte, t []byte) {
	s.keys = append(s.keys, termKeyInfo{start: uint32(len(s.text)), size: uint32(len(t) + 1)})
	s.text = append(append(s.text, where), t...)
	slot.prefix, slot.n = prefix, uint32(len(s.keys))
}

// grow doubles the table.
func (s *termSet) grow() {
	old := s.slots
	s.slots = make([]termSlot, 2*len(old))
	mask := uint64(len(s.slots) - 1)
	for _, slot := range old {
		if slot.n == 0 {
			continue
		}
		k := &s.keys[slot.n-1]
		at := s.hash(slot.prefix, s.text[k.start+1:k.start+k.size]) & mask
		for s.slots[at].n != 0 {
			at = (at + 1) & mask
		}
		s.slots[at] = slot
	}
}

// keyPrefix returns the first eight bytes of a key, the first on top, with zeros behind a
// shorter one: no key has any in it, so that one whose last byte is zero is the whole key.
func keyPrefix(where byte, t []byte) uint64 {
	var v uint64
	if cap(t) >= 8 { // what is behind t is cut off again
		v = binary.BigEndian.Uint64(t[:8]) >> 8
		if len(t) < 7 {
			v &= ^uint64(0) << (8 * (7 - len(t)))
		}
	} else {
		for i := range min(7, len(t)) {
			v |= uint64(t[i]) << (8 * (6 - i))
		}
	}
	return uint64(where)<<56 | v
}

// hash is of a key, by its prefix and the term.
func (s *termSet) hash(prefix uint64, t []byte) uint64 {
	h := mix(prefix^s.seed[0], s.seed[1])
	if len(t) < 8 {
		return h
	}
	h ^= uint64(len(t))
	rest := t[7:]
	for ; len(rest) > 8; rest = rest[8:] {
		h = mix(h^binary.LittleEndian.Uint64(rest), s.seed[2])
	}
	return mix(h^binary.LittleEndian.Uint64(t[len(t)-8:]), s.seed[1])
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// all calls f for each key in order, with its documents, ascending. Both are valid during
// the call.
func (s *termSet) all(f func(key []byte, docs []uint32) error) error {
	s.order, s.at = s.order[:0], append(s.at[:0], 0)
	for i := range s.keys {
		k := &s.keys[i]
		s.at = append(s.at, s.at[i]+k.docs)
		s.order = append(s.order, sortKey{keyPrefix(s.text[k.start], s.text[k.start+1:k.start+k.size]), uint32(i)})
	}
	s.docs = slices.Grow(s.docs[:0], len(s.pairs))[:len(s.pairs)]
	for _, p := range s.pairs {
		s.docs[s.at[p>>32]] = uint32(p)
		s.at[p>>32]++
	}
	slices.SortFunc(s.order, s.compare)
	for _, o := range s.order {
		k := &s.keys[o.n]
		if err := f(s.text[k.start:k.start+k.size], s.docs[s.at[o.n]-k.docs:s.at[o.n]]); err != nil {
			return err
		}
	}
	return nil
}

func (s *termSet) compare(a, b sortKey) int {
	switch {
	case a.prefix < b.prefix:
		return -1
	case a.prefix > b.prefix:
		return 1
	}
	x, y := &s.keys[a.n], &s.keys[b.n]
	return slices.Compare(s.text[x.start:x.start+x.size], s.text[y.start:y.start+y.size])
}
