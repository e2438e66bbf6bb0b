package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"mox/db"
)

// Expunge removes the messages in set that are flagged \Deleted; a nil set means all
// messages. It returns which those were, and the operation's ModSeq, 0 when none.
func (a *Account) Expunge(ctx context.Context, box MailboxID, set UIDSet) (UIDSet, ModSeq, error) {
	if set == nil {
		set = AllUIDs()
	}
	return a.expunge(ctx, box, set, func(m *Message) bool { return m.Flags&FlagDeleted != 0 })
}

// Remove removes the messages in set whatever their flags. Unlike for Expunge, a nil set
// is empty: use [AllUIDs] for all.
func (a *Account) Remove(ctx context.Context, box MailboxID, set UIDSet) (UIDSet, ModSeq, error) {
	return a.expunge(ctx, box, set, func(*Message) bool { return true })
}

func (a *Account) expunge(ctx context.Context, box MailboxID, set UIDSet, want func(*Message) bool) (UIDSet, ModSeq, error) {
	var gone UIDSet
	var seq ModSeq
	err := a.withBox(ctx, box, func() error {
		return a.do(ctx, 0, func(t *tx) error {
			b, err := t.box(box)
			if err != nil {
				return err
			}
			v, err := t.view(box)
			if err != nil {
				return err
			}
			var msgs []Message
			var idx []int
			gone = nil
			v.messages(set.Normal(), func(i int, m *Message) {
				if want(m) {
					msgs, idx = append(msgs, *m), append(idx, i)
					gone.Add(m.UID)
				}
			})
			if len(msgs) == 0 {
				return nil
			}
			seq = t.next()
			return t.takeOut(b, msgs, idx, true)
		})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("expunging messages: %w", err)
	}
	return gone, seq, nil
}

// takeOut removes messages from a mailbox, by their indexes in its view. With release,
// their bodies lose a reference: later, in the background, from what is kept here.
func (t *tx) takeOut(b *mailbox, msgs []Message, idx []int, release bool) error {
	if release {
		return t.takeOutSome(b, msgs, idx, msgs)
	}
	return t.takeOutSome(b, msgs, idx, nil)
}

// takeOutSome is takeOut where released are those of the messages whose bodies lose a reference.
func (t *tx) takeOutSome(b *mailbox, msgs []Message, idx []int, released []Message) error {
	seq := t.next()
	v, err := t.view(b.ID)
	if err != nil {
		return err
	}
	t.mutedMoved(msgs)
	for i := 0; i < len(idx); {
		j := i + 1
		t.judged(msgs[i].Flags)
		for j < len(idx) && idx[j] == idx[i]+j-i {
			t.judged(msgs[j].Flags)
			j++
		}
		if err := t.c.ExecInts("DELETE FROM message WHERE mailbox_id=? AND uid BETWEEN ? AND ?", int64(b.ID), int64(msgs[i].UID), int64(msgs[j-1].UID)); err != nil {
			return err
		}
		if err := t.expect(j-i, "messages"); err != nil {
			return err
		}
		i = j
	}
	if err := t.logExpunged(b.ID, seq, msgs, released); err != nil {
		return err
	}
	t.replaced(*b, func(b *mailbox) *View { return v.without(b, idx) })
	return nil
}

// heldMessages is how many messages a row of the table held has: as many as are released
// in one operation.
const heldMessages = 2000

// logExpunged records what left a mailbox, and which of it is to be released.
func (t *tx) logExpunged(box MailboxID, seq ModSeq, msgs, released []Message) error {
	var set UIDSet
	for i := range msgs {
		set.Add(msgs[i].UID)
	}
	if err := t.c.Exec("INSERT INTO expunge (mailbox_id, modseq, uids) VALUES (?,?,?)", int64(box), int64(seq), appendUIDs(nil, set)); err != nil {
		return err
	}
	if len(released) > 0 {
		t.released = true
		for some := range slices.Chunk(released, heldMessages) {
			if err := t.c.Exec("INSERT INTO held (time, mailbox_id, modseq, messages) VALUES (?,?,?,?)",
				t.now.Unix(), int64(box), int64(seq), appendMessages(nil, some)); err != nil {
				return err
			}
		}
	}
	return t.logMessages(MessagesExpunged, box, msgs)
}

// Vanished returns the UIDs that left a mailbox since a ModSeq (QRESYNC, RFC 7162
// 3.2.5). Where the log does not reach back that far, it returns all UIDs that were ever
// given and are not there now, as that section allows.
func (a *Account) Vanished(ctx context.Context, box MailboxID, since ModSeq) (UIDSet, error) {
	a.mu.RLock()
	b := a.boxes[box]
	a.mu.RUnlock()
	if b == nil {
		return nil, ErrNoMailbox
	}
	if since >= b.ModSeq {
		return nil, nil
	}
	if since < b.expungeFloor {
		return a.missing(ctx, box)
	}
	var set UIDSet
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT uids FROM expunge WHERE mailbox_id=? AND modseq>?", int64(box), int64(since))
		var err error
		for err == nil && rows.Next() {
			set, err = unpackUIDs(set, rows.Bytes(0))
		}
		return cmp.Or(err, rows.Close())
	})
	if err != nil {
		return nil, fmt.Errorf("reading expunged messages: %w", err)
	}
	return set.Normal(), nil
}

// missing returns the UIDs below UIDNEXT that are not in a mailbox.
func (a *Account) missing(ctx context.Context, box MailboxID) (UIDSet, error) {
	b, err := a.OpenBox(ctx, box)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	v := b.View()
	var set UIDSet
	next := UID(1)
	for _, m := range v.All() {
		if m.UID > next {
			set = append(set, UIDRange{next, m.UID - 1})
		}
		next = m.UID + 1
	}
	if v.UIDNext > next {
		set = append(set, UIDRange{next, v.UIDNext - 1})
	}
	return set, nil
}
