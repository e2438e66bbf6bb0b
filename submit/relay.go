package submit

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"mox/config"
	"mox/dns"
	"mox/smtp"
)

// Relay returns what lets a client without account send from a reverse-path, nil if nothing
// does: it must connect from a network, and the path be of a domain, both listed together.
// The null reverse-path is never relayed: nobody could say who is behind it.
func (s *Submit) Relay(remote netip.Addr, from smtp.Path) *config.RelayInfo {
	remote = remote.Unmap().WithZone("")
	for _, r := range s.c.Directory.View().Snapshot.Relays {
		if slices.Contains(r.FromDomains, from.IPDomain.Domain) && !from.IPDomain.Domain.IsZero() &&
			slices.ContainsFunc(r.Networks, func(p netip.Prefix) bool { return p.Contains(remote) }) {
			return r
		}
	}
	return nil
}

// mayRelay tells whether an address is one of a domain that the sender may relay for.
func (tx *Transaction) mayRelay(a smtp.Address) bool {
	if r := tx.sender.Relay; r != nil {
		return slices.Contains(r.FromDomains, a.Domain)
	}
	return a.Domain != dns.Domain{} && slices.ContainsFunc(tx.dir.Snapshot.Relays, func(r *config.RelayInfo) bool {
		return r.Accounts[tx.sender.Account] && slices.Contains(r.FromDomains, a.Domain)
	})
}

func (tx *Transaction) relayLimited(r *config.RelayInfo) error {
	return tx.refuse("messagelimiterror", smtp.Errorf(451, "4.7.1", "limit of %d recipients in 24 hours for clients of your network", r.MessagesPerDay))
}

// relayLimits counts recipients of clients without account. It is in memory, and counts from
// the start of the server.
type relayLimits struct {
	mu     sync.Mutex
	counts map[string]*dayCount // by name of the relay; guarded by mu
}

// dayCount counts by hours.
type dayCount [25]struct{ hour, n int64 }

// sum is what was counted in the last 24 hours, and up to one more.
func (c *dayCount) sum(hour int64) int64 {
	var n int64
	for _, slot := range c {
		if slot.hour > hour-int64(len(c)) && slot.hour <= hour {
			n += slot.n
		}
	}
	return n
}

// allowed tells whether n more recipients would be within the limit.
func (l *relayLimits) allowed(r *config.RelayInfo, n int, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[r.Name]
	return c == nil && n <= r.MessagesPerDay || c != nil && c.sum(now.Unix()/3600)+int64(n) <= int64(r.MessagesPerDay)
}

// take counts n recipients, if they are within the limit.
func (l *relayLimits) take(r *config.RelayInfo, n int, now time.Time) bool {
	if !l.allowed(r, n, now) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[r.Name]
	if c == nil {
		c = &dayCount{}
		if l.counts == nil {
			l.counts = map[string]*dayCount{}
		}
		l.counts[r.Name] = c
	}
	hour := now.Unix() / 3600
	if c.sum(hour)+int64(n) > int64(r.MessagesPerDay) {
		return false // another came between
	}
	slot := &c[hour%int64(len(c))]
	if slot.hour != hour {
		slot.hour, slot.n = hour, 0
	}
	slot.n += int64(n)
	return true
}
