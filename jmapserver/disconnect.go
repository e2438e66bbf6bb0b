package jmapserver

import (
	"context"
	"net/http"
	"time"
)

// use is a request of somebody who is logged in.
type use struct {
	account string
	cancel  context.CancelFunc
	w       *http.ResponseController
	recheck chan struct{} // has room for one; see Recheck
}

// enter notes a request, whose context from now on ends with [Server.Disconnect]. leave must be called at its end.
func (q *request) enter() (leave func()) {
	ctx, cancel := context.WithCancel(q.r.Context())
	q.r = q.r.WithContext(ctx)
	u := &use{q.user.Account, cancel, http.NewResponseController(q.w), make(chan struct{}, 1)}
	q.use = u
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	q.s.uses[u] = struct{}{}
	return func() {
		q.s.mu.Lock()
		defer q.s.mu.Unlock()
		delete(q.s.uses, u)
		cancel()
	}
}

// Disconnect ends the event sources, uploads, downloads and calls of an account, such as when it is removed, and forgets
// what is in memory of it. It does not wait for their end.
func (s *Server) Disconnect(account string) {
	s.mu.Lock()
	for u := range s.uses {
		if u.account == account {
			u.interrupt()
		}
	}
	s.mu.Unlock()
	s.mails.forget(account)
}

// interrupt ends the context, and what waits for the client: who sets a deadline looks at the context after that.
func (u *use) interrupt() {
	u.cancel()
	past := time.Unix(1, 0)
	// Servers without deadlines, as in tests, refuse these.
	_ = u.w.SetReadDeadline(past)
	_ = u.w.SetWriteDeadline(past)
}

// Recheck makes the event sources of an account ask at once whether their logins still hold.
func (s *Server) Recheck(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := range s.uses {
		if u.account == account {
			select {
			case u.recheck <- struct{}{}:
			default: // it is about to
			}
		}
	}
}
