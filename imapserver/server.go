package imapserver

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ErrServerClosed is returned by Serve after Shutdown.
var ErrServerClosed = errors.New("imap server is shut down")

// Server serves IMAP on any number of listeners. Make it with [New]. Its methods are
// safe for concurrent use.
type Server struct {
	cfg    Config
	nextID atomic.Int64
	// compressed counts the sessions with COMPRESS.
	compressed atomic.Int64
	// plausibleKey is for tokens of URLs that have no key, see urlauth.go.
	plausibleKey [urlKeySize]byte
	stop         context.CancelCauseFunc
	stopped      context.Context // cancelled by Shutdown

	mu        sync.Mutex
	sessions  map[*session]accounts
	listeners map[net.Listener]struct{}
	wg        sync.WaitGroup // sessions
}

// accounts are those that a session uses.
type accounts struct {
	own      string // empty before login
	selected string // another user's, of the selected mailbox; else empty
	follows  bool   // it hears of mailboxes of others, by NOTIFY
}

// New returns a server.
func New(cfg Config) *Server {
	cfg.Limits.setDefaults()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Hostname == "" {
		cfg.Hostname = "localhost"
	}
	if cfg.UserAccount == nil {
		cfg.UserAccount = func(name string) (string, bool) { return name, true }
	}
	if cfg.OwnHost == nil {
		cfg.OwnHost = func(string) bool { return true }
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	s := &Server{cfg: cfg, sessions: map[*session]accounts{}, listeners: map[net.Listener]struct{}{}}
	s.stopped, s.stop = context.WithCancelCause(context.Background())
	_, _ = io.ReadFull(s.cfg.Random, s.plausibleKey[:]) // of no consequence when it fails
	if s.cfg.NextID == nil {
		s.cfg.NextID = func() int64 { return s.nextID.Add(1) }
	}
	// A share of an account that nobody follows wakes nobody otherwise.
	if s.cfg.Accounts != nil {
		s.cfg.Accounts.WatchShares(s.Recheck)
	}
	return s
}

// Serve accepts connections from ln until ctx ends, Shutdown is called or ln fails,
// and closes ln. It does not wait for its connections.
func (s *Server) Serve(ctx context.Context, ln net.Listener, l Listener) error {
	defer ln.Close()
	s.mu.Lock()
	if s.stopped.Err() != nil {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.listeners[ln] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, ln)
		s.mu.Unlock()
	}()
	// It remains when ln fails, for the sessions. One for all of them: each of its own would
	// be 300 octets of an idle one.
	context.AfterFunc(ctx, func() {
		ln.Close()
		s.interrupt()
	})

	for delay := time.Duration(0); ; {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			delay = 0
			// Decided about here: who was accepted before Shutdown has a session.
			if sess, refuse := s.admit(ctx, nc, &l); sess != nil {
				go s.serveSession(sess)
			} else {
				go refuse()
			}
			continue
		case s.stopped.Err() != nil:
			return ErrServerClosed
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, net.ErrClosed):
			return err
		}
		// Out of file descriptors, or the peer was gone before accept: go on, slowly.
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.cfg.Log.Error("accepting connection", "err", err)
		select {
		case <-time.After(delay):
		case <-s.stopped.Done():
			return ErrServerClosed
		}
	}
}

// ServeConn serves one connection and returns when it has ended. It closes nc. The
// session ends with BYE when ctx does. With [Listener.Implicit], nc may be a [*tls.Conn],
// whose handshake may be done.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn, l Listener) {
	stop := context.AfterFunc(ctx, s.interrupt)
	defer stop()
	if sess, refuse := s.admit(ctx, nc, &l); sess != nil {
		s.serveSession(sess)
	} else {
		refuse()
	}
}

// interrupt makes all sessions look whether they are to end.
func (s *Server) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sess := range s.sessions {
		sess.conn.Interrupt()
	}
}

