package ban

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"mox/db"
)

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func fromSeconds(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

// load reads all rows.
func (b *Bans) load(ctx context.Context) error {
	now := b.o.Now()
	return b.db.Read(ctx, func(c *db.Conn) error {
		q := c.Query("SELECT network, door, reason, comment, times, events, since, expires FROM ban ORDER BY since DESC LIMIT ?", int64(b.o.Max))
		for q.Next() {
			network, err := netip.ParsePrefix(q.Text(0))
			var door Door
			if err != nil || door.UnmarshalText(q.Bytes(1)) != nil {
				b.o.Log.WarnContext(ctx, "ban in the database that makes no sense", "network", q.Text(0), "door", q.Text(1))
				continue
			}
			x := &Ban{Network: network, Door: door, Reason: Reason(q.Text(2)), Comment: q.Text(3), Times: int(q.Int64(4)), Events: int(q.Int64(5)), Since: fromSeconds(q.Int64(6)), Expires: fromSeconds(q.Int64(7))}
			if !x.Active(now) {
				b.past[x.key()] = x
				continue
			}
			b.sets[door].put(x)
			b.held.Add(1)
		}
		if err := q.Close(); err != nil {
			return err
		}
		if b.o.Held != nil {
			for i := range b.sets {
				b.o.Held(Door(i), len(b.sets[i].bans))
			}
		}
		return errors.Join(b.users.load(c, b.o.Max), b.senders.load(c, b.o.Max))
	})
}

// flush writes rows that have changed. If that fails, they are written with the next ones.
func (b *Bans) flush(ctx context.Context) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	changed, users, senders := b.changed, b.users.take(), b.senders.take()
	b.changed = map[key]bool{}
	rows := map[key]Ban{}
	for k := range changed {
		if x := b.record(k); x != nil {
			rows[k] = *x
		}
	}
	b.mu.Unlock()
	if len(changed)+len(users.rows)+len(senders.rows) == 0 {
		return nil
	}
	err := b.db.Write(ctx, func(c *db.Conn) error {
		for k := range changed {
			if err := writeBan(c, k, rows); err != nil {
				return err
			}
		}
		return errors.Join(users.write(c), senders.write(c))
	})
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		maps.Copy(b.changed, changed)
		b.users.untake(users)
		b.senders.untake(senders)
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// record returns what is known of a network at a door. mu is held.
func (b *Bans) record(k key) *Ban {
	if x := b.sets[k.door].bans[k.network]; x != nil {
		return x
	}
	return b.past[k]
}

func writeBan(c *db.Conn, k key, rows map[key]Ban) error {
	x, ok := rows[k]
	if !ok {
		return c.Exec("DELETE FROM ban WHERE network = ? AND door = ?", k.network.String(), k.door.String())
	}
	return c.Exec("INSERT OR REPLACE INTO ban (network, door, reason, comment, times, events, since, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		x.Network.String(), x.Door.String(), string(x.Reason), x.Comment, int64(x.Times), int64(x.Events), seconds(x.Since), seconds(x.Expires))
}
