package store

import (
	"cmp"
	"context"
	"fmt"

	"mox/db"
)

// ErrTooOld is returned by [Account.Changes] when the log does not reach back as far as
// asked: the caller must read everything anew.
var ErrTooOld = fmt.Errorf("change log does not reach back that far")

func (t *tx) log(kind ChangeKind, box MailboxID, uids, bodies []byte, name, old any) error {
	// In an operation that creates several mailboxes, or subscribes to a name without one,
	// an entry of the same key may be there; the last word counts.
	return t.c.Exec("INSERT INTO change (modseq, mailbox_id, kind, uids, bodies, name, old_name) VALUES (?,?,?,?,?,?,?) ON CONFLICT (modseq, mailbox_id, kind) DO UPDATE SET uids=excluded.uids, bodies=excluded.bodies, name=excluded.name, old_name=excluded.old_name",
		int64(t.seq), int64(box), int64(kind), uids, bodies, name, old)
}

func (t *tx) logMessages(kind ChangeKind, box MailboxID, msgs []Message) error {
	var set UIDSet
	bodies := make([]BodyID, len(msgs))
	for i := range msgs {
		set.Add(msgs[i].UID)
		bodies[i] = msgs[i].Body
	}
	return t.log(kind, box, appendUIDs(nil, set), appendBodies(nil, bodies), nil, nil)
}

func (t *tx) logEdits(box MailboxID, edits []edit) error {
	var set UIDSet
	for i := range edits {
		set.Add(edits[i].msg.UID)
	}
	return t.log(MessagesChanged, box, appendUIDs(nil, set), nil, nil, nil)
}

func (t *tx) logMailbox(kind ChangeKind, box MailboxID, name, old string) error {
	return t.log(kind, box, nil, nil, name, old)
}

// Changes returns up to max entries of the change log after since, in order. What one
// operation did comes with its ModSeq; ask again with the last one, and when max cut an
// operation in two, ignore what was seen. ErrTooOld when the log does not reach back.
func (a *Account) Changes(ctx context.Context, since ModSeq, max int) ([]Change, error) {
	var list []Change
	err := a.read(ctx, func(c *db.Conn) error {
		floor, _, err := c.QueryInt64("SELECT change_floor FROM account WHERE id=1")
		if err != nil {
			return err
		}
		if int64(since) < floor {
			return ErrTooOld
		}
		// Entries of one operation are not torn apart, unless it alone has more than max.
		rows := c.QueryInts("SELECT modseq, mailbox_id, kind, uids, bodies, name, old_name FROM change WHERE modseq>? ORDER BY modseq, mailbox_id, kind", int64(since))
		for err == nil && rows.Next() {
			if n := len(list); n >= max && list[n-1].ModSeq != ModSeq(rows.Int64(0)) {
				break
			}
			var ch Change
			ch, err = readChange(rows)
			list = append(list, ch)
		}
		return cmp.Or(err, rows.Close())
	})
	if err != nil {
		return nil, fmt.Errorf("reading change log: %w", err)
	}
	return list, nil
}

func readChange(rows *db.Stmt) (Change, error) {
	ch := Change{ModSeq: ModSeq(rows.Int64(0)), Mailbox: MailboxID(rows.Int64(1)), Kind: ChangeKind(rows.Int64(2)), Name: rows.Text(5), OldName: rows.Text(6)}
	var err error
	if ch.UIDs, err = unpackUIDs(nil, rows.Bytes(3)); err != nil {
		return ch, err
	}
	ch.Bodies, err = unpackBodies(rows.Bytes(4))
	return ch, err
}

// Watch wakes its owner on changes of the account: C receives the account's ModSeq
// after one or more commits. Waiting costs nothing, and a slow receiver nobody else.
type Watch struct {
	C <-chan ModSeq
	c chan ModSeq // of capacity 1
	a *Account
}

// Watch returns a new Watch, which must be closed.
func (a *Account) Watch() *Watch {
	c := make(chan ModSeq, 1)
	w := &Watch{C: c, c: c, a: a}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watches[w] = true
	return w
}

// WatchWith returns a Watch whose changes wake the owner of another one, by its C: their
// ModSeqs then say nothing. It must be closed, and before other.
func (a *Account) WatchWith(other *Watch) *Watch {
	w := &Watch{C: other.C, c: other.c, a: a}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watches[w] = true
	return w
}

// Wait waits for a change and returns true, or false once stop is closed.
func (w *Watch) Wait(stop <-chan struct{}) bool {
	select {
	case <-w.C:
		return true
	case <-stop:
		return false
	}
}

// wake is called with a.mu held.
func (w *Watch) wake(seq ModSeq) {
	select {
	case <-w.c: // nobody has taken the last one
	default:
	}
	select {
	case w.c <- seq:
	default: // another account has done so meanwhile: see WatchWith
	}
}

// Close ends the wake-ups. C is not closed.
func (w *Watch) Close() {
	w.a.mu.Lock()
	defer w.a.mu.Unlock()
	delete(w.a.watches, w)
}
