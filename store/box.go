package store

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"mox/db"
)

// cachedViews bounds the memory of views that nobody has open, for each account.
const cachedViews = 16 << 20

// entry is a mailbox in memory.
type entry struct {
	a       *Account
	id      MailboxID
	view    atomic.Pointer[View]
	ready   chan struct{} // closed when loaded or failed
	err     error         // after ready
	live    bool          // the committer keeps view current. Guarded by a.mu, as are:
	refs    int
	used    int64     // a.uses at the last Close
	pending []Message // added while loading
	stale   bool      // a repair changed the mailbox while loading: it is read again
}

// replace publishes a newer view. a.mu is held.
func (e *entry) replace(v *View) {
	old := e.view.Swap(v)
	old.supersede()
}

// Box is a mailbox kept in memory and current until Close. All sessions share one
// view. It is safe for concurrent use.
type Box struct {
	e      *entry
	closed atomic.Bool
}

// View returns the current view.
func (b *Box) View() *View { return b.e.view.Load() }

// Mailbox returns the mailbox; the zero value when it was deleted.
func (b *Box) Mailbox() Mailbox {
	m, _ := b.e.a.MailboxByID(b.e.id)
	return m
}

// Close lets go of the mailbox. Views that were taken stay valid, but no longer change.
func (b *Box) Close() {
	if !b.closed.Swap(true) {
		b.e.a.closeEntry(b.e)
	}
}

// published returns the current view of a mailbox in memory, nil when it is not.
func (a *Account) published(id MailboxID) *View {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if e := a.views[id]; e != nil && e.live {
		return e.view.Load()
	}
	return nil
}

// OpenBox brings a mailbox into memory, where it is not, and keeps it there until Close.
func (a *Account) OpenBox(ctx context.Context, id MailboxID) (*Box, error) {
	a.mu.Lock()
	e := a.views[id]
	if e == nil {
		if a.boxes[id] == nil {
			a.mu.Unlock()
			return nil, ErrNoMailbox
		}
		e = &entry{a: a, id: id, ready: make(chan struct{})}
		a.views[id] = e
		e.refs++
		a.mu.Unlock()
		// Others may come to wait for it: the end of this ctx must not be theirs.
		e.load(context.WithoutCancel(ctx))
	} else {
		e.refs++
		a.mu.Unlock()
	}
	select {
	case <-e.ready:
	case <-ctx.Done():
		a.closeEntry(e)
		return nil, ctx.Err()
	}
	if e.err != nil {
		a.closeEntry(e)
		return nil, e.err
	}
	if e.view.Load().Deleted {
		a.closeEntry(e)
		return nil, ErrNoMailbox
	}
	return &Box{e: e}, nil
}

func (a *Account) closeEntry(e *entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.refs--
	a.uses++
	e.used = a.uses
	if e.refs == 0 {
		a.s.columns.forget(e)
	}
	if e.refs == 0 && (e.err != nil || a.boxes[e.id] == nil) {
		a.drop(e)
		return
	}
	a.evict(cachedViews)
}

func (a *Account) drop(e *entry) {
	if a.views[e.id] == e {
		delete(a.views, e.id)
	}
}

// evict drops views nobody has open, the longest unused first, until the rest take at
// most limit bytes. a.mu is held.
func (a *Account) evict(limit int64) {
	var idle []*entry
	total := int64(0)
	for _, e := range a.views {
		if e.refs == 0 && e.live {
			idle = append(idle, e)
			total += e.view.Load().size()
		}
	}
	if total <= limit {
		return
	}
	slices.SortFunc(idle, func(x, y *entry) int { return int(x.used - y.used) })
	for _, e := range idle {
		if total <= limit {
			return
		}
		total -= e.view.Load().size()
		a.drop(e)
	}
}

// load reads the mailbox in one snapshot, adds what came meanwhile, and makes it live.
func (e *entry) load(ctx context.Context) {
	a := e.a
	var v *View
	var seq ModSeq // of the snapshot
	var err error
	for again := true; again; {
		err = a.db.Read(ctx, func(c *db.Conn) (err error) {
			v, seq, err = readView(c, e.id)
			return err
		})
		a.mu.Lock()
		if again, e.stale = e.stale, false; again {
			e.pending = nil // all that was added before the repair will be read
			a.mu.Unlock()
		}
	}
	defer a.mu.Unlock()
	defer close(e.ready)
	if err != nil {
		e.err = a.fail(fmt.Errorf("reading mailbox: %w", err))
		a.drop(e)
		return
	}
	b := a.boxes[e.id]
	if b == nil {
		e.err = ErrNoMailbox
		a.drop(e)
		return
	}
	add := slices.DeleteFunc(e.pending, func(m Message) bool { return m.ModSeq <= seq })
	if e.pending = nil; len(add) > 0 {
		v = v.withAdded(b, add)
	}
	e.view.Store(v)
	e.live = true
}

// readView reads a whole mailbox, and the account's modseq at that moment.
func readView(c *db.Conn, id MailboxID) (*View, ModSeq, error) {
	seq, ok, err := c.QueryInt64("SELECT modseq FROM account WHERE id=1")
	if err == nil && !ok {
		err = fmt.Errorf("%w: no account row", ErrCorrupt)
	}
	if err != nil {
		return nil, 0, err
	}
	v := &View{Mailbox: id, superseded: make(chan struct{})}
	rows := c.QueryInts("SELECT uidvalidity, uidnext, modseq, messages FROM mailbox WHERE id=?", int64(id))
	n := 0
	if ok = rows.Next(); ok {
		v.UIDValidity, v.UIDNext, v.ModSeq, n = uint32(rows.Int64(0)), UID(rows.Int64(1)), ModSeq(rows.Int64(2)), int(rows.Int64(3))
	}
	if err := rows.Close(); err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, ErrNoMailbox
	}
	return v, ModSeq(seq), v.read(c, n)
}

// read reads the messages; n is how many there should be.
func (v *View) read(c *db.Conn, n int) error {
	rows := c.QueryInts("SELECT "+messageColumns+" FROM message WHERE mailbox_id=? ORDER BY uid", int64(v.Mailbox))
	var buf [blockSize]Message
	k := 0
	for rows.Next() {
		buf[k] = scanMessage(rows)
		v.counts.add(&buf[k], 1)
		if k++; k == blockSize {
			v.push(buf[:])
			k = 0
		}
	}
	v.push(buf[:k])
	if err := rows.Close(); err != nil {
		return err
	}
	if v.n != n {
		return fmt.Errorf("%w: mailbox %d has %d messages where %d were counted", ErrCorrupt, v.Mailbox, v.n, n)
	}
	return nil
}
