//go:build !linux && !darwin && !freebsd

package quickstart

func diskFree(string) (uint64, bool) { return 0, false }

func openFiles() (uint64, bool) { return 0, false }
