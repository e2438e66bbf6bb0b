//go:build unix

package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const isWindows = false

// SyncDir makes the creation, renaming and removal of files in a directory durable.
// Does nothing on systems and file systems where a directory cannot be synced.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening directory for sync: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return fmt.Errorf("syncing directory: %w", err)
	}
	return nil
}

// keepOwner gives the new file the owner and group of the old one, or at least the
// group, or is content with our own.
func keepOwner(f *os.File, old fs.FileInfo) {
	st, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if f.Chown(int(st.Uid), int(st.Gid)) == nil || f.Chown(-1, int(st.Gid)) == nil {
		// Chown can clear permission bits.
		_ = f.Chmod(old.Mode().Perm())
	}
}