// serveSession serves one that was admitted. An idle session waits below here: what is not needed then is
// done in other functions, for its stack to stay at 4 KB.
func (s *Server) serveSession(sess *session) {
	defer s.leave(sess)
	sess.run(sess.ctx)
}

// admit makes the session of a connection; nil for one that is to be refused, by what it returns. It waits
// for nothing.
func (s *Server) admit(ctx context.Context, nc net.Conn, l *Listener) (_ *session, refusal func()) {
	sess := newSession(s, nc, l)
	sess.release = func() {}
	if s.cfg.Banned != nil && l.LoggedIn == nil {
		if text, banned := s.cfg.Banned(sess.remote); banned {
			// RFC 5530 3: somebody has to do something, and it is not the user.
			return nil, func() { refuse(nc, l, "CONTACTADMIN", text) }
		}
	}
	if s.cfg.Limiter != nil && l.LoggedIn == nil {
		release, ok := s.cfg.Limiter.Accept(sess.remote)
		if !ok {
			return nil, func() { refuse(nc, l, "LIMIT", "too many connections from your address") }
		}
		sess.release = release
	}
	s.mu.Lock()
	refused := s.stopped.Err() != nil || len(s.sessions) >= s.cfg.Limits.Connections
	if !refused {
		s.sessions[sess] = accounts{}
		s.wg.Add(1)
	}
	s.mu.Unlock()
	if refused {
		sess.release()
		return nil, func() { refuse(nc, l, "UNAVAILABLE", "server is busy, try later") }
	}
	if s.cfg.Hooks.Connection != nil {
		s.cfg.Hooks.Connection(l.Service)
	}
	sess.begin(ctx)
	return sess, nil
}

// leave ends a session that was admitted.
func (s *Server) leave(sess *session) {
	sess.end()
	s.mu.Lock()
	delete(s.sessions, sess)
	s.mu.Unlock()
	s.wg.Done()
}

// refuse answers a connection that is not served, without waiting for anything.
func refuse(nc net.Conn, l *Listener, code, text string) {
	if !l.Implicit {
		// Errors do not matter: the connection is closed next.
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = nc.Write([]byte("* BYE [" + code + "] " + text + "\r\n"))
	}
	_ = nc.Close()
}

// Disconnect ends the sessions of an account with BYE, such as when it is removed, and those
// of others who have a mailbox of it selected. It does not wait for their end.
func (s *Server) Disconnect(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sess, uses := range s.sessions {
		if uses.own == account || uses.selected == account {
			sess.cancel()
			sess.conn.Interrupt()
		} else if uses.follows {
			sess.conn.Interrupt() // it leaves what it may not follow any more
		}
	}
}

// loggedIn notes whose session it is.
func (s *Server) loggedIn(sess *session, account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[sess] = accounts{own: account}
}

// selectedOf notes whose mailbox a session has selected, when it is not its own user's.
func (s *Server) selectedOf(sess *session, owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uses := s.sessions[sess]
	uses.selected = owner
	s.sessions[sess] = uses
}

// followsOthers notes whether a session hears of mailboxes of others.
func (s *Server) followsOthers(sess *session, follows bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uses := s.sessions[sess]
	if uses.follows != follows {
		uses.follows = follows
		s.sessions[sess] = uses
	}
}

// Recheck makes sessions that wait with another user's mailbox selected look whether they
// still may: what [Sharing] says has changed.
func (s *Server) Recheck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sess, uses := range s.sessions {
		if uses.selected != "" || uses.follows {
			sess.conn.Interrupt()
		}
	}
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ln := range s.listeners {
		ln.Close()
	}
}

// Shutdown answers new connections with BYE, tells every session to end with BYE after its current
// command, and waits for them until ctx ends; then it closes what is left, with the
// listeners, and returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop(ErrServerClosed)
	s.interrupt()
	defer s.closeListeners()

	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for sess := range s.sessions {
		sess.conn.Close()
	}
	s.mu.Unlock()
	<-done
	return ctx.Err()
}
