package junk

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"mox/db"
)

const (
	maxOutgoing = 1000 // recipients that are not written yet, at most
	maxKnown    = 4096 // addresses of which is remembered whether they are in the table sent
)

// outgoing is what an account sends, in memory: the tables outgoing and sent, with what is to
// be written to them. A message costs no write of its own; a crash may lose the last second
// or so, as a power failure may. It is safe for concurrent use.
type outgoing struct {
	mu sync.Mutex // guards what follows; held while the tables are read, and with none of the account's others

	loaded bool
	slots  sendSlots // that count, in their order
	dirty  map[int64]bool
	notes  recipients     // to be written
	known  map[int64]bool // by key of an address: it is in the table or in notes
}

// presentSlot is the number of the slot that a time is in.
func presentSlot(now time.Time) int64 { return now.Unix() / int64(slotSpan/time.Second) }

// load reads the table outgoing, and leaves out what counts no more: old slots, and those of
// a time to come, of a clock that was wrong. mu is held.
func (o *outgoing) load(ctx context.Context, a *account, now time.Time) error {
	present := presentSlot(now)
	if !o.loaded {
		var slots sendSlots
		err := a.read(ctx, func(c *db.Conn) error {
			rows := c.QueryInts("SELECT slot, recipients, first FROM outgoing ORDER BY slot")
			for rows.Next() {
				slots = append(slots, sendSlot{rows.Int64(0), int(rows.Int64(1)), int(rows.Int64(2))})
			}
			return rows.Close()
		})
		if err != nil {
			return err
		}
		o.slots, o.loaded, o.dirty, o.known = slots, true, map[int64]bool{}, map[int64]bool{}
	}
	o.slots = slices.DeleteFunc(o.slots, func(s sendSlot) bool {
		past := s.slot < present-int64(day/slotSpan) || s.slot > present
		if past {
			o.dirty[s.slot] = true
		}
		return past
	})
	return nil
}

// first tells whether an address was never written to. mu is held.
func (o *outgoing) first(ctx context.Context, a *account, key int64) (bool, error) {
	if known, ok := o.known[key]; ok {
		return !known, nil
	}
	known := false
	err := a.read(ctx, func(c *db.Conn) (err error) {
		_, known, err = c.QueryInt64("SELECT time FROM sent WHERE key=?", key)
		return err
	})
	if err == nil {
		o.remember(key, known)
	}
	return !known, err
}

// remember notes whether an address is known. mu is held.
func (o *outgoing) remember(key int64, known bool) {
	if len(o.known) >= maxKnown {
		clear(o.known)
		for k := range o.notes {
			o.known[k] = true
		}
	}
	o.known[key] = known
}

// learned is told what was written to the table sent.
func (o *outgoing) learned(r recipients) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k := range r {
		if _, ok := o.known[k]; ok {
			o.known[k] = true
		}
	}
}

// look returns 1 for an address that was never written to, and the slots that count.
func (o *outgoing) look(ctx context.Context, a *account, key int64, now time.Time) (first int, slots sendSlots, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.load(ctx, a, now); err != nil {
		return 0, nil, err
	}
	yes, err := o.first(ctx, a, key)
	if yes {
		first = 1
	}
	return first, slices.Clone(o.slots), err
}

// take counts recipients, unless that exceeds a limit.
func (o *outgoing) take(ctx context.Context, a *account, keys []int64, limits Limits, now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.load(ctx, a, now); err != nil {
		return err
	}
	first := 0
	for _, k := range keys {
		yes, err := o.first(ctx, a, k)
		if err != nil {
			return err
		}
		if yes {
			first++
		}
	}
	if e := o.slots.exceeded(limits, len(keys), first, now); e != nil {
		return e
	}
	present := presentSlot(now)
	if n := len(o.slots); n == 0 || o.slots[n-1].slot != present {
		o.slots = append(o.slots, sendSlot{slot: present})
	}
	s := &o.slots[len(o.slots)-1]
	s.recipients += len(keys)
	s.first += first
	o.dirty[present] = true
	a.m.keeper.Schedule(a.name, a.m.c.Linger)
	return nil
}

// sent notes recipients.
func (o *outgoing) sent(ctx context.Context, a *account, addresses []string, now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.notes == nil {
		o.notes = recipients{}
	}
	if o.known == nil {
		o.known = map[int64]bool{}
	}
	a.addRecipients(o.notes, addresses, now)
	for _, addr := range addresses {
		if keys, ok := a.sentKeys(addr); ok {
			o.remember(keys[0], true)
		}
	}
	if len(o.notes) > maxOutgoing {
		return o.write(ctx, a)
	}
	a.m.keeper.Schedule(a.name, a.m.c.Linger)
	return nil
}

// flush writes what is not written yet.
func (o *outgoing) flush(ctx context.Context, a *account) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.write(ctx, a)
}

// write is flush with mu held.
func (o *outgoing) write(ctx context.Context, a *account) error {
	if len(o.notes) == 0 && len(o.dirty) == 0 {
		return nil
	}
	slots := map[int64]sendSlot{}
	for _, s := range o.slots {
		slots[s.slot] = s
	}
	err := a.write(ctx, func(c *db.Conn) error {
		for _, n := range slices.Sorted(maps.Keys(o.dirty)) {
			s, ok := slots[n]
			var err error
			if !ok {
				err = c.ExecInts("DELETE FROM outgoing WHERE slot=?", n)
			} else {
				err = c.ExecInts("INSERT OR REPLACE INTO outgoing (slot, recipients, first) VALUES (?,?,?)", n, int64(s.recipients), int64(s.first))
			}
			if err != nil {
				return err
			}
		}
		return insertRecipients(c, o.notes)
	})
	if err == nil {
		clear(o.dirty)
		clear(o.notes)
	}
	return err
}
