package serve

import (
	"net"
	"sync/atomic"
	"syscall"
)

// countedListener counts open connections.
type countedListener struct {
	net.Listener
	count func(n float64)
}

// Accept waits for a connection, which counts until it is closed.
func (l *countedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.count(1)
	c := &countedConn{Conn: nc, count: l.count}
	if s, ok := nc.(socket); ok {
		return countedSocket{c, s}, nil
	}
	return c, nil
}

// countedConn is a connection that tells when it is closed.
type countedConn struct {
	net.Conn
	count  func(n float64)
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.count(-1)
	}
	return c.Conn.Close()
}

// socket is what doors use of a TCP connection beyond what every connection has: to wait
// without a buffer, and to end one direction.
type socket interface {
	syscall.Conn
	CloseWrite() error
}

// countedSocket is a countedConn that is a socket.
type countedSocket struct {
	*countedConn
	socket
}
