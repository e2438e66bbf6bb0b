package queue

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"mox/db"
)

func (o *Once) check() error {
	if o.Key == "" || len(o.Key) > 255 {
		return fmt.Errorf("%w: an idempotency key has 1 to 255 octets", ErrInvalid)
	}
	return nil
}

// OnceResult returns what was stored under a key; ErrNotFound when nothing was, ErrOnceDiffers
// when that was another request.
func (q *Queue) OnceResult(ctx context.Context, o Once) ([]byte, error) {
	var result []byte
	err := q.db.Read(ctx, func(c *db.Conn) (err error) {
		var ok bool
		if result, ok, err = lookOnce(c, &o, q.o.Now()); err == nil && !ok {
			err = ErrNotFound
		}
		return err
	})
	return result, err
}

func lookOnce(c *db.Conn, o *Once, now time.Time) (result []byte, ok bool, err error) {
	rows := c.Query("SELECT hash, result FROM once WHERE account = ? AND key = ? AND expires > ?", o.Account, o.Key, millis(now))
	differs := false
	if ok = rows.Next(); ok {
		differs = o.Hash != nil && !bytes.Equal(o.Hash, rows.Bytes(0))
		result = bytes.Clone(rows.Bytes(1))
	}
	if err := rows.Close(); err != nil {
		return nil, false, err
	}
	if differs {
		return nil, false, ErrOnceDiffers
	}
	return result, ok, nil
}

// again tells whether the request was done before.
func (t *tx) again(o *Once) (Added, bool, error) {
	b, ok, err := lookOnce(t.c, o, t.now)
	return Added{Again: ok, Stored: b}, ok, err
}

// remember stores what the request gave.
func (t *tx) remember(o *Once, a Added) error {
	result := []byte{}
	if o.Result != nil {
		result = append(result, o.Result(a)...)
	}
	keep := o.Keep
	if keep == 0 {
		keep = 24 * time.Hour
	}
	return t.c.Exec("INSERT OR REPLACE INTO once (account, key, hash, result, expires) VALUES (?, ?, ?, ?, ?)",
		o.Account, o.Key, o.Hash, result, millis(t.now.Add(keep)))
}
