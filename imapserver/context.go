package imapserver

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"mox/imap"
	"mox/store"
)

// searchContext is a SEARCH or SORT whose result is kept up to date: RFC 5267 4.3,
// RETURN (UPDATE). It has the result as the client knows it, and looks again at messages
// that changed, nothing else; between changes it costs its memory.
type searchContext struct {
	tag      string
	uid      bool
	key      imap.SearchKey // without sequence numbers, "*" and "$"
	by       comparator
	criteria []imap.SortCriterion // of SORT
	set      []imap.NumRange      // of SEARCH: UIDs
	order    []uint32             // of SORT: UIDs in order
}

// size counts what the limit ContextResults does.
func (c *searchContext) size() int { return len(c.set) + len(c.order) }

// context returns the context of a tag, nil when there is none.
func (b *selected) context(tag string) *searchContext {
	for _, c := range b.contexts {
		if c.tag == tag {
			return c
		}
	}
	return nil
}

func (b *selected) contextSize() (n int) {
	for _, c := range b.contexts {
		n += c.size()
	}
	return n
}

func (b *selected) dropContext(c *searchContext) {
	b.contexts = slices.DeleteFunc(b.contexts, func(x *searchContext) bool { return x == c })
}

// addContext keeps a search up to date, or says that it does not.
func (s *session) addContext(ctx context.Context, c *searching, res *searchResult) {
	b := s.box
	sc := &searchContext{tag: c.r.Tag, uid: res.uid, by: c.by, criteria: c.criteria}
	var err error
	sc.key, err = s.fixedKey(&c.q.Key)
	switch {
	case err != nil:
		s.logger().ErrorContext(ctx, "keeping a search up to date", "err", err)
		s.refuseUpdate(sc, "search cannot be kept up to date")
		return
	case len(b.contexts) >= s.limits().Contexts:
		s.refuseUpdate(sc, "too many contexts")
		return
	case slices.ContainsFunc(c.criteria, func(k imap.SortCriterion) bool { return k.Key == imap.SortAnnotation }):
		s.refuseUpdate(sc, "an order by annotations is not kept up to date")
		return
	case c.q.Key.Has(imap.SearchFuzzy):
		s.refuseUpdate(sc, "results of fuzzy searches are not kept up to date")
		return
	case ages(&c.q.Key):
		// RFC 5032 3: its result changes with time alone.
		s.refuseUpdate(sc, "results of OLDER and YOUNGER are not kept up to date")
		return
	}
	if c.criteria != nil {
		sc.order = s.box.numbersAt(res.pos, true)
	} else {
		sc.set = slices.Clip(slices.Clone(res.allUIDs()))
	}
	if b.contextSize()+sc.size() > s.limits().ContextResults {
		s.refuseUpdate(sc, "results of contexts are too large")
		return
	}
	b.contexts = append(b.contexts, sc)
}

// refuseUpdate: RFC 5267 4.3.1: the search itself goes on.
func (s *session) refuseUpdate(c *searchContext, text string) {
	s.box.dropContext(c)
	b := append(s.output(), "* NO ["+imap.CodeNoUpdate+" "...)
	b = imap.AppendString(b, c.tag, false)
	b = append(append(b, "] "...), text...)
	s.out = append(b, "\r\n"...)
}

func ages(k *imap.SearchKey) bool {
	return k.Op == imap.SearchOlder || k.Op == imap.SearchYounger || slices.ContainsFunc(k.Keys, func(k imap.SearchKey) bool { return ages(&k) })
}

// fixedKey returns a key in which sets have UIDs that stay right. RFC 5267 4.3: sequence
// numbers are evaluated when the command is received; so are "$" and "*". A range that
// ends with "*" includes what comes later.
func (s *session) fixedKey(k *imap.SearchKey) (imap.SearchKey, error) {
	f := *k
	f.Keys = nil
	for i := range k.Keys {
		sub, err := s.fixedKey(&k.Keys[i])
		if err != nil {
			return f, err
		}
		f.Keys = append(f.Keys, sub)
	}
	if k.Op != imap.SearchSeq && k.Op != imap.SearchUID {
		return f, nil
	}
	f.Op, f.Set = imap.SearchUID, imap.NumSet{}
	if k.Op == imap.SearchUID && !k.Set.Saved {
		f.Set.Ranges = k.Set.Resolve(uint32(s.box.maxUID()))
		for _, r := range k.Set.Ranges {
			if r.Stop == imap.Star && r.Start != imap.Star {
				f.Set.Ranges = append(f.Set.Ranges, imap.NumRange{Start: r.Start, Stop: ^uint32(0)})
			}
		}
		f.Set.Ranges = imap.Normalize(f.Set.Ranges)
		return f, nil
	}
	x := &searcher{s: s, box: s.box}
	sp, err := x.set(k)
	if err != nil {
		return f, fmt.Errorf("resolving set: %w", err)
	}
	for _, r := range s.box.uids(sp) {
		f.Set.Ranges = append(f.Set.Ranges, imap.NumRange{Start: uint32(r.Start), Stop: uint32(r.End)})
	}
	return f, nil
}

