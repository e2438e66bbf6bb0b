package inbound

import (
	"net/netip"
	"sync"
	"time"

	"mox/ratelimit"
)

// rates bounds how much mail of a network an account gets. It is in memory, and counts
// from the start of the server.
type rates struct {
	mu       sync.Mutex
	accounts map[string]*accountRates // guarded by mu
}

// accountRates are the counts of one account: of messages, and of MiB.
type accountRates struct{ messages, bytes *ratelimit.Limiter }

// rateKeys is how many networks are remembered for each window of an account.
const rateKeys = 2000

func newRates() *rates { return &rates{accounts: map[string]*accountRates{}} }

func (r *rates) of(account string) *accountRates {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.accounts[account]
	if a == nil {
		a = &accountRates{
			messages: ratelimit.NewLimiter(rateKeys,
				ratelimit.Window{Span: time.Minute, Limits: [3]int64{500, 1500, 4500}},
				ratelimit.Window{Span: 24 * time.Hour, Limits: [3]int64{10_000, 30_000, 90_000}}),
			bytes: ratelimit.NewLimiter(rateKeys,
				ratelimit.Window{Span: time.Minute, Limits: [3]int64{1000 << 20, 3000 << 20, 9000 << 20}},
				ratelimit.Window{Span: 24 * time.Hour, Limits: [3]int64{3000 << 20, 9000 << 20, 27000 << 20}}),
		}
		r.accounts[account] = a
	}
	return a
}

// add counts a message, and says which limit it exceeds, if any. Our own machine may send
// what it wants.
func (r *rates) add(account string, ip netip.Addr, now time.Time, size int64) string {
	if !ip.IsValid() || ip.IsLoopback() {
		return ""
	}
	a := r.of(account)
	switch {
	case !a.messages.Add(ip, now, 1):
		return "number of messages"
	case !a.bytes.Add(ip, now, size):
		return "size of messages"
	}
	return ""
}
