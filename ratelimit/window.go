package ratelimit

import (
	"net/netip"
	"sync"
	"time"
)

// Window is a limit over a span of time, for each class of addresses.
type Window struct {
	Span   time.Duration
	Limits [Classes]int64 // 0 is no limit
}

// DefaultKeys is how many networks a Limiter remembers for each window.
const DefaultKeys = 100_000

// Limiter counts events by address in one or more windows.
type Limiter struct {
	keys    int
	windows []Window

	mu     sync.Mutex // guards the below
	tables []table    // one for each window
}

// table has the counts of the current window.
type table struct {
	start  time.Time
	counts map[netip.Prefix]int64
	shared [Classes]int64 // of all networks that came when counts was full
}

// NewLimiter returns a Limiter that remembers at most keys networks for each window; 0
// is DefaultKeys.
func NewLimiter(keys int, windows ...Window) *Limiter {
	if keys == 0 {
		keys = DefaultKeys
	}
	l := &Limiter{keys: keys, windows: windows, tables: make([]table, len(windows))}
	for i := range l.tables {
		l.tables[i].counts = map[netip.Prefix]int64{}
	}
	return l
}

// Add counts n events of ip at now if that exceeds no limit, and reports whether it did.
func (l *Limiter) Add(ip netip.Addr, now time.Time, n int64) bool {
	networks := Networks(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.allowed(networks, now, n) {
		return false
	}
	l.count(networks, n)
	return true
}

// Count counts n events of ip at now, whatever the limits.
func (l *Limiter) Count(ip netip.Addr, now time.Time, n int64) {
	networks := Networks(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed(networks, now, 0) // begins new windows
	l.count(networks, n)
}

// Allowed reports whether n more events of ip would exceed no limit.
func (l *Limiter) Allowed(ip netip.Addr, now time.Time, n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.allowed(Networks(ip), now, n)
}

// Reset takes back what was counted for ip's own network (the narrowest class), from
// the wider ones too.
func (l *Limiter) Reset(ip netip.Addr, now time.Time) {
	networks := Networks(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed(networks, now, 0)
	for i := range l.tables {
		t := &l.tables[i]
		n := t.counts[networks[0]]
		for _, network := range networks {
			if c, ok := t.counts[network]; ok && c > n {
				t.counts[network] = c - n
			} else {
				delete(t.counts, network)
			}
		}
	}
}

// allowed begins windows anew whose time is over, and checks the limits.
func (l *Limiter) allowed(networks [Classes]netip.Prefix, now time.Time, n int64) bool {
	ok := true
	for i, w := range l.windows {
		t := &l.tables[i]
		if start := now.Truncate(w.Span); !start.Equal(t.start) {
			t.start = start
			clear(t.counts)
			t.shared = [Classes]int64{}
		}
		for class, network := range networks {
			have, known := t.counts[network]
			if !known && len(t.counts) >= l.keys {
				have = t.shared[class]
			}
			if limit := w.Limits[class]; limit > 0 && have+n > limit {
				ok = false
			}
		}
	}
	return ok
}

func (l *Limiter) count(networks [Classes]netip.Prefix, n int64) {
	for i := range l.tables {
		t := &l.tables[i]
		for class, network := range networks {
			if _, known := t.counts[network]; !known && len(t.counts) >= l.keys {
				t.shared[class] += n
				continue
			}
			t.counts[network] += n
		}
	}
}
