//go:build !linux

package db

// syncData is only for Linux.
func syncData(uintptr) (int32, bool) { return 0, false }
