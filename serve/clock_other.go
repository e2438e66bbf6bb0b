//go:build !linux

package serve

// monotonic is for systemd, which is on Linux only.
func monotonic() string { return "" }
