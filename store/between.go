package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// What is copied to another account in one operation.
const (
	betweenMessages = 100
	betweenBytes    = 16 << 20
)

// CopyTo copies the messages in set to a mailbox of another account, with the flags that
// limit allows, and those of Options.AutoFlags. They go through spools, some at a
// time, and no operation of one account waits for the other. When it fails, what was added
// is removed again; when the process dies, it stays. A message whose content is gone fails
// it with ErrNoBody.
func (a *Account) CopyTo(ctx context.Context, src MailboxID, set UIDSet, dst *Account, box MailboxID, limit FlagLimit) (Copied, error) {
	if a == dst {
		return a.CopyLimited(ctx, src, set, box, limit)
	}
	var r Copied
	err := a.withBox(ctx, src, func() (err error) {
		r, err = a.copyTo(ctx, src, set, dst, box, limit)
		return err
	})
	if err != nil {
		return Copied{}, fmt.Errorf("copying messages to another account: %w", err)
	}
	return r, nil
}

// MoveTo is CopyTo, and then removes the messages. They are never in neither account: once
// they are durable there, they go here. Those that were gone from here by then are not
// there either, so that of two who move a message at the same time one does. ModSeq is that of their removal.
func (a *Account) MoveTo(ctx context.Context, src MailboxID, set UIDSet, dst *Account, box MailboxID, limit FlagLimit) (Copied, error) {
	if a == dst {
		return a.MoveLimited(ctx, src, set, box, limit)
	}
	if err := a.beginMove(ctx); err != nil {
		return Copied{}, err
	}
	defer a.endMove()
	var r Copied
	err := a.withBox(ctx, src, func() (err error) {
		if r, err = a.copyTo(ctx, src, set, dst, box, limit); err != nil || len(r.Source) == 0 {
			return err
		}
		// Exactly those: what came meanwhile stays.
		gone, seq, err := a.Remove(ctx, src, r.Source)
		if err != nil {
			return errors.Join(err, dst.uncopy(ctx, box, r.Dest))
		}
		// What somebody has expunged, or moved within the account, first is not moved too.
		var late UIDSet
		r, late = r.split(gone)
		r.ModSeq = seq
		return dst.uncopy(ctx, box, late)
	})
	if err != nil {
		return Copied{}, fmt.Errorf("moving messages to another account: %w", err)
	}
	return r, nil
}

