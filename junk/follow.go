package junk

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"mox/db"
	"mox/store"
)

// Bounds of following the change log.
const (
	logBatch  = 1000 // entries read at a time
	spanBatch = 512  // messages looked at in a step
	saveEvery = 1000 // changes without anything to learn, after which is saved that they were seen

	// judgeExamples is how many examples who judges makes or takes back at most before, so
	// that what the user has just said counts. The rest is for the worker.
	judgeExamples = 48
)

// span is messages of a mailbox to be looked at.
type span struct {
	box  store.MailboxID
	uids store.UIDSet
	what what
}

// what says what to look for in a span.
type what uint8

const (
	changed what = iota // anything
	added               // messages that can have no example yet, but for one that is looked at again
	sent                // recipients of what was added to the mailbox for sent mail
)

// catchUp learns what the user has said until now, as far as that is little work; what
// others are at is waited for a short time.
func (a *account) catchUp(ctx context.Context) error {
	if store.ModSeq(a.seq.Load()) >= a.acc.ModSeq() {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, a.m.c.Wait)
	defer cancel()
	if err := a.lock(wait); err != nil {
		return ctx.Err()
	}
	defer a.unlock()
	for budget := judgeExamples; budget > 0; {
		n, more, err := a.follow(ctx, min(budget, turnExamples))
		if err != nil || !more {
			return err
		}
		budget -= max(n, 1)
	}
	a.m.schedule(a.name, 0, false)
	return nil
}

// stepFollow is a turn's part of following the change log.
func (a *account) stepFollow(ctx context.Context) (more bool, err error) {
	_, more, err = a.follow(ctx, turnExamples)
	return more, err
}

// follow does a bounded piece of what the change log asks for, and at most max examples.
// The token is held.
func (a *account) follow(ctx context.Context, max int) (n int, more bool, err error) {
	if a.wantCompare {
		if err := a.startCompare(ctx); err != nil {
			return 0, false, err
		}
	}
	if len(a.pending) == 0 {
		if err := a.readLog(ctx); err != nil {
			return 0, false, err
		}
	}
	for len(a.pending) > 0 && n < max {
		p := &a.pending[0]
		some, rest := splitSet(p.uids, spanBatch)
		if p.what == sent {
			err = a.noteSent(ctx, p.box, some)
		} else {
			var k int
			var left store.UIDSet
			k, left, err = a.settle(ctx, p.box, some, p.what, max-n)
			n += k
			rest = append(left, rest...)
		}
		if err != nil {
			return n, false, err
		}
		if p.uids = rest; len(rest) == 0 {
			a.pending = a.pending[1:]
		}
		if k := int64(a.pendingTo); len(a.pending) == 0 {
			a.seq.Store(k)
		}
	}
	if len(a.pending) == 0 && a.seq.Load()-int64(a.saved) >= saveEvery {
		if err := a.save(ctx); err != nil {
			return n, false, err
		}
	}
	return n, len(a.pending) > 0 || store.ModSeq(a.seq.Load()) < a.acc.ModSeq(), nil
}

// splitSet splits off the first n UIDs of a set.
func splitSet(set store.UIDSet, n int) (first, rest store.UIDSet) {
	for i, r := range set {
		size := int(r.End-r.Start) + 1
		if size > n {
			if n > 0 {
				first = append(first, store.UIDRange{Start: r.Start, End: r.Start + store.UID(n) - 1})
				r.Start += store.UID(n)
			}
			return first, append(store.UIDSet{r}, set[i+1:]...)
		}
		first = append(first, r)
		n -= size
	}
	return first, nil
}