// expungedFromContexts tells of results that were expunged. RFC 5267 4.3.4: before
// EXPUNGE, so that sequence numbers are still right.
func (s *session) expungedFromContexts(gone []store.UID) {
	var rb imap.RangeBuilder
	for _, uid := range gone {
		rb.Add(uint32(uid))
	}
	for _, c := range s.box.contexts {
		s.sendContext(c, c.without(rb.Ranges, s.wire(c)), nil)
	}
}

// wire returns how messages of a context are named, by their UIDs.
func (s *session) wire(c *searchContext) func(uids []uint32) []uint32 {
	return func(uids []uint32) []uint32 {
		numbers := slices.Clone(uids)
		if !c.uid {
			for i, uid := range numbers {
				numbers[i] = uint32(s.box.findPos(store.UID(uid))) + 1
			}
		}
		return numbers
	}
}

// changedInContexts tells of messages that are new or changed, by UID, ascending.
func (s *session) changedInContexts(uids []uint32) {
	for _, c := range slices.Clone(s.box.contexts) {
		if err := s.updateContext(s.ctx, c, uids); err != nil {
			s.logger().Error("keeping a search up to date", "err", err)
			s.refuseUpdate(c, "search is no longer kept up to date")
		} else if s.box.contextSize() > s.limits().ContextResults {
			s.refuseUpdate(c, "results of contexts are too large")
		}
	}
}

// updateContext looks again at messages.
func (s *session) updateContext(ctx context.Context, c *searchContext, uids []uint32) error {
	x := &searcher{s: s, box: s.box, uid: true, by: c.by.collation}
	prog, err := x.compile(&c.key)
	if err != nil {
		return err
	}
	var rb imap.RangeBuilder
	for _, uid := range uids {
		rb.Add(uid)
	}
	res := &searchResult{box: s.box, uid: true}
	if err := x.runOver(ctx, prog, s.box.resolveUIDs(rb.Ranges), len(uids), res); err != nil {
		return err
	}
	// The ranges have looked at exactly these messages: no other UIDs are between them.
	matching := imap.NumSet{Ranges: res.numbers}
	have := c.has()
	var added []uint32
	var removed imap.RangeBuilder
	for _, uid := range uids {
		switch was, is := have(uid), matching.Contains(uid, 0); {
		case is && !was:
			added = append(added, uid)
		case was && !is:
			removed.Add(uid)
		}
	}
	minus := c.without(removed.Ranges, s.wire(c))
	plus, err := s.with(ctx, c, added)
	if err != nil {
		return err
	}
	s.sendContext(c, minus, plus)
	return nil
}

// has returns a function that tells whether a UID is in the result.
func (c *searchContext) has() func(uid uint32) bool {
	set := c.set
	if c.criteria != nil {
		set = sortedRanges(c.order)
	}
	return func(uid uint32) bool {
		_, ok := slices.BinarySearchFunc(set, uid, func(r imap.NumRange, uid uint32) int {
			switch {
			case r.Stop < uid:
				return -1
			case r.Start > uid:
				return 1
			}
			return 0
		})
		return ok
	}
}

// sortedRanges returns numbers in any order as ranges.
func sortedRanges(numbers []uint32) []imap.NumRange {
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	var rb imap.RangeBuilder
	for _, n := range numbers {
		rb.Add(n)
	}
	return rb.Ranges
}

// change is a pair of ADDTO or REMOVEFROM.
type change struct {
	position int // 0 for SEARCH: RFC 5267 4.3.3
	numbers  []uint32
}

// without removes UIDs from the result, and returns what was. Its pairs are applied one
// after the other: each counts what is left of those before.
func (c *searchContext) without(uids []imap.NumRange, wire func([]uint32) []uint32) (out []change) {
	if len(uids) == 0 {
		return nil
	}
	if c.criteria == nil {
		both := intersect(c.set, uids)
		if len(both) == 0 {
			return nil
		}
		c.set = subtract(c.set, both)
		return []change{{0, wire(expand(both))}}
	}
	gone := (&searchContext{set: uids}).has()
	var run []uint32
	kept := c.order[:0]
	flush := func() {
		if len(run) > 0 {
			out = append(out, change{len(kept) + 1, wire(run)})
			run = nil
		}
	}
	for _, uid := range c.order {
		if gone(uid) {
			run = append(run, uid)
			continue
		}
		flush()
		kept = append(kept, uid)
	}
	flush()
	c.order = kept
	return out
}

