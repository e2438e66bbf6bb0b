package imapserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"mox/imap"
	"mox/lineio"
	"mox/mlog"
	"mox/store"
)

// session is one connection. All fields belong to who has owner, but conn, whose
// Interrupt and Close others call.
type session struct {
	// owner is held by the session's goroutine, unless it waits in IDLE: see ring.
	owner sync.Mutex
	rung  bool // ring is the owner, which must not wait for the client

	srv      *Server
	listener *Listener
	conn     *lineio.Conn
	dec      *imap.Decoder
	cid      int64
	tls      *tls.ConnectionState // nil without TLS

	remote, local netip.Addr
	start         time.Time

	state     state
	principal Principal
	account   *store.Account   // the user's own; that of the selected mailbox is box.account
	borrowed  []*store.Account // other users', for the command in progress
	box       *selected        // set in stateSelected

	alarm store.Alarm // calls ring when there is a newer view

	news *news // nil unless the client wants to hear of more than the selected mailbox

	condstore bool // CONDSTORE-aware client: RFC 7162 3.1
	qresync   bool // RFC 7162 3.2.3
	utf8      bool // UTF8=ACCEPT or IMAP4rev2 enabled
	utf8only  bool // UTF8=ACCEPT enabled: SEARCH must not have CHARSET
	rev2      bool // IMAP4rev2 enabled
	uidonly   bool // UIDONLY enabled: no sequence numbers

	compressed bool // by COMPRESS

	disabled []string // capabilities that are switched off for the account

	comparator comparator // the active one: RFC 5255 4.2

	out  []byte // pending responses
	outp *[]byte
	// outData says that out has content of messages, which traces show at their level only.
	outData bool
	reply   reply
	trace   traceKind

	idling    *imap.Request // the IDLE command in progress
	idleSince time.Time

	ctx     context.Context // of the session
	cancel  context.CancelFunc
	release func() // of the connection limit
	ended   error  // why the session has ended

	keyReset atomic.Int64 // the mailbox whose access key was reset, keysReset for all; see cmd_resetkey.go

	limitedAt     store.UID // where the command in progress stopped, as it may work on so many messages only; 0: it did not
	uidCommand    bool      // the command in progress has the prefix UID
	first         bool      // no command of IMAP has come yet
	bad           int       // consecutive BAD responses
	loginFailures int
}

// reply is what the tagged response of a successful command says.
type reply struct {
	code, text string
}

// errClose ends a session; the session says BYE with the text when there is one.
type errClose struct {
	bye string
	err error
}

func (e *errClose) Error() string {
	if e.err != nil {
		return "closing connection: " + e.err.Error()
	}
	return "closing connection: " + e.bye
}
func (e *errClose) Unwrap() error { return e.err }

// errAnswered says that a command has sent its tagged response itself.
var errAnswered = errors.New("answered")

type traceKind uint8

const (
	traceProtocol traceKind = iota
	traceAuth
	traceData
)

var traceLevels = [...]slog.Level{traceProtocol: mlog.LevelTrace, traceAuth: mlog.LevelTraceauth, traceData: mlog.LevelTracedata}

func newSession(srv *Server, nc net.Conn, l *Listener) *session {
	s := &session{srv: srv, listener: l, state: stateNotAuthenticated, first: true, cid: srv.cfg.NextID(), start: srv.cfg.Now()}
	s.remote, s.local = addr(nc.RemoteAddr()), addr(nc.LocalAddr())
	lim := s.limits()
	s.conn = lineio.New(nc, lineio.Options{ReadTimeout: lim.LoginTimeout, WriteTimeout: lim.LoginTimeout})
	s.conn.SetDeadline(time.Now().Add(lim.LoginDeadline))
	s.owner.Lock()
	s.alarm.F = s.ring
	s.dec = imap.NewDecoder(lineInput{s.conn}, s.sendContinuation)
	return s
}

