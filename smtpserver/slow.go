package smtpserver

import (
	"context"
	"errors"
	"time"

	"mox/smtp"
)

// slow delays the reply to a client that has been at it n times, which costs us
// nothing and the likes of it much.
func (s *session) slow(ctx context.Context, n int, d time.Duration) {
	if n < s.srv.c.Limits.SlowAfter {
		return
	}
	_ = s.c.Flush()
	s.sleep(ctx, d)
}

// sleep waits, but not beyond the end of the server.
func (s *session) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.srv.stop:
	}
}

// suspicion returns why a client is to be served slowly, after a refusal or, with nil, a
// success; empty when it is not.
func (s *session) suspicion(err error) string {
	l := &s.srv.c.Limits
	var e Suspicious
	switch {
	case l.SlowSessions < 0, s.srv.c.Kind == LMTP, s.principal != nil, s.slowFor != "":
		return ""
	case errors.As(err, &e) && e.Suspicious():
		return "suspicious"
	case s.bad >= l.SlowAfter:
		return "badcommands"
	case s.refusals >= l.SlowRefusals && s.recipients < s.refusals:
		return "recipients"
	case s.failed > l.SlowAfter:
		return "transactions"
	}
	return ""
}

// suspect begins to serve a client slowly, if its last command, refused with err or done
// with nil, gives reason to. It returns err, or 421 when there are enough of its kind.
func (s *session) suspect(ctx context.Context, err error) error {
	return s.serveSlowly(ctx, s.suspicion(err), err)
}

// suspectTransaction is suspect for a transaction that may have an opinion of its client.
func (s *session) suspectTransaction(ctx context.Context, tx Transaction, err error) error {
	t, ok := tx.(Suspicious)
	if !ok || !t.Suspicious() || s.suspicion(errSuspicious{}) == "" {
		return err
	}
	return s.serveSlowly(ctx, "suspicious", err)
}

// errSuspicious stands for the opinion of a transaction.
type errSuspicious struct{}

func (errSuspicious) Error() string    { return "suspicious" }
func (errSuspicious) Suspicious() bool { return true }

func (s *session) serveSlowly(ctx context.Context, reason string, err error) error {
	if reason == "" {
		return err
	}
	l := &s.srv.c.Limits
	if n := s.srv.slow.Add(1); n > int64(l.SlowSessions) {
		s.srv.slow.Add(-1)
		s.countSlow(reason, 0)
		s.closing = true
		if err == nil {
			return nil
		}
		return smtp.WrapErrorf(err, 421, "4.7.0", "too many errors, try again later")
	}
	s.slowFor = reason
	s.countSlow(reason, 1)
	s.log.InfoContext(ctx, "serving client slowly", "reason", reason)
	// What was said so far is on its way, or in the buffer: it goes slowly too.
	s.c.SetPace(l.SlowDelay, s.srv.stop)
	return err
}

func (s *session) countSlow(reason string, n int) {
	if f := s.srv.c.Metrics.Slow; f != nil {
		f(s.srv.c.Kind.String(), reason, n)
	}
}

// endSlow gives the place of a session that was served slowly to others.
func (s *session) endSlow() {
	if s.slowFor != "" {
		s.srv.slow.Add(-1)
		s.countSlow(s.slowFor, -1)
		s.slowFor = ""
	}
}

// pause is what a client that is served slowly waits before its next command is read.
func (s *session) pause(ctx context.Context) {
	if s.slowFor == "" || s.c.Park() != nil {
		return // an error shows at the next read
	}
	s.sleep(ctx, s.srv.c.Limits.SlowDelay)
}
