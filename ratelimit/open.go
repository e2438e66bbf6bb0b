package ratelimit

import (
	"net/netip"
	"sync"
)

// Open bounds how many things, such as connections, an address and its networks have
// open at the same time. Its memory is bounded by what is open.
type Open struct {
	limits [Classes]int64

	mu   sync.Mutex // guards open
	open map[netip.Prefix]int64
}

// NewOpen returns an Open with a limit for each class; 0 is no limit.
func NewOpen(limits [Classes]int64) *Open {
	return &Open{limits: limits, open: map[netip.Prefix]int64{}}
}

// Acquire takes a place for ip and reports whether there was one. Release gives it back.
func (o *Open) Acquire(ip netip.Addr) bool {
	networks := Networks(ip)
	o.mu.Lock()
	defer o.mu.Unlock()
	for class, network := range networks {
		if limit := o.limits[class]; limit > 0 && o.open[network] >= limit {
			return false
		}
	}
	for _, network := range networks {
		o.open[network]++
	}
	return true
}

// Release gives back a place that Acquire took.
func (o *Open) Release(ip netip.Addr) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, network := range Networks(ip) {
		if o.open[network]--; o.open[network] <= 0 {
			delete(o.open, network)
		}
	}
}
