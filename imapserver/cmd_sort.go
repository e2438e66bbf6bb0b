package imapserver

import (
	"context"
	"fmt"
	"math"
	"slices"

	"mox/imap"
	"mox/message"
	"mox/store"
)

// cmdSort is SORT and UID SORT, RFC 5256, with RFC 5957 (SORT=DISPLAY) and RFC 5267
// (ESORT, CONTEXT=SORT).
func (s *session) cmdSort(ctx context.Context, r *imap.Request) error {
	q := r.Args.(*imap.Sort)
	return s.runSearching(ctx, &searching{r: r, q: &q.Search, ret: q.Search.Return, criteria: q.Criteria, by: s.comparator})
}

// sortKeys are the keys that the store keeps; the others are in the view.
var sortKeys = map[imap.SortKey]store.SortKey{
	imap.SortDate:        store.SortSent,
	imap.SortSubject:     store.SortSubject,
	imap.SortFrom:        store.SortFrom,
	imap.SortTo:          store.SortTo,
	imap.SortCc:          store.SortCc,
	imap.SortDisplayFrom: store.SortDisplayFrom,
	imap.SortDisplayTo:   store.SortDisplayTo,
}

// sort orders positions, which ascend, by the criteria; scores are those of RELEVANCY.
func (s *session) sort(ctx context.Context, pos []uint32, criteria []imap.SortCriterion, by comparator, scores []uint8) error {
	if len(pos) < 2 {
		return nil
	}
	values, err := s.sortValues(ctx, pos, criteria, by, scores)
	if err != nil {
		return err
	}
	if lo := slices.Min(values[0]); len(values) == 1 && slices.Max(values[0])-lo <= math.MaxUint32 {
		sortByOne(pos, values[0], lo)
		return nil
	}
	type item struct {
		value uint64 // by the first criterion
		i     uint32 // index in pos: RFC 5256 3: sequence numbers are the last criterion
	}
	items := make([]item, len(pos))
	for i := range items {
		items[i] = item{values[0][i], uint32(i)}
	}
	slices.SortFunc(items, func(x, y item) int {
		if x.value != y.value {
			return less(x.value < y.value)
		}
		for _, v := range values[1:] {
			if v[x.i] != v[y.i] {
				return less(v[x.i] < v[y.i])
			}
		}
		return int(x.i) - int(y.i)
	})
	sorted := make([]uint32, len(pos))
	for k, it := range items {
		sorted[k] = pos[it.i]
	}
	copy(pos, sorted)
	return nil
}

func less(l bool) int {
	if l {
		return -1
	}
	return 1
}

// sortByOne orders positions by one value each, of 32 bits above lo.
func sortByOne(pos []uint32, values []uint64, lo uint64) {
	items := make([]uint64, len(pos))
	for i, v := range values {
		items[i] = (v-lo)<<32 | uint64(pos[i])
	}
	slices.Sort(items)
	for i, it := range items {
		pos[i] = uint32(it)
	}
}

func (s *session) messagesAt(pos []uint32) []*store.Message {
	msgs := make([]*store.Message, len(pos))
	for i, p := range pos {
		msgs[i] = s.box.at(int(p)).msg
	}
	return msgs
}

// sortValues returns, for each criterion, a number for each message that orders by it.
func (s *session) sortValues(ctx context.Context, pos []uint32, criteria []imap.SortCriterion, by comparator, scores []uint8) ([][]uint64, error) {
	msgs := s.messagesAt(pos)
	values := make([][]uint64, 0, len(criteria))
	seen := map[imap.SortCriterion]bool{}
	for _, c := range criteria {
		// What a key does not tell apart, it does not tell apart when it comes again.
		k := c
		k.Reverse = false
		if seen[k] {
			continue
		}
		seen[k] = true
		var v []uint64
		if c.Key == imap.SortRelevancy {
			v = relevancyValues(pos, scores)
		} else {
			var err error
			if v, err = s.sortValue(ctx, msgs, k, by.collation); err != nil {
				return nil, fmt.Errorf("reading sort keys: %w", err)
			}
		}
		if c.Reverse != (by.descending && isText(c.Key)) {
			top := slices.Max(v)
			for i := range v {
				v[i] = top - v[i]
			}
		}
		values = append(values, v)
	}
	return values, nil
}

// isText reports whether the active comparator applies to a key: RFC 5255 4.2, RFC 5957
// 7.
func isText(k imap.SortKey) bool {
	return k != imap.SortRelevancy && k != imap.SortArrival && k != imap.SortDate && k != imap.SortSize
}

func (s *session) sortValue(ctx context.Context, msgs []*store.Message, k imap.SortCriterion, by message.Collation) ([]uint64, error) {
	var value func(m *store.Message) uint64
	switch k.Key {
	case imap.SortAnnotation:
		ranks, err := s.annotationRanks(ctx, k, by)
		if err != nil {
			return nil, err
		}
		value = func(m *store.Message) uint64 { return ranks[m.ID] }
	case imap.SortArrival:
		value = func(m *store.Message) uint64 { return uint64(m.Received) }
	case imap.SortSize:
		value = func(m *store.Message) uint64 { return uint64(m.Size) }
	default:
		return s.box.box.Ranks(ctx, sortKeys[k.Key], by, msgs)
	}
	v := make([]uint64, len(msgs))
	for i, m := range msgs {
		v[i] = value(m)
	}
	return v, nil
}
