//go:build !unix

package main

// dropGroup has nothing to give up where there are no setgid binaries.
func dropGroup() error { return nil }
