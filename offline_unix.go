//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// checkOwner refuses to work as root on files of another user, who could not open afterwards
// what is made.
func checkOwner(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && st.Uid != 0 {
		return fmt.Errorf("%s belongs to the user with id %d: run this as that user, since the server could not open files that root makes", dir, st.Uid)
	}
	return nil
}

// hangup is what a lost terminal sends.
var hangup = []os.Signal{syscall.SIGHUP}
