package smtpserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mox/lineio"
	"mox/mlog"
	"mox/smtp"
)

// ErrClosed: Serve was called after Shutdown.
var ErrClosed = errors.New("server closed")

// Server serves the connections of one configuration. Its methods are safe for
// concurrent use.
type Server struct {
	c       Config
	lastCID atomic.Int64
	slow    atomic.Int64  // sessions served slowly
	stop    chan struct{} // closed by Shutdown: sessions end when they can

	mu        sync.Mutex
	closing   bool                      // guarded by mu
	listeners map[net.Listener]bool     // guarded by mu
	conns     map[*lineio.Conn]struct{} // guarded by mu; connections being served
	wg        sync.WaitGroup            // sessions; added to with mu held and not closing
}

// New returns a Server. Config's functions other than Begin may be nil.
func New(c Config) *Server {
	c.Limits.defaults()
	orElse(&c.Size, DefaultSize)
	c.Log = mlog.New("smtpserver", c.Log)
	return &Server{c: c, stop: make(chan struct{}), listeners: map[net.Listener]bool{}, conns: map[*lineio.Conn]struct{}{}}
}

// Serve accepts connections until ctx ends, Shutdown has ended, or the listener fails;
// only the last is an error. It closes ln. Sessions that were begun go on, with
// contexts that end with ctx.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if !s.addListener(ln) {
		ln.Close()
		return ErrClosed
	}
	defer s.removeListener(ln)
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	delay := time.Duration(0)
	for {
		nc, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			// Too many open files, or a client gone already: it passes.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.c.Log.Error("accepting connection", "err", err, "retry", delay)
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return nil
			}
			continue
		}
		delay = 0
		go s.begin(ctx, nc)()
	}
}

// ServeConn serves one connection, closes it, and returns when it has ended. The session
// has a context that ends with ctx. With [Config.ImplicitTLS], nc may be a [*tls.Conn], whose
// handshake may be done.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) { s.begin(ctx, nc)() }

func (s *Server) addListener(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listeners[ln] = true
	return true
}

func (s *Server) removeListener(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
	ln.Close()
}

// begin decides about a new connection; what it returns runs the session, or refuses.
func (s *Server) begin(ctx context.Context, nc net.Conn) (run func()) {
	if s.c.Metrics.Connection != nil {
		s.c.Metrics.Connection(s.c.Kind.String())
	}
	lc := lineio.New(nc, lineio.Options{ReadTimeout: s.c.Limits.Line, WriteTimeout: s.c.Limits.Write, Discard: s.c.Limits.DiscardLine})
	s.mu.Lock()
	refusal, reason := s.refusal()
	if refusal == nil {
		s.conns[lc] = struct{}{}
		s.wg.Add(1)
	}
	s.mu.Unlock()
	remote := addrPort(nc.RemoteAddr())
	if refusal == nil {
		if s.c.Admit == nil {
			return func() { s.serve(ctx, lc, remote, func() {}) }
		}
		release, err := s.c.Admit(remote.Addr().Unmap().WithZone(""))
		if err == nil {
			return func() { s.serve(ctx, lc, remote, release) }
		}
		s.end(lc)
		refusal, reason = smtp.WrapErrorf(err, 421, "4.7.0", "too many connections from your address, try again later"), "address"
		var e *smtp.Error
		if errors.As(err, &e) {
			code := 421
			if e.Code == 554 {
				code = 554 // RFC 5321 3.1
			}
			refusal = smtp.WrapErrorf(err, code, e.Enhanced, "%s", e.Text)
		}
	}
	if s.c.Metrics.Refused != nil {
		s.c.Metrics.Refused(s.c.Kind.String(), reason)
	}
	return func() { s.refuse(lc, remote, refusal) }
}

// refusal returns why there can be no more connections, for the client and in a word. s.mu
// is held.
func (s *Server) refusal() (*smtp.Error, string) {
	switch {
	case s.closing:
		// RFC 5321 3.8: a server that shuts down says so.
		return smtp.Errorf(421, "4.3.2", "shutting down, try again later"), "shutdown"
	case len(s.conns) >= s.c.Limits.Connections:
		return smtp.Errorf(421, "4.3.2", "too many connections, try again later"), "connections"
	}
	return nil, ""
}

// refuse tells a client why and closes.
func (s *Server) refuse(lc *lineio.Conn, remote netip.AddrPort, e *smtp.Error) {
	defer lc.Close()
	cid := s.newCID()
	s.c.Log.DebugContext(mlog.WithCid(context.Background(), cid), "connection refused", "remote", remote.Addr(), "err", e)
	if s.c.ImplicitTLS {
		return
	}
	lc.SetWriteTimeout(time.Second)
	lc.Write(s.refusalReply(e, cid).Append(nil))
	// The client is not there, or will see the end.
	_ = lc.Flush()
}

// refusalReply makes a reply of an error, with the id by which it is found in the log.
func (s *Server) refusalReply(e *smtp.Error, cid int64) smtp.Reply {
	r := smtp.Reply{Code: e.Code, Enhanced: e.Enhanced, Lines: strings.Split(e.Text, "\n")}
	if s.c.CID != nil {
		r.Lines[len(r.Lines)-1] += " (" + s.c.CID(cid) + ")"
	}
	return r
}

func (s *Server) end(lc *lineio.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, lc)
	s.wg.Done()
}

func (s *Server) newCID() int64 {
	if s.c.NewCID != nil {
		return s.c.NewCID()
	}
	return s.lastCID.Add(1)
}

// Shutdown ends the server: new connections get 421, sessions end with 421 before
// their next command, those with a transaction after it. When all have ended, or when
// ctx ends and with it what is left of them, listeners are closed. It fails with the
// error of ctx if sessions had to be cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		close(s.stop)
	}
	for lc := range s.conns {
		lc.Interrupt()
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		s.mu.Lock()
		for lc := range s.conns {
			lc.Close()
		}
		s.mu.Unlock()
		<-done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for ln := range s.listeners {
		ln.Close()
	}
	return err
}

func (s *Server) isClosing() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
