package store

import (
	"cmp"
	"slices"
)

// keepThreads gives threads that were found anew, and are named by their first message, the ids
// that most of their messages had, so that a thread which has lost its first message keeps its
// id. It returns the indexes of first messages of threads that are named by another.
//
// An id is that of the body that began the thread. One that is still there gives its id to
// the thread that begins with it, and to no other; one that is gone to the thread that has
// most of those that had it, of several the oldest.
func keepThreads(bodies []threadBody, old []ThreadID) (first []int) {
	begins := map[ThreadID]int{} // the first body of each thread
	there := map[ThreadID]bool{}
	count := map[claim]int{}
	for i := range bodies {
		b := &bodies[i]
		there[ThreadID(b.id)] = true
		if _, ok := begins[b.thread]; !ok {
			begins[b.thread] = i
		}
		count[claim{b.thread, old[i]}]++
	}
	claims := make([]claim, 0, len(count))
	for c := range count {
		if !there[c.id] || c.id == c.thread {
			claims = append(claims, c)
		}
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.thread, b.thread), cmp.Compare(a.id, b.id))
	})
	kept, taken := map[ThreadID]ThreadID{}, map[ThreadID]bool{}
	for _, c := range claims {
		if _, has := kept[c.thread]; !has && !taken[c.id] {
			kept[c.thread], taken[c.id] = c.id, true
		}
	}
	for thread, id := range kept {
		if id != thread {
			first = append(first, begins[thread])
		}
	}
	for i := range bodies {
		if id, ok := kept[bodies[i].thread]; ok {
			bodies[i].thread = id
		}
	}
	slices.Sort(first)
	return first
}

// claim is that messages of a thread had an id.
type claim struct{ thread, id ThreadID }
