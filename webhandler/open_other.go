//go:build !unix

package webhandler

import "os"

// openFlags are for opening files.
const openFlags = os.O_RDONLY
