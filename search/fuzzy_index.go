package search

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"mox/db"
	"mox/store"
	"mox/upkeep"
)

// FuzzyResult is what the index knows of a [Fuzzy] search. Bodies may be in it that are gone.
type FuzzyResult struct {
	// Bodies match, ascending, with Scores from 1 to 100. Candidates may match, ascending: the
	// caller looks with [Fuzzy.Scan]. No other body up to IndexedTo matches.
	Bodies     []store.BodyID
	Scores     []uint8
	Candidates []store.BodyID
	IndexedTo  store.BodyID // the last that the index has seen; zero: none
	Weights    []float64    // for [Fuzzy.Scan]: rare words say more
}

// Score returns the score of a body that is in Bodies, 0 for others.
func (r *FuzzyResult) Score(id store.BodyID) uint8 {
	if i, ok := slices.BinarySearch(r.Bodies, id); ok {
		return r.Scores[i]
	}
	return 0
}

// Fuzzy returns what the index knows of a fuzzy search in the messages of an account. ok is
// false when it knows nothing. It never waits for messages to be indexed.
func (m *Manager) Fuzzy(ctx context.Context, acc *store.Account, f *Fuzzy) (res FuzzyResult, ok bool) {
	a, err := m.acquire(ctx, acc.Name())
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, upkeep.ErrClosed) && !errors.Is(err, errNoIndex) {
			m.c.Log.ErrorContext(ctx, "opening search index", "account", acc.Name(), "err", err)
		}
		return FuzzyResult{}, false
	}
	defer m.release(a)
	m.stats.searches.Add(1)
	res, err = a.index.fuzzy(ctx, f)
	switch {
	case err == nil:
		if res.IndexedTo == 0 {
			m.keeper.Touch(a.name) // if the search does not take them itself, see CatchUp
		}
		return res, true
	case isDamage(err):
		m.damaged(a, err)
	case ctx.Err() == nil:
		m.c.Log.ErrorContext(ctx, "searching index", "account", a.name, "err", err)
	}
	return FuzzyResult{}, false
}

// fuzzySearch is a fuzzy search being answered.
type fuzzySearch struct {
	f       *Fuzzy
	res     FuzzyResult
	missing []float64 // of the bodies in res, for each word
	found   []int     // documents that have each word
	docs    int
}

