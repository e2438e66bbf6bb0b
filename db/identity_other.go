//go:build !unix

package db

import "io/fs"

// fileIdentity is not known.
func fileIdentity(fs.FileInfo) string { return "" }
