package imapserver

import (
	"slices"
	"strconv"

	"mox/imap"
	"mox/search"
	"mox/store"
)

// fuzzyQuery is a text key under FUZZY (RFC 6203), with what is known about it.
type fuzzyQuery struct {
	f       *search.Fuzzy
	known   search.FuzzyResult     // the zero FuzzyResult when the index does not know
	scanned map[store.BodyID]uint8 // scores of messages that were looked through; 0: no match
}

// score returns the score of a body, 0 when it does not match or is not known.
func (q *fuzzyQuery) score(id store.BodyID) uint8 {
	if n, ok := q.scanned[id]; ok {
		return n
	}
	return q.known.Score(id)
}

// decide returns what is known about a body.
func (q *fuzzyQuery) decide(id store.BodyID) tri {
	if n, ok := q.scanned[id]; ok {
		return truth(n > 0)
	}
	if id > q.known.IndexedTo {
		return unknown
	}
	if q.known.Score(id) > 0 {
		return yes
	}
	if _, ok := slices.BinarySearch(q.known.Candidates, id); ok {
		return unknown
	}
	return no
}

// compileFuzzy: RFC 6203 5: keys other than those of texts are matched as they are.
func compileFuzzy(x *searcher, k *imap.SearchKey) (test, error) {
	x.isFuzzy++
	defer func() { x.isFuzzy-- }()
	return x.compile(&k.Keys[0])
}

// fuzzyFields are the texts that keys look at.
var fuzzyFields = map[imap.SearchOp]search.Field{imap.SearchText: search.FieldText, imap.SearchBody: search.FieldBody, imap.SearchHeader: search.FieldHeader}

// compileFuzzyText compiles a text key; nil when it is not fuzzy, or has no words.
func (x *searcher) compileFuzzyText(k *imap.SearchKey) test {
	if x.isFuzzy == 0 {
		return nil
	}
	query := search.Query{Field: fuzzyFields[k.Op], Needle: k.Str}
	if k.Op == imap.SearchHeader {
		query.Name = k.Field
	}
	f := search.NewFuzzy(query)
	if f == nil {
		return nil
	}
	x.content = true
	q := &fuzzyQuery{f: f, scanned: map[store.BodyID]uint8{}}
	x.fuzzy = append(x.fuzzy, q)
	return func(c *candidate) tri {
		v := q.decide(c.msg.Body)
		if v != unknown || c.content == nil {
			return v
		}
		c.content.score()
		return q.decide(c.msg.Body)
	}
}

// score looks through the message for all fuzzy queries that are not decided.
func (c *content) score() {
	if c.scored {
		return
	}
	c.scored = true
	for _, q := range c.fuzzy {
		if q.decide(c.id) != unknown {
			continue
		}
		n, err := q.f.Scan(search.Source{Part: c.part, Body: c.ra, Document: c.document}, q.known.Weights)
		if err != nil {
			c.err = err
		}
		q.scanned[c.id] = n
	}
}

// score is the relevancy of a message that matches, RFC 6203 4: the mean of the fuzzy keys
// that it matches; all of it where there are none, as for flags.
func (x *searcher) score(m *store.Message) uint8 {
	sum, n := 0, 0
	for _, q := range x.fuzzy {
		if score := q.score(m.Body); score > 0 {
			sum += int(score)
			n++
		}
	}
	if n == 0 {
		return 100
	}
	return uint8((sum + n/2) / n)
}

// relevancy reports whether scores are wanted. RFC 6203 4 and 6: only with FUZZY.
func (c *searching) relevancy() (bool, error) {
	wanted := c.ret != nil && c.ret.Relevancy ||
		slices.ContainsFunc(c.criteria, func(c imap.SortCriterion) bool { return c.Key == imap.SortRelevancy })
	if wanted && !c.q.Key.Has(imap.SearchFuzzy) {
		return false, imap.Bad("RELEVANCY needs a FUZZY search key")
	}
	return wanted, nil
}

// relevancyValues returns what orders positions by relevancy: RFC 6203 6: the highest score
// first.
func relevancyValues(pos []uint32, scores []uint8) []uint64 {
	v := make([]uint64, len(pos))
	for i, p := range pos {
		v[i] = uint64(100 - scores[p])
	}
	return v
}

// appendRelevancy appends the scores in the order of the result; with PARTIAL, and without
// ALL, those of that part.
func (res *searchResult) appendRelevancy(b []byte, ret *imap.SearchReturn) []byte {
	pos := res.pos
	if ret.Partial != nil {
		from, to := ret.Partial.Bounds(len(pos))
		pos = pos[from:to]
	}
	b = append(b, " RELEVANCY ("...)
	for i, p := range pos {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(res.scores[p]), 10)
	}
	return append(b, ')')
}
