package store

import (
	"context"
	"fmt"

	"mox/db"
)

// The user of an account has a table of mailbox access keys (RFC 4467 2.2), also for
// mailboxes of other accounts: owner is the account that has the mailbox, empty for this one.
// A key is as long as its mailbox, whatever that is called.

// URLKey returns the access key of a mailbox, nil when there is none.
func (a *Account) URLKey(ctx context.Context, owner string, box MailboxID) ([]byte, error) {
	var key []byte
	err := a.read(ctx, func(c *db.Conn) (err error) {
		key, err = readURLKey(c, owner, box)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading mailbox access key: %w", err)
	}
	return key, nil
}

func readURLKey(c *db.Conn, owner string, box MailboxID) ([]byte, error) {
	var key []byte
	rows := c.Query("SELECT key FROM url_key WHERE account=? AND mailbox_id=?", owner, int64(box))
	if rows.Next() {
		key = append(key, rows.Bytes(0)...)
	}
	return key, rows.Close()
}

// MakeURLKey returns the access key of a mailbox, which is fresh from now on when there
// was none.
func (a *Account) MakeURLKey(ctx context.Context, owner string, box MailboxID, fresh []byte) ([]byte, error) {
	key, err := a.URLKey(ctx, owner, box)
	if err != nil || key != nil {
		return key, err
	}
	err = a.do(ctx, len(fresh), func(t *tx) error {
		if key, err = readURLKey(t.c, owner, box); err != nil || key != nil {
			return err
		}
		key = fresh
		return t.setURLKey(owner, box, fresh)
	})
	if err != nil {
		return nil, fmt.Errorf("making mailbox access key: %w", err)
	}
	return key, nil
}

// SetURLKey replaces the access key of a mailbox.
func (a *Account) SetURLKey(ctx context.Context, owner string, box MailboxID, key []byte) error {
	err := a.do(ctx, len(key), func(t *tx) error { return t.setURLKey(owner, box, key) })
	if err != nil {
		return fmt.Errorf("setting mailbox access key: %w", err)
	}
	return nil
}

func (t *tx) setURLKey(owner string, box MailboxID, key []byte) error {
	if owner == "" {
		if _, err := t.box(box); err != nil {
			return err
		}
	}
	return t.c.Exec("INSERT INTO url_key (account, mailbox_id, key) VALUES (?,?,?) ON CONFLICT DO UPDATE SET key=excluded.key", owner, int64(box), key)
}

// RemoveURLKeys removes all access keys of the user.
func (a *Account) RemoveURLKeys(ctx context.Context) error {
	err := a.do(ctx, 0, func(t *tx) error { return t.c.Exec("DELETE FROM url_key") })
	if err != nil {
		return fmt.Errorf("removing mailbox access keys: %w", err)
	}
	return nil
}