// logger returns a logger that names the connection and, after login, the account. It is
// made when there is something to log: most sessions log nothing.
func (s *session) logger() *slog.Logger {
	remote := s.listener.Service // of a connection without addresses
	if s.remote.IsValid() {
		remote = s.remote.String()
	}
	log := s.srv.cfg.Log.With("cid", fmt.Sprintf("%x", s.cid), "remote", remote)
	if s.principal.Account != "" {
		log = log.With("account", s.principal.Account)
	}
	return log
}

func addr(a net.Addr) netip.Addr {
	if ta, ok := a.(*net.TCPAddr); ok {
		return ta.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (s *session) limits() *Limits { return &s.srv.cfg.Limits }

func (s *session) sendContinuation() error {
	s.out = append(s.output(), "+ go ahead\r\n"...)
	return s.flush()
}

// begin ties the session to a context.
func (s *session) begin(ctx context.Context) {
	s.ctx, s.cancel = context.WithCancel(mlog.WithCid(ctx, s.cid))
	if s.srv.cfg.Log.Enabled(s.ctx, mlog.LevelTrace) {
		s.conn.SetTrace(s.traceOctets)
	}
}

// end closes the connection and gives back what the session holds.
func (s *session) end() {
	s.cancel()
	s.closeAccount()
	s.endCompression()
	s.releaseOutput()
	// The session has said what it had to say.
	_ = s.conn.Close()
	s.conn.Release()
	s.release()
	if log := s.srv.cfg.Log; log.Enabled(s.ctx, slog.LevelDebug) {
		s.logger().Debug("connection closed", "err", s.ended, "duration", s.srv.cfg.Now().Sub(s.start))
	}
}

// traceOctets logs the wire. RFC 9051 11.7: before login the input may be a password.
func (s *session) traceOctets(in bool, data []byte) {
	kind, prefix := s.trace, "S: "
	if !in && s.outData {
		kind = traceData
	}
	if in {
		prefix = "C: "
		if s.state == stateNotAuthenticated {
			kind = traceAuth
		}
	}
	mlog.Trace(s.ctx, s.logger(), traceLevels[kind], prefix, data)
}

// run greets and then serves commands, until s.ended says why it stops.
func (s *session) run(ctx context.Context) {
	defer s.recovered()
	if s.ended = s.greet(ctx); s.ended != nil {
		return
	}
	for s.ended == nil {
		if s.conn.Buffered() == 0 {
			s.ended = s.wait(ctx)
		}
		if s.ended == nil {
			s.ended = s.command(ctx)
		}
		if s.idling != nil {
			s.ended = s.endIdle(ctx, s.idle(ctx))
		}
	}
	s.bye(s.ended)
}

// recovered ends the session after a panic, and that one only.
func (s *session) recovered() {
	if p := recover(); p != nil {
		s.panicked(p)
	}
}

func (s *session) panicked(p any) {
	s.failed(p)
	s.bye(s.ended)
}

// failed is panicked for one who must not wait for the client.
func (s *session) failed(p any) {
	s.logger().Error("panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if s.srv.cfg.Hooks.Panic != nil {
		s.srv.cfg.Hooks.Panic()
	}
	s.ended = &errClose{bye: "[SERVERBUG] internal error, reference " + s.reference(), err: fmt.Errorf("panic: %v", p)}
}

// reference is shown with errors of our own, to find the log lines.
func (s *session) reference() string { return fmt.Sprintf("%x", s.cid) }

func (s *session) greet(ctx context.Context) error {
	if s.listener.Implicit {
		if err := s.handshake(ctx); err != nil {
			return err
		}
	}
	status := imap.OK
	if p := s.listener.LoggedIn; p != nil {
		if err := s.authenticated(ctx, *p, nil); err != nil {
			return &errClose{bye: "[UNAVAILABLE] cannot open the account, reference " + s.reference(), err: err}
		}
		s.reply = reply{}
		status = imap.PREAUTH
	} else if s.preauth(ctx) {
		status = imap.PREAUTH
	}
	s.out = imap.AppendStatus(s.output(), "*", status, s.capabilityCode(), s.srv.cfg.Hostname+" mox imap ready")
	return s.flush()
}

// preauth logs in with the TLS certificate of the client, before the greeting (RFC 9051 7.1.4).
// With STARTTLS it is too late for that; the client says AUTHENTICATE EXTERNAL.
func (s *session) preauth(ctx context.Context) bool {
	if !s.hasClientCert() {
		return false
	}
	attempt, err := s.beginAuth(ctx)
	if err != nil {
		return false // too many failures, as AUTHENTICATE tells
	}
	p, ok, err := attempt.Preauth(ctx)
	if err == nil && ok {
		err = s.authenticated(ctx, p, nil)
		s.reply = reply{}
	}
	var refused *imap.Error // auth has logged it
	if err != nil && !errors.As(err, &refused) {
		s.logger().ErrorContext(ctx, "login with TLS certificate, before the greeting", "err", err)
	}
	return err == nil && ok
}

// handshake puts TLS on the connection, unless it has it already.
func (s *session) handshake(ctx context.Context) error {
	tc, has := s.conn.NetConn().(*tls.Conn)
	if !has {
		tc = tls.Server(s.conn.NetConn(), s.listener.TLS)
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits().LoginTimeout)
	defer cancel()
	// RFC 9051 6.2.1: what was sent before TLS must not count after it.
	if err := s.conn.Replace(tc); err != nil {
		return &errClose{bye: "[CLIENTBUG] data before TLS handshake", err: err}
	}
	if err := tc.HandshakeContext(ctx); err != nil {
		return &errClose{err: fmt.Errorf("tls handshake: %w", err)}
	}
	cs := tc.ConnectionState()
	s.tls = &cs
	return nil
}

// stopping reports that the session should end because the server does.
func (s *session) stopping(ctx context.Context) bool {
	return ctx.Err() != nil || s.srv.stopped.Err() != nil
}

var errShutdown = &errClose{bye: "server is shutting down"}

// wait waits for input while holding no buffers.
func (s *session) wait(ctx context.Context) error {
	if err := s.flush(); err != nil {
		return err
	}
	timeout := s.limits().IdleTimeout
	if s.state == stateNotAuthenticated {
		timeout = s.limits().LoginTimeout
	}
	deadline := time.Now().Add(timeout)
	for {
		if s.stopping(ctx) {
			return errShutdown
		}
		err := s.waitListening(max(time.Until(deadline), time.Millisecond))
		if errors.Is(err, lineio.ErrInterrupted) {
			if err := s.tellListening(ctx); err != nil {
				return err
			}
			continue
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			return &errClose{bye: "timeout", err: err}
		}
		return err
	}
}

// bye ends the session, telling the client why where there is something to tell.
func (s *session) bye(err error) {
	var closing *errClose
	var ierr *imap.Error
	text := ""
	switch {
	case errors.As(err, &closing):
		text = closing.bye
	case errors.Is(err, os.ErrDeadlineExceeded):
		text = "timeout"
	case errors.As(err, &ierr):
		text = ierr.Text
	}
	if text != "" {
		s.out = append(append(append(s.output(), "* BYE "...), text...), "\r\n"...)
		// Said as far as possible: the connection ends anyway.
		s.conn.SetWriteTimeout(min(s.limits().LoginTimeout, 5*time.Second))
		_ = s.flush()
	}
}

// command reads and runs one command and sends its tagged response.
func (s *session) command(ctx context.Context) error {
	r, err := s.dec.Decode()
	start := s.srv.cfg.Now()
	s.reply = reply{}
	if err == nil {
		err = s.dispatch(ctx, r)
	}
	if errors.Is(err, errAnswered) {
		s.first, s.bad = false, 0
		return nil
	} else if errors.Is(err, errIdling) {
		s.idling, s.idleSince = r, start
		return nil
	}
	return s.respond(ctx, r, err, start)
}

// dispatch checks the state and runs the command, then reports pending changes.
func (s *session) dispatch(ctx context.Context, r *imap.Request) error {
	cmd := commandTable[r.Name]
	if err := s.checkAllowed(r, cmd.states); err != nil {
		if r.Name == "APPEND" || r.Name == "REPLACE" {
			return s.afterSkip(s.dec.SkipAppend(), err)
		}
		return err
	}
	s.uidCommand = r.UID
	if !leaving[r.Name] {
		if err := s.checkAccess(); err != nil {
			return err
		}
	}
	defer s.giveBack()
	if !receiving[r.Name] {
		s.srv.cfg.Foreground.Begin()
		defer s.srv.cfg.Foreground.End()
	}
	s.limitedAt = 0
	err := cmd.run(s, s.recordOwn(ctx), r)
	s.tellLimited(err)
	if !cmd.quiet && !isClose(err) {
		if s.box != nil {
			s.reportWanted(!cmd.noExpunge || r.UID)
		}
		s.tellNews(ctx)
	}
	return err
}

// checkAllowed refuses commands that are not for this state or this account.
func (s *session) checkAllowed(r *imap.Request, states state) error {
	if states&s.state == 0 {
		return imap.Bad("%s is not allowed %s", r.Name, stateText(s.state, states))
	}
	if err := s.checkDisabled(r); err != nil {
		return err
	}
	return s.checkUIDOnly(r)
}

func isClose(err error) bool {
	var c *errClose
	return errors.As(err, &c)
}

// respond sends the tagged response that err stands for. It returns an error when
// the session must end.
func (s *session) respond(ctx context.Context, r *imap.Request, err error, start time.Time) error {
	ierr, fatal := s.explain(ctx, r, err)
	// Whoever says a command of IMAP is a client, also when it is wrong here.
	if _, ok := commandTable[r.Name]; ok {
		s.first = false
	}
	result := "ok"
	switch {
	case fatal != nil:
		result = "ioerror"
	case ierr == nil:
		s.bad = 0
	case ierr.Type == imap.BAD:
		result = "badsyntax"
	case ierr.Err != nil:
		result = "servererror"
	default:
		result = "usererror"
	}
	if s.srv.cfg.Hooks.Command != nil {
		s.srv.cfg.Hooks.Command(metricName(r), result, s.srv.cfg.Now().Sub(start))
	}
	if f := s.srv.cfg.Hooks.Slow; f != nil && r.Name != "IDLE" {
		if took := s.srv.cfg.Now().Sub(start); took >= s.srv.cfg.Hooks.SlowAfter {
			f(s.cid, metricName(r), result, start, took)
		}
	}
	if fatal != nil {
		return fatal
	}
	if ierr == nil {
		text := s.reply.text
		if text == "" {
			text = "done"
		}
		s.out = imap.AppendStatus(s.output(), r.Tag, imap.OK, s.reply.code, text)
		return s.flushIfIdle()
	}
	code := ierr.Code
	if ierr.CodeArg != "" {
		code += " " + ierr.CodeArg
	}
	s.out = imap.AppendStatus(s.output(), r.Tag, ierr.Type, code, ierr.Text)
	if ierr.Type == imap.BAD {
		return s.countBad()
	}
	return s.flushIfIdle()
}

// countBad ends sessions of peers that do not speak IMAP, or no longer do.
func (s *session) countBad() error {
	s.bad++
	if s.first {
		s.nonsense()
		return &errClose{bye: "this is an IMAP server"}
	}
	if s.bad >= s.limits().BadCommands {
		s.nonsense()
		return &errClose{bye: "too many bad commands"}
	}
	return s.flushIfIdle()
}

// nonsense tells that the session is ended for what the client says.
func (s *session) nonsense() {
	if f := s.srv.cfg.Hooks.Nonsense; f != nil && s.principal.Account == "" {
		f(s.remote)
	}
}

func metricName(r *imap.Request) string {
	if _, ok := commandTable[r.Name]; !ok {
		return "(unrecognized)"
	}
	if r.UID {
		return "uid " + r.Name
	}
	return r.Name
}

// closeAccount leaves the mailbox and the account.
func (s *session) closeAccount() {
	s.unselect()
	s.giveBack()
	s.unfollow()
	if s.account != nil {
		s.account.Release()
		s.account = nil
	}
}
