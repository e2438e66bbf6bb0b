//go:build !unix

package lineio

import "net"

// waitReadable waits until nc has input, has ended, or its read deadline has
// passed, without a buffer. It reports false, at once, where nc is not a socket
// itself (TLS, a pipe in a test).
func waitReadable(nc net.Conn) (bool, error) {
	raw, err := rawConn(nc)
	if raw == nil {
		return false, err
	}
	// Between two calls of the function, Windows waits with a read of no octets,
	// which completes also for what came earlier.
	first := true
	err = raw.Read(func(uintptr) bool {
		done := !first
		first = false
		return done
	})
	return true, err
}

// atEnd tells whether a socket that is readable has no input, but its end or an error:
// here that is not known without reading.
func atEnd(net.Conn) bool { return false }

// writeAtOnce writes what a socket takes without waiting: nothing here, where it would wait.
func writeAtOnce(uintptr, []byte) int { return 0 }
