//go:build unix

package serve

import (
	"fmt"
	"os"
	"syscall"
)

// isStream tells whether a file is "device:inode".
func isStream(f *os.File, stream string) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