func (x *index) fuzzy(ctx context.Context, f *Fuzzy) (FuzzyResult, error) {
	q := &fuzzySearch{f: f, found: make([]int, len(f.words))}
	err := x.db.Read(ctx, func(c *db.Conn) error {
		s, err := readState(c)
		if err != nil {
			return err
		}
		q.res.IndexedTo = s.indexed
		list, err := segments(c)
		if err != nil {
			return err
		}
		r := &reader{c, x.id, x.cache, x.codec}
		for i := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := q.segment(r, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return FuzzyResult{}, fmt.Errorf("searching index: %w", err)
	}
	q.score()
	return q.res, nil
}

// score computes the scores, now that it is known how rare the words are.
func (q *fuzzySearch) score() {
	q.res.Weights = make([]float64, len(q.found))
	for i, n := range q.found {
		q.res.Weights[i] = 1 + math.Log(float64(q.docs+1)/float64(n+1))
	}
	n := len(q.found)
	q.res.Scores = make([]uint8, len(q.res.Bodies))
	for i := range q.res.Bodies {
		q.res.Scores[i] = fuzzyScore(q.missing[i*n:(i+1)*n], q.res.Weights)
	}
}

// fuzzyHit is a term that stands for a word.
type fuzzyHit struct {
	block, n int
	quality  uint8
}

// segment adds what a segment has.
func (q *fuzzySearch) segment(r *reader, s *segment) error {
	d, err := r.details(s)
	if err != nil {
		return err
	}
	l := &lookup{r: r, s: s, d: d}
	q.docs += s.docs
	missing := make([][]float64, len(q.f.words)) // of each word, by document
	for i := range missing {
		missing[i] = slices.Repeat([]float64{1}, s.docs)
	}
	maybe := make([]bitset, len(missing)) // in blobs, or beyond what the index has
	rest := newBitset(s.docs)
	for a := range areas {
		if q.f.weights[a] == 0 {
			continue
		}
		if err := l.find(rest, blobKey(a), matchExact, markPartial); err != nil {
			return err
		}
		if err := q.area(l, a, missing, maybe); err != nil {
			return err
		}
	}
	for i := range missing {
		for _, m := range missing[i] {
			if m < 1 {
				q.found[i]++
			}
		}
	}
	q.collect(d, missing, maybe, rest)
	return nil
}

// area looks for all words in an area.
func (q *fuzzySearch) area(l *lookup, a area, missing [][]float64, maybe []bitset) error {
	hits, err := q.hits(l, termKey(a))
	if err != nil {
		return err
	}
	best := make([]uint8, l.s.docs)
	for i := range hits {
		if q.f.words[i].blob {
			if maybe[i] == nil {
				maybe[i] = newBitset(l.s.docs)
			}
			if err := l.findBlobs(maybe[i], blobKey(a), blobBucketsOf([]byte(q.f.words[i].text))); err != nil {
				return err
			}
			continue
		}
		if len(hits[i]) == 0 {
			continue
		}
		clear(best)
		if err := l.addHits(best, hits[i]); err != nil {
			return err
		}
		for doc, n := range best {
			if n > 0 {
				missing[i][doc] *= 1 - q.f.weights[a]*float64(n)/100
			}
		}
	}
	return nil
}

// hits returns for each word the terms with the first byte where that stand for it, in the
// order of the blocks.
func (q *fuzzySearch) hits(l *lookup, where byte) ([][]fuzzyHit, error) {
	hits := make([][]fuzzyHit, len(q.f.words))
	from, upto := max(0, l.d.blockOf(string(where))), l.d.blockOf(string(where+1))
	for block := from; block <= upto; block++ {
		terms, err := l.r.terms(l.s, block)
		if err != nil {
			return nil, err
		}
		part, n := within(terms, where)
		// The LF before the first term is counted in n.
		for at := 1; at < len(part); n++ {
			end := bytes.IndexByte(part[at:], '\n')
			if end < 0 {
				break
			}
			q.f.eachWord(part[at+1:at+end], func(i int, quality uint8) { hits[i] = append(hits[i], fuzzyHit{block, n, quality}) })
			at += end + 1
		}
	}
	for i := range hits {
		if len(hits[i]) > maxFuzzyTerms {
			slices.SortStableFunc(hits[i], func(x, y fuzzyHit) int { return int(y.quality) - int(x.quality) })
			hits[i] = hits[i][:maxFuzzyTerms]
			slices.SortFunc(hits[i], func(x, y fuzzyHit) int { return cmp.Or(x.block-y.block, x.n-y.n) })
		}
	}
	return hits, nil
}

// addHits raises best, by document, to the qualities of terms.
func (l *lookup) addHits(best []uint8, hits []fuzzyHit) error {
	var p postings
	block, at := -1, 0
	for _, h := range hits {
		if h.block != block {
			var err error
			if p, err = l.r.postings(l.s, h.block); err != nil {
				return err
			}
			block, at = h.block, 0
		}
		if err := p.skip(h.n - at); err != nil {
			return err
		}
		if err := p.each(func(d uint32) { best[d] = max(best[d], h.quality) }); err != nil {
			return err
		}
		at = h.n + 1
	}
	return nil
}

// collect adds the documents that have all words.
func (q *fuzzySearch) collect(d *details, missing [][]float64, maybe []bitset, rest bitset) {
	// The index does not tell apart most fields.
	open := q.f.Field == FieldHeader && q.f.weights[areaHeader] > 0
	for doc, id := range d.bodies {
		all, possible := true, true
		for i := range missing {
			if missing[i][doc] < 1 {
				continue
			}
			all = false
			if maybe[i] == nil || !maybe[i].has(uint32(doc)) {
				possible = false
				break
			}
		}
		switch {
		case all && !open:
			q.res.Bodies = append(q.res.Bodies, id)
			for i := range missing {
				q.missing = append(q.missing, missing[i][doc])
			}
		case possible || rest.has(uint32(doc)):
			q.res.Candidates = append(q.res.Candidates, id)
		}
	}
}
