package imapserver

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"mox/imap"
	"mox/lineio"
	"mox/store"
)

// errIdling says that the session is to wait; session.run does so, where the stack is
// shallow.
var errIdling = errors.New("idling")

// cmdIdle is IDLE, RFC 9051 6.3.13. While it waits, the session holds no buffers; an
// alarm at the view of the mailbox tells or wakes it when there is a newer one.
func (s *session) cmdIdle(ctx context.Context, _ *imap.Request) error {
	s.reportIdle(ctx)
	s.out = append(s.output(), "+ idling\r\n"...)
	return errIdling
}

// idle reports news until there is input or the session must end.
func (s *session) idle(ctx context.Context) error {
	deadline := time.Now().Add(s.limits().IdleTimeout)
	for {
		if err := s.flush(); err != nil {
			return err
		}
		if s.stopping(ctx) {
			return errShutdown
		}
		err := s.waitNews(deadline)
		if !errors.Is(err, lineio.ErrInterrupted) {
			return err
		}
		if err := s.checkAccess(); err != nil {
			return err
		}
		s.reportIdle(ctx)
	}
}

// reportIdle tells all news. RFC 5465 4: in IDLE what NOTIFY asks for.
func (s *session) reportIdle(ctx context.Context) {
	if s.box != nil {
		s.reportWanted(true)
	}
	s.tellNews(ctx)
}

// endIdle reads the end of IDLE and answers it; err is that of waiting.
func (s *session) endIdle(ctx context.Context, err error) error {
	r := s.idling
	s.idling = nil
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &errClose{bye: "timeout", err: err}
	} else if err != nil {
		return err
	}
	line, err := lineInput{s.conn}.ReadLine(s.limits().Command.Line)
	if err != nil {
		return err
	}
	// RFC 9051 6.3.13: DONE ends it; anything else is not a command.
	if !strings.EqualFold(string(line), "DONE") {
		err = imap.Bad("expected DONE")
	}
	if err := s.checkAccess(); err != nil {
		return err
	}
	s.reportIdle(ctx)
	return s.respond(ctx, r, err, s.idleSince)
}

// waitNews waits for input or, as lineio.ErrInterrupted, for a newer view, for other news
// that the client wants, or the end of the server. A view that was superseded by none,
// of a mailbox that was deleted, has no news. Meanwhile ring may be the session's owner.
func (s *session) waitNews(deadline time.Time) error {
	timeout := max(time.Until(deadline), time.Millisecond)
	// Who listens is woken by a goroutine of its own already, when the account changes.
	if s.box != nil && !s.box.isLast() && (!s.listening() || s.box.owner != "") {
		s.alarm.Set(s.box.view)
		defer s.alarm.Stop()
	}
	if s.news != nil && !s.listening() {
		stop := make(chan struct{})
		defer close(stop)
		go wakeOn(s.news.watch.C, stop, s.conn)
	}
	s.owner.Unlock()
	err := s.conn.WaitInput(timeout)
	s.owner.Lock()
	if s.ended != nil {
		return s.ended
	}
	return err
}

// isLast reports whether the view is one after which none comes: that of a mailbox that was
// deleted.
func (b *selected) isLast() bool { return isSuperseded(b.view) && b.box.View() == b.view }

func isSuperseded(v *store.View) bool {
	select {
	case <-v.Superseded():
		return true
	default:
		return false
	}
}

// wakeOn interrupts the session when there are changes, unless stop is before.
func wakeOn(changes <-chan store.ModSeq, stop <-chan struct{}, conn *lineio.Conn) {
	select {
	case <-changes:
		conn.Interrupt()
	case <-stop:
	}
}
