//go:build !windows

package serve

import "syscall"

const errNoUnixSockets = syscall.EAFNOSUPPORT
