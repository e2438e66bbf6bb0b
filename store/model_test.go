package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// model is the account as a plain data structure: what the store must agree with after
// every operation.
type model struct {
	boxes map[string]*modelBox
	subs  map[string]bool
}

type modelBox struct {
	next UID
	msgs []modelMsg
	gone map[UID]ModSeq // expunged
}

type modelMsg struct {
	uid      UID
	text     string
	flags    Flags
	keywords string // lower case, sorted, joined
	modseq   ModSeq
}

func newModel() *model {
	m := &model{map[string]*modelBox{}, map[string]bool{}}
	for _, n := range []string{"Inbox", "Sent", "Archive", "Trash", "Drafts", "Junk"} {
		m.create(n)
	}
	return m
}

func (m *model) create(name string) {
	for _, p := range append(parents(name), name) {
		if m.boxes[p] == nil {
			m.boxes[p] = &modelBox{next: 1, gone: map[UID]ModSeq{}}
			m.subs[p] = true
		}
	}
}

func (b *modelBox) add(text string, flags Flags, kw string, seq ModSeq) UID {
	b.msgs = append(b.msgs, modelMsg{b.next, text, flags, kw, seq})
	b.next++
	return b.next - 1
}

func (m *model) names() []string { return slices.Sorted(maps.Keys(m.boxes)) }

// world runs random operations on a store and a model.
type world struct {
	t    *testing.T
	r    *rand.Rand
	a    *Account
	m    *model
	n    int
	held map[string]*View // views from earlier, to diff with
	open map[string]*Box
}

func (w *world) pick() (string, Mailbox) {
	names := w.m.names()
	name := names[w.r.IntN(len(names))]
	b, ok := w.a.MailboxByName(name)
	if !ok {
		w.t.Fatalf("mailbox %q is missing", name)
	}
	return name, b
}

func (w *world) set(b *modelBox) UIDSet {
	var uids []UID
	for u := UID(1); u < b.next+2; u++ {
		if w.r.IntN(3) > 0 {
			uids = append(uids, u)
		}
	}
	if w.r.IntN(4) == 0 {
		return UIDSet{{1, ^UID(0)}}
	}
	return NewUIDSet(uids...)
}

var modelWords = []string{"work", "home", "later", "$label1", "$muted"}

func (w *world) flags() (Flags, []string) {
	f := Flags(w.r.IntN(int(FlagsAll + 1)))
	var kw []string
	for _, k := range modelWords {
		if w.r.IntN(4) == 0 {
			kw = append(kw, k)
		}
	}
	return f, kw
}

func (w *world) text() string {
	w.n++
	if w.r.IntN(5) == 0 {
		w.n -= w.r.IntN(w.n) // the same message again: its body is shared
	}
	return mail(w.n) + strings.Repeat(fmt.Sprintf("line %d of the text\r\n", w.n), (w.n%7)*(w.n%11)*20)
}

func join(kw []string) string {
	kw = slices.Clone(kw)
	sort.Strings(kw)
	return strings.Join(slices.Compact(kw), " ")
}

func (w *world) add() {
	name, b := w.pick()
	var texts []string
	var msgs []NewMessage
	f, kw := w.flags()
	for range 1 + w.r.IntN(3) {
		texts = append(texts, w.text())
		msgs = append(msgs, NewMessage{Spool: spool(w.t, w.a.s, texts[len(texts)-1]), Flags: f, Keywords: kw})
	}
	r, err := w.a.Add(context.Background(), b.ID, msgs)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, text := range texts {
		if u := w.m.boxes[name].add(text, f, join(kw), r.ModSeq); u != r.UIDs[i] {
			w.t.Fatalf("UID %d, want %d", r.UIDs[i], u)
		}
	}
}

func (w *world) deliver() {
	name := fmt.Sprintf("New %d/Sub", w.r.IntN(5))
	text := w.text()
	prefix := fmt.Sprintf("Received: by x; %d\r\n", w.r.Int())
	muted := plainMuted(w.t, w.a)
	r, err := w.a.Deliver(context.Background(), name, NewMessage{Spool: spool(w.t, w.a.s, text), Prefix: []byte(prefix), Trace: []byte("{}")})
	if err != nil {
		w.t.Fatal(err)
	}
	thread, err := w.a.Thread(context.Background(), r.Bodies[0])
	if err != nil {
		w.t.Fatal(err)
	}
	w.m.create(name)
	flags, kw := Flags(0), ""
	if muted[thread] {
		flags, kw = FlagSeen, "$muted"
	}
	w.m.boxes[name].add(prefix+text, flags, kw, r.ModSeq)
}

