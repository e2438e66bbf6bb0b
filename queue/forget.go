package queue

import (
	"context"
	"fmt"
)

// Forget removes what is kept for an account that is gone, so that a later one with its name
// does not inherit it: suppression list, history, webhook calls, idempotency keys, and hold
// rules that only name it. Its messages in the queue stay, and are sent.
func (q *Queue) Forget(ctx context.Context, account string) error {
	if account == "" {
		return nil
	}
	if _, err := q.HookCancel(ctx, HookFilter{Account: account}); err != nil {
		return fmt.Errorf("removing webhook calls: %w", err)
	}
	for _, sql := range []string{
		"DELETE FROM suppression WHERE id IN (SELECT id FROM suppression WHERE account = ? LIMIT ?)",
		"DELETE FROM failure WHERE account = ?1 AND base_address IN (SELECT base_address FROM failure WHERE account = ?1 LIMIT ?2)",
		"DELETE FROM once WHERE account = ?1 AND key IN (SELECT key FROM once WHERE account = ?1 LIMIT ?2)",
		"DELETE FROM hold_rule WHERE id IN (SELECT id FROM hold_rule WHERE account = ? AND sender_domain = '' AND recipient_domain = '' LIMIT ?)",
		"DELETE FROM retired WHERE id IN (SELECT id FROM retired WHERE account = ? LIMIT ?)",
	} {
		for more := true; more; {
			err := q.do(ctx, 0, func(t *tx) error {
				err := t.c.Exec(sql, account, cleanRows)
				more = t.c.Changes() == cleanRows
				return err
			})
			if err != nil {
				return fmt.Errorf("forgetting account: %w", err)
			}
		}
	}
	return q.removeHooks(ctx, "account = ?", account)
}
