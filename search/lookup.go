package search

import (
	"errors"

	"mox/store"
)

// Result is what the index knows of a query. Bodies may be in it that are gone.
type Result struct {
	// Matches certainly match, Candidates may: the caller looks with [Match]. Both are
	// ascending, no body is in both, and no other body up to IndexedTo matches.
	Matches, Candidates []store.BodyID
	// IndexedTo is the last body that the index has seen: the caller looks through those
	// above itself. Zero: none.
	IndexedTo store.BodyID
}

// lookup is a query being answered from one segment.
type lookup struct {
	r   *reader
	s   *segment
	d   *details
	num []int // of terms found in a block
}

// segmentMatches returns the documents that certainly match, and those that may.
func (l *lookup) segmentMatches(q *Query, needle, name plan) (sure, maybe bitset, err error) {
	maybe = newBitset(l.s.docs)
	for i := range maybe {
		maybe[i] = ^uint64(0)
	}
	if rest := l.s.docs % 64; rest != 0 {
		maybe[len(maybe)-1] = 1<<rest - 1
	}
	sure = newBitset(l.s.docs)
	where := q.areas()
	if err := l.narrow(maybe, sure, needle, where); err != nil {
		return nil, nil, err
	}
	if err := l.narrow(maybe, nil, name, 1<<areaHeader); err != nil {
		return nil, nil, err
	}
	// What is not wholly in the index may match.
	if len(name.needs) > 0 {
		where |= 1 << areaHeader
	}
	for a := range areas {
		if where.has(a) {
			if err := l.find(maybe, blobKey(a), matchExact, markPartial); err != nil {
				return nil, nil, err
			}
		}
	}
	for i := range sure {
		maybe[i] &^= sure[i]
	}
	return sure, maybe, nil
}

// narrow leaves in maybe the documents that have all that the plan needs in the areas.
// With an exact plan, those that have it for certain are added to sure.
func (l *lookup) narrow(maybe, sure bitset, p plan, where areaSet) error {
	for i := range p.needs {
		if maybe.empty() {
			return nil
		}
		has, inBlob, err := l.need(&p.needs[i], where)
		if err != nil {
			return err
		}
		if p.exact && sure != nil {
			sure.or(has)
		}
		has.or(inBlob)
		maybe.and(has)
	}
	return nil
}

// need returns the documents that have what is needed in a term, and in a blob perhaps.
func (l *lookup) need(n *need, where areaSet) (inTerm, inBlob bitset, err error) {
	inTerm, inBlob = newBitset(l.s.docs), newBitset(l.s.docs)
	for a := range areas {
		if !where.has(a) {
			continue
		}
		if n.term && !inTerm.full(l.s.docs) {
			if err := l.find(inTerm, termKey(a), n.how, n.run); err != nil {
				return nil, nil, err
			}
		}
		if n.blob && !inTerm.full(l.s.docs) && !inBlob.full(l.s.docs) {
			if err := l.findBlobs(inBlob, blobKey(a), n.buckets); err != nil {
				return nil, nil, err
			}
		}
	}
	return inTerm, inBlob, nil
}

// findBlobs adds the documents that have a blob, and in blobs all of the buckets.
func (l *lookup) findBlobs(to bitset, where byte, buckets []uint16) error {
	if len(buckets) == 0 {
		return l.find(to, where, matchExact, markBlob)
	}
	var all bitset
	var t [2]byte
	for _, b := range buckets {
		one := newBitset(l.s.docs)
		if err := l.find(one, where, matchExact, appendBucket(t[:0], b)); err != nil {
			return err
		}
		if all == nil {
			all = one
		} else {
			all.and(one)
		}
		if all.empty() {
			return nil
		}
	}
	to.or(all)
	return nil
}

// find adds the documents that have a term which run matches.
func (l *lookup) find(to bitset, where byte, how match, run []byte) error {
	from, upto := l.blocks(where, how, run)
	var pass []byte
	if (how == matchSuffix || how == matchContains) && from < upto {
		var err error
		if pass, err = l.r.filter(l.s, run); err != nil {
			return err
		}
	}
	for n := from; n <= upto; n++ {
		if pass != nil && pass[n/8]&(1<<(n%8)) == 0 {
			continue
		}
		if err := l.findIn(to, n, where, how, run); err != nil {
			return err
		}
		if to.full(l.s.docs) {
			break
		}
	}
	return nil
}

// blocks returns the blocks in which such terms can be.
func (l *lookup) blocks(where byte, how match, run []byte) (from, upto int) {
	lo, hi := string(where), string(where+1)
	switch how {
	case matchExact:
		lo += string(run)
		n := l.d.blockOf(lo)
		if n < 0 {
			return 0, -1
		}
		return n, n
	case matchPrefix:
		lo += string(run)
		hi = lo + "\xff" // in no term: they are UTF-8
	}
	return max(0, l.d.blockOf(lo)), l.d.blockOf(hi)
}

func (l *lookup) findIn(to bitset, n int, where byte, how match, run []byte) error {
	terms, err := l.r.terms(l.s, n)
	if err != nil {
		return err
	}
	l.num = l.num[:0]
	findTerms(terms, where, how, run, func(n int) { l.num = append(l.num, n) })
	if len(l.num) == 0 {
		return nil
	}
	p, err := l.r.postings(l.s, n)
	if err != nil {
		return err
	}
	at := 0
	for _, n := range l.num {
		if err := p.skip(n - at); err != nil {
			return err
		}
		if err := p.addTo(to); err != nil {
			return err
		}
		at = n + 1
	}
	return nil
}

// isDamage reports whether an error says that the index is of no use any more.
func isDamage(err error) bool { return errors.Is(err, errDamaged) || isCorruptDB(err) }
