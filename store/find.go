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

// FindMessage returns the message with an id, and the mailbox that it is in now. It is for
// callers outside of the account's sessions that kept an id; it looks through the narrow table
// of messages, which takes some 10 ms for 100,000 of them, as an index by id would cost every
// delivery. ErrNoMessage when there is none.
func (a *Account) FindMessage(ctx context.Context, id MessageID) (MailboxID, Message, error) {
	var box MailboxID
	var m Message
	found := false
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT "+messageColumns+", mailbox_id FROM message WHERE id=? LIMIT 1", int64(id))
		for rows.Next() {
			m, box, found = scanMessage(rows), MailboxID(rows.Int64(9)), true
		}
		return rows.Close()
	})
	switch {
	case err != nil:
		return 0, Message{}, fmt.Errorf("finding message: %w", err)
	case !found:
		return 0, Message{}, ErrNoMessage
	}
	return box, m, nil
}

// MessageOfBody returns a message that has a body, and its mailbox: the one that was
// delivered, as long as it is where it was delivered to, or else any. It is quick for a
// message that came lately. ErrNoMessage when there is none.
func (a *Account) MessageOfBody(ctx context.Context, body BodyID) (MailboxID, Message, error) {
	var box MailboxID
	var m Message
	found := false
	err := a.read(ctx, func(c *db.Conn) error {
		first, ok, err := c.QueryInt64("SELECT mailbox_id FROM body WHERE id=?", int64(body))
		if err != nil || !ok {
			return err
		}
		for _, query := range []string{
			// From the end of the mailbox: the primary key is (mailbox_id, uid).
			"SELECT " + messageColumns + ", mailbox_id FROM message WHERE mailbox_id=?1 AND body_id=?2 ORDER BY uid DESC LIMIT 1",
			"SELECT " + messageColumns + ", mailbox_id FROM message WHERE mailbox_id<>?1 AND body_id=?2 LIMIT 1",
		} {
			rows := c.QueryInts(query, first, int64(body))
			for rows.Next() {
				m, box, found = scanMessage(rows), MailboxID(rows.Int64(9)), true
			}
			if err := rows.Close(); err != nil || found {
				return err
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, Message{}, fmt.Errorf("finding message: %w", err)
	case !found:
		return 0, Message{}, ErrNoMessage
	}
	return box, m, nil
}
