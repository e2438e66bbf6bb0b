//go:build linux || darwin || freebsd || netbsd

package webhandler

import (
	"io/fs"
	"syscall"
)

// fileVersion tells a file from one that takes its place: its inode, and when that changed last, in
// nanoseconds.
func fileVersion(info fs.FileInfo) (inode uint64, changed int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return st.Ino, changeTime(st)
}
