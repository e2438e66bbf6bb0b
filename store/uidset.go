package store

import (
	"iter"
	"slices"
	"strconv"
)

// UIDRange is the UIDs from Start to End, both included.
type UIDRange struct{ Start, End UID }

// UIDSet is a set of UIDs as ascending, disjoint, non-adjacent ranges. The nil value is empty.
type UIDSet []UIDRange

// Len is the number of UIDs in the set.
func (s UIDSet) Len() int {
	n := 0
	for _, r := range s {
		n += int(r.End-r.Start) + 1
	}
	return n
}

// Add adds uid, which must be above all that are in the set.
func (s *UIDSet) Add(uid UID) {
	if k := len(*s); k > 0 && (*s)[k-1].End+1 == uid {
		(*s)[k-1].End = uid
		return
	}
	*s = append(*s, UIDRange{uid, uid})
}

// Contains reports whether uid is in the set.
func (s UIDSet) Contains(uid UID) bool {
	i, ok := slices.BinarySearchFunc(s, uid, func(r UIDRange, u UID) int {
		switch {
		case r.End < u:
			return -1
		case r.Start > u:
			return 1
		}
		return 0
	})
	return ok && i < len(s)
}

// All yields the UIDs in ascending order.
func (s UIDSet) All() iter.Seq[UID] {
	return func(yield func(UID) bool) {
		for _, r := range s {
			for u := r.Start; ; u++ {
				if !yield(u) {
					return
				}
				if u == r.End {
					break
				}
			}
		}
	}
}

// AllUIDs is the set of every UID.
func AllUIDs() UIDSet { return UIDSet{{1, ^UID(0)}} }

// NewUIDSet returns the set of the given UIDs, in any order. It is never nil.
func NewUIDSet(uids ...UID) UIDSet {
	uids = slices.Clone(uids)
	slices.Sort(uids)
	s := UIDSet{}
	for _, u := range slices.Compact(uids) {
		s.Add(u)
	}
	return s
}

// Normal returns the same set with its ranges ordered, swapped where needed, and joined.
func (s UIDSet) Normal() UIDSet {
	ok := true
	for i, r := range s {
		if r.Start == 0 || r.Start > r.End || i > 0 && uint64(s[i-1].End)+1 >= uint64(r.Start) {
			ok = false
			break
		}
	}
	if ok {
		return s
	}
	t := slices.Clone(s)
	for i, r := range t {
		t[i] = UIDRange{min(r.Start, r.End), max(r.Start, r.End)}
	}
	slices.SortFunc(t, func(a, b UIDRange) int { return int(int64(a.Start) - int64(b.Start)) })
	out := t[:0]
	for _, r := range t {
		if r.Start == 0 {
			if r.End == 0 {
				continue
			}
			r.Start = 1
		}
		if k := len(out); k > 0 && uint64(r.Start) <= uint64(out[k-1].End)+1 {
			out[k-1].End = max(out[k-1].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}

// String is the set as an IMAP sequence-set, "1:3,7".
func (s UIDSet) String() string {
	var b []byte
	for i, r := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.Start), 10)
		if r.End != r.Start {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(r.End), 10)
		}
	}
	return string(b)
}
