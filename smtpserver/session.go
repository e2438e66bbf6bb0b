package smtpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"mox/lineio"
	"mox/mlog"
	"mox/smtp"
)

// session is one connection.
type session struct {
	srv  *Server
	c    *lineio.Conn
	log  *slog.Logger
	peer smtp.Peer
	// level is what is being read and written, for traces.
	level slog.Level

	principal any         // nil: not authenticated
	tx        Transaction // nil: none
	from      smtp.Path   // reverse-path of the transaction
	utf8      bool        // the transaction has SMTPUTF8
	binary    bool        // the transaction has BODY=BINARYMIME
	accepted  int         // recipients of the transaction
	refused   int         // recipients refused in the transaction
	bdat      *chunks     // nil: no BDAT in the transaction yet

	start    time.Time
	closing  bool // after the next reply
	quitting bool // as the client asked

	commands     int // so far
	bad          int // commands that made no sense
	nonMail      int // since the last message accepted
	recipients   int // accepted in all
	refusals     int // recipients refused
	failed       int // transactions failed since the last accepted
	authFailures int
	slowFor      string // why the client is served slowly; empty: it is not
}

// errGone: the connection is of no more use, and there is nobody to reply to.
var errGone = errors.New("connection lost")

// serve runs a session from greeting to end.
func (s *Server) serve(ctx context.Context, lc *lineio.Conn, remote netip.AddrPort, release func()) {
	ctx, cancel := context.WithCancel(ctx)
	cid := s.newCID()
	ctx = smtp.WithDrain(mlog.WithCid(ctx, cid), s.stop)
	ses := &session{
		srv:   s,
		c:     lc,
		log:   s.c.Log.With("kind", s.c.Kind.String(), "remote", remote.Addr().String()),
		peer:  smtp.Peer{CID: cid, Remote: remote, Local: addrPort(lc.NetConn().LocalAddr())},
		level: mlog.LevelTrace,
		start: time.Now(),
	}
	defer s.end(lc)
	defer release()
	defer ses.endSlow()
	defer cancel()
	// A context that ends takes the connection with it.
	defer context.AfterFunc(ctx, func() { lc.Interrupt() })()
	defer ses.close(ctx)
	defer func() {
		if v := recover(); v != nil {
			ses.panicked(ctx, v)
		}
	}()
	if ses.log.Enabled(ctx, mlog.LevelTrace) {
		lc.SetTrace(func(in bool, data []byte) { ses.trace(ctx, in, data) })
	}
	ses.log.DebugContext(ctx, "new connection", "local", ses.peer.Local.String())
	err := ses.run(ctx)
	ses.log.DebugContext(ctx, "connection ended", "err", err, "duration", time.Since(ses.start))
}

func (s *session) trace(ctx context.Context, in bool, data []byte) {
	prefix, level := "LS: ", s.level
	if in {
		prefix = "RC: "
		if level == mlog.LevelTrace && len(data) > 5 && strings.EqualFold(string(data[:5]), "AUTH ") {
			level = mlog.LevelTraceauth // there may be an initial response
		}
	}
	mlog.Trace(ctx, s.log, level, prefix, data)
}

// panicked contains a panic: this client is told, others do not notice.
func (s *session) panicked(ctx context.Context, v any) {
	s.log.ErrorContext(ctx, "panic in session", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if s.srv.c.Metrics.Panic != nil {
		s.srv.c.Metrics.Panic(v)
	}
	defer func() {
		// Of the transaction or the connection in whatever state they are.
		if v := recover(); v != nil {
			s.tx = nil
			s.log.ErrorContext(ctx, "panic after panic", "panic", fmt.Sprint(v))
		}
	}()
	s.write(s.srv.refusalReply(smtp.Errorf(421, "4.3.0", "internal error, try again later"), s.peer.CID))
	_ = s.c.Flush()
	s.endTransaction()
}

func (s *session) close(ctx context.Context) {
	defer s.c.Release()
	defer s.c.Close()
	defer func() {
		if v := recover(); v != nil {
			s.panicked(ctx, v)
		}
	}()
	s.endTransaction()
}

// run is the session. The error is for the log: why it ended.
func (s *session) run(ctx context.Context) error {
	if s.srv.c.ImplicitTLS {
		if err := s.handshake(ctx); err != nil {
			return err
		}
	}
	s.write(smtp.Reply{Code: 220, Lines: []string{s.srv.c.Hostname.ASCII + " " + s.srv.c.Kind.protocol() + " mox"}})
	for !s.closing {
		line, err := s.readCommand(ctx)
		if e := lineError(err, s.srv.c.Pedantic); e != nil {
			s.commands++
			_, err := s.badCommand(ctx, "", e)
			s.reply(ctx, smtp.Reply{}, err)
			continue
		}
		if err == nil || errors.Is(err, lineio.ErrBareLF) {
			err = s.command(ctx, line)
		}
		if err != nil {
			return s.fail(ctx, err)
		}
	}
	if err := s.c.Flush(); err != nil {
		return err
	}
	s.linger()
	return nil
}

// linger lets a client that is still sending get the last reply: if the connection were
// closed with input unread, its system would throw the reply away (RFC 9293 3.6.1).
func (s *session) linger() {
	nc := s.c.NetConn()
	cw, ok := nc.(interface{ CloseWrite() error })
	if s.quitting || !ok || cw.CloseWrite() != nil || nc.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	// That it ends, in whatever way, is all there is to know.
	_, _ = io.CopyN(io.Discard, nc, lingerOctets)
}

// Bounds of linger.
const (
	lingerTime   = 2 * time.Second
	lingerOctets = 4 << 20
)

// fail ends the session for an error of the connection, with a last word where there
// is one.
func (s *session) fail(ctx context.Context, err error) error {
	var e *smtp.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, lineio.ErrInterrupted):
		e = smtp.Errorf(421, "4.3.2", "shutting down, try again later")
	case errors.Is(err, os.ErrDeadlineExceeded):
		e = smtp.Errorf(421, "4.4.2", "timeout, nothing was received for too long")
	case errors.Is(err, lineio.ErrEndless):
		e = smtp.Errorf(500, "5.5.2", "command line too long")
	default:
		return err
	}
	s.closing = true
	// Whoever does not read gets little time to do so.
	s.c.SetWriteTimeout(5 * time.Second)
	s.c.SetDeadline(time.Time{})
	s.reply(ctx, smtp.Reply{}, e)
	_ = s.c.Flush()
	if errors.Is(err, lineio.ErrEndless) {
		s.linger()
	}
	return err
}

