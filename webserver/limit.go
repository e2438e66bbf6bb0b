package webserver

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Limit returns a listener whose connections accept allows, by the address of the client;
// others are closed at once. release is called once a connection is closed.
func Limit(l net.Listener, accept func(addr netip.Addr) (release func(), ok bool)) net.Listener {
	return &limitedListener{l, accept}
}

type limitedListener struct {
	net.Listener
	accept func(addr netip.Addr) (release func(), ok bool)
}

// Accept waits for a connection that is allowed.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ap, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err != nil {
			return conn, nil // not of a network
		}
		release, ok := l.accept(ap.Addr().Unmap().WithZone(""))
		if !ok {
			conn.Close()
			continue
		}
		release = sync.OnceFunc(release)
		if s, ok := conn.(socket); ok {
			return &limitedSocket{s, release}, nil
		}
		return &limitedConn{conn, release}, nil
	}
}

// socket is a connection of TCP, or one that is like it: it can send from files, end one
// direction, and be waited for without a buffer.
type socket interface {
	net.Conn
	io.ReaderFrom
	syscall.Conn
	CloseWrite() error
}

// limitedSocket stays one.
type limitedSocket struct {
	socket
	release func()
}

func (c *limitedSocket) Close() error {
	c.release()
	return c.socket.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
