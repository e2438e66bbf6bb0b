package imapserver

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"mox/imap"
)

// progressEvery is the time between responses that tell of progress. RFC 9585 4: not more
// often than every 10 to 15 seconds.
const progressEvery = 12 * time.Second

// progress tells the client, now and then, that a command is not stuck: RFC 9585. Its
// methods work on nil, which tells nothing.
type progress struct {
	s          *session
	tag        string
	next       time.Time // of the next response
	done, goal int       // messages; 0 for goal: not known
	mailboxes  bool      // they are mailboxes instead
}

func (s *session) newProgress(tag string) *progress {
	return &progress{s: s, tag: tag, next: s.srv.cfg.Now().Add(progressEvery)}
}

// begin sets how many messages there are to look at.
func (p *progress) begin(messages int) {
	if p != nil && !p.mailboxes {
		p.done, p.goal = 0, messages
	}
}

// more says that some messages are looked at once more.
func (p *progress) more(messages int) {
	if p != nil && !p.mailboxes {
		p.goal += messages
	}
}

// step says that some more messages were looked at, and tells the client when it is time.
// An error is one of writing.
func (p *progress) step(messages int) error {
	if p == nil {
		return nil
	}
	if !p.mailboxes {
		p.done += messages
	}
	if p.s.srv.cfg.Now().Before(p.next) {
		return nil
	}
	return p.tell()
}

// tell sends a response. RFC 9585 4.1: progress stays below the goal until the command is
// complete; both are NIL when not known.
func (p *progress) tell() error {
	s := p.s
	p.next = s.srv.cfg.Now().Add(progressEvery)
	b := append(s.output(), "* OK [INPROGRESS ("...)
	b = imap.AppendString(b, p.tag, false)
	if p.goal > 0 {
		done := min(p.done, p.goal-1)
		b = strconv.AppendInt(append(b, ' '), int64(done), 10)
		b = strconv.AppendInt(append(b, ' '), int64(p.goal), 10)
	} else {
		b = append(b, " NIL NIL"...)
	}
	s.out = append(b, ")] still working\r\n"...)
	return s.flush()
}

// working runs f, which must not touch the session's output, and tells the client meanwhile
// that the command goes on. What f returned comes back, also when the client is gone: f has
// then been done as well.
func (s *session) working(tag string, f func() error) error {
	type outcome struct {
		err   error
		panic string
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.panic = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
			done <- o
		}()
		o.err = f()
	}()
	t := time.NewTicker(progressEvery)
	defer t.Stop()
	p := s.newProgress(tag)
	var failed error
	for {
		select {
		case o := <-done:
			if o.panic != "" {
				panic(o.panic)
			}
			if o.err == nil {
				return failed
			}
			return o.err
		case <-t.C:
			if failed == nil {
				failed = p.tell()
			}
		}
	}
}