// readLog reads the next entries of the change log. What they say is not looked at, only
// which messages are concerned: what counts is how those are now, so that it does not
// matter when something is looked at twice.
func (a *account) readLog(ctx context.Context) error {
	// Not beyond what the account has published: flags are read from there.
	target := a.acc.ModSeq()
	seq := store.ModSeq(a.seq.Load())
	if seq >= target {
		return nil
	}
	list, err := a.acc.Changes(ctx, seq, logBatch)
	if errors.Is(err, store.ErrTooOld) {
		a.wantCompare = true
		return a.startCompare(ctx)
	} else if err != nil {
		return err
	}
	if len(list) >= logBatch {
		target = min(target, list[len(list)-1].ModSeq)
	}
	var come, edited, mailed, gone spans
	for i := range list {
		c := &list[i]
		if c.ModSeq > target {
			break
		}
		switch c.Kind {
		case store.MessagesAdded:
			if box, _ := a.acc.MailboxByID(c.Mailbox); box.SpecialUse&store.UseSent != 0 {
				mailed.add(c)
			}
			come.add(c)
		case store.MessagesChanged:
			edited.add(c)
		case store.MessagesExpunged:
			gone.add(c)
		}
	}
	// What came is looked at before what went: then a message that was moved is recognized.
	a.pending, a.pendingTo = slices.Concat(come.list(added), edited.list(changed), mailed.list(sent), gone.list(changed)), target
	if len(a.pending) == 0 {
		a.seq.Store(int64(target))
	}
	return nil
}

// spans gathers messages by mailbox.
type spans struct {
	order []store.MailboxID
	sets  map[store.MailboxID]store.UIDSet
}

func (s *spans) add(c *store.Change) {
	if s.sets == nil {
		s.sets = map[store.MailboxID]store.UIDSet{}
	}
	set, ok := s.sets[c.Mailbox]
	if !ok {
		s.order = append(s.order, c.Mailbox)
	}
	s.sets[c.Mailbox] = append(set, c.UIDs...)
}

func (s *spans) list(w what) []span {
	var l []span
	for _, id := range s.order {
		l = append(l, span{id, s.sets[id].Normal(), w})
	}
	return l
}

// class is what a user said about a message.
type class uint8

const (
	unclassified class = iota
	ham
	spam
)

// classOf: both flags are as good as none.
func classOf(f store.Flags) class {
	switch f & (store.FlagJunk | store.FlagNotJunk) {
	case store.FlagJunk:
		return spam
	case store.FlagNotJunk:
		return ham
	}
	return unclassified
}

// existing is an example as far as it is compared with its message.
type existing struct {
	id   int64
	box  store.MailboxID
	uid  store.UID
	junk bool
}

func (e *existing) class() class {
	if e.junk {
		return spam
	}
	return ham
}

