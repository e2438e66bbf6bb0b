//go:build linux || darwin || freebsd

package upgrade

import (
	"os"

	"golang.org/x/sys/unix"
)

// FreeSpace tells how many bytes an unprivileged user can write below a directory.
func FreeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return uint64(max(int64(st.Bavail), 0)) * uint64(st.Bsize), nil
}
