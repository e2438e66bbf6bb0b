package search

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// A segment's terms are kept in blocks, in ascending order of their keys. A block is
// two blobs, so that looking for terms reads no postings:
//
//	terms     LF key LF key LF ... key LF
//	postings  uvarint length of the next; for each term uvarint(length of its list * 2 +
//	          1 for a bitmap); then the lists
//
// A list is the documents that have the term, numbered within the segment: either as
// uvarints, of the first document and then of each gap minus one, or, where that is
// shorter, as a bitmap.
//
// A key is one byte that says where and what (see area) and the term. Terms contain no
// bytes below space, so that finding a string in the terms is finding a term.

// Sizes from which a block is ended, before compression.
const (
	blockTerms    = 32 << 10
	blockPostings = 64 << 10
	// Blocks with postings of blobs are smaller: a search reads a few lists of them.
	blockBlobPostings = 16 << 10
)

var errDamaged = errors.New("damaged block")

// bitset is a set of documents of a segment.
type bitset []uint64

func newBitset(docs int) bitset { return make(bitset, (docs+63)/64) }

func (s bitset) set(i uint32)      { s[i/64] |= 1 << (i % 64) }
func (s bitset) has(i uint32) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s bitset) count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s bitset) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

// full reports whether all of a number of documents are in the set.
func (s bitset) full(docs int) bool {
	n := docs / 64
	for _, w := range s[:n] {
		if w != ^uint64(0) {
			return false
		}
	}
	return docs%64 == 0 || s[n] == 1<<(docs%64)-1
}

func (s bitset) or(t bitset) {
	for i := range s {
		s[i] |= t[i]
	}
}

func (s bitset) and(t bitset) {
	for i := range s {
		s[i] &= t[i]
	}
}

// all yields the members in ascending order.
func (s bitset) all(yield func(uint32) bool) {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			if !yield(uint32(i*64 + bits.TrailingZeros64(w))) {
				return
			}
		}
	}
}

// block is a block as it is built.
type block struct {
	first           []byte // its first key
	terms, postings []byte
}

// blockBuilder makes blocks of lists that come in ascending order of keys.
type blockBuilder struct {
	docs  int // in the segment
	emit  func(block) error
	first []byte
	terms []byte
	lens  []byte
	lists []byte
	list  []byte
}

// add adds a term with the documents that have it, ascending and not empty.
func (b *blockBuilder) add(key []byte, docs []uint32) error {
	if len(b.terms) == 0 {
		b.first = append([]byte(nil), key...)
		b.terms = append(b.terms, '\n')
	}
	b.terms = append(b.terms, key...)
	b.terms = append(b.terms, '\n')
	list, bitmap := b.encode(docs)
	b.lens = binary.AppendUvarint(b.lens, uint64(len(list))<<1|bitmap)
	b.lists = append(b.lists, list...)
	full := len(b.terms) >= blockTerms || len(b.lists) >= blockPostings || isBlobKey(key) && len(b.lists) >= blockBlobPostings
	if full {
		return b.end()
	}
	return nil
}

func (b *blockBuilder) encode(docs []uint32) (list []byte, bitmap uint64) {
	b.list = b.list[:0]
	size := (b.docs + 7) / 8
	next := uint32(0)
	for _, d := range docs {
		b.list = binary.AppendUvarint(b.list, uint64(d-next))
		next = d + 1
		if len(b.list) > size {
			b.list = append(b.list[:0], make([]byte, size)...)
			for _, d := range docs {
				b.list[d/8] |= 1 << (d % 8)
			}
			return b.list, 1
		}
	}
	return b.list, 0
}

// end ends the block that is being built.
func (b *blockBuilder) end() error {
	if len(b.terms) == 0 {
		return nil
	}
	postings := binary.AppendUvarint(make([]byte, 0, len(b.lens)+len(b.lists)+4), uint64(len(b.lens)))
	postings = append(append(postings, b.lens...), b.lists...)
	err := b.emit(block{b.first, b.terms, postings})
	b.terms, b.lens, b.lists = b.terms[:0], b.lens[:0], b.lists[:0]
	return err
}

