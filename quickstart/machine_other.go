//go:build !linux

package quickstart

func synchronised() (synchronised, known bool) { return false, false }

func memory() (uint64, bool) { return 0, false }