// expand returns the numbers of ranges.
func expand(rs []imap.NumRange) []uint32 {
	out := make([]uint32, 0, imap.Count(rs))
	for _, r := range rs {
		for n := r.Start; ; n++ {
			if out = append(out, n); n == r.Stop {
				break
			}
		}
	}
	return out
}

// subtract returns a without what is in b; both are ascending and disjoint, and b is
// part of a.
func subtract(a, b []imap.NumRange) (out []imap.NumRange) {
	for _, r := range a {
		for len(b) > 0 && b[0].Start <= r.Stop {
			if b[0].Start > r.Start {
				out = append(out, imap.NumRange{Start: r.Start, Stop: b[0].Start - 1})
			}
			stop := b[0].Stop
			b = b[1:]
			if stop == r.Stop {
				r.Start, r.Stop = 1, 0
				break
			}
			r.Start = stop + 1
		}
		if r.Start <= r.Stop {
			out = append(out, r)
		}
	}
	return out
}

// manyAdded is the number of messages from which on all of a result is sorted again;
// fewer are put in their places.
const manyAdded = 32

// with adds UIDs, ascending, to the result, and returns what it added, with positions
// that count the pairs before.
func (s *session) with(ctx context.Context, c *searchContext, uids []uint32) ([]change, error) {
	if len(uids) == 0 {
		return nil, nil
	}
	wire := s.wire(c)
	if c.criteria == nil {
		c.set = imap.Normalize(slices.Concat(c.set, sortedRanges(uids)))
		return []change{{0, wire(uids)}}, nil
	}
	place := s.placeFew
	if len(uids) > manyAdded {
		place = s.placeMany
	}
	order, err := place(ctx, c, uids)
	if err != nil {
		return nil, err
	}
	c.order = order
	added := (&searchContext{set: sortedRanges(uids)}).has()
	var out []change
	var run []uint32
	for i, uid := range append(order[:len(order):len(order)], 0) {
		if uid != 0 && added(uid) {
			run = append(run, uid)
		} else if len(run) > 0 {
			out = append(out, change{i - len(run) + 1, wire(run)})
			run = nil
		}
	}
	return out, nil
}

// placeFew puts each message where it belongs, comparing with few others.
func (s *session) placeFew(ctx context.Context, c *searchContext, uids []uint32) ([]uint32, error) {
	order := slices.Clone(c.order)
	for _, uid := range uids {
		var err error
		i, _ := slices.BinarySearchFunc(order, uid, func(have, uid uint32) int {
			pos := []uint32{uint32(s.box.findPos(store.UID(have))), uint32(s.box.findPos(store.UID(uid)))}
			slices.Sort(pos)
			if err == nil {
				err = s.sort(ctx, pos, c.criteria, c.by, nil)
			}
			if s.box.at(int(pos[0])).msg.UID == store.UID(have) {
				return -1
			}
			return 1
		})
		if err != nil {
			return nil, err
		}
		order = slices.Insert(order, i, uid)
	}
	return order, nil
}

// placeMany sorts all.
func (s *session) placeMany(ctx context.Context, c *searchContext, uids []uint32) ([]uint32, error) {
	pos := make([]uint32, 0, len(c.order)+len(uids))
	for _, uid := range slices.Concat(c.order, uids) {
		pos = append(pos, uint32(s.box.findPos(store.UID(uid))))
	}
	slices.Sort(pos)
	if err := s.sort(ctx, pos, c.criteria, c.by, nil); err != nil {
		return nil, err
	}
	return s.box.numbersAt(pos, true), nil
}

// sendContext tells how a result changed: RFC 5267 4.3.2.
func (s *session) sendContext(c *searchContext, minus, plus []change) {
	if len(minus)+len(plus) == 0 {
		return
	}
	b := s.beginESearch(c.tag, c.uid)
	b = appendChanges(b, " REMOVEFROM (", minus)
	b = appendChanges(b, " ADDTO (", plus)
	s.out = append(b, "\r\n"...)
	// An error of the connection comes back with the next write.
	_ = s.spill()
}

func appendChanges(b []byte, name string, list []change) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, name...)
	for i, ch := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, int64(ch.position), 10)
		b = append(b, ' ')
		b = imap.AppendOrdered(b, ch.numbers)
	}
	return append(b, ')')
}

// cmdCancelUpdate is CANCELUPDATE, RFC 5267 4.3.5.
func (s *session) cmdCancelUpdate(_ context.Context, r *imap.Request) error {
	var err error
	for _, tag := range r.Args.(*imap.CancelUpdate).Tags {
		c := s.box.context(tag)
		if c == nil {
			err = imap.No("", "no search with that tag is kept up to date")
			continue
		}
		s.box.dropContext(c)
	}
	return err
}
