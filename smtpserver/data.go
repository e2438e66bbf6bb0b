package smtpserver

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"mox/lineio"
	"mox/mlog"
	"mox/smtp"
)

// data is RFC 5321 4.1.1.4.
func (s *session) data(ctx context.Context, _ smtp.Data) (smtp.Reply, error) {
	if s.accepted == 0 {
		return smtp.Reply{}, s.errNoRecipients()
	}
	if s.binary {
		// RFC 3030 3: DATA cannot carry it.
		return smtp.Reply{}, smtp.Errorf(503, "5.5.1", "message with BODY=BINARYMIME must be sent by BDAT")
	}
	w, err := s.tx.Data(ctx)
	if err != nil {
		err = s.suspectTransaction(ctx, s.tx, err)
		s.endTransaction()
		return smtp.Reply{}, err
	}
	s.write(smtp.Reply{Code: 354, Lines: []string{"send the message, end it with a line of a single dot"}})
	if err := s.c.Flush(); err != nil {
		return smtp.Reply{}, lost(err)
	}
	if err := s.receive(w); err != nil {
		s.endTransaction()
		return smtp.Reply{}, err
	}
	return s.finish(ctx)
}

// during bounds how long a message may take, and marks it for traces. The function
// returned ends that.
func (s *session) during() func() {
	l, level := &s.srv.c.Limits, s.level
	s.level = mlog.LevelTracedata
	s.c.SetReadTimeout(l.DataBlock)
	s.c.SetDeadline(time.Now().Add(l.Data))
	return func() {
		s.level = level
		s.c.SetReadTimeout(l.Line)
		s.c.SetDeadline(time.Time{})
	}
}

// receive reads the message up to its end into w. Whatever is wrong with it, it is
// read to its end, so that none of it is taken for commands.
func (s *session) receive(w io.Writer) error {
	defer s.during()()
	r := lineio.NewDotReader(s.c, lineio.DotOptions{Max: s.srv.c.Size, Discard: s.srv.c.Limits.DiscardData, Strict: s.srv.c.Pedantic})
	werr, err := copyMessage(w, r)
	if werr != nil {
		// Such as a full disk. What is wrong with the message itself says more.
		if err = r.Discard(); err == nil {
			return werr
		}
	}
	return s.dataError(err)
}

// copyBuffers is a cache of buffers for copyMessage.
var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// copyMessage copies r to w and tells errors of the one from those of the other.
func copyMessage(w io.Writer, r io.Reader) (writeErr, readErr error) {
	b := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(b)
	for {
		n, err := r.Read(*b)
		if n > 0 {
			if _, werr := w.Write((*b)[:n]); werr != nil {
				return werr, nil
			}
		}
		if err == io.EOF {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// dataError makes an error of reading a message a reply.
func (s *session) dataError(err error) error {
	if errors.Is(err, lineio.ErrNoEnd) {
		s.closing = true
	}
	var smuggling *lineio.SmugglingError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, lineio.ErrTooLarge):
		return s.errTooLarge()
	case errors.As(err, &smuggling):
		// RFC 5321 4.1.1.4: only CRLF "." CRLF ends the message.
		return smtp.WrapErrorf(err, 500, "5.5.2", "message has the sequence %s, which may not end it: SMTP smuggling refused", smuggling.Sequence)
	case errors.Is(err, lineio.ErrBareCR):
		return smtp.WrapErrorf(err, 500, "5.5.2", "message has a CR without LF: lines must end with CRLF")
	case errors.Is(err, lineio.ErrBareLF):
		return smtp.WrapErrorf(err, 500, "5.5.2", "message has a LF without CR: lines must end with CRLF")
	case errors.Is(err, lineio.ErrNoEnd):
		return smtp.WrapErrorf(err, 500, "5.5.2", "no end of message found, a line of a single dot")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return smtp.WrapErrorf(err, 421, "4.4.2", "timeout, the message did not come to its end")
	}
	return lost(err)
}

// finish ends the transaction: the message is accepted by the reply or it is not.
func (s *session) finish(ctx context.Context) (smtp.Reply, error) {
	tx, n := s.tx, s.accepted
	s.tx = nil // Finish is its end, also when it panics
	results, err := s.finishWatched(ctx, tx)
	s.endTransaction()
	err = s.suspectTransaction(ctx, tx, err)
	if s.srv.c.Kind == LMTP {
		return s.lmtpReplies(ctx, n, results, err)
	}
	if err != nil {
		return smtp.Reply{}, err
	}
	s.delivered()
	return ok("2.0.0", "accepted"), nil
}

// finishWatched is Finish of a transaction, which may take long and be of no use once the
// client has gone. The connection holds no buffers meanwhile.
func (s *session) finishWatched(ctx context.Context, tx Transaction) ([]error, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// That output cannot be sent shows at the next write.
	_ = s.c.Park()
	defer s.c.Watch(s.srv.c.Limits.WatchAfter, func() { cancel(smtp.ErrDisconnected) })()
	return tx.Finish(ctx)
}

// delivered forgives what was counted against a client that has sent a message.
func (s *session) delivered() { s.nonMail, s.failed = 0, 0 }

// lmtpReplies is RFC 2033 4.2: a reply for each recipient that was accepted. The last
// one is returned.
func (s *session) lmtpReplies(ctx context.Context, n int, results []error, err error) (smtp.Reply, error) {
	for i := range n {
		e := err
		if i < len(results) {
			e = results[i]
		}
		if e == nil {
			s.delivered()
		}
		if i == n-1 && e != nil {
			return smtp.Reply{}, e
		} else if i == n-1 {
			break
		}
		s.reply(ctx, ok("2.0.0", "accepted"), e)
	}
	return ok("2.0.0", "accepted"), nil
}