// postings reads the lists of a block in order.
type postings struct {
	docs  int
	lens  []byte
	lists []byte
}

func readPostings(b []byte, docs int) (postings, error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return postings{}, fmt.Errorf("%w: postings", errDamaged)
	}
	b = b[size:]
	return postings{docs: docs, lens: b[:n], lists: b[n:]}, nil
}

// next returns the next list and whether it is a bitmap.
func (p *postings) next() (list []byte, bitmap bool, err error) {
	n, size := binary.Uvarint(p.lens)
	if size <= 0 || n>>1 > uint64(len(p.lists)) {
		return nil, false, fmt.Errorf("%w: length of a list", errDamaged)
	}
	p.lens = p.lens[size:]
	list, p.lists = p.lists[:n>>1], p.lists[n>>1:]
	return list, n&1 != 0, nil
}

// skip goes over n lists.
func (p *postings) skip(n int) error {
	for range n {
		if _, _, err := p.next(); err != nil {
			return err
		}
	}
	return nil
}

// addTo adds the next list to a set.
func (p *postings) addTo(s bitset) error {
	return p.each(func(d uint32) { s.set(d) })
}

// each calls f for each document of the next list, ascending.
func (p *postings) each(f func(uint32)) error {
	list, bitmap, err := p.next()
	if err != nil {
		return err
	}
	if bitmap {
		if len(list) != (p.docs+7)/8 {
			return fmt.Errorf("%w: bitmap", errDamaged)
		}
		for i, b := range list {
			for ; b != 0; b &= b - 1 {
				d := i*8 + bits.TrailingZeros8(b)
				if d >= p.docs {
					return fmt.Errorf("%w: bitmap", errDamaged)
				}
				f(uint32(d))
			}
		}
		return nil
	}
	next := uint64(0)
	for len(list) > 0 {
		gap, size := binary.Uvarint(list)
		if size <= 0 || gap >= uint64(p.docs) || next+gap >= uint64(p.docs) {
			return fmt.Errorf("%w: list", errDamaged)
		}
		list = list[size:]
		f(uint32(next + gap))
		next += gap + 1
	}
	return nil
}

// findTerms calls found with the number of each term of the block that a run matches,
// ascending.
func findTerms(terms []byte, where byte, how match, run []byte, found func(n int)) {
	terms, skipped := within(terms, where)
	if len(terms) == 0 {
		return
	}
	var pattern []byte
	switch how {
	case matchExact, matchPrefix:
		pattern = append(pattern, '\n', where)
	}
	pattern = append(pattern, run...)
	switch how {
	case matchExact, matchSuffix:
		pattern = append(pattern, '\n')
	}
	n, at := skipped, 0 // at is behind the LF before term n
	for {
		i := bytes.Index(terms[at:], pattern)
		if i < 0 {
			return
		}
		i += at
		// The number of LFs up to and with the first byte of the match.
		n += bytes.Count(terms[at:i+1], lf)
		at = i + 1
		found(n - 1)
		if how == matchExact {
			return
		}
		end := bytes.IndexByte(terms[at:], '\n')
		if end < 0 {
			return
		}
		at += end // the LF before the next term is counted then
	}
}

var lf = []byte{'\n'}

// within returns the terms of a block with the first byte where, the LF before and
// after included, and the number of LFs before those.
func within(terms []byte, where byte) ([]byte, int) {
	if len(terms) < 3 {
		return nil, 0
	}
	start, end := firstFrom(terms, where), firstFrom(terms, where+1)
	if start == end {
		return nil, 0
	}
	return terms[start : end+1], bytes.Count(terms[:start], lf)
}

// firstFrom returns the place of the LF before the first term whose first byte is at
// least where; of the last LF when there is none.
func firstFrom(terms []byte, where byte) int {
	lo, hi := 0, len(terms)-1
	for lo < hi {
		mid := (lo + hi) / 2
		p := bytes.LastIndexByte(terms[:mid+1], '\n')
		if terms[p+1] >= where {
			hi = p
			continue
		}
		next := bytes.IndexByte(terms[mid+1:], '\n')
		lo = mid + 1 + next
	}
	return lo
}
