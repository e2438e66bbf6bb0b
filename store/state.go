package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mox/db"
)

// mailbox is a mailbox with what only this package needs. Immutable once in a map.
type mailbox struct {
	Mailbox
	expungeFloor ModSeq // the table expunge is complete after this
	acl          acl
}

func (b *mailbox) equal(c *mailbox) bool {
	return b.Mailbox == c.Mailbox && b.expungeFloor == c.expungeFloor && slices.Equal(b.acl, c.acl)
}

// counters is the table account.
type counters struct {
	modseq      ModSeq
	nextMailbox MailboxID
	nextMessage MessageID
	nextBody    BodyID
	uidvalidity uint32
	changeFloor ModSeq

	annotations, annotationSize int64 // totals of the table annotation
}

// overlay holds what the operations of a transaction that is not yet committed have
// changed, on top of what is published in the Account. An operation works on a copy, so
// that one that fails leaves nothing.
type overlay struct {
	counters
	used, count int64                   // change of the totals
	made        int64                   // mailboxes made, less those deleted
	boxes       map[MailboxID]*mailbox  // nil: deleted
	names       map[string]MailboxID    // 0: no longer a name
	heads       map[MailboxID]*View     // of mailboxes in memory
	adds        map[MailboxID][]Message // not yet in a head
	keywords    map[string]KeywordSet   // new ones by their words
	muting      muting
	subs        map[string]bool // subscribed or no longer
	released    bool            // something is to be released or freed later
	hasAdded    bool            // messages were added
	classified  bool            // messages with flags of flagsJudged were added, changed or removed
	rethreaded  bool            // a repair gave messages other threads
	dirty       bool

	// fresh is the state as a repair left it in the file; it takes the place of all of it,
	// once durable. reset is mailboxes of which messages are other than views have them.
	fresh *Account
	reset map[MailboxID]bool
}

func (o *overlay) clone() *overlay {
	c := *o
	c.boxes, c.names, c.heads = maps.Clone(o.boxes), maps.Clone(o.names), maps.Clone(o.heads)
	c.adds, c.keywords, c.subs = maps.Clone(o.adds), maps.Clone(o.keywords), maps.Clone(o.subs)
	return &c
}

// put stores in a map that may be nil.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// tx is one operation inside a commit. It runs on the committer's goroutine.
type tx struct {
	*overlay
	a   *Account
	c   *db.Conn
	now time.Time
	seq ModSeq // of this operation; 0 until next is called
}

// next gives the operation its modseq.
func (t *tx) next() ModSeq {
	if t.seq == 0 {
		t.modseq++
		t.seq = t.modseq
		t.dirty = true
	}
	return t.seq
}

// do runs fn as a durable operation. size is about the number of bytes it writes.
func (a *Account) do(ctx context.Context, size int, fn func(*tx) error) error {
	var seq ModSeq
	err := a.committer.Do(ctx, size, func(c *db.Conn) error {
		base := a.batch
		if base == nil {
			base = &overlay{counters: a.counters, muting: a.muting}
		}
		t := &tx{overlay: base.clone(), a: a, c: c, now: a.now()}
		if err := fn(t); err != nil {
			return err
		}
		a.batch, seq = t.overlay, t.seq
		return nil
	})
	if err != nil {
		return a.fail(err)
	}
	a.operated(ctx, seq)
	return nil
}

// read runs fn in a read transaction. fn must not take long nor call others that read.
func (a *Account) read(ctx context.Context, fn func(*db.Conn) error) error {
	return a.fail(a.db.Read(ctx, fn))
}

// fail maps errors of the database to this package's, and logs damage.
func (a *Account) fail(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDiskFull), errors.Is(err, ErrClosed):
		return err
	case errors.Is(err, db.ErrFull):
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	case errors.Is(err, db.ErrClosed):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	case errors.Is(err, db.ErrCorrupt), errors.Is(err, ErrCorrupt):
		if !errors.Is(err, ErrCorrupt) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		a.logDamage(err)
	default:
		var p *db.PanicError
		if errors.As(err, &p) {
			a.log.Error("panic in an operation", "account", a.name, "panic", fmt.Sprint(p.Value), "stack", string(p.Stack))
		}
	}
	return err
}

// logDamage logs at most once in ten seconds: every operation of every session meets the same.
func (a *Account) logDamage(err error) {
	now := a.now().Unix()
	last := a.damaged.Load()
	if last != 0 && now-last < 10 || !a.damaged.CompareAndSwap(last, now) {
		return
	}
	a.log.Error("account data is damaged: restore it from a backup, or run a check", "account", a.name, "dir", a.dir, "err", err)
}

// box returns a mailbox as this operation sees it.
func (t *tx) box(id MailboxID) (*mailbox, error) {
	b, ok := t.boxes[id]
	if !ok {
		b = t.a.boxes[id] // only this goroutine changes the map
	}
	if b == nil {
		return nil, ErrNoMailbox
	}
	return b, nil
}

// byName returns a mailbox by its normal name, nil when there is none.
func (t *tx) byName(name string) *mailbox {
	id, ok := t.names[name]
	if !ok {
		id = t.a.names[name]
	}
	if id == 0 {
		return nil
	}
	b, _ := t.box(id)
	return b
}

// update stores a changed mailbox; its row is written before the commit.
func (t *tx) update(b mailbox) *mailbox {
	put(&t.boxes, b.ID, &b)
	t.dirty = true
	return &b
}

