package dnsbl

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"mox/dns"
)

const (
	// healthFor is how long it counts that a list works, or does not.
	healthFor = 4 * time.Hour
	// retryAfter is when a list is tried again that could not be asked or refused.
	retryAfter = 10 * time.Minute
	// maxZones bounds what is remembered.
	maxZones = 1000
)

// Checker asks several lists and leaves out those that do not work. Fields must not
// change once in use. Safe for concurrent use.
type Checker struct {
	Resolver dns.Resolver
	// Timeout bounds a Check; 0: 30 seconds.
	Timeout time.Duration
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Log gets failures of lists; nil: nowhere.
	Log *slog.Logger
	// Observe, if not nil, is told about each lookup that asks a list. It must be quick
	// and safe for concurrent use.
	Observe func(zone dns.Domain, status Status, d time.Duration)

	mu     sync.Mutex // guards health
	health map[dns.Domain]zoneHealth
}

type zoneHealth struct {
	err   error
	until time.Time
}

func (c *Checker) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Check asks the lists at zones about ip, all at once, and returns the entries found, in
// the order of zones. A list that does not work, or does not answer in time, counts as
// one without an entry.
func (c *Checker) Check(ctx context.Context, zones []dns.Domain, ip netip.Addr) []Listing {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found := make([]*Listing, len(zones))
	var wg sync.WaitGroup
	for i, zone := range zones {
		wg.Go(func() { found[i] = c.one(ctx, zone, ip) })
	}
	wg.Wait()
	var l []Listing
	for _, f := range found {
		if f != nil {
			l = append(l, *f)
		}
	}
	return l
}

// one asks one list.
func (c *Checker) one(ctx context.Context, zone dns.Domain, ip netip.Addr) *Listing {
	if c.Healthy(ctx, zone) != nil {
		return nil
	}
	begin := c.now()
	status, listing, err := Lookup(ctx, c.Resolver, zone, ip)
	if c.Observe != nil {
		c.Observe(zone, status, c.now().Sub(begin))
	}
	if err != nil {
		c.failed("asking blocklist", zone, err)
		if errors.Is(err, ErrAnswer) {
			c.remember(zone, err, retryAfter)
		}
		return nil
	}
	if status != StatusFail {
		return nil
	}
	return &listing
}

// Healthy tells why a list does not work, nil if it does. It asks the list if that is
// not known of the last 4 hours.
func (c *Checker) Healthy(ctx context.Context, zone dns.Domain) error {
	now := c.now()
	c.mu.Lock()
	h, ok := c.health[zone]
	c.mu.Unlock()
	if ok && now.Before(h.until) {
		return h.err
	}
	_, err := CheckHealth(ctx, c.Resolver, zone)
	if err != nil {
		c.failed("checking health of blocklist", zone, err)
	}
	switch {
	case ctx.Err() != nil && err != nil:
		// The caller's patience says nothing about the list.
	case err == nil || errors.Is(err, ErrUnhealthy):
		c.remember(zone, err, healthFor)
	default:
		c.remember(zone, err, retryAfter)
	}
	return err
}

func (c *Checker) remember(zone dns.Domain, err error, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.health == nil || len(c.health) >= maxZones {
		c.health = map[dns.Domain]zoneHealth{}
	}
	c.health[zone] = zoneHealth{err, c.now().Add(d)}
}

func (c *Checker) failed(what string, zone dns.Domain, err error) {
	if c.Log != nil {
		c.Log.Info(what, "zone", zone.Name(), "err", err)
	}
}
