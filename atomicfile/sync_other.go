//go:build !unix

package atomicfile

import (
	"io/fs"
	"os"
)

const isWindows = true

// SyncDir makes the creation, renaming and removal of files in a directory durable.
// Does nothing on systems and file systems where a directory cannot be synced.
func SyncDir(dir string) error {
	return nil
}

func keepOwner(f *os.File, old fs.FileInfo) {}
