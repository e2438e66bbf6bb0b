package junk

import (
	"context"
	"errors"
	"slices"

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
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case isDamage(err):
			return err
		case err != nil:
			// What is known is better than nothing. The worker meets the same, and logs it.
			a.hasWork()
			return nil
		case !more:
			return nil
		}
		budget -= max(n, 1)
	}
	a.hasWork()
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
