package proxyproto

import (
	"net"
	"net/netip"
)

// addrs are the addresses of a header.
type addrs struct{ local, remote net.Addr }

func (a addrs) LocalAddr() net.Addr  { return a.local }
func (a addrs) RemoteAddr() net.Addr { return a.remote }

// tcpConn is a TCP connection with other addresses. What else a *net.TCPConn has, such as
// CloseWrite and SyscallConn, it has as well.
type tcpConn struct {
	*net.TCPConn
	addrs
}

// LocalAddr is where the client connected to.
func (c tcpConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the client.
func (c tcpConn) RemoteAddr() net.Addr { return c.remote }

// otherConn is any other connection with other addresses.
type otherConn struct {
	net.Conn
	addrs
}

func (c otherConn) LocalAddr() net.Addr  { return c.local }
func (c otherConn) RemoteAddr() net.Addr { return c.remote }

// withAddrs gives nc the addresses of the header, if it has any.
func withAddrs(nc net.Conn, h Header) net.Conn {
	if !h.Known() {
		return nc
	}
	a := addrs{net.TCPAddrFromAddrPort(h.Destination), net.TCPAddrFromAddrPort(h.Source)}
	if t, ok := nc.(*net.TCPConn); ok {
		return tcpConn{t, a}
	}
	return otherConn{nc, a}
}

// remoteAddr returns the address of the other end, not valid where it has none.
func remoteAddr(nc net.Conn) netip.Addr {
	if t, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
