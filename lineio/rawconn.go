package lineio

import (
	"net"
	"syscall"
)

// rawConn returns the socket of a connection, nil where it is none itself. Whoever wraps a socket and
// has the method of [syscall.Conn] promises that its Read and Write are those of the socket, as of a
// connection that only has other addresses.
func rawConn(nc net.Conn) (syscall.RawConn, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, nil
	}
	return sc.SyscallConn()
}
