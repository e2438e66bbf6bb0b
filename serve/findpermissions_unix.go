//go:build unix

package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mox/config"
	"mox/mlog"
	"mox/ownership"
)

// FindPermissions calls found for each file of a configuration's server, by path and what is wrong, that
// its user may not read and write, or that others may. With fix they are set right: by root as when the
// server starts, by another user modes only. The user is the owner of the data directory, and while
// that is root the one that mox.conf names, if there is one: until the server is started, files of root are right too.
func FindPermissions(snap *config.Snapshot, fix bool, found func(path, text string)) error {
	finder := permissionFinder{found: found, keep: map[string]bool{}, conf: filepath.Clean(snap.Path)}
	info, err := os.Stat(snap.DataPath("."))
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	user, uerr := ownership.Lookup(snap.Static.User)
	if finder.uid = st.Uid; finder.uid == 0 {
		finder.rootToo = true
		if uerr == nil {
			finder.uid = user.UID
		}
	}
	asRoot := os.Geteuid() == 0 && uerr == nil && finder.uid == user.UID
	finder.fix = fix && !asRoot
	for _, path := range keyFiles(snap) {
		finder.keep[filepath.Clean(path)] = true
	}
	for _, dir := range []string{filepath.Dir(snap.Path), snap.DataPath(".")} {
		if err := finder.tree(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	if !fix || !asRoot || finder.count == 0 {
		return nil
	}
	l, err := layout(mlog.Discard(), snap, &user)
	if err != nil {
		return err
	}
	return ownership.Fix(l)
}

// permissionFinder looks at files that may be under somebody else's control: it must not be led out of
// a directory by links.
type permissionFinder struct {
	uid     uint32
	rootToo bool                    // files of root are right too
	conf    string                  // mox.conf, which may be root's, with the directories beside it
	keep    map[string]bool         // paths to leave alone
	fix     bool                    // modes are set right
	found   func(path, text string) // is told of each fault
	count   int                     // faults
	closed  bool                    // others cannot come to what is in the directory
}

func (p *permissionFinder) tree(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	p.closed = info.Mode()&0o001 == 0
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

// one looks at a file or directory.
func (p *permissionFinder) one(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	want := fs.FileMode(0o640)
	if info.IsDir() {
		want = 0o750
	} else if !info.Mode().IsRegular() {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() && st.Nlink > 1 {
		return nil
	}
	path := filepath.Join(root.Name(), name)
	guarded := path == p.conf || info.IsDir() && root.Name() == filepath.Dir(p.conf)
	var wrong []string
	if st.Uid != p.uid && (st.Uid != 0 || !p.rootToo && !guarded) {
		wrong = append(wrong, fmt.Sprintf("belongs to user id %d, and should to user id %d", st.Uid, p.uid))
	}
	mode := info.Mode()
	if mode&0o700 != want&0o700 || mode&0o007 != 0 && !p.closed {
		wrong = append(wrong, fmt.Sprintf("has mode %04o", mode.Perm()))
		if p.fix {
			if err := root.Chmod(name, want|mode&(fs.ModeSetgid|fs.ModeSticky)); err != nil {
				return err
			}
		}
	}
	if wrong != nil {
		p.count++
		p.found(path, strings.Join(wrong, ", "))
	}
	return nil
}
