package store

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Copy copies the messages in set to another mailbox (or the same); their content is
// shared. UIDs that do not exist are passed over. In another mailbox they get the flags
// of Options.AutoFlags.
func (a *Account) Copy(ctx context.Context, src MailboxID, set UIDSet, dst MailboxID) (Copied, error) {
	return a.CopyLimited(ctx, src, set, dst, FlagLimit{})
}

// CopyLimited is Copy by somebody who may not set all flags in dst: the copies lack them.
func (a *Account) CopyLimited(ctx context.Context, src MailboxID, set UIDSet, dst MailboxID, limit FlagLimit) (Copied, error) {
	return a.transfer(ctx, "copying", src, set, func(t *tx, b *mailbox, msgs []Message, _ []int) (Copied, error) {
		d, err := t.box(dst)
		if err == nil {
			err = a.reserved(d, nil)
		}
		if err != nil {
			return Copied{}, err
		}
		limit.apply(msgs)
		return t.copy(b, msgs, dst, limit)
	})
}

// Move moves the messages in set to another mailbox, in one operation (RFC 6851). They
// keep their MessageID, and in another mailbox get the flags of Options.AutoFlags.
func (a *Account) Move(ctx context.Context, src MailboxID, set UIDSet, dst MailboxID) (Copied, error) {
	return a.MoveLimited(ctx, src, set, dst, FlagLimit{})
}

// MoveLimited is Move by somebody who may not set all flags in dst: the messages lose them.
func (a *Account) MoveLimited(ctx context.Context, src MailboxID, set UIDSet, dst MailboxID, limit FlagLimit) (Copied, error) {
	return a.transfer(ctx, "moving", src, set, func(t *tx, b *mailbox, msgs []Message, idx []int) (Copied, error) {
		d, err := t.box(dst)
		if err == nil {
			err = a.reserved(d, nil)
		}
		if err != nil {
			return Copied{}, err
		}
		return t.move(b, msgs, idx, d, func(d *mailbox, msgs []Message) {
			limit.apply(msgs)
			t.setAutoFlags(b, d, msgs)
		})
	})
}

func (a *Account) transfer(ctx context.Context, doing string, src MailboxID, set UIDSet, fn func(*tx, *mailbox, []Message, []int) (Copied, error)) (Copied, error) {
	var r Copied
	err := a.withBox(ctx, src, func() error {
		return a.do(ctx, 64*set.Len()/8, func(t *tx) error {
			b, err := t.box(src)
			if err != nil {
				return err
			}
			v, err := t.view(src)
			if err != nil {
				return err
			}
			msgs, idx := v.selected(set.Normal())
			r, err = fn(t, b, msgs, idx)
			return err
		})
	})
	if err != nil {
		return Copied{}, fmt.Errorf("%s messages: %w", doing, err)
	}
	return r, nil
}

// selected returns copies of the messages in set, and their indexes.
func (v *View) selected(set UIDSet) (msgs []Message, idx []int) {
	v.messages(set, func(i int, m *Message) {
		msgs, idx = append(msgs, *m), append(idx, i)
	})
	return msgs, idx
}

// copy inserts messages that exist elsewhere into dst, as new messages of the same bodies.
func (t *tx) copy(src *mailbox, msgs []Message, dst MailboxID, limit FlagLimit) (Copied, error) {
	total := int64(0)
	bodies, from := make([]BodyID, len(msgs)), make([]MessageID, len(msgs))
	for i := range msgs {
		total += int64(msgs[i].Size)
		bodies[i], from[i] = msgs[i].Body, msgs[i].ID
		msgs[i].ID = t.nextMessage + MessageID(i)
	}
	if err := t.room(len(msgs), total); err != nil {
		return Copied{}, err
	}
	d, err := t.box(dst)
	if err != nil {
		return Copied{}, err
	}
	if err := t.addRefs(bodies, 1); err != nil {
		return Copied{}, err
	}
	t.nextMessage += MessageID(len(msgs))
	t.setAutoFlags(src, d, msgs)
	r, err := t.place(msgs, d)
	if err != nil {
		return r, err
	}
	return r, t.copyAnnotations(from, msgs, limit)
}

// place gives messages UIDs at the end of d and writes their rows. msgs is changed.
func (t *tx) place(msgs []Message, d *mailbox) (Copied, error) {
	r := Copied{UIDValidity: d.UIDValidity}
	if len(msgs) == 0 {
		return r, nil
	}
	if uint64(d.UIDNext)+uint64(len(msgs)) > math.MaxUint32 {
		return r, fmt.Errorf("%w: mailbox has no UIDs left", ErrNotAllowed)
	}
	r.ModSeq = t.next()
	b := *d
	for i := range msgs {
		m := &msgs[i]
		r.Source.Add(m.UID)
		m.UID, m.ModSeq, m.Saved = b.UIDNext, t.seq, unix32(t.now)
		r.Dest.Add(m.UID)
		b.UIDNext++
		if err := t.insertMessage(b.ID, m); err != nil {
			return r, err
		}
	}
	t.mutedMoved(msgs)
	t.added(b, msgs)
	return r, t.logMessages(MessagesAdded, b.ID, msgs)
}

// addRefs adds n to the reference counts of bodies, in as few statements as their ids allow.
func (t *tx) addRefs(bodies []BodyID, n int64) error {
	ids := slices.Clone(bodies)
	slices.Sort(ids)
	for len(ids) > 0 {
		// A run of ids one apart; what occurs more than once is left for another pass.
		var again []BodyID
		for i := 0; i < len(ids); {
			first, last := ids[i], ids[i]
			for i++; i < len(ids) && ids[i] <= last+1; i++ {
				if ids[i] == last {
					again = append(again, last)
				}
				last = ids[i]
			}
			if err := t.c.ExecInts("UPDATE body SET refs=refs+? WHERE id BETWEEN ? AND ?", n, int64(first), int64(last)); err != nil {
				return err
			}
			if err := t.expect(int(last-first)+1, "references"); err != nil {
				return err
			}
		}
		ids = again
	}
	return nil
}

// move takes messages out of b, by their indexes there, and puts them into d, once change
// has given them the flags that they have there; nil: those that they had.
func (t *tx) move(b *mailbox, msgs []Message, idx []int, d *mailbox, change func(d *mailbox, msgs []Message)) (Copied, error) {
	if len(msgs) == 0 {
		return Copied{UIDValidity: d.UIDValidity}, nil
	}
	if err := t.takeOut(b, msgs, idx, false); err != nil {
		return Copied{}, err
	}
	// Within one mailbox, d is as of before.
	d, err := t.box(d.ID)
	if err != nil {
		return Copied{}, err
	}
	if change != nil {
		change(d, msgs)
	}
	return t.place(msgs, d)
}
