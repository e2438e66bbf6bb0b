package serve

import (
	"net/netip"
	"time"

	"mox/ratelimit"
)

// Limits of what one address may do, over all protocols where they say so. The three
// numbers are for an address and its two wider networks.
var (
	connectionRate  = ratelimit.Window{Span: time.Minute, Limits: [3]int64{300, 900, 2700}}
	connectionsOpen = [3]int64{30, 90, 270}
	// transactionRate is above what one account takes in a minute: it is for floods.
	transactionRate = ratelimit.Window{Span: time.Minute, Limits: [3]int64{1000, 3000, 9000}}
	// refusedRecipients are for those who try which addresses exist.
	refusedRecipients = ratelimit.Window{Span: time.Hour, Limits: [3]int64{200, 600, 1800}}
	failuresPerMinute = ratelimit.Window{Span: time.Minute, Limits: [3]int64{10, 30, 90}}
	requestsPerMinute = ratelimit.Window{Span: time.Minute, Limits: [3]int64{1000, 3000, 9000}}
	requestsPerHour   = ratelimit.Window{Span: time.Hour, Limits: [3]int64{5000, 15000, 45000}}
	// webConnectionsOpen is for browsers of many people behind one address.
	webConnectionsOpen = [3]int64{200, 600, 1800}
	failuresPerDay     = ratelimit.Window{Span: 24 * time.Hour, Limits: [3]int64{50, 150, 450}}
)

// connectionLimiter bounds the connections to one door by address.
type connectionLimiter struct {
	rate *ratelimit.Limiter
	open *ratelimit.Open
	now  func() time.Time
}

// newConnectionLimiter returns the limiter of a door. localserve has none: all of its
// clients, among them load tests, come from one address.
func newConnectionLimiter(local bool, now func() time.Time) *connectionLimiter {
	if local {
		return &connectionLimiter{now: now}
	}
	return &connectionLimiter{ratelimit.NewLimiter(0, connectionRate), ratelimit.NewOpen(connectionsOpen), now}
}

// Accept reports whether a connection from an address may be served; release is called
// when it has ended.
func (l *connectionLimiter) Accept(addr netip.Addr) (release func(), ok bool) {
	if l.open == nil {
		return func() {}, true
	}
	if !l.rate.Add(addr, l.now(), 1) || !l.open.Acquire(addr) {
		return nil, false
	}
	return func() { l.open.Release(addr) }, true
}

// mailLimiter bounds what the clients of SMTP do, by address, over all connections and
// listeners. localserve has none.
type mailLimiter struct {
	transactions *ratelimit.Limiter
	refused      *ratelimit.Limiter
	now          func() time.Time
}

func newMailLimiter(now func() time.Time) *mailLimiter {
	return &mailLimiter{ratelimit.NewLimiter(0, transactionRate), ratelimit.NewLimiter(0, refusedRecipients), now}
}

// Transaction counts a MAIL and reports whether it may be.
func (l *mailLimiter) Transaction(addr netip.Addr) bool { return l.transactions.Add(addr, l.now(), 1) }

// Refused counts a refused recipient and reports whether there may be more.
func (l *mailLimiter) Refused(addr netip.Addr) bool {
	now := l.now()
	l.refused.Count(addr, now, 1)
	return l.refused.Allowed(addr, now, 1)
}

// Harvested reports whether an address has had too many refused recipients.
func (l *mailLimiter) Harvested(addr netip.Addr) bool { return !l.refused.Allowed(addr, l.now(), 1) }

// newFailures counts failed logins, of all doors together.
func newFailures() *ratelimit.Limiter {
	return ratelimit.NewLimiter(0, failuresPerMinute, failuresPerDay)
}
