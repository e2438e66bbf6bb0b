//go:build unix && !linux

package ownership

import "golang.org/x/sys/unix"

// searchOnly opens a directory in which names are to be looked up only.
const searchOnly = unix.O_RDONLY
