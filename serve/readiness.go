package serve

import (
	"sync"
	"time"
)

// readinessKept is how long the answer of a check serves others who ask: probes of several
// programs must not add up, as each check makes connections.
const readinessKept = time.Second

// readiness asks for the health of a server on behalf of those who look at /health/ready. Its
// zero value is not usable: check and now are needed. Safe for concurrent use.
type readiness struct {
	check func() Health
	now   func() time.Time

	mu   sync.Mutex // held during a check: who comes meanwhile gets its result
	at   time.Time  // end of the last check; zero: there was none
	last Health
}

// problems are those of a check that has ended within the last second.
func (r *readiness) problems() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := r.now().Sub(r.at); r.at.IsZero() || age < 0 || age >= readinessKept {
		r.last = r.check()
		r.at = r.now()
	}
	return r.last.Problems
}

// ready returns what is in the way of serving mail, nil if nothing is: what Health finds, and that
// the server is not serving yet, or no more.
func (s *Server) ready() []string {
	if !s.begun.Load() {
		return []string{"the server is starting"}
	}
	select {
	case <-s.stopped:
		return []string{"the server is stopping"}
	default:
	}
	return s.readiness.problems()
}
