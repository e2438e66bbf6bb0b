//go:build unix

package db

import (
	"fmt"
	"io/fs"
	"syscall"
)

// fileIdentity tells a file from another one of the same name.
func fileIdentity(fi fs.FileInfo) string {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint(st.Ino)
	}
	return ""
}
