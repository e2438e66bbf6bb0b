//go:build !linux

package doctext

// bound does nothing: other systems cannot limit a process from outside. Time and output
// are bounded anyway.
func bound(int, *Options) error { return nil }
