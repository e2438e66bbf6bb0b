package outbound

import (
	"math/rand/v2"
	"time"

	"mox/queue"
)

// The waits after each attempt, by default: 7.5 minutes, doubled each time, for 8 attempts
// in almost 16 hours. RFC 5321 4.5.4.1 speaks of 30 minutes and 4 to 5 days; senders of
// today want to know sooner, and most of what helps, helps within minutes.
const (
	firstRetry  = 7*time.Minute + 30*time.Second
	retries     = 7
	reportTries = 5 // of DMARC and TLS reports
	// jitter is the part of a wait by which it is longer or shorter: 5 s of 7.5 min.
	jitter = 5.0 / 450
)

func defaultRetry() []time.Duration {
	l := make([]time.Duration, retries)
	for i := range l {
		l[i] = firstRetry << i
	}
	return l
}

// pace is when a message is tried.
type pace struct {
	waits []time.Duration // after each attempt
	last  int             // number of the last attempt
}

// newPace returns the pace of a message, waits being those of its route; nil: default.
func newPace(waits []time.Duration, m *queue.Message) pace {
	if len(waits) == 0 {
		waits = defaultRetry()
	}
	p := pace{waits, len(waits) + 1}
	if isReport(m) {
		p.last = min(p.last, reportTries)
	}
	if m.MaxAttempts > 0 {
		p.last = m.MaxAttempts
	}
	return p
}

// wait returns how long to wait after an attempt, the first being 1, and false after the
// last.
func (p pace) wait(attempt int) (time.Duration, bool) {
	if attempt >= p.last {
		return 0, false
	}
	// More attempts than waits: the last one is repeated.
	return p.waits[min(max(attempt, 1), len(p.waits))-1], true
}

// rest returns for how long a message is still tried after an attempt.
func (p pace) rest(attempt int) time.Duration {
	var sum time.Duration
	for n := attempt; n < p.last; n++ {
		d, _ := p.wait(n)
		sum += d
	}
	return sum
}

// jittered returns d made a little longer or shorter, so that what failed together is not
// tried together for ever.
func jittered(d time.Duration, r *rand.Rand) time.Duration {
	return d + time.Duration((2*r.Float64()-1)*jitter*float64(d))
}

func isReport(m *queue.Message) bool { return m.Kind == queue.DMARCReport || m.Kind == queue.TLSReport }

// notifyDelay tells whether the sender is now to be told of the delay: once, after the
// attempt at which the message is in the queue for DelayNotice.
func notifyDelay(m *queue.Message, attempt int, now time.Time, after time.Duration) bool {
	first := m.Queued
	if len(m.Results) > 0 && m.Results[0].Start.After(first) {
		first = m.Results[0].Start // it was held, or for later
	}
	return !m.DelayNotified && attempt > 1 && now.Sub(first) >= after
}
