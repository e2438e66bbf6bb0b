package store

import (
	"context"
	"fmt"
)

// Replace adds a message to the mailbox dst and removes one from src, whatever its flags, in
// one durable operation (RFC 8508). The mailboxes may be the same. Only what is added beyond the size
// of the old message counts against the quota. ErrNoMessage when there is none with that
// UID in src; then nothing is added.
func (a *Account) Replace(ctx context.Context, src MailboxID, uid UID, dst MailboxID, m NewMessage) (Added, error) {
	var r Added
	err := a.withBox(ctx, src, func() error {
		old, err := a.MessagesAt(ctx, src, NewUIDSet(uid))
		if err != nil {
			return err
		}
		if len(old) == 0 {
			return ErrNoMessage
		}
		ps, err := a.prepareAll(ctx, []NewMessage{m}, int64(old[0].Size))
		if err != nil {
			return err
		}
		return a.doPrepared(ctx, ps, func(t *tx) error {
			r, err = t.replace(src, uid, dst, ps)
			return err
		})
	})
	if err != nil {
		return Added{}, fmt.Errorf("replacing message: %w", err)
	}
	return r, nil
}

func (t *tx) replace(src MailboxID, uid UID, dst MailboxID, ps []*prepared) (Added, error) {
	b, err := t.box(src)
	if err != nil {
		return Added{}, err
	}
	v, err := t.view(src)
	if err != nil {
		return Added{}, err
	}
	msgs, idx := v.selected(NewUIDSet(uid))
	if len(msgs) == 0 {
		return Added{}, ErrNoMessage
	}
	// The old one goes first, so that its room is free for the new one.
	if err := t.takeOut(b, msgs, idx, true); err != nil {
		return Added{}, err
	}
	d, err := t.box(dst)
	if err == nil {
		err = t.a.reserved(d, []NewMessage{*ps[0].m})
	}
	if err != nil {
		return Added{}, err
	}
	return t.add(d, ps)
}
