//go:build unix

package db

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile uses flock: it belongs to the open file, so that no other descriptor of the
// process can lose it.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return ErrInUse
	}
	return err
}
