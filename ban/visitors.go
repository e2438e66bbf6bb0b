package ban

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"mox/db"
)

// visitors are the networks that somebody welcome has come from, and when that was last. The lock of
// Bans guards them.
type visitors struct {
	table   string // in the database
	seen    map[netip.Prefix]time.Time
	changed map[netip.Prefix]bool // rows to write
}

func newVisitors(table string) visitors {
	return visitors{table, map[netip.Prefix]time.Time{}, map[netip.Prefix]bool{}}
}

// note notes that somebody is there. There are at most limit networks.
func (v *visitors) note(network netip.Prefix, now time.Time, limit int) {
	if len(v.seen) >= limit {
		v.makeRoom(now)
	}
	v.seen[network] = now
	v.changed[network] = true
}

// makeRoom forgets networks that nobody came from for long, or a tenth.
func (v *visitors) makeRoom(now time.Time) {
	times := slices.SortedFunc(maps.Values(v.seen), time.Time.Compare)
	oldest := times[len(times)/10]
	if long := now.Add(-knownFor); oldest.Before(long) {
		oldest = long
	}
	v.forget(func(seen time.Time) bool { return !seen.After(oldest) })
}

// forget forgets those that were last seen at times of which old is true.
func (v *visitors) forget(old func(seen time.Time) bool) {
	for network, seen := range v.seen {
		if old(seen) {
			delete(v.seen, network)
			v.changed[network] = true
		}
	}
}

// lately tells whether somebody was seen within the time of trust.
func (v *visitors) lately(network netip.Prefix, now time.Time) bool {
	seen, ok := v.seen[network]
	return ok && now.Sub(seen) < trusted
}

// within tells whether a wider network has one that somebody was seen in lately.
func (v *visitors) within(wide netip.Prefix, now time.Time) bool {
	for network := range v.seen {
		if covers(wide, network) && v.lately(network, now) {
			return true
		}
	}
	return false
}

// load reads the rows of the newest.
func (v *visitors) load(c *db.Conn, limit int) error {
	q := c.Query("SELECT network, seen FROM "+v.table+" ORDER BY seen DESC LIMIT ?", int64(limit))
	for q.Next() {
		if network, err := netip.ParsePrefix(q.Text(0)); err == nil {
			v.seen[network] = fromSeconds(q.Int64(1))
		}
	}
	return q.Close()
}

// visits are rows to write: those of networks, without a time for those that are forgotten.
type visits struct {
	table string
	rows  map[netip.Prefix]time.Time
}

// take returns what is to be written, and takes it as written.
func (v *visitors) take() visits {
	w := visits{v.table, make(map[netip.Prefix]time.Time, len(v.changed))}
	for network := range v.changed {
		w.rows[network] = v.seen[network]
	}
	clear(v.changed)
	return w
}

// untake has rows written with the next ones.
func (v *visitors) untake(w visits) {
	for network := range w.rows {
		v.changed[network] = true
	}
}

func (w visits) write(c *db.Conn) error {
	for network, t := range w.rows {
		var err error
		if t.IsZero() {
			err = c.Exec("DELETE FROM "+w.table+" WHERE network = ?", network.String())
		} else {
			err = c.Exec("INSERT OR REPLACE INTO "+w.table+" (network, seen) VALUES (?, ?)", network.String(), t.Unix())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
