//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// dropGroup gives up the group of a setgid binary, for good.
func dropGroup() error {
	gid := os.Getgid()
	if gid == os.Getegid() {
		return nil
	}
	// Setting the real group sets the saved one too.
	if err := syscall.Setregid(gid, gid); err != nil {
		return fmt.Errorf("giving up group: %w", err)
	}
	return nil
}
