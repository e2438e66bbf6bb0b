package queue

import (
	"context"
	"fmt"

	"mox/db"
)

// Queued returns how many messages of an account are in the queue, without looking at them.
func (q *Queue) Queued(ctx context.Context, account string) (int, error) {
	var n int64
	err := q.db.Read(ctx, func(c *db.Conn) (err error) {
		n, _, err = c.QueryInt64("SELECT messages FROM usage WHERE account = ?", account)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting messages of %s: %w", account, err)
	}
	return int(n), nil
}

// Accounts returns the accounts that have messages in the queue.
func (q *Queue) Accounts(ctx context.Context) ([]string, error) {
	var l []string
	err := q.db.Read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT account FROM usage WHERE messages > 0 AND account <> '' ORDER BY account")
		for rows.Next() {
			l = append(l, rows.Text(0))
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("listing accounts in the queue: %w", err)
	}
	return l, nil
}
