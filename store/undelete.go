package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"mox/db"
)

// Deletion is messages that one operation expunged and that can still be brought back.
type Deletion struct {
	Mailbox  MailboxID // may not exist any more
	ModSeq   ModSeq
	Time     time.Time
	Messages []Message // as they were; UIDs are those of then
}

// Deletions returns up to max deletions that can be undone, the newest first: those
// within Options.Retention, and somewhat longer, until their content is released.
func (a *Account) Deletions(ctx context.Context, max int) ([]Deletion, error) {
	var list []Deletion
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT mailbox_id, modseq, time, messages FROM held ORDER BY id DESC")
		var err error
		for err == nil && rows.Next() {
			d := Deletion{Mailbox: MailboxID(rows.Int64(0)), ModSeq: ModSeq(rows.Int64(1)), Time: time.Unix(rows.Int64(2), 0)}
			d.Messages, err = unpackMessages(rows.Bytes(3))
			if n := len(list); n > 0 && list[n-1].ModSeq == d.ModSeq && list[n-1].Mailbox == d.Mailbox {
				list[n-1].Messages = append(d.Messages, list[n-1].Messages...)
				continue
			}
			if len(list) == max {
				break
			}
			list = append(list, d)
		}
		return cmp.Or(err, rows.Close())
	})
	if err != nil {
		return nil, fmt.Errorf("reading deletions: %w", err)
	}
	return list, nil
}

// Undelete brings messages of a deletion back, into dst: those in set, by their UIDs of
// then. They get new UIDs and lose \Deleted. It returns how their old UIDs map to the
// new ones; those that are not there any more are missing. A reserved dst is ErrReserved.
func (a *Account) Undelete(ctx context.Context, mailbox MailboxID, seq ModSeq, set UIDSet, dst MailboxID) (Copied, error) {
	var r Copied
	err := a.do(ctx, 0, func(t *tx) (err error) {
		r, err = t.undelete(mailbox, seq, set.Normal(), dst)
		return err
	})
	if err != nil {
		return Copied{}, fmt.Errorf("undeleting messages: %w", err)
	}
	return r, nil
}

func (t *tx) undelete(box MailboxID, seq ModSeq, set UIDSet, dst MailboxID) (Copied, error) {
	d, err := t.box(dst)
	if err != nil {
		return Copied{}, err
	}
	if err := t.a.reserved(d, nil); err != nil {
		return Copied{}, err
	}
	rows := t.c.QueryInts("SELECT id, messages FROM held WHERE mailbox_id=? AND modseq=? ORDER BY id", int64(box), int64(seq))
	var back []Message
	rest := map[int64][]Message{} // of each row
	for err == nil && rows.Next() {
		var msgs []Message
		msgs, err = unpackMessages(rows.Bytes(1))
		in := func(m Message) bool { return set.Contains(m.UID) }
		for _, m := range msgs {
			if in(m) {
				m.Flags &^= FlagDeleted
				back = append(back, m)
			}
		}
		rest[rows.Int64(0)] = slices.DeleteFunc(msgs, in)
	}
	if err := cmp.Or(err, rows.Close()); err != nil {
		return Copied{}, err
	}
	if len(back) == 0 {
		return Copied{UIDValidity: d.UIDValidity}, nil
	}
	total := int64(0)
	for i := range back {
		total += int64(back[i].Size)
	}
	if err := t.room(len(back), total); err != nil {
		return Copied{}, err
	}
	for id, msgs := range rest {
		if len(msgs) == 0 {
			err = t.c.ExecInts("DELETE FROM held WHERE id=?", id)
		} else {
			err = t.c.Exec("UPDATE held SET messages=? WHERE id=?", appendMessages(nil, msgs), id)
		}
		if err != nil {
			return Copied{}, err
		}
	}
	return t.place(back, d)
}
