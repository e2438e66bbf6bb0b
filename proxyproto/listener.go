package proxyproto

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"mox/mlog"
)

// Defaults of Config.
const (
	DefaultTimeout = 5 * time.Second
	DefaultPending = 1000
)

// Config says whom to believe.
type Config struct {
	// Trusted are the networks of proxies. A connection from there must begin with a
	// header.
	Trusted []netip.Prefix
	// PassOthers serves connections from elsewhere as they are. Otherwise they are
	// closed: who is not the proxy has no business here.
	PassOthers bool
	// Timeout is how long a header may take; 0: DefaultTimeout.
	Timeout time.Duration
	// Pending is how many connections may wait for their header, or to be accepted, at a
	// time; 0: DefaultPending. More are closed at once.
	Pending int
	Log     *slog.Logger // nil: none
	// Refused, when set, is called for each connection that is closed. reason is
	// "untrusted", "pending", "timeout", "eof" or "header".
	Refused func(reason string)
}

// Listener accepts connections whose addresses are those that proxies say. It is safe
// for concurrent use.
type Listener struct {
	inner  net.Listener
	c      Config
	log    *slog.Logger
	start  sync.Once
	ready  chan accepted
	closed chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	closing bool                  // guarded by mu
	pending map[net.Conn]struct{} // guarded by mu; their headers are being read
}

type accepted struct {
	nc  net.Conn
	err error
}

// NewListener returns a Listener over ln, which it owns from now on.
func NewListener(ln net.Listener, c Config) *Listener {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Pending == 0 {
		c.Pending = DefaultPending
	}
	return &Listener{inner: ln, c: c, log: mlog.New("proxyproto", c.Log), ready: make(chan accepted), closed: make(chan struct{}), pending: map[net.Conn]struct{}{}}
}

// Addr returns the address of the listener.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Accept waits for a connection whose header, if it needs one, has come. Errors are those
// of the listener below; after Close, net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	l.start.Do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.closing {
			l.wg.Go(l.accept)
		}
	})
	select {
	case a := <-l.ready:
		return a.nc, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the listener below and connections that were not accepted yet.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return net.ErrClosed
	}
	l.closing = true
	close(l.closed)
	for nc := range l.pending {
		nc.Close()
	}
	l.mu.Unlock()
	err := l.inner.Close()
	l.wg.Wait()
	return err
}

// accept takes connections from the listener below.
func (l *Listener) accept() {
	for {
		nc, err := l.inner.Accept()
		if err != nil {
			// An error that passes is passed on too; whoever accepts waits as it sees fit,
			// and only then it is tried again here.
			if !l.offer(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if !l.add(nc) {
			l.refuse(nc, "pending", nil)
			continue
		}
		l.wg.Go(func() {
			defer l.remove(nc)
			l.receive(nc)
		})
	}
}

// offer hands a result to Accept, and reports whether someone took it.
func (l *Listener) offer(a accepted) bool {
	select {
	case l.ready <- a:
		return true
	case <-l.closed:
		return false
	}
}

func (l *Listener) add(nc net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || len(l.pending) >= l.c.Pending {
		return false
	}
	l.pending[nc] = struct{}{}
	return true
}

func (l *Listener) remove(nc net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, nc)
}

// receive makes a connection ready, or closes it.
func (l *Listener) receive(nc net.Conn) {
	conn, reason, err := l.identify(nc)
	if reason != "" {
		l.refuse(nc, reason, err)
		return
	}
	if !l.offer(accepted{nc: conn}) {
		nc.Close()
	}
}

// identify reads the header of a connection that needs one. With a reason the
// connection is of no use.
func (l *Listener) identify(nc net.Conn) (_ net.Conn, reason string, err error) {
	if !l.trusted(remoteAddr(nc)) {
		if l.c.PassOthers {
			return nc, "", nil
		}
		return nil, "untrusted", nil
	}
	if err := nc.SetReadDeadline(time.Now().Add(l.c.Timeout)); err != nil {
		return nil, "eof", err
	}
	h, err := ReadHeader(nc)
	switch {
	case errors.Is(err, ErrHeader):
		return nil, "header", err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, "timeout", err
	case err != nil:
		return nil, "eof", err
	}
	if err := nc.SetReadDeadline(time.Time{}); err != nil {
		return nil, "eof", err
	}
	return withAddrs(nc, h), "", nil
}

func (l *Listener) trusted(ip netip.Addr) bool {
	for _, p := range l.c.Trusted {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func (l *Listener) refuse(nc net.Conn, reason string, err error) {
	nc.Close()
	level := slog.LevelInfo
	if reason == "eof" && err == io.EOF {
		// A proxy that only looks whether the port is open.
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "connection without valid proxy header closed", "remote", nc.RemoteAddr().String(), "reason", reason, "err", err)
	if l.c.Refused != nil {
		l.c.Refused(reason)
	}
}
