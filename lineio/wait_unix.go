//go:build unix

package lineio

import (
	"net"
	"syscall"
)

// waitReadable waits until nc has input, has ended, or its read deadline has
// passed, without a buffer. It reports false, at once, where nc is not a socket
// itself (TLS, a pipe in a test).
func waitReadable(nc net.Conn) (bool, error) {
	raw, err := rawConn(nc)
	if raw == nil {
		return false, err
	}
	// The poller tells about edges only, so that an octet that came earlier has to
	// be looked for before each wait.
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		for {
			_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
			if err == syscall.EINTR {
				continue
			}
			return err != syscall.EAGAIN && err != syscall.EWOULDBLOCK
		}
	})
	return true, err
}

// atEnd tells whether a socket that is readable has no input, but its end or an error.
func atEnd(nc net.Conn) bool {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return true
	}
	end := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		end = n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
	})
	return end || err != nil
}

// writeAtOnce writes what a socket takes without waiting, whatever its write deadline is.
func writeAtOnce(fd uintptr, p []byte) int {
	for {
		n, err := syscall.Write(int(fd), p)
		if err != syscall.EINTR {
			return max(n, 0)
		}
	}
}