func (w *world) setFlags() {
	name, b := w.pick()
	mb := w.m.boxes[name]
	set := w.set(mb)
	f, kw := w.flags()
	c := FlagChange{Op: FlagOp(w.r.IntN(3)), Flags: f, Keywords: kw}
	if w.r.IntN(3) == 0 {
		seq := w.a.ModSeq() - ModSeq(w.r.IntN(10))
		c.UnchangedSince = &seq
	}
	r, err := w.a.SetFlags(context.Background(), b.ID, set, c)
	if err != nil {
		w.t.Fatal(err)
	}
	changed := 0
	var modified UIDSet
	for i := range mb.msgs {
		m := &mb.msgs[i]
		if !set.Contains(m.uid) {
			continue
		}
		if c.UnchangedSince != nil && m.modseq > *c.UnchangedSince {
			modified.Add(m.uid)
			continue
		}
		n := c.apply(m.flags)
		k := join(changeWords(c.Op, strings.Fields(m.keywords), kw))
		if n != m.flags || k != m.keywords {
			m.flags, m.keywords, m.modseq = n, k, r.ModSeq
			changed++
		}
	}
	if changed != r.Changed || modified.String() != r.Modified.String() {
		w.t.Fatalf("changed %d, want %d; modified %v, want %v", r.Changed, changed, r.Modified, modified)
	}
}

