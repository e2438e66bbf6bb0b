package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mox/db"
)

// Moment is an account at one ModSeq: what looks at all mailboxes together needs one.
type Moment struct {
	ModSeq    ModSeq
	Mailboxes []Mailbox // as of [Account.Mailboxes]
	Views     map[MailboxID]*View
	// Repairs counts the repairs since the account was opened: after one, messages, their content and
	// threads may be others than the change log tells.
	Repairs int
}

// Moment returns the account as it is now, with the views of all mailboxes, brought into memory where they are
// not. Those of known are taken for mailboxes that have not changed since; they are of an earlier moment with
// the same Repairs.
func (a *Account) Moment(ctx context.Context, known map[MailboxID]*View) (*Moment, error) {
	boxes := map[MailboxID]*Box{}
	defer func() {
		for _, b := range boxes {
			b.Close()
		}
	}()
	for {
		m, missing := a.moment(known, boxes)
		if missing == 0 {
			return m, nil
		}
		if b := boxes[missing]; b != nil {
			delete(boxes, missing)
			b.Close()
		}
		b, err := a.OpenBox(ctx, missing)
		if errors.Is(err, ErrNoMailbox) { // it was deleted meanwhile
			continue
		} else if err != nil {
			return nil, err
		}
		boxes[missing] = b
	}
}

// moment returns a mailbox that has to be opened first, if there is one.
func (a *Account) moment(known map[MailboxID]*View, boxes map[MailboxID]*Box) (*Moment, MailboxID) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	m := &Moment{ModSeq: a.modseq, Mailboxes: a.mailboxes(), Views: maps.Clone(known), Repairs: a.repairs}
	if m.Views == nil {
		m.Views = map[MailboxID]*View{}
	}
	for id := range m.Views {
		if a.boxes[id] == nil {
			delete(m.Views, id)
		}
	}
	for id, b := range a.boxes {
		if v := m.Views[id]; v != nil && v.ModSeq == b.ModSeq {
			continue
		}
		box := boxes[id]
		if box == nil {
			return nil, id
		}
		v := box.View()
		if v.Deleted { // a repair has put another in its place
			return nil, id
		}
		m.Views[id] = v
	}
	return m, 0
}

// BodyInfo is what is known of content without reading it.
type BodyInfo struct {
	ID       BodyID
	Thread   ThreadID
	Received int64 // INTERNALDATE of the first message with it, unix seconds
	Size     int64 // in octets
}

// Bodies returns what is known of the bodies of some ids, which ascend; those that are gone are missing.
func (a *Account) Bodies(ctx context.Context, ids []BodyID) ([]BodyInfo, error) {
	const batch = 10000
	var list []BodyInfo
	for len(ids) > 0 {
		n := min(len(ids), batch)
		err := a.read(ctx, func(c *db.Conn) (err error) {
			list, err = readBodies(c, list, ids[:n])
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("listing content: %w", err)
		}
		ids = ids[n:]
	}
	return list, nil
}

func readBodies(c *db.Conn, list []BodyInfo, ids []BodyID) ([]BodyInfo, error) {
	const columns = "SELECT id, thread, received, size FROM body WHERE id"
	scan := func(rows *db.Stmt) BodyInfo {
		return BodyInfo{BodyID(rows.Int64(0)), ThreadID(rows.Int64(1)), rows.Int64(2), rows.Int64(3)}
	}
	lo, hi := ids[0], ids[len(ids)-1]
	if int64(hi-lo) > 8*int64(len(ids)) {
		for _, id := range ids {
			rows := c.QueryInts(columns+"=?", int64(id))
			for rows.Next() {
				list = append(list, scan(rows))
			}
			if err := rows.Close(); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	rows := c.QueryInts(columns+" BETWEEN ? AND ? ORDER BY id", int64(lo), int64(hi))
	for rows.Next() {
		b := scan(rows)
		if _, ok := slices.BinarySearchFunc(ids, b.ID, func(x, y BodyID) int { return cmp.Compare(x, y) }); ok {
			list = append(list, b)
		}
	}
	return list, rows.Close()
}

// Threads returns the threads of bodies, also of those that were deleted, as long as the change log has that their
// messages went; others are missing.
func (a *Account) Threads(ctx context.Context, ids []BodyID) (map[BodyID]ThreadID, error) {
	threads := map[BodyID]ThreadID{}
	for len(ids) > 0 {
		n := min(len(ids), 10000)
		err := a.read(ctx, func(c *db.Conn) error {
			for _, id := range ids[:n] {
				thread, ok, err := c.QueryInt64("SELECT thread FROM body WHERE id=?1 UNION ALL SELECT thread FROM gone_body WHERE id=?1 LIMIT 1", int64(id))
				if err != nil {
					return err
				}
				if ok {
					threads[id] = ThreadID(thread)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading threads: %w", err)
		}
		ids = ids[n:]
	}
	return threads, nil
}