// readCommand waits for a command and returns its line, valid until the next read.
func (s *session) readCommand(ctx context.Context) ([]byte, error) {
	l := &s.srv.c.Limits
	if s.tx == nil && (s.srv.isClosing() || ctx.Err() != nil) {
		return nil, lineio.ErrInterrupted
	}
	if time.Since(s.start) > l.Session {
		return nil, smtp.Errorf(421, "4.7.0", "session has lasted too long, connect anew")
	}
	s.pause(ctx)
	idle := l.Idle
	if s.commands == 0 {
		idle = l.Greeting
	}
	for !s.c.LineBuffered() {
		err := s.c.WaitInput(idle)
		if errors.Is(err, lineio.ErrInterrupted) && s.tx != nil && ctx.Err() == nil {
			continue // a transaction may end before the server does
		}
		if err != nil {
			return nil, err
		}
		break
	}
	return s.readLine(l.CommandLine)
}

// readLine reads a line that must come as a whole in due time. Replies are sent before
// waiting for the rest of one that is begun.
func (s *session) readLine(max int) ([]byte, error) {
	if !s.c.LineBuffered() {
		if err := s.c.Flush(); err != nil {
			return nil, err
		}
	}
	s.c.SetDeadline(time.Now().Add(s.srv.c.Limits.Line))
	defer s.c.SetDeadline(time.Time{})
	return s.c.ReadLine(max)
}

// command runs a command line and replies. Its error ends the session.
func (s *session) command(ctx context.Context, line []byte) error {
	start := time.Now()
	verb, known := smtp.Verb(string(line))
	if !known {
		verb = "unknown"
	}
	reply, err := s.dispatch(ctx, verb, string(line))
	if errors.Is(err, errGone) {
		return err
	}
	s.commands++
	code, enhanced := s.reply(ctx, reply, err)
	if m := s.srv.c.Metrics.Command; m != nil {
		m(s.srv.c.Kind.String(), strings.ToLower(verb), code, enhanced, time.Since(start))
	}
	return nil
}

// reply sends a reply: the refusal that err is, or r. It is here that errors are
// logged. A reply without code is none: the command has replied itself.
func (s *session) reply(ctx context.Context, r smtp.Reply, err error) (int, string) {
	if err != nil {
		err = s.suspect(ctx, err)
		e := smtp.AsError(err)
		level := slog.LevelInfo
		if ownFailure(e) {
			level = slog.LevelError
		} else if s.bad > 1 {
			level = slog.LevelDebug
		}
		s.log.Log(ctx, level, "command refused", "code", e.Code, "err", err)
		r = s.srv.refusalReply(e, s.peer.CID)
		if e.Code == 421 {
			// RFC 5321 3.8: 421 is the last that is said.
			s.closing = true
		}
	}
	if r.Code != 0 {
		s.write(r)
	}
	return r.Code, r.Enhanced
}

// ownFailure tells whether a refusal is because something failed here, and not because of
// what the client does: one that wraps another is what that is.
func ownFailure(e *smtp.Error) bool {
	var cause *smtp.Error
	if errors.As(e.Err, &cause) {
		return ownFailure(cause)
	}
	return e.Code/100 == 4 && e.Err != nil
}

// write queues a reply. That it cannot be sent shows at the next read.
func (s *session) write(r smtp.Reply) {
	_, _ = s.c.Write(r.Append(nil))
}

func ok(enhanced, text string) smtp.Reply {
	return smtp.Reply{Code: 250, Enhanced: enhanced, Lines: []string{text}}
}

// endTransaction forgets the transaction, telling it unless it is finished.
func (s *session) endTransaction() {
	tx := s.tx
	s.tx, s.from, s.utf8, s.binary, s.accepted, s.refused, s.bdat = nil, smtp.Path{}, false, false, 0, 0, nil
	if tx != nil {
		tx.Abort()
	}
}

// lost makes an error of reading what it means for the session: nobody to reply to,
// unless it is a timeout.
func lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return smtp.WrapErrorf(err, 421, "4.4.2", "timeout, nothing was received for too long")
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", errGone, err)
}

// connectionState returns the state of TLS, nil without.
func connectionState(c *lineio.Conn) *tls.ConnectionState {
	if tc, ok := c.NetConn().(*tls.Conn); ok {
		cs := tc.ConnectionState()
		return &cs
	}
	return nil
}
