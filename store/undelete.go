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
		rows := c.QueryInts("SELECT mailbox_id, modseq, time, messages FROM expunge WHERE messages IS NOT NULL ORDER BY time DESC, modseq DESC LIMIT ?", int64(max))
		var err error
		for err == nil && rows.Next() {
			d := Deletion{Mailbox: MailboxID(rows.Int64(0)), ModSeq: ModSeq(rows.Int64(1)), Time: time.Unix(rows.Int64(2), 0)}
			d.Messages, err = unpackMessages(rows.Bytes(3))
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
// new ones; those that are not there any more are missing.
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
	rows := t.c.QueryInts("SELECT messages FROM expunge WHERE mailbox_id=? AND modseq=? AND messages IS NOT NULL", int64(box), int64(seq))
	var msgs []Message
	if rows.Next() {
		msgs, err = unpackMessages(rows.Bytes(0))
	}
	if err := cmp.Or(err, rows.Close()); err != nil {
		return Copied{}, err
	}
	var back []Message
	total := int64(0)
	msgs = slices.DeleteFunc(msgs, func(m Message) bool {
		if !set.Contains(m.UID) {
			return false
		}
		m.Flags &^= FlagDeleted
		back = append(back, m)
		total += int64(m.Size)
		return true
	})
	if len(back) == 0 {
		return Copied{UIDValidity: d.UIDValidity}, nil
	}
	if err := checkQuota(t.a.Quota().Limit, t.a.used+t.used, total); err != nil {
		return Copied{}, err
	}
	var rest []byte
	if len(msgs) > 0 {
		rest = appendMessages(nil, msgs)
	}
	if err := t.c.Exec("UPDATE expunge SET messages=? WHERE mailbox_id=? AND modseq=?", rest, int64(box), int64(seq)); err != nil {
		return Copied{}, err
	}
	return t.place(back, d)
}
