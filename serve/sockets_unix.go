//go:build unix

package serve

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// restrictUmask has new files closed to others, whatever umask we were started with.
func restrictUmask() { unix.Umask(unix.Umask(0o777) | 0o007) }

// isDualStack reports whether a socket bound to [::] takes IPv4 connections too.
func isDualStack(fd uintptr) bool {
	only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return err == nil && only == 0
}

// isPacket reports whether a socket is for datagrams.
func isPacket(fd uintptr) bool {
	kind, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && kind == unix.SOCK_DGRAM
}

// closeOnExec keeps a descriptor from programs that are executed.
func closeOnExec(fd uintptr) { unix.CloseOnExec(int(fd)) }

// explainBind adds what a person can do about a failed bind.
func explainBind(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program uses this port (\"ss -lptn\" shows which)", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: ports below 1024 need root, CAP_NET_BIND_SERVICE or a systemd socket unit", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine does not have that address", err)
	}
	return err
}
