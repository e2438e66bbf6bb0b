package deliver

import (
	"context"
	"fmt"
	"time"

	"mox/store"
)

// Rejects is the mailbox for copies of what is refused.
type Rejects struct {
	Mailbox string // empty: none
	Keep    bool   // old ones are not removed
}

// Bounds of a mailbox for copies of what is refused.
const (
	rejectsAge = 14 * 24 * time.Hour
	rejectsMax = 1000
)

// keep adds a copy of a message that is refused. It replaces one of the same message, as
// senders try again.
func (d *Deliverer) keep(ctx context.Context, acc *store.Account, r Rejects, m store.NewMessage) error {
	m.Flags |= store.FlagSeen
	if box, ok := acc.MailboxByName(r.Mailbox); ok {
		if err := d.forget(ctx, acc, r, m.Spool); err != nil {
			return err
		}
		if err := d.prune(ctx, acc, r, box, m.Received); err != nil {
			return err
		}
		if box, ok = acc.MailboxByName(r.Mailbox); ok && box.Messages >= rejectsMax {
			return fmt.Errorf("mailbox %s has %d messages: full", r.Mailbox, box.Messages)
		}
	}
	_, err := acc.Deliver(ctx, r.Mailbox, m)
	return err
}

// forget removes earlier copies of a message.
func (d *Deliverer) forget(ctx context.Context, acc *store.Account, r Rejects, m *store.Spool) error {
	if r.Mailbox == "" {
		return nil
	}
	box, ok := acc.MailboxByName(r.Mailbox)
	e := m.Part().Envelope
	if !ok || box.Messages == 0 || e == nil {
		return nil
	}
	found, err := acc.FindMessageID(ctx, box.ID, e.MessageID)
	if err != nil || found.Len() == 0 {
		return err
	}
	_, _, err = acc.Remove(ctx, box.ID, found)
	return err
}

// prune removes copies that are old, at times: it looks at all of the mailbox.
func (d *Deliverer) prune(ctx context.Context, acc *store.Account, r Rejects, mailbox store.Mailbox, now time.Time) error {
	if r.Keep || !d.pruneDue(acc.Name(), now, mailbox.Messages >= rejectsMax) {
		return nil
	}
	box, err := acc.OpenBox(ctx, mailbox.ID)
	if err != nil {
		return err
	}
	defer box.Close()
	var old []store.UID
	for _, m := range box.View().All() {
		if now.Sub(m.SavedTime()) > rejectsAge {
			old = append(old, m.UID)
		}
	}
	if len(old) == 0 {
		return nil
	}
	_, _, err = acc.Remove(ctx, mailbox.ID, store.NewUIDSet(old...))
	return err
}

// pruneEvery is how often a mailbox for rejects is looked through.
const pruneEvery = time.Hour

// pruneDue tells whether it is time to look through an account's mailbox again.
func (d *Deliverer) pruneDue(account string, now time.Time, full bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, ok := d.pruned[account]
	every := pruneEvery
	if full {
		every = time.Minute
	}
	if ok && now.Sub(last) < every {
		return false
	}
	d.pruned[account] = now
	return true
}
