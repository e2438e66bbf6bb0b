//go:build unix

package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mox/config"
	"mox/mlog"
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
	return fixTrees(snap, permissionFixer{log: log, uid: int(cred.Uid), gid: 0, private: true})
}

// FindPermissions calls found for each file of a configuration's server, by path and what is wrong, that
// its user may not read and write, or that others may. With fix they are set right: who is not root can
// do that for modes only. The user is the owner of the data directory, and while that is root the
// one that mox.conf names, if there is one.
func FindPermissions(snap *config.Snapshot, fix bool, found func(path, text string)) error {
	fixer := permissionFixer{log: mlog.Discard(), gid: -1, dry: !fix, found: found}
	info, err := os.Stat(snap.DataPath("."))
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if fixer.uid = int(st.Uid); fixer.uid == 0 {
		// Who starts as root sets owners right then; before, root is as good.
		fixer.rootToo = true
		if cred, err := lookupUser(snap.Static.User); err == nil {
			fixer.uid = int(cred.Uid)
		}
	}
	return fixTrees(snap, fixer)
}

// fixTrees goes through the directories of a configuration. Without dry they are made.
func fixTrees(snap *config.Snapshot, fixer permissionFixer) error {
	fixer.keep = map[string]bool{}
	for _, path := range keyFiles(snap) {
		fixer.keep[filepath.Clean(path)] = true
	}
	for _, dir := range []string{filepath.Dir(snap.Path), snap.DataPath(".")} {
		if fixer.dry {
			if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		} else if err := os.MkdirAll(dir, 0o750); err != nil {
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
	gid  int             // -1: any will do
	keep map[string]bool // paths to leave alone

	private bool                    // directories have the bit that passes on their group
	closed  bool                    // others cannot come to what is in the directory
	rootToo bool                    // files of root are right too
	dry     bool                    // nothing is changed
	found   func(path, text string) // nil, or is told of each fault
}

func (p *permissionFixer) tree(dir string) error {
	p.closed = false
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if info, err := root.Stat("."); err == nil && !p.private && info.Mode()&0o001 == 0 {
		p.closed = true // modes of what is in it let nobody in
	}
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
	bits := fs.ModePerm | fs.ModeSetgid
	if !p.private {
		bits = fs.ModePerm
		want = want &^ fs.ModeSetgid
	}
	var wrong []string
	uid := int(st.Uid)
	if uid != p.uid && !(uid == 0 && p.rootToo) || p.gid >= 0 && int(st.Gid) != p.gid {
		wrong = append(wrong, fmt.Sprintf("belongs to user id %d and group id %d, and should to user id %d", uid, st.Gid, p.uid))
		if !p.dry {
			p.log.Info("fixing owner", "path", path, "fromuid", st.Uid, "fromgid", st.Gid, "uid", p.uid, "gid", p.gid)
			if err := root.Lchown(name, p.uid, p.gid); err != nil {
				return err
			}
		}
	}
	if mode := info.Mode() & bits; badMode(mode, want) && !p.closed || badMode(mode&^0o007, want) {
		wrong = append(wrong, fmt.Sprintf("has mode %04o", mode.Perm()))
		if !p.dry {
			p.log.Info("fixing mode", "path", path, "from", mode.String(), "to", want.String())
			if err := root.Chmod(name, want|info.Mode()&fs.ModeSetgid&^bits); err != nil {
				return err
			}
		}
	}
	if p.found != nil && wrong != nil {
		p.found(path, strings.Join(wrong, ", "))
	}
	return nil
}

// badMode reports whether a mode gives the owner less than wanted, others anything, or
// the group more than wanted and more than what the server itself gives (0770, 0660).
func badMode(mode, want fs.FileMode) bool {
	return mode&0o007 != 0 || mode&0o700 != want&0o700 || want&fs.ModeSetgid != mode&fs.ModeSetgid
}
