package imapserver

import (
	"cmp"
	"slices"

	"mox/store"
)

// trees are threads. Nodes below the number of messages are messages, by their index;
// those above are parents that are not there, which occur at the top only.
type trees struct {
	roots []int32
	start []int32 // children of node n: kids[start[n]:start[n+1]]
	kids  []int32
}

func (t *trees) children(n int32) []int32 { return t.kids[t.start[n]:t.start[n+1]] }

// byDate returns the messages in order of their sent dates. RFC 5256 2.2: the sequence
// number decides where they are equal.
func byDate(sent []uint64) []int32 {
	order := make([]int32, len(sent))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int { return cmp.Or(cmp.Compare(sent[x], sent[y]), cmp.Compare(x, y)) })
	return order
}

// orderedSubject is ORDEREDSUBJECT of RFC 5256 3: messages of one subject, all of them
// children of the first.
func orderedSubject(subjects, sent []uint64) *trees {
	order := byDate(sent)
	parent := make([]int32, len(sent))
	first := make(map[uint64]int32)
	for _, i := range order {
		p, ok := first[subjects[i]]
		if !ok {
			p = -1
			first[subjects[i]] = i
		}
		parent[i] = p
	}
	return newTrees(parent, nil, order)
}

// newTrees makes trees of parents, in the order of messages that siblings have. parent
// has -1 for a message without; above the messages are dummies, merged has for each of
// them one that took its place, or -1.
func newTrees(parent, merged, order []int32) *trees {
	n := len(parent)
	for i, p := range parent {
		for int(p) >= n && merged[int(p)-n] >= 0 {
			p = merged[int(p)-n]
		}
		parent[i] = p
	}
	t := &trees{start: make([]int32, n+len(merged)+1), kids: make([]int32, n)}
	for _, p := range parent {
		if p >= 0 {
			t.start[p+1]++
		}
	}
	for i := 1; i < len(t.start); i++ {
		t.start[i] += t.start[i-1]
	}
	// Filled in order, siblings are in order, and a dummy comes with its first child.
	fill := make([]int32, len(t.start)-1)
	for _, i := range order {
		p := parent[i]
		if p < 0 {
			t.roots = append(t.roots, i)
			continue
		}
		if int(p) >= n && fill[p] == 0 {
			t.roots = append(t.roots, p)
		}
		t.kids[t.start[p]+fill[p]] = i
		fill[p]++
	}
	return t
}

// linker does steps 1 to 3 of REFERENCES. Nodes above the messages are dummies.
type linker struct {
	n      int // messages
	parent []int32
	kids   []int32 // number of children
	budget int     // steps that looking for loops may still take
}

// loopSteps bounds looking for loops, for each message. Real threads need few steps,
// since what is linked is mostly new; who makes mails that need more gets threads that
// are less complete.
const loopSteps = 1000

// link makes p the parent of c, unless that would make a loop.
func (l *linker) link(p, c int32) {
	if p == c {
		return
	}
	if l.kids[c] > 0 {
		for a := p; a >= 0; a = l.parent[a] {
			if l.budget--; a == c || l.budget < 0 {
				return
			}
		}
	}
	l.parent[c] = p
	l.kids[p]++
}

// node adds a dummy.
func (l *linker) node() int32 {
	l.parent, l.kids = append(l.parent, -1), append(l.kids, 0)
	return int32(len(l.parent) - 1)
}

// linkAll is step 1 of REFERENCES.
func linkAll(links []store.Links) *linker {
	n := len(links)
	l := &linker{n: n, parent: make([]int32, n), kids: make([]int32, n), budget: loopSteps * (n + 1)}
	ids := make(map[uint64]int32, n)
	for i := range links {
		l.parent[i] = -1
		// Of messages with the same Message-ID the first has it.
		if id := links[i].ID; id != 0 {
			if _, ok := ids[id]; !ok {
				ids[id] = int32(i)
			}
		}
	}
	for i := range links {
		// (A) the references, each the parent of the next
		last := int32(-1)
		for _, id := range links[i].Refs {
			node, ok := ids[id]
			if !ok {
				node = l.node()
				ids[id] = node
			}
			if last >= 0 && l.parent[node] < 0 {
				l.link(last, node)
			}
			last = node
		}
		// (B) the last of them the parent of the message
		if p := l.parent[i]; p >= 0 {
			l.kids[p]--
			l.parent[i] = -1
		}
		if last >= 0 {
			l.link(last, int32(i))
		}
	}
	return l
}

