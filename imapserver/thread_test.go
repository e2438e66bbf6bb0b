package imapserver

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/store"
)

// container is a message of the slow implementation, which takes RFC 5256 3 by the
// letter. msg is -1 for a dummy.
type container struct {
	msg      int
	parent   *container
	children []*container
}

func (c *container) remove(child *container) {
	c.children = slices.DeleteFunc(c.children, func(x *container) bool { return x == child })
	child.parent = nil
}

func (c *container) add(child *container) {
	c.children = append(c.children, child)
	child.parent = c
}

func (c *container) has(d *container) bool {
	return c == d || slices.ContainsFunc(c.children, func(x *container) bool { return x.has(d) })
}

// slowThreads is the algorithm of RFC 5256 3, REFERENCES, and REFS with arrival set.
type slowThreads struct {
	in      *store.Threading
	arrival []uint64
}

func (s *slowThreads) root() *container {
	n := len(s.in.Links)
	own := make([]*container, n)
	ids := map[uint64]*container{}
	var all []*container
	for i := range n {
		own[i] = &container{msg: i}
		all = append(all, own[i])
		if id := s.in.Links[i].ID; id != 0 && ids[id] == nil {
			ids[id] = own[i]
		}
	}
	link := func(p, c *container) {
		if !c.has(p) {
			p.add(c)
		}
	}
	// (1)
	for i := range n {
		var last *container
		for _, id := range s.in.Links[i].Refs {
			c := ids[id]
			if c == nil {
				c = &container{msg: -1}
				ids[id] = c
				all = append(all, c)
			}
			if last != nil && c.parent == nil {
				link(last, c)
			}
			last = c
		}
		if own[i].parent != nil {
			own[i].parent.remove(own[i])
		}
		if last != nil {
			link(last, own[i])
		}
	}
	// (2)
	root := &container{msg: -1}
	for _, c := range all {
		if c.parent == nil {
			root.add(c)
		}
	}
	// (3)
	s.prune(root, root)
	if s.arrival != nil {
		s.sort(root)
		slices.SortFunc(root.children, func(x, y *container) int { return s.newest(x) - s.newest(y) })
		return root
	}
	// (4)
	for _, c := range root.children {
		if c.msg < 0 {
			slices.SortFunc(c.children, s.compare)
		}
	}
	slices.SortFunc(root.children, s.compare)
	s.merge(root)
	s.sort(root)
	return root
}

// prune goes from the leaves up: a dummy without children must not count as a child.
func (s *slowThreads) prune(root, c *container) {
	for _, d := range c.children {
		s.prune(root, d)
	}
	var kept []*container
	for _, d := range c.children {
		if d.msg >= 0 || len(d.children) > 1 && c == root {
			kept = append(kept, d)
			continue
		}
		for _, x := range d.children {
			x.parent = c
			kept = append(kept, x)
		}
	}
	c.children = kept
}

func (s *slowThreads) first(c *container) int {
	if c.msg < 0 {
		return c.children[0].msg
	}
	return c.msg
}

func (s *slowThreads) compare(x, y *container) int {
	a, b := s.first(x), s.first(y)
	if d := int(s.in.Sent[a]) - int(s.in.Sent[b]); d != 0 {
		return d
	}
	return a - b
}

func (s *slowThreads) reply(c *container) bool { return c.msg >= 0 && s.in.Links[c.msg].Reply }

// merge is step 5.
func (s *slowThreads) merge(root *container) {
	subject := func(c *container) uint64 { return s.in.Subjects[s.first(c)] }
	table := map[uint64]*container{}
	tops := slices.Clone(root.children)
	for _, c := range tops {
		if subject(c) == 0 {
			continue
		}
		have := table[subject(c)]
		if have == nil || have.msg >= 0 && (c.msg < 0 || s.reply(have) && !s.reply(c)) {
			table[subject(c)] = c
		}
	}
	for _, c := range tops {
		sub := subject(c)
		have := table[sub]
		if sub == 0 || have == c {
			continue
		}
		root.remove(c)
		switch {
		case have.msg < 0 && c.msg < 0:
			for _, x := range c.children {
				have.add(x)
			}
		case have.msg < 0, s.reply(c) && !s.reply(have):
			have.add(c)
		default:
			d := &container{msg: -1}
			root.remove(have)
			d.add(have)
			d.add(c)
			root.add(d)
			table[sub] = d
		}
	}
}

func (s *slowThreads) sort(c *container) {
	for _, d := range c.children {
		s.sort(d)
	}
	slices.SortFunc(c.children, s.compare)
}

// newest orders by arrival, then number.
func (s *slowThreads) newest(c *container) int {
	best := -1
	if c.msg >= 0 {
		best = int(s.arrival[c.msg])*1000 + c.msg
	}
	for _, d := range c.children {
		best = max(best, s.newest(d))
	}
	return best
}

