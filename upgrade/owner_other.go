//go:build !unix

package upgrade

import (
	"io/fs"
	"os"
	"os/exec"
)

func keepOwner(*os.File, fs.FileInfo) error { return nil }

// AsOwner returns nil: commands run as this process.
func AsOwner(string) (func(*exec.Cmd), error) { return nil, nil }

// OnlyRoots returns nil: there is no root.
func OnlyRoots(string) error { return nil }
