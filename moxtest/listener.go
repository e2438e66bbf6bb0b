package moxtest

import (
	"net"
	"sync"
)

// listener accepts connections made in memory and, with a port, over TCP.
type listener struct {
	tcp   net.Listener // nil without network
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newListener(network bool) (*listener, error) {
	l := &listener{conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	if !network {
		return l, nil
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l.tcp = tcp
	go l.acceptTCP()
	return l, nil
}

func (l *listener) acceptTCP() {
	for {
		conn, err := l.tcp.Accept()
		if err != nil {
			return
		}
		select {
		case l.conns <- conn:
		case <-l.done:
			conn.Close()
			return
		}
	}
}

// dial connects in memory.
func (l *listener) dial() (net.Conn, error) {
	client, server := newPipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.close()
	if l.tcp != nil {
		return l.tcp.Close()
	}
	return nil
}

func (l *listener) Addr() net.Addr {
	if l.tcp != nil {
		return l.tcp.Addr()
	}
	return memoryServer
}

// The addresses of connections in memory.
var (
	memoryServer = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	memoryClient = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 10), Port: 1}
)