func (w *world) transfer() {
	name, b := w.pick()
	dname, d := w.pick()
	src, dst := w.m.boxes[name], w.m.boxes[dname]
	set := w.set(src)
	move := w.r.IntN(2) == 0
	fn := w.a.Copy
	if move {
		fn = w.a.Move
	}
	r, err := fn(context.Background(), b.ID, set, d.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	var taken, kept []modelMsg
	for _, m := range src.msgs {
		if set.Contains(m.uid) {
			taken = append(taken, m)
			if move {
				src.gone[m.uid] = r.ModSeq
				continue
			}
		}
		kept = append(kept, m)
	}
	src.msgs = kept
	var from, to UIDSet
	for _, m := range taken {
		from.Add(m.uid)
		to.Add(dst.add(m.text, m.flags, m.keywords, r.ModSeq))
	}
	if from.String() != r.Source.String() || to.String() != r.Dest.String() {
		w.t.Fatalf("copied %v to %v, want %v to %v", r.Source, r.Dest, from, to)
	}
}

func (w *world) expunge() {
	name, b := w.pick()
	mb := w.m.boxes[name]
	set := w.set(mb)
	fn, all := w.a.Expunge, false
	if w.r.IntN(3) == 0 {
		fn, all = w.a.Remove, true
	}
	gone, seq, err := fn(context.Background(), b.ID, set)
	if err != nil {
		w.t.Fatal(err)
	}
	var want UIDSet
	mb.msgs = slices.DeleteFunc(mb.msgs, func(m modelMsg) bool {
		if !set.Contains(m.uid) || !all && m.flags&FlagDeleted == 0 {
			return false
		}
		want.Add(m.uid)
		mb.gone[m.uid] = seq
		return true
	})
	if want.String() != gone.String() {
		w.t.Fatalf("expunged %v, want %v", gone, want)
	}
}

func (w *world) mailboxes() {
	ctx := context.Background()
	switch w.r.IntN(4) {
	case 0:
		name := fmt.Sprintf("Made/%d/%d", w.r.IntN(3), w.r.IntN(3))
		_, err := w.a.CreateMailbox(ctx, name, 0)
		if exists := w.m.boxes[name] != nil; exists != errors.Is(err, ErrExists) {
			w.t.Fatal(err)
		}
		w.m.create(name)
	case 1:
		name, _ := w.pick()
		children := slices.ContainsFunc(w.m.names(), func(n string) bool { return strings.HasPrefix(n, name+"/") })
		err := w.a.DeleteMailbox(ctx, name)
		switch {
		case name == Inbox:
			if !errors.Is(err, ErrNotAllowed) {
				w.t.Fatal(err)
			}
		case children:
			if !errors.Is(err, ErrHasChildren) {
				w.t.Fatal(err)
			}
		case err != nil:
			w.t.Fatal(err)
		default:
			delete(w.m.boxes, name)
			w.drop(name)
		}
	case 2:
		w.rename()
	case 3:
		name := fmt.Sprintf("Made/%d", w.r.IntN(3))
		on := w.r.IntN(2) == 0
		if err := w.a.Subscribe(ctx, name, on); err != nil {
			w.t.Fatal(err)
		}
		if on {
			w.m.subs[name] = true
		} else {
			delete(w.m.subs, name)
		}
	}
}

// drop forgets views of a mailbox that is gone.
func (w *world) drop(name string) {
	if b := w.open[name]; b != nil {
		if !b.View().Deleted {
			w.t.Fatalf("view of deleted mailbox %q does not say so", name)
		}
		b.Close()
	}
	delete(w.open, name)
	delete(w.held, name)
}

func (w *world) rename() {
	old, _ := w.pick()
	name := fmt.Sprintf("Renamed/%d/x%d", w.r.IntN(3), w.r.IntN(5))
	if w.r.IntN(4) == 0 {
		name = fmt.Sprintf("Top%d", w.r.IntN(9))
	}
	err := w.a.RenameMailbox(context.Background(), old, name)
	if old == Inbox {
		if w.m.boxes[name] != nil {
			if !errors.Is(err, ErrExists) {
				w.t.Fatal(err)
			}
			return
		}
		if err != nil {
			w.t.Fatal(err)
		}
		w.m.create(name)
		in, seq := w.m.boxes[Inbox], w.a.ModSeq()
		for _, m := range in.msgs {
			in.gone[m.uid] = seq
			w.m.boxes[name].add(m.text, m.flags, m.keywords, seq)
		}
		in.msgs = nil
		return
	}
	target := func(n string) string { return name + strings.TrimPrefix(n, old) }
	var moved []string
	for _, n := range w.m.names() {
		if n == old || strings.HasPrefix(n, old+"/") {
			moved = append(moved, n)
		}
	}
	for _, n := range moved {
		if t := target(n); w.m.boxes[t] != nil && !slices.Contains(moved, t) || t == n {
			if !errors.Is(err, ErrExists) {
				w.t.Fatal(err)
			}
			return
		}
	}
	if err != nil {
		w.t.Fatalf("renaming %q to %q: %v", old, name, err)
	}
	boxes, subs, open, held := map[string]*modelBox{}, map[string]bool{}, map[string]*Box{}, map[string]*View{}
	for _, n := range moved {
		boxes[target(n)], subs[target(n)] = w.m.boxes[n], w.m.subs[n]
		open[target(n)], held[target(n)] = w.open[n], w.held[n]
		delete(w.m.boxes, n)
		delete(w.m.subs, n)
		delete(w.open, n)
		delete(w.held, n)
	}
	for n, b := range boxes {
		w.m.boxes[n] = b
		if subs[n] {
			w.m.subs[n] = true
		}
		if open[n] != nil {
			w.open[n], w.held[n] = open[n], held[n]
		}
	}
	w.m.create(name)
}

// look opens, keeps and closes views at random, and compares diffs with plain ones.
func (w *world) look() {
	name, b := w.pick()
	if box := w.open[name]; box != nil && w.r.IntN(3) == 0 {
		box.Close()
		delete(w.open, name)
		delete(w.held, name)
		return
	}
	if w.open[name] == nil {
		box, err := w.a.OpenBox(context.Background(), b.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		w.open[name] = box
		w.held[name] = box.View()
		return
	}
	old, cur := w.held[name], w.open[name].View()
	got, want := old.Diff(cur), plainDiff(old, cur)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Fatalf("diff %+v, want %+v", got, want)
	}
	select {
	case <-old.Superseded():
		if old == cur {
			w.t.Fatal("the current view is superseded")
		}
	default:
		if old != cur {
			w.t.Fatal("an old view is not superseded")
		}
	}
	w.held[name] = cur
}

func plainDiff(old, cur *View) Diff {
	var d Diff
	index := map[UID]int{}
	for j, m := range cur.All() {
		index[m.UID] = j
	}
	last := UID(0)
	for i, m := range old.All() {
		last = m.UID
		j, ok := index[m.UID]
		if !ok {
			d.Expunged = append(d.Expunged, i)
		} else if cur.At(j).ModSeq != m.ModSeq {
			d.Changed = append(d.Changed, j)
		}
	}
	for _, m := range cur.All() {
		if m.UID > last {
			d.Added++
		}
	}
	return d
}

// compare compares everything.
func (w *world) compare() {
	t := w.t
	ctx := context.Background()
	var names []string
	for _, b := range w.a.Mailboxes() {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	if want := w.m.names(); !slices.Equal(names, want) {
		t.Fatalf("mailboxes %q, want %q", names, want)
	}
	if got, want := w.a.Subscriptions(), slices.Sorted(maps.Keys(w.m.subs)); !slices.Equal(got, want) {
		t.Fatalf("subscriptions %q, want %q", got, want)
	}
	checkMuted(t, w.a)
	for name, mb := range w.m.boxes {
		b, _ := w.a.MailboxByName(name)
		box, err := w.a.OpenBox(ctx, b.ID)
		if err != nil {
			t.Fatal(err)
		}
		v := box.View()
		w.compareBox(name, mb, b, v)
		box.Close()
	}
}

func (w *world) compareBox(name string, mb *modelBox, b Mailbox, v *View) {
	t := w.t
	if v.Len() != len(mb.msgs) || b.UIDNext != mb.next || v.Counts() != b.Counts || int(b.Messages) != len(mb.msgs) {
		t.Fatalf("%s: %d messages, UIDNEXT %d; want %d and %d", name, v.Len(), b.UIDNext, len(mb.msgs), mb.next)
	}
	for i, m := range mb.msgs {
		g := v.At(i)
		kw := strings.ToLower(strings.Join(w.a.Keywords(g.Keywords), " "))
		if g.UID != m.uid || g.Flags != m.flags || g.ModSeq != m.modseq || kw != m.keywords || int(g.Size) != len(m.text) {
			t.Fatalf("%s: message %d is %+v %q, want %+v", name, i, *g, kw, m)
		}
	}
	if len(mb.msgs) > 0 {
		i := w.r.IntN(len(mb.msgs))
		if got := body(t, w.a, v.At(i).Body); got != mb.msgs[i].text {
			t.Fatalf("%s: content of message %d differs", name, i)
		}
	}
	since := ModSeq(w.r.IntN(int(w.a.ModSeq()) + 1))
	if since < b.Created {
		return
	}
	var want []UID
	for u, seq := range mb.gone {
		if seq > since {
			want = append(want, u)
		}
	}
	got, err := w.a.Vanished(context.Background(), b.ID, since)
	if err != nil || got.String() != NewUIDSet(want...).String() {
		t.Fatalf("%s: vanished since %d: %v, want %v (%v)", name, since, got, NewUIDSet(want...), err)
	}
}

// TestModel compares the store with the model after random operations, and after
// closing and opening it again.
func TestModel(t *testing.T) {
	rounds, steps := 6, 120
	if testing.Short() {
		rounds = 2
	}
	if n, err := strconv.Atoi(os.Getenv("MOX_MODEL_ROUNDS")); err == nil {
		rounds = n
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			dir := t.TempDir()
			r := rand.New(rand.NewPCG(7, uint64(round)))
			w := &world{t: t, r: r, m: newModel(), held: map[string]*View{}, open: map[string]*Box{}}
			for range 3 {
				s, err := Open(dir, Options{Log: testLog(t)})
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Create(context.Background(), "a", InitialMailboxes{}); err != nil && !errors.Is(err, ErrExists) {
					t.Fatal(err)
				}
				if w.a, err = s.Account(context.Background(), "a"); err != nil {
					t.Fatal(err)
				}
				w.compare()
				w.steps(steps)
				mustCheck(t, w.a)
				for n, b := range w.open {
					b.Close()
					delete(w.open, n)
					delete(w.held, n)
				}
				w.a.Release()
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func (w *world) steps(n int) {
	ops := []func(){w.add, w.add, w.deliver, w.setFlags, w.setFlags, w.transfer, w.transfer, w.expunge, w.mailboxes, w.look, w.look}
	for i := range n {
		ops[w.r.IntN(len(ops))]()
		if i%10 == 9 {
			w.compare()
		}
		if i%50 == 49 {
			// Free everything that can be, as if the grace time had passed.
			if _, err := w.a.reapAt(context.Background(), w.a.now().Add(w.a.s.o.Grace+w.a.s.o.Retention)); err != nil {
				w.t.Fatal(err)
			}
			problems, err := w.a.CheckDeep(context.Background())
			if err != nil || len(problems) > 0 {
				w.t.Fatal(problems, err)
			}
		}
	}
}
