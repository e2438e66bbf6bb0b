package store

import (
	"context"
	"fmt"

	"mox/db"
	"mox/message"
)

// maxFound is how many messages with one Message-ID are found at most.
const maxFound = 100

// FindMessageID returns the messages in a mailbox that have a Message-ID, given as in
// the field, at most 100. It is quick where there are none, however large the mailbox;
// otherwise it looks at all of the mailbox.
func (a *Account) FindMessageID(ctx context.Context, box MailboxID, id string) (UIDSet, error) {
	ids := message.ParseMessageIDs(id, 1)
	if len(ids) == 0 {
		return nil, nil
	}
	var uids []UID
	hash := hashKey("id", cut(ids[0]))
	err := a.read(ctx, func(c *db.Conn) error {
		if _, ok, err := c.QueryInt64("SELECT body_id FROM lookup WHERE hash=? LIMIT 1", hash); err != nil || !ok {
			return err
		}
		rows := c.QueryInts("SELECT m.uid FROM message m WHERE m.mailbox_id=? AND m.body_id IN (SELECT body_id FROM lookup WHERE hash=? ORDER BY body_id DESC LIMIT 100) ORDER BY m.uid LIMIT ?",
			int64(box), hash, maxFound)
		for rows.Next() {
			uids = append(uids, UID(rows.Int64(0)))
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("finding message: %w", err)
	}
	return NewUIDSet(uids...), nil
}
