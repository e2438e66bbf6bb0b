package autotls

import (
	"context"
	"hash/fnv"
	"log/slog"
	"sync/atomic"
	"time"

	"mox/acme"
)

// Times of trying again.
const (
	firstBackoff = 15 * time.Minute // after a failure; doubled with each more
	maxBackoff   = 24 * time.Hour
	// An authority that does not answer.
	firstOutage = time.Minute
	maxOutage   = 2 * time.Hour
	// Names whose addresses are not ours: looking costs the authority nothing.
	firstAddressCheck = 2 * time.Minute
	maxAddressCheck   = time.Hour
	// maxRetryAfter bounds what authorities ask for: their longest limits are a week's.
	maxRetryAfter = 8 * 24 * time.Hour
	// keyCheck is how often DNS is asked about a next key.
	keyCheck = 6 * time.Hour
)

// Orders, of which there are burst at once, and then one each refill: an account of Let's
// Encrypt may make 300 in three hours.
const (
	burst  = 10
	refill = 40 * time.Second
)

// provider is an authority at work.
type provider struct {
	Provider
	m       *Manager
	log     *slog.Logger
	wake    chan struct{}
	started time.Time

	state      *state           // guarded by Manager.mu
	configured map[string]*host // likewise; by certKey.String()

	saveSoon atomic.Bool // the state is to be written

	// What follows is of the goroutine.
	client      *acme.Client
	tokens      int
	refilled    time.Time
	noRenewal   time.Time // until when the authority is taken to have no renewal information
	keysChecked map[certKey]time.Time
}

// work is something to do.
type work int

const (
	nothing work = iota
	makeOrder
	askRenewal
	checkKey
)

// job is what is to be done when.
type job struct {
	what   work
	h      *host
	kind   Kind
	at     time.Time
	urgent bool // someone waits
}

// before tells whether a job that is due is to be done before another one that is, too.
func (j job) before(o job) bool {
	switch {
	case o.what == nothing:
		return true
	case j.urgent != o.urgent:
		return j.urgent
	case (j.what == makeOrder) != (o.what == makeOrder):
		// Questions are quick, and an order may be due to their answers.
		return j.what != makeOrder
	}
	if !j.at.Equal(o.at) {
		return j.at.Before(o.at)
	}
	return j.h.key(j.kind).String() < o.h.key(o.kind).String()
}

func (p *provider) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run does what is due until the Manager is closed.
func (p *provider) run() {
	for p.m.ctx.Err() == nil {
		at := p.step(p.m.ctx)
		d := max(at.Sub(p.m.o.Now()), 0)
		t := time.NewTimer(min(d, time.Hour))
		select {
		case <-t.C:
		case <-p.wake:
		case <-p.m.ctx.Done():
		}
		t.Stop()
	}
}

// step does the next thing if it is due, and returns when to look again.
func (p *provider) step(ctx context.Context) time.Time {
	defer func() {
		if x := recover(); x != nil {
			if p.m.o.Metrics.Panic == nil {
				panic(x)
			}
			p.m.o.Metrics.Panic(x)
		}
	}()
	if p.saveSoon.Swap(false) {
		if err := p.save(); err != nil {
			p.log.Error("saving state", "err", err)
		}
	}
	due, next := p.due(p.m.o.Now())
	switch due.what {
	case nothing:
		return next
	case makeOrder:
		p.order(ctx, due.h, due.kind)
	case askRenewal:
		p.askRenewal(ctx, due.h, due.kind)
	case checkKey:
		p.checkKey(ctx, due.h, due.kind)
	}
	return p.m.o.Now()
}

// due returns the first job that is due, or else when the next one will be.
func (p *provider) due(now time.Time) (due job, next time.Time) {
	next = now.Add(time.Hour)
	p.m.mu.RLock()
	defer p.m.mu.RUnlock()
	seen := map[*host]bool{}
	for _, h := range p.configured {
		if seen[h] {
			continue
		}
		seen[h] = true
		for kind := range Kind(kinds) {
			for _, j := range p.jobs(h, kind, now) {
				if j.at.After(now) {
					next = minTime(next, j.at)
				} else if j.before(due) {
					due = j
				}
			}
		}
	}
	return due, next
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// jobs are those for a certificate. It needs the lock for reading.
func (p *provider) jobs(h *host, kind Kind, now time.Time) []job {
	s := &h.certs[kind]
	if !s.wanted {
		return nil
	}
	k := h.key(kind)
	st := p.state.Certificates[k.String()]
	if st == nil {
		st = &certState{}
	}
	j := job{what: makeOrder, h: h, kind: kind, urgent: s.done != nil}
	switch {
	case s.forced, j.urgent:
		j.at = now
	case s.cert == nil:
		j.at = p.started.Add(p.m.o.FirstDelay)
	default:
		j.at = p.renewAt(s, st)
	}
	blocked := maxTime(st.RetryAfter, p.state.NotBefore)
	if !s.forced {
		blocked = maxTime(blocked, st.NotBefore)
	}
	j.at = maxTime(maxTime(j.at, blocked), p.nextToken(now))
	all := []job{j}
	if s.cert == nil {
		return all
	}
	if r := st.Renewal; r == nil || r.ID != certID(s.cert.Leaf) {
		all = append(all, job{what: askRenewal, h: h, kind: kind, at: maxTime(p.noRenewal, p.state.NotBefore)})
	} else {
		all = append(all, job{what: askRenewal, h: h, kind: kind, at: maxTime(maxTime(r.Next, p.noRenewal), p.state.NotBefore)})
	}
	if want := h.Keys.target(kind); want != nil && !s.rekey && !samePublic(want.Public(), s.cert.Leaf.PublicKey) {
		all = append(all, job{what: checkKey, h: h, kind: kind, at: p.keysChecked[k].Add(keyCheck)})
	}
	return all
}

// nextToken is when an order may be made.
func (p *provider) nextToken(now time.Time) time.Time {
	if p.tokens > 0 {
		return now
	}
	return p.refilled.Add(refill)
}

// takeToken counts an order.
func (p *provider) takeToken(now time.Time) {
	if p.refilled.IsZero() {
		p.refilled = now
	}
	if n := int(now.Sub(p.refilled) / refill); n > 0 {
		p.tokens = min(p.tokens+n, burst)
		p.refilled = p.refilled.Add(time.Duration(n) * refill)
	}
	if p.tokens == burst {
		p.refilled = now
	}
	p.tokens--
}

// backoff is how long to wait after so many failures: doubled each time, a tenth more or less so
// that not all comes at once.
func backoff(failures int, first, limit time.Duration, salt string) time.Duration {
	d := limit
	if n := failures - 1; n < 20 {
		d = min(first<<max(n, 0), limit)
	}
	return d - d/10 + time.Duration(fraction(salt, failures)*float64(d/5))
}

// fraction is a number from 0 up to 1 that depends on what it is for.
func fraction(salt string, n int) float64 {
	h := fnv.New64a()
	h.Write([]byte(salt))
	h.Write([]byte{byte(n), byte(n >> 8)})
	// The low bits are the better ones.
	return float64(h.Sum64()>>3&(1<<40-1)) / (1 << 40)
}