// settle makes the examples of the messages in set what the messages are now, at most max
// of them. It returns how many it changed, and what is left of set.
func (a *account) settle(ctx context.Context, box store.MailboxID, set store.UIDSet, w what, max int) (n int, rest store.UIDSet, err error) {
	msgs, err := a.acc.MessagesAt(ctx, box, set)
	if err != nil && !errors.Is(err, store.ErrNoMailbox) {
		return 0, nil, err
	}
	if w == added && !slices.ContainsFunc(msgs, func(m store.Message) bool { return classOf(m.Flags) != unclassified }) {
		return 0, nil, nil // by far the most often
	}
	have, err := a.examples(ctx, box, set)
	if err != nil {
		return 0, nil, err
	}
	b := batch{a: a}
	for len(msgs) > 0 || len(have) > 0 {
		var m *store.Message
		var e *existing
		switch {
		case len(have) == 0 || len(msgs) > 0 && msgs[0].UID < have[0].uid:
			m, msgs = &msgs[0], msgs[1:]
		case len(msgs) == 0 || have[0].uid < msgs[0].UID:
			e, have = &have[0], have[1:]
		default:
			m, e, msgs, have = &msgs[0], &have[0], msgs[1:], have[1:]
		}
		want := unclassified
		if m != nil {
			want = classOf(m.Flags)
		}
		switch {
		case e == nil && want == unclassified:
			continue
		case e == nil:
			err = b.add(ctx, box, m, want)
		case want == unclassified:
			b.remove(e.id)
		case want != e.class():
			b.flip(e.id, want)
		default:
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		if n++; n == max {
			uid := uint64(0)
			if m != nil {
				uid = uint64(m.UID)
			} else {
				uid = uint64(e.uid)
			}
			rest = after(set, uid)
			break
		}
	}
	return n, rest, b.apply(ctx)
}

// after returns the part of a set above uid.
func after(set store.UIDSet, uid uint64) store.UIDSet {
	var rest store.UIDSet
	for _, r := range set {
		if uint64(r.End) <= uid {
			continue
		}
		rest = append(rest, store.UIDRange{Start: store.UID(max(uint64(r.Start), uid+1)), End: r.End})
	}
	return rest
}

// examples returns the examples of a mailbox in set, ascending.
func (a *account) examples(ctx context.Context, box store.MailboxID, set store.UIDSet) (list []existing, err error) {
	err = a.read(ctx, func(c *db.Conn) error {
		for _, r := range set {
			rows := c.QueryInts("SELECT id, mailbox_id, uid, junk FROM example WHERE mailbox_id=? AND uid BETWEEN ? AND ? ORDER BY uid", int64(box), int64(r.Start), int64(r.End))
			list = scanExamples(list, rows)
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

func scanExamples(list []existing, rows *db.Stmt) []existing {
	for rows.Next() {
		list = append(list, existing{rows.Int64(0), store.MailboxID(rows.Int64(1)), store.UID(rows.Int64(2)), rows.Int64(3) != 0})
	}
	return list
}

// comparison compares all messages with the examples.
type comparison struct {
	begun bool
	boxes []store.MailboxID // to be done
	after store.UID         // done in the first
	done  bool              // for sent mail, of the present piece
}

// startCompare begins to compare all messages with the examples; the change log is followed
// from now. The token is held.
func (a *account) startCompare(ctx context.Context) error {
	seq := a.acc.ModSeq()
	err := a.write(ctx, func(c *db.Conn) error {
		return c.ExecInts("UPDATE state SET compare=1, modseq=? WHERE id=1", int64(seq))
	})
	if err != nil {
		return err
	}
	a.m.c.Log.Info("comparing all messages with what was learned", "account", a.name)
	a.m.c.Metrics.Rebuilt("log")
	a.saved, a.pending, a.wantCompare, a.compare = seq, nil, false, &comparison{}
	a.seq.Store(int64(seq))
	a.m.schedule(a.name, 0, false)
	return nil
}

// compareBatch is how many messages a step compares.
const compareBatch = 2000

// stepCompare does a piece of a comparison.
func (a *account) stepCompare(ctx context.Context) (more bool, err error) {
	p := a.compare
	if p == nil {
		return false, nil
	}
	if !p.begun {
		if p.boxes, err = a.allBoxes(ctx); err != nil {
			return false, err
		}
		p.begun = true
	}
	if len(p.boxes) == 0 {
		err := a.write(ctx, func(c *db.Conn) error { return c.Exec("UPDATE state SET compare=0 WHERE id=1") })
		if err == nil {
			a.compare = nil
		}
		return false, err
	}
	return true, a.compareSome(ctx, p)
}

// compareSome does a piece of a mailbox.
func (a *account) compareSome(ctx context.Context, p *comparison) error {
	id := p.boxes[0]
	upper := store.UID(math.MaxUint32)
	box, err := a.acc.OpenBox(ctx, id)
	if err == nil {
		defer box.Close()
		v := box.View()
		i, _ := v.Find(p.after + 1)
		if i+compareBatch < v.Len() {
			upper = v.At(i + compareBatch - 1).UID
		}
	} else if !errors.Is(err, store.ErrNoMailbox) {
		return err
	}
	set := store.UIDSet{{Start: p.after + 1, End: upper}}
	if box != nil && box.Mailbox().SpecialUse&store.UseSent != 0 && !p.done {
		if err := a.noteSent(ctx, id, set); err != nil {
			return err
		}
		p.done = true
	}
	_, rest, err := a.settle(ctx, id, set, changed, turnExamples)
	if err != nil {
		return err
	}
	switch {
	case len(rest) > 0:
		p.after = rest[0].Start - 1
	case upper == math.MaxUint32:
		p.boxes, p.after, p.done = p.boxes[1:], 0, false
	default:
		p.after, p.done = upper, false
	}
	return nil
}

// allBoxes returns the mailboxes that exist, and those of which there are examples.
func (a *account) allBoxes(ctx context.Context) ([]store.MailboxID, error) {
	var ids []store.MailboxID
	for _, b := range a.acc.Mailboxes() {
		ids = append(ids, b.ID)
	}
	err := a.read(ctx, func(c *db.Conn) error {
		for last, found := int64(-1), true; found; {
			var err error
			if last, found, err = c.QueryInt64("SELECT mailbox_id FROM example WHERE mailbox_id>? ORDER BY mailbox_id LIMIT 1", last); err != nil {
				return err
			}
			if id := store.MailboxID(last); found && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		return nil
	})
	return ids, err
}

// remake is which examples are to be made anew of their messages: those with ids above
// next, up to last.
type remake struct{ next, last int64 }

// stepParams begins to make examples anew when words are to be taken in another way.
func (a *account) stepParams(ctx context.Context) (bool, error) {
	if p := fingerprint(a.m.c.Params(a.name)); p != *a.params.Load() {
		a.m.c.Log.Info("learning words anew: parameters have changed", "account", a.name)
		return true, a.startRemake(ctx, p, "params")
	}
	return false, nil
}

func (a *account) startRemake(ctx context.Context, params, why string) error {
	var last int64
	err := a.write(ctx, func(c *db.Conn) (err error) {
		if last, _, err = c.QueryInt64("SELECT max(id) FROM example"); err != nil {
			return err
		}
		return c.Exec("UPDATE state SET remake_next=0, remake_last=?, params=? WHERE id=1", last, params)
	})
	if err != nil {
		return err
	}
	if last > 0 {
		a.m.c.Metrics.Rebuilt(why)
	}
	a.remake = remake{0, last}
	a.params.Store(&params)
	return nil
}

// stepRemake makes some examples anew.
func (a *account) stepRemake(ctx context.Context) (more bool, err error) {
	r := a.remake
	if r.next >= r.last {
		return false, nil
	}
	type row struct {
		id   int64
		body store.BodyID
	}
	var list []row
	err = a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT id, body_id FROM example WHERE id>? AND id<=? ORDER BY id LIMIT ?", r.next, r.last, turnExamples)
		for rows.Next() {
			list = append(list, row{rows.Int64(0), store.BodyID(rows.Int64(1))})
		}
		return rows.Close()
	})
	if err != nil {
		return false, err
	}
	r.next = r.last
	if len(list) == turnExamples {
		r.next = list[len(list)-1].id
	}
	b := batch{a: a, remade: &r}
	for _, e := range list {
		if err := b.remake(ctx, e.id, e.body); err != nil {
			return false, err
		}
	}
	if err := b.apply(ctx); err != nil {
		return false, err
	}
	return r.next < r.last, nil
}

// Retrain makes all that an account has learned anew of its messages, and returns when that
// is done; it goes on in the background when ctx ends before, also after a restart. Others
// go on judging and learning meanwhile.
func (m *Manager) Retrain(ctx context.Context, name string) error {
	a, err := m.acquire(ctx, name)
	if err != nil {
		return err
	}
	defer m.release(a)
	done, err := a.request(ctx)
	if err != nil {
		return err
	}
	m.schedule(name, 0, false)
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-m.ctx.Done():
			return errClosed
		case <-time.After(time.Minute): // after failures, the worker waits longer each time
			m.schedule(name, 0, false)
		}
	}
}

// request begins to make all anew, and returns what is closed when that is done.
func (a *account) request(ctx context.Context) (<-chan struct{}, error) {
	if err := a.lock(ctx); err != nil {
		return nil, err
	}
	defer a.unlock()
	if a.bad.Load() {
		if err := a.repair(ctx); err != nil {
			return nil, err
		}
	}
	if err := a.startRemake(ctx, fingerprint(a.m.c.Params(a.name)), "request"); err != nil {
		return nil, err
	}
	if err := a.startCompare(ctx); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	a.jobs = append(a.jobs, done)
	return done, nil
}

// finishJobs tells those who asked for it that all is made anew.
func (a *account) finishJobs() {
	if a.wantCompare || a.compare != nil || a.remake.next < a.remake.last {
		return
	}
	for _, done := range a.jobs {
		close(done)
	}
	a.jobs = nil
}
