//go:build unix

package ownership

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Modes that Fix wants.
const (
	// Of directories of which root believes what is in them: the user adds and changes files of
	// its own, and cannot remove or rename those of others.
	guardedMode = unix.S_ISGID | unix.S_ISVTX | 0o770
	// Of the user's directories, whose group passes on to what is made in them, and files.
	dirMode  = unix.S_ISGID | 0o750
	fileMode = 0o640
	// Of mox.conf: the user reads it, by the group.
	rootsMode = 0o640

	modeBits = unix.S_ISUID | unix.S_ISGID | unix.S_ISVTX | 0o777
)

// maxDepth bounds directories in directories, each of which is open.
const maxDepth = 64

// maxConfig bounds mox.conf, which is copied to take it from the user.
const maxConfig = 64 << 20

// Fix repairs owners and modes.
//
//   - The directory of mox.conf, and directories below it or below the data directory that are on
//     the way to mox.conf or to a file of Keep: owner root, group of the user, mode 3770.
//   - mox.conf: owner root, group of the user, mode 0640. If somebody else could change it, it
//     is replaced by a copy, since they may have it open for writing.
//   - Files of Keep: left alone.
//   - All else in the two directories: owner the user, group root (or that of the user, where the
//     directory is one of the first kind or that of mox.conf), directories setgid, with all
//     permissions for the owner, and none for others.
//
// Symbolic links, and files with several names (hard links) that are not the user's, are left
// alone. The error is a [*ChangeableError] if the user could replace mox.conf by changing
// directories that are not the installation's.
func Fix(l Layout) error {
	f := newFixer(l)
	dir, err := f.guardConfig()
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, name := range l.Keep {
		f.keepFile(name)
	}
	f.warn()
	if err := f.tree(dir, filepath.Dir(l.Config), 0); err != nil {
		return err
	}
	data, err := f.openData()
	if err != nil || data == nil {
		return err
	}
	defer data.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(data.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: l.Data, Err: err}
	}
	if !f.guarded[inodeOf(&st)] {
		f.also = 0
	}
	return f.tree(data, l.Data, 0)
}

// Guard is the part of Fix that is about mox.conf: what it says is to be believed after that only.
func Guard(l Layout) error {
	dir, err := newFixer(l).guardConfig()
	if err == nil {
		dir.Close()
	}
	return err
}

func newFixer(l Layout) *fixer {
	return &fixer{Layout: l, also: l.User.GID, guarded: map[inode]bool{}, keep: map[inode]bool{}, ours: map[inode]bool{}}
}

// fixer repairs files that the user owned before, perhaps under somebody else's control: it must not
// be led out of the directories by links, nor change anything that it has not looked at.
type fixer struct {
	Layout
	ours    map[inode]bool // the directories of configuration and data
	guarded map[inode]bool // directories that are to be root's
	keep    map[inode]bool // files to leave alone
	also    uint32         // group that is as good as root's, since files made in guarded directories have it
}

// guardConfig makes mox.conf root's, and what is on the way to it. It returns its directory.
func (f *fixer) guardConfig() (*os.File, error) {
	dir := filepath.Dir(f.Config)
	for _, name := range []string{dir, f.Data} {
		w := walk{user: &f.User, flags: searchOnly | unix.O_DIRECTORY}
		if opened, st, err := w.open(name); err == nil {
			f.ours[inodeOf(st)] = true
			opened.Close()
		}
	}
	opened, err := f.open(dir)
	if err != nil {
		return nil, err
	}
	if err := f.rootsFile(opened, filepath.Base(f.Config)); err != nil {
		opened.Close()
		return nil, err
	}
	return opened, nil
}

// open opens a directory, guarding what is on the way.
func (f *fixer) open(dir string) (*os.File, error) {
	w := walk{user: &f.User, flags: unix.O_RDONLY | unix.O_DIRECTORY, guard: f.guard}
	opened, _, err := w.open(dir)
	return opened, err
}