func (c *container) print(b *strings.Builder) {
	b.WriteByte('(')
	for {
		if c.msg >= 0 {
			fmt.Fprint(b, c.msg+1)
		}
		if len(c.children) != 1 || c.msg < 0 {
			break
		}
		b.WriteByte(' ')
		c = c.children[0]
	}
	if len(c.children) > 0 && c.msg >= 0 {
		b.WriteByte(' ')
	}
	for _, d := range c.children {
		d.print(b)
	}
	b.WriteByte(')')
}

func (t *trees) print() string {
	numbers := make([]uint32, 0, len(t.kids))
	for i := range t.kids {
		numbers = append(numbers, uint32(i)+1)
	}
	b, err := appendThreads(nil, t, numbers, func(b []byte) ([]byte, error) { return b, nil })
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func randomThreading(r *rand.Rand) (*store.Threading, []uint64) {
	n := r.IntN(14)
	in := &store.Threading{}
	var arrival []uint64
	for range n {
		l := store.Links{ID: uint64(r.IntN(n + 3)), Reply: r.IntN(2) == 0}
		for range r.IntN(4) {
			l.Refs = append(l.Refs, uint64(1+r.IntN(n+4)))
		}
		in.Links = append(in.Links, l)
		in.Sent = append(in.Sent, uint64(r.IntN(6)))
		in.Subjects = append(in.Subjects, uint64(r.IntN(5)))
		arrival = append(arrival, uint64(r.IntN(4)))
	}
	return in, arrival
}

// TestThreads compares with the slow implementation.
func TestThreads(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		in, arrival := randomThreading(r)
		for _, arr := range [][]uint64{nil, arrival} {
			got := references
			if arr != nil {
				got = func(in *store.Threading) *trees { return refs(in, arr) }
			}
			var want strings.Builder
			want.WriteString("* THREAD")
			root := (&slowThreads{in, arr}).root()
			if len(root.children) > 0 {
				want.WriteByte(' ')
			}
			for _, c := range root.children {
				c.print(&want)
			}
			if g := got(in).print(); g != want.String()+"\r\n" {
				t.Fatalf("%+v, arrival %v:\ngot  %swant %s", in, arr, g, want.String())
			}
		}
	}
}

// TestOrderedSubject compares with the definition.
func TestOrderedSubject(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		in, _ := randomThreading(r)
		// Sort by subject and date, split by subject, sort the threads by their first.
		order := make([]int, len(in.Sent))
		for i := range order {
			order[i] = i
		}
		by := func(keys ...[]uint64) func(x, y int) int {
			return func(x, y int) int {
				for _, k := range keys {
					if k[x] != k[y] {
						return int(k[x]) - int(k[y])
					}
				}
				return x - y
			}
		}
		slices.SortFunc(order, by(in.Subjects, in.Sent))
		var threads [][]int
		for i, m := range order {
			if i == 0 || in.Subjects[m] != in.Subjects[order[i-1]] {
				threads = append(threads, nil)
			}
			threads[len(threads)-1] = append(threads[len(threads)-1], m)
		}
		slices.SortFunc(threads, func(x, y []int) int { return by(in.Sent)(x[0], y[0]) })
		want := "* THREAD"
		for i, th := range threads {
			if i == 0 {
				want += " "
			}
			want += fmt.Sprintf("(%d", th[0]+1)
			if len(th) == 2 {
				want += fmt.Sprintf(" %d", th[1]+1)
			} else if len(th) > 2 {
				want += " "
				for _, m := range th[1:] {
					want += fmt.Sprintf("(%d)", m+1)
				}
			}
			want += ")"
		}
		if got := orderedSubject(in.Subjects, in.Sent).print(); got != want+"\r\n" {
			t.Fatalf("%+v:\ngot  %swant %s", in, got, want)
		}
	}
}

// TestThreadsWorst: mails made to be slow are not.
func TestThreadsWorst(t *testing.T) {
	const n = 20000
	chain := func(refs func(i int) []uint64) *store.Threading {
		in := &store.Threading{Sent: make([]uint64, n), Subjects: make([]uint64, n)}
		for i := range n {
			in.Links = append(in.Links, store.Links{ID: uint64(i + 1), Refs: refs(i)})
		}
		return in
	}
	for name, in := range map[string]*store.Threading{
		"chain":    chain(func(i int) []uint64 { return []uint64{uint64(i)} }),
		"backward": chain(func(i int) []uint64 { return []uint64{uint64(i + 2)} }),
		// Halves that are joined again and again: each link looks up a long chain.
		"joined": chain(func(i int) []uint64 {
			if i%2 == 0 {
				return []uint64{uint64(i/2 + 1), uint64(i + 3)}
			}
			return []uint64{uint64(n - i), uint64(i)}
		}),
	} {
		start := time.Now()
		tr := references(in)
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: %v", name, d)
		}
		if out := tr.print(); strings.Count(out, "(") != strings.Count(out, ")") {
			t.Errorf("%s: parentheses", name)
		}
	}
}