// prune is step 3 of REFERENCES: messages become children of their nearest ancestor that
// is a message; dummies remain at the top, where they have more than one child.
func (l *linker) prune() (parent []int32) {
	up := make([]int32, len(l.parent)-l.n) // of a dummy: nearest message, or the dummy at the top; -1: not known yet
	for i := range up {
		up[i] = -1
	}
	parent = slices.Clone(l.parent[:l.n])
	kids := make([]int32, len(up)) // of dummies at the top
	var path []int32
	for i, p := range parent {
		if p < 0 {
			continue
		}
		path = path[:0]
		for int(p) >= l.n && up[int(p)-l.n] < 0 && l.parent[p] >= 0 {
			path = append(path, p)
			p = l.parent[p]
		}
		if int(p) >= l.n && up[int(p)-l.n] >= 0 {
			p = up[int(p)-l.n]
		}
		for _, d := range path {
			up[int(d)-l.n] = p
		}
		if parent[i] = p; int(p) >= l.n {
			kids[int(p)-l.n]++
		}
	}
	// Do not promote the children of the root, unless there is only one.
	for i, p := range parent {
		if int(p) >= l.n && kids[int(p)-l.n] == 1 {
			parent[i] = -1
		}
	}
	return parent
}

// references is REFERENCES of RFC 5256 3.
func references(in *store.Threading) *trees {
	l := linkAll(in.Links)
	parent := l.prune()
	order := byDate(in.Sent)
	m := &merger{n: int32(l.n), in: in, parent: parent, dummies: int32(len(l.parent) - l.n)}
	m.merge(order)
	return newTrees(parent, m.merged, order)
}

// merger is steps 4 and 5 of REFERENCES: threads of the same subject become one.
type merger struct {
	n       int32
	in      *store.Threading
	parent  []int32
	dummies int32
	merged  []int32 // for each dummy the one that took over its children, or -1
}

// top is a message under the root. first is itself, or the first child of a dummy.
type top struct{ node, first int32 }

func (m *merger) dummy(t top) bool { return t.node >= m.n }

func (m *merger) reply(t top) bool { return !m.dummy(t) && m.in.Links[t.node].Reply }

func (m *merger) merge(order []int32) {
	m.merged = make([]int32, m.dummies)
	for i := range m.merged {
		m.merged[i] = -1
	}
	tops := m.tops(order)
	// (B) the subject table
	table := make(map[uint64]top)
	for _, t := range tops {
		subject := m.in.Subjects[t.first]
		if subject == 0 {
			continue
		}
		have, ok := table[subject]
		if !ok || !m.dummy(have) && (m.dummy(t) || m.reply(have) && !m.reply(t)) {
			table[subject] = t
		}
	}
	// (C)
	for _, t := range tops {
		subject := m.in.Subjects[t.first]
		if have := table[subject]; subject != 0 && have.node != t.node {
			table[subject] = m.join(have, t)
		}
	}
}

// tops are the messages under the root, step 4: sorted by sent date, a dummy by its
// first child.
func (m *merger) tops(order []int32) (tops []top) {
	seen := make([]bool, m.dummies)
	for _, i := range order {
		p := m.parent[i]
		switch {
		case p < 0:
			tops = append(tops, top{i, i})
		case p >= m.n && !seen[p-m.n]:
			seen[p-m.n] = true
			tops = append(tops, top{p, i})
		}
	}
	return tops
}

// join merges t with what the subject table has, and returns what it has then.
func (m *merger) join(have, t top) top {
	switch {
	case m.dummy(have) && m.dummy(t):
		m.merged[t.node-m.n] = have.node
	case m.dummy(have), m.reply(t) && !m.reply(have):
		m.parent[t.node] = have.node
	default:
		d := m.n + int32(len(m.merged))
		m.merged = append(m.merged, -1)
		m.parent[t.node], m.parent[have.node] = d, d
		return top{d, have.first}
	}
	return have
}

// refs is the algorithm REFS of draft-ietf-morg-inthread: REFERENCES without merging
// threads by subject, and with threads in order of the newest arrival in each.
func refs(in *store.Threading, arrival []uint64) *trees {
	l := linkAll(in.Links)
	parent := l.prune()
	merged := make([]int32, len(l.parent)-l.n)
	for i := range merged {
		merged[i] = -1
	}
	t := newTrees(parent, merged, byDate(in.Sent))
	// The newest message of each thread: by arrival, then sequence number.
	newest := make(map[int32]int32, len(t.roots))
	var stack []int32
	for _, root := range t.roots {
		best := int32(-1)
		stack = append(stack[:0], root)
		for len(stack) > 0 {
			n := stack[len(stack)-1]
			stack = append(stack[:len(stack)-1], t.children(n)...)
			if int(n) < l.n && (best < 0 || cmp.Or(cmp.Compare(arrival[n], arrival[best]), cmp.Compare(n, best)) > 0) {
				best = n
			}
		}
		newest[root] = best
	}
	slices.SortFunc(t.roots, func(x, y int32) int {
		x, y = newest[x], newest[y]
		return cmp.Or(cmp.Compare(arrival[x], arrival[y]), cmp.Compare(x, y))
	})
	return t
}
