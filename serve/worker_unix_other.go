//go:build unix && !linux

package serve

import "syscall"

// endWithParent does nothing here.
func endWithParent(*syscall.SysProcAttr) {}
