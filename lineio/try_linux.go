package lineio

import "golang.org/x/sys/unix"

// sendsNothing reports whether all that was written to a socket is sent and acknowledged.
func sendsNothing(fd uintptr) bool {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	return err == nil && n == 0
}
