//go:build !unix

package upgrade

import (
	"io/fs"
	"os"
	"os/exec"
)

func keepOwner(*os.File, fs.FileInfo) error { return nil }

// DataUser returns nil and data: commands run as this process.
func DataUser(_, _, data string) (func(*exec.Cmd), string, error) { return nil, data, nil }

// OnlyRoots returns nil: there is no root.
func OnlyRoots(string) error { return nil }
