//go:build unix

package webhandler

import (
	"os"
	"syscall"
)

// openFlags are for opening files: without waiting for the other end of a pipe.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK
