//go:build unix

package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"mox/config"
)

// Modes that fixPermissions wants. A directory's group passes on to what is made in it.
const (
	dirMode  = 0o750 | fs.ModeSetgid
	fileMode = 0o640
)

// fixPermissions makes the config and data directories and what is in them the worker's:
// owned by it and group root, with nothing for others. TLS files are left alone: they
// are handed over as descriptors, and root alone may be able to read them.
func fixPermissions(log *slog.Logger, snap *config.Snapshot, cred *syscall.Credential) error {
	fixer := permissionFixer{log: log, uid: int(cred.Uid), keep: map[string]bool{}}
	for _, path := range keyFiles(snap) {
		fixer.keep[filepath.Clean(path)] = true
	}
	for _, dir := range []string{filepath.Dir(snap.Path), snap.DataPath(".")} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		if err := fixer.tree(dir); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// permissionFixer repairs permissions of files that the worker owned before, perhaps
// under somebody else's control: it must not be led out of the directory by links.
type permissionFixer struct {
	log  *slog.Logger
	uid  int
	keep map[string]bool // paths to leave alone
}

func (p *permissionFixer) tree(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !p.keep[filepath.Join(dir, name)] {
			err = p.one(root, name)
		}
		if errors.Is(err, fs.ErrNotExist) && name != "." {
			return nil // removed meanwhile
		}
		return err
	})
}

// one sets owner, group and mode of a file or directory where they differ.
func (p *permissionFixer) one(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	want := fs.FileMode(fileMode)
	if info.IsDir() {
		want = dirMode
	} else if !info.Mode().IsRegular() {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	path := filepath.Join(root.Name(), name)
	if !info.IsDir() && st.Nlink > 1 {
		p.log.Warn("not fixing permissions of a file with several hard links", "path", path)
		return nil
	}
	if int(st.Uid) != p.uid || st.Gid != 0 {
		p.log.Info("fixing owner", "path", path, "fromuid", st.Uid, "fromgid", st.Gid, "uid", p.uid, "gid", 0)
		if err := root.Lchown(name, p.uid, 0); err != nil {
			return err
		}
	}
	if mode := info.Mode() & (fs.ModePerm | fs.ModeSetgid); badMode(mode, want) {
		p.log.Info("fixing mode", "path", path, "from", mode.String(), "to", want.String())
		return root.Chmod(name, want)
	}
	return nil
}

// badMode reports whether a mode gives the owner less than wanted, others anything, or
// the group more than wanted and more than what the server itself gives (0770, 0660).
func badMode(mode, want fs.FileMode) bool {
	return mode&0o007 != 0 || mode&0o700 != want&0o700 || want&fs.ModeSetgid != mode&fs.ModeSetgid
}