// beginMove waits for its turn to move messages to another account, until endMove: who comes
// second finds what the first has left.
func (a *Account) beginMove(ctx context.Context) error {
	select {
	case a.moving <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *Account) endMove() { <-a.moving }

// ReplaceTo is Replace with a mailbox of another account as dst. The old message goes once the
// new one is durable there; when it went otherwise meanwhile, the new one is removed again:
// ErrNoMessage.
func (a *Account) ReplaceTo(ctx context.Context, src MailboxID, uid UID, dst *Account, box MailboxID, m NewMessage) (Added, error) {
	if a == dst {
		return a.Replace(ctx, src, uid, box, m)
	}
	if err := a.beginMove(ctx); err != nil {
		return Added{}, err
	}
	defer a.endMove()
	old := NewUIDSet(uid)
	there, err := a.MessagesAt(ctx, src, old)
	if err == nil && len(there) == 0 {
		err = ErrNoMessage
	}
	if err != nil {
		return Added{}, fmt.Errorf("replacing message: %w", err)
	}
	added, err := dst.Add(ctx, box, []NewMessage{m})
	if err != nil {
		return Added{}, err
	}
	gone, _, err := a.Remove(ctx, src, old)
	if err == nil && len(gone) == 0 {
		err = ErrNoMessage
	}
	if err != nil {
		return Added{}, fmt.Errorf("replacing message: %w", errors.Join(err, dst.uncopy(ctx, box, NewUIDSet(added.UIDs...))))
	}
	return added, nil
}

// split returns what was copied from the UIDs in set, and the UIDs of all other copies.
func (c Copied) split(set UIDSet) (in Copied, late UIDSet) {
	if set.Len() == c.Source.Len() {
		return c, nil
	}
	in = Copied{UIDValidity: c.UIDValidity, ModSeq: c.ModSeq}
	next, stop := iter.Pull(c.Dest.All())
	defer stop()
	for uid := range c.Source.All() {
		dest, _ := next()
		if set.Contains(uid) {
			in.Source.Add(uid)
			in.Dest.Add(dest)
		} else {
			late.Add(dest)
		}
	}
	return in, late
}

// copyTo copies batch by batch. The mailbox is open.
func (a *Account) copyTo(ctx context.Context, src MailboxID, set UIDSet, dst *Account, box MailboxID, limit FlagLimit) (r Copied, err error) {
	d, ok := dst.MailboxByID(box)
	v := a.published(src)
	if !ok || v == nil {
		return r, ErrNoMailbox
	}
	r.UIDValidity = d.UIDValidity
	msgs, _ := v.selected(set.Normal())
	total := int64(0)
	for i := range msgs {
		total += int64(msgs[i].Size)
	}
	if err := dst.Quota().Room(len(msgs), total); len(msgs) > 0 && err != nil {
		return r, err
	}
	for len(msgs) > 0 {
		n := batchLen(msgs)
		added, err := a.copyBatch(ctx, msgs[:n], dst, box, limit)
		if err == nil && added.UIDValidity != r.UIDValidity {
			err = ErrNoMailbox
		}
		if err != nil {
			// RFC 9051 6.4.7: a copy that fails leaves the mailbox as it was.
			return Copied{}, errors.Join(err, dst.uncopy(ctx, box, r.Dest))
		}
		for i := range n {
			r.Source.Add(msgs[i].UID)
			r.Dest.Add(added.UIDs[i])
		}
		r.ModSeq = added.ModSeq
		msgs = msgs[n:]
	}
	return r, nil
}

// batchLen is how many messages are copied next: at least one.
func batchLen(msgs []Message) int {
	n, size := 1, int64(msgs[0].Size)
	for n < len(msgs) && n < betweenMessages && size+int64(msgs[n].Size) <= betweenBytes {
		size += int64(msgs[n].Size)
		n++
	}
	return n
}

func (a *Account) copyBatch(ctx context.Context, msgs []Message, dst *Account, box MailboxID, limit FlagLimit) (Added, error) {
	list := make([]NewMessage, 0, len(msgs))
	defer func() {
		for i := range list {
			// What it held is in the store by now, or not wanted.
			_ = list[i].Spool.Close()
		}
	}()
	for i := range msgs {
		m := &msgs[i]
		annotations, err := a.Annotations(ctx, limit.userIn(a), m.ID, 0)
		if err != nil {
			return Added{}, err
		}
		sp := a.s.NewSpool()
		nm := NewMessage{Spool: sp, Received: time.Unix(int64(m.Received), 0)}
		nm.Flags, nm.Keywords = limit.Filter(m.Flags, a.Keywords(m.Keywords))
		// RFC 5257 4.6: the private ones of who copies stay theirs.
		nm.Annotations = limit.annotations(annotations)
		for i := range nm.Annotations {
			nm.Annotations[i].User = limit.userIn(dst)
		}
		list = append(list, nm)
		if err := a.spoolBody(ctx, m.Body, sp); err != nil {
			return Added{}, err
		}
	}
	return dst.add(ctx, list, true, func(t *tx) (*mailbox, error) {
		b, err := t.box(box)
		if err == nil {
			err = dst.reserved(b, nil)
		}
		return b, err
	})
}

// spoolBody writes content to a spool.
func (a *Account) spoolBody(ctx context.Context, id BodyID, sp *Spool) error {
	body, err := a.OpenBody(ctx, id)
	if err != nil {
		return err
	}
	_, err = body.WriteTo(sp)
	// Reading is over; nothing is lost if closing fails.
	_ = body.Close()
	if err == nil {
		err = sp.Finish()
	}
	return err
}

// uncopy removes messages that were added, for a copy that failed.
func (a *Account) uncopy(ctx context.Context, box MailboxID, set UIDSet) error {
	if len(set) == 0 {
		return nil
	}
	if _, _, err := a.Remove(context.WithoutCancel(ctx), box, set); err != nil {
		return fmt.Errorf("removing messages of a copy that failed: %w", err)
	}
	return nil
}
