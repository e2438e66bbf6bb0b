package sessiontest

import (
	"net"
	"net/netip"
	"sync"
)

// Listener is a net.Listener whose connections are pipes in memory, with the
// addresses of TCP. It works in a testing/synctest bubble.
type Listener struct {
	addr netip.AddrPort
	ch   chan net.Conn
	done chan struct{}
	once sync.Once
}

// NewListener returns a Listener that says that it listens on addr.
func NewListener(addr netip.AddrPort) *Listener {
	return &Listener{addr: addr, ch: make(chan net.Conn), done: make(chan struct{})}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ch:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// Dial connects as a client whose address is from.
func (l *Listener) Dial(from netip.AddrPort) (net.Conn, error) {
	s, c := net.Pipe()
	server := &pipe{s, l.addr, from}
	select {
	case l.ch <- server:
		return &pipe{c, from, l.addr}, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

type pipe struct {
	net.Conn
	local, remote netip.AddrPort
}

func (p *pipe) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(p.local) }
func (p *pipe) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(p.remote) }
