package store

import (
	"context"
	"fmt"

	"mox/db"
)

// messageColumns are those that scanMessage reads, of the table message.
const messageColumns = "uid, id, body_id, modseq, flags, keywords, received, saved, size"

func scanMessage(rows *db.Stmt) Message {
	return Message{
		UID: UID(rows.Int64(0)), ID: MessageID(rows.Int64(1)), Body: BodyID(rows.Int64(2)), ModSeq: ModSeq(rows.Int64(3)),
		Flags: Flags(rows.Int64(4)), Keywords: KeywordSet(rows.Int64(5)),
		Received: uint32(rows.Int64(6)), Saved: uint32(rows.Int64(7)), Size: uint32(rows.Int64(8)),
	}
}

// MessagesAt returns the messages of a mailbox that are in set, by ascending UID, as they
// are now; UIDs that do not exist are passed over. It is for a few messages of a mailbox that
// may be large: it does not bring the mailbox into memory, but uses it where it is there.
// ErrNoMailbox when the mailbox does not exist.
func (a *Account) MessagesAt(ctx context.Context, box MailboxID, set UIDSet) ([]Message, error) {
	set = set.Normal()
	if v := a.published(box); v != nil && !v.Deleted {
		msgs, _ := v.selected(set)
		return msgs, nil
	}
	if _, ok := a.MailboxByID(box); !ok {
		return nil, ErrNoMailbox
	}
	var msgs []Message
	err := a.read(ctx, func(c *db.Conn) error {
		for _, r := range set {
			rows := c.QueryInts("SELECT "+messageColumns+" FROM message WHERE mailbox_id=? AND uid BETWEEN ? AND ? ORDER BY uid", int64(box), int64(r.Start), int64(r.End))
			for rows.Next() {
				msgs = append(msgs, scanMessage(rows))
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading messages: %w", err)
	}
	return msgs, nil
}