// guard makes one of the directories of the installation root's, and those that are found in such a
// one.
func (f *fixer) guard(dir, fd int, at string) error {
	var above, st unix.Stat_t
	if err := errors.Join(unix.Fstat(dir, &above), unix.Fstat(fd, &st)); err != nil {
		return &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	id := inodeOf(&st)
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || !f.ours[id] && !f.guarded[inodeOf(&above)] {
		return nil
	}
	f.guarded[id] = true
	// What it was opened with may be good for looking up names only.
	changeable, err := openAt(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return &fs.PathError{Op: "open", Path: at, Err: err}
	}
	defer unix.Close(changeable)
	// Setgid is not to be had without CAP_FSETID for a group that is not root's, as in containers, and not needed.
	bad := func(m uint32) bool { return m|unix.S_ISGID != guardedMode }
	return f.set(changeable, &st, at, want{uid: 0, gid: f.User.GID, also: f.User.GID, mode: guardedMode, bad: bad})
}

// keepFile notes a file that is to stay as it is, and guards the way to it. Whoever opens it looks at
// who put it there.
func (f *fixer) keepFile(name string) {
	w := walk{user: &f.User, flags: unix.O_RDONLY, guard: f.guard}
	if opened, _, err := w.open(name); err == nil {
		opened.Close()
	}
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err == nil {
		f.keep[inodeOf(&st)] = true
	}
}

// rootsFile makes mox.conf, in a guarded directory, root's.
func (f *fixer) rootsFile(dir *os.File, name string) error {
	at := filepath.Join(dir.Name(), name)
	dfd := int(dir.Fd())
	var st unix.Stat_t
	if err := unix.Fstatat(dfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return f.linkedRootsFile(at)
	}
	fd, err := openAt(dfd, name, unix.O_RDONLY)
	if err != nil {
		return &fs.PathError{Op: "open", Path: at, Err: err}
	}
	file := os.NewFile(uintptr(fd), at)
	defer file.Close()
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return &fs.PathError{Op: "open", Path: at, Err: errors.New("not a regular file")}
	}
	if st.Uid == 0 && st.Mode&0o022 == 0 && st.Nlink == 1 {
		f.keep[inodeOf(&st)] = true
		return f.set(fd, &st, at, f.roots())
	}
	f.Log.Warn("the file could be changed by others than root, who must not decide what root does: it belongs to root now. See whether it is as you want it", "path", at, "fromuid", st.Uid, "fromgid", st.Gid, "from", modeText(uint32(st.Mode)), "to", modeText(rootsMode))
	return f.replace(dir, name, file)
}

// roots is what mox.conf is to be.
func (f *fixer) roots() want {
	return want{uid: 0, gid: f.User.GID, also: f.User.GID, mode: rootsMode, bad: func(m uint32) bool { return m&0o440 != 0o440 || m&^0o640 != 0 }}
}

// linkedRootsFile looks at mox.conf behind a symbolic link that is root's.
func (f *fixer) linkedRootsFile(at string) error {
	file, err := OpenRoots(at, &f.User)
	if err != nil {
		return err
	}
	defer file.Close()
	var st unix.Stat_t
	fd := int(file.Fd())
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	f.keep[inodeOf(&st)] = true
	return f.set(fd, &st, at, f.roots())
}

// replace puts a copy, which is root's, into the place of a file in a guarded directory.
func (f *fixer) replace(dir *os.File, name string, old *os.File) (rerr error) {
	dfd := int(dir.Fd())
	temporary := "." + name + "." + strconv.FormatUint(rand.Uint64(), 36) + ".tmp"
	fd, err := unix.Openat(dfd, temporary, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &fs.PathError{Op: "create", Path: filepath.Join(dir.Name(), temporary), Err: err}
	}
	file := os.NewFile(uintptr(fd), filepath.Join(dir.Name(), temporary))
	defer func() {
		if file.Close(); rerr != nil {
			_ = unix.Unlinkat(dfd, temporary, 0)
		}
	}()
	n, err := io.Copy(file, io.LimitReader(old, maxConfig+1))
	if err == nil && n > maxConfig {
		err = fmt.Errorf("%s is too large for a configuration", old.Name())
	}
	if err == nil {
		err = file.Chown(0, int(f.User.GID))
	}
	if err == nil {
		err = file.Chmod(rootsMode)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = unix.Renameat(dfd, temporary, dfd, name)
	}
	if err == nil {
		err = dir.Sync()
	}
	if err != nil {
		return fmt.Errorf("making %s root's: %w", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	f.keep[inodeOf(&st)] = true
	return nil
}

// openData opens the data directory, and makes it if it is missing. It returns nil where the user
// could lead root elsewhere.
func (f *fixer) openData() (*os.File, error) {
	w := walk{user: &f.User, flags: unix.O_RDONLY | unix.O_DIRECTORY, make: true, own: true}
	data, _, err := w.open(f.Data)
	var changeable *ChangeableError
	if errors.As(err, &changeable) {
		f.Log.Warn("owners and modes in the data directory are not repaired", "err", err)
		return nil, nil
	}
	return data, err
}

// tree repairs all in a directory.
func (f *fixer) tree(dir *os.File, at string, depth int) error {
	if err := f.one(dir, at); err != nil {
		return err
	}
	if depth > maxDepth {
		f.Log.Warn("not fixing permissions in a directory so deep", "path", at)
		return nil
	}
	dfd := int(dir.Fd())
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := f.entry(dfd, name, filepath.Join(at, name), depth); err != nil && !errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return err
		}
	}
	return nil
}

