package junk

import (
	"context"
	"errors"
	"math"
	"slices"

	"mox/db"
	"mox/store"
)

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
	a.hasWork()
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
