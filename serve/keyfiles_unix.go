//go:build unix

package serve

import (
	"fmt"
	"os"
	"syscall"
)

// keyFileSockets makes the pair of sockets by which the worker gets key files as they are now.
func keyFileSockets() (parent, worker *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("sockets for key files: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "key files"), os.NewFile(uintptr(fds[1]), "key files of worker"), nil
}
