package tracelog

import (
	"context"
	"errors"
	"fmt"

	"mox/db"
)

// Forget removes all decisions for an account, as when it is removed. An account that is
// added under its name later does not have its past.
func (l *Log) Forget(ctx context.Context, account string) error {
	if err := l.ask(ctx, ask{}); err != nil {
		return err
	}
	span, last := int64(0), int64(-1)
	used, err := l.read(ctx, func(c *db.Conn) (err error) {
		last, span, err = l.spans(c)
		return err
	})
	for ; err == nil && span <= last; span++ {
		// A transaction for each span, so that writers do not wait long.
		used, err = l.transaction(func(c *db.Conn) error { return l.forget(c, span, accountHash(account)) })
	}
	if errors.Is(err, db.ErrCorrupt) {
		// It is begun anew, without any decisions.
		return l.ask(ctx, ask{damaged: used})
	} else if err != nil {
		return fmt.Errorf("removing decisions: %w", err)
	}
	return nil
}

// forget removes the entries of a span that have a hash.
func (l *Log) forget(c *db.Conn, span, hash int64) error {
	ids, err := postings(c, nil, span, hash)
	if err != nil || len(ids) == 0 {
		return err
	}
	for _, id := range ids {
		if err := c.ExecInts("DELETE FROM entry WHERE id = ?", id); err != nil {
			return err
		}
	}
	return c.ExecInts("DELETE FROM lookup WHERE span = ? AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.id = lookup.entry)", span)
}