// entry repairs what has a name in a directory.
func (f *fixer) entry(dir int, name, at string, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	flags := unix.O_RDONLY
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		flags |= unix.O_DIRECTORY
	case unix.S_IFREG:
		if !f.wantOf(&st).differs(&st) {
			return nil // the most are: there is no need to open them
		}
	default:
		return nil
	}
	fd, err := openAt(dir, name, flags)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENXIO) {
		return nil // something else by now
	} else if err != nil {
		return &fs.PathError{Op: "open", Path: at, Err: err}
	}
	file := os.NewFile(uintptr(fd), at)
	defer file.Close()
	if flags&unix.O_DIRECTORY != 0 {
		return f.tree(file, at, depth+1)
	}
	return f.one(file, at)
}

// one repairs an open file or directory, of which nothing is known before.
func (f *fixer) one(file *os.File, at string) error {
	fd := int(file.Fd())
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	kind := st.Mode & unix.S_IFMT
	id := inodeOf(&st)
	switch {
	case kind != unix.S_IFDIR && kind != unix.S_IFREG, f.keep[id], f.guarded[id]:
		return nil
	case kind == unix.S_IFREG && st.Nlink > 1 && st.Uid != f.User.UID:
		f.Log.Warn("not fixing permissions of a file with several hard links", "path", at)
		return nil
	}
	return f.set(fd, &st, at, f.wantOf(&st))
}

// want is what a file is to be.
type want struct {
	uid, gid uint32
	also     uint32 // another group that will do
	mode     uint32
	bad      func(mode uint32) bool // a mode is not good enough
}

// wantOf is what the user's files are to be.
func (f *fixer) wantOf(st *unix.Stat_t) want {
	mode := uint32(fileMode)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		mode = dirMode
	}
	return want{uid: f.User.UID, gid: 0, also: f.also, mode: mode, bad: func(m uint32) bool { return badMode(m, mode) }}
}

func (w want) owner(st *unix.Stat_t) bool {
	return st.Uid == w.uid && (st.Gid == w.gid || st.Gid == w.also)
}

func (w want) differs(st *unix.Stat_t) bool { return !w.owner(st) || w.bad(uint32(st.Mode)&modeBits) }

// set changes what differs of an open file, and tells of it.
func (f *fixer) set(fd int, st *unix.Stat_t, at string, w want) error {
	mode := uint32(st.Mode) & modeBits
	if !w.owner(st) {
		f.Log.Info("fixing owner", "path", at, "fromuid", st.Uid, "fromgid", st.Gid, "uid", w.uid, "gid", w.gid)
		if err := unix.Fchown(fd, int(w.uid), int(w.gid)); err != nil {
			return &fs.PathError{Op: "chown", Path: at, Err: err}
		}
		mode &^= f.cleared(fd, mode)
	}
	if w.bad(mode) {
		f.Log.Info("fixing mode", "path", at, "from", modeText(uint32(st.Mode)), "to", modeText(w.mode))
		if err := unix.Fchmod(fd, w.mode); err != nil {
			return &fs.PathError{Op: "chmod", Path: at, Err: err}
		}
	}
	return nil
}

// cleared are the bits of a mode that a change of owner took away.
func (f *fixer) cleared(fd int, mode uint32) uint32 {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return mode
	}
	return mode &^ uint32(st.Mode)
}

// badMode reports whether a mode gives the owner less than wanted, others anything, or is to be
// passed on or not. The group may have what the server itself gives (0770, 0660).
func badMode(mode, want uint32) bool {
	return mode&0o007 != 0 || mode&0o700 != want&0o700 || (mode^want)&(unix.S_ISGID|unix.S_ISUID) != 0
}

func modeText(mode uint32) string { return fmt.Sprintf("%04o", mode&modeBits) }

// warn tells of what cannot be repaired here: systems where users may give files of others a second
// name (once the first is gone, nothing shows that), and users whose group is not theirs alone.
func (f *fixer) warn() {
	if b, err := os.ReadFile("/proc/sys/fs/protected_hardlinks"); err == nil && len(b) > 0 && b[0] == '0' {
		f.Log.Warn("this system lets users make hard links to files of others: set fs.protected_hardlinks=1 (sysctl), lest the user of the server gets files of root that are replaced while it has a link to them")
	}
	if names := f.User.Sharers(); len(names) > 0 {
		f.Log.Warn("the group of the server's user has other members, who can read mox.conf: give that user a group of its own", "group", f.User.GID, "members", names)
	}
}
