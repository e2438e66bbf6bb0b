//go:build !linux

package ownership

import "os"

// KeepCapabilities does nothing: only Linux has them.
func KeepCapabilities(*os.File, string) error { return nil }