// view returns the messages of a mailbox that the caller of the operation holds open,
// with what earlier operations of the commit did.
func (t *tx) view(id MailboxID) (*View, error) {
	v := t.heads[id]
	if v == nil {
		if v = t.a.published(id); v == nil {
			return nil, fmt.Errorf("view of mailbox %d is not open", id)
		}
	}
	if adds := t.adds[id]; len(adds) > 0 {
		b, err := t.box(id)
		if err != nil {
			return nil, err
		}
		v = v.withAdded(b, adds)
		delete(t.adds, id)
		put(&t.heads, id, v)
	}
	return v, nil
}

// added records messages at the end of b, whose counts it updates.
func (t *tx) added(b mailbox, msgs []Message) {
	for i := range msgs {
		b.Counts.add(&msgs[i], 1)
		t.used += int64(msgs[i].Size)
		t.judged(msgs[i].Flags)
	}
	t.count += int64(len(msgs))
	b.ModSeq = t.seq
	t.hasAdded = true
	nb := t.update(b)
	if v := t.heads[b.ID]; v != nil {
		put(&t.heads, b.ID, v.withAdded(nb, msgs))
		return
	}
	// Clipped: an operation that is rolled back must not leave its messages in the slice.
	put(&t.adds, b.ID, append(slices.Clip(t.adds[b.ID]), msgs...))
}

// replaced records the new view of a mailbox after a change of its messages.
func (t *tx) replaced(old mailbox, make func(*mailbox) *View) {
	b := old
	b.ModSeq = t.seq
	v := make(&b)
	t.used += v.counts.Size - b.Counts.Size
	t.count += int64(v.counts.Messages) - int64(b.Counts.Messages)
	b.Counts = v.counts
	t.update(b)
	put(&t.heads, b.ID, v)
}

// flush writes the rows that operations of the commit share. It runs before COMMIT.
func (a *Account) flush(c *db.Conn) error {
	o := a.batch
	if o == nil || !o.dirty || o.fresh != nil {
		return nil
	}
	for id, b := range o.boxes {
		if b == nil {
			continue
		}
		err := c.ExecInts(`UPDATE mailbox SET uidnext=?, special_use=?, modseq=?, expunge_floor=?, messages=?, unseen=?, deleted=?, size=?, deleted_size=? WHERE id=?`,
			int64(b.UIDNext), int64(b.SpecialUse), int64(b.ModSeq), int64(b.expungeFloor), int64(b.Messages), int64(b.Unseen), int64(b.Deleted), b.Size, b.DeletedSize, int64(id))
		if err != nil {
			return err
		}
	}
	return c.ExecInts(`UPDATE account SET modseq=?, next_mailbox=?, next_message=?, next_body=?, uidvalidity=?, change_floor=?, annotations=?, annotation_size=? WHERE id=1`,
		int64(o.modseq), int64(o.nextMailbox), int64(o.nextMessage), int64(o.nextBody), int64(o.uidvalidity), int64(o.changeFloor), o.annotations, o.annotationSize)
}

// settle makes the operations of a commit visible, or forgets them.
func (a *Account) settle(err error) {
	o := a.batch
	a.batch = nil
	if o == nil || err != nil || !o.dirty {
		return
	}
	a.settleState(o)
	// Without a.mu: whoever hears this may hold locks under which it asks the account.
	if o.hasAdded && a.s.o.Added != nil {
		a.s.o.Added(a.name)
	}
	if o.classified && a.s.o.Classified != nil {
		a.s.o.Classified(a.name)
	}
	if a.s.o.Changed != nil {
		a.s.o.Changed(a.name)
	}
}

// settleState makes what operations changed the state of the account.
func (a *Account) settleState(o *overlay) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.fresh != nil {
		a.settleRepair(o)
		return
	}
	a.counters, a.muting = o.counters, o.muting
	if o.rethreaded {
		a.repairs++
	}
	a.used += o.used
	a.count += o.count
	for id, b := range o.boxes {
		if b == nil {
			delete(a.boxes, id)
		} else {
			a.boxes[id] = b
		}
	}
	for name, id := range o.names {
		if id == 0 {
			delete(a.names, name)
		} else {
			a.names[name] = id
		}
	}
	for name, on := range o.subs {
		if on {
			a.subs[name] = true
		} else {
			delete(a.subs, name)
		}
	}
	for words, id := range o.keywords {
		a.keywords.add(id, strings.Fields(words))
	}
	a.settleViews(o)
	for w := range a.watches {
		w.wake(a.modseq)
	}
	if o.released {
		a.scheduleReap()
	}
}

// settleViews publishes the new views. a.mu is held.
func (a *Account) settleViews(o *overlay) {
	for id, v := range o.heads {
		if e := a.views[id]; e != nil && e.live {
			if adds := o.adds[id]; len(adds) > 0 {
				v = v.withAdded(a.boxes[id], adds)
			}
			e.replace(v)
		}
	}
	for id, adds := range o.adds {
		e := a.views[id]
		switch {
		case e == nil || o.heads[id] != nil || o.boxes[id] == nil:
		case e.live:
			// One that was read since the commit has them already.
			v := e.view.Load()
			adds = slices.DeleteFunc(adds, func(m Message) bool { return m.ModSeq <= v.ModSeq })
			if len(adds) > 0 {
				e.replace(v.withAdded(a.boxes[id], adds))
			}
		default:
			e.pending = append(e.pending, adds...)
		}
	}
	for id, b := range o.boxes {
		if b != nil {
			continue
		}
		if e := a.views[id]; e != nil && e.live {
			old := e.view.Load()
			e.replace(&View{Mailbox: id, UIDValidity: old.UIDValidity, UIDNext: old.UIDNext, ModSeq: o.modseq, Deleted: true, superseded: make(chan struct{})})
		}
	}
}
