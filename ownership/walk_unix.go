//go:build unix

package ownership

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks bounds symbolic links on the way to a file.
const maxLinks = 40

// maxLinkText bounds the target of one, in octets (PATH_MAX of Linux).
const maxLinkText = 4096

// Open opens a regular file for reading, if u cannot have put it there in place of another. The
// error is a [*ChangeableError] if u could have: then u has to open it, with the rights of its own.
// The content may be u's. A nil u is not looked at.
func Open(name string, u *User) (*os.File, error) {
	f, _, err := openFile(name, u)
	return f, err
}

// OpenRoots is Open for a file whose content u must not be able to change either.
func OpenRoots(name string, u *User) (*os.File, error) {
	f, st, err := openFile(name, u)
	if err == nil && u != nil && u.mayChange(st) {
		f.Close()
		return nil, &ChangeableError{Path: name, At: name, UID: u.UID}
	}
	return f, err
}

func openFile(name string, u *User) (*os.File, *unix.Stat_t, error) {
	w := walk{user: u, flags: unix.O_RDONLY}
	f, st, err := w.open(name)
	if err != nil {
		return nil, nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		f.Close()
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	return f, st, nil
}

// CheckDir returns a [*ChangeableError] if u can put another directory into the place of dir. It
// may be u's to write to.
func CheckDir(dir string, u User) error {
	w := walk{user: &u, flags: searchOnly | unix.O_DIRECTORY}
	f, _, err := w.open(dir)
	if err == nil {
		f.Close()
	}
	return err
}

// CheckData is CheckDir where directories of u are good, wherever they are, as those of the server's data: whoever
// works there as u has no more rights than u. It refuses where u could lead elsewhere by a link. The path
// that is returned has no links.
func CheckData(dir string, u User) (string, error) {
	w := walk{user: &u, flags: searchOnly | unix.O_DIRECTORY, own: true}
	f, st, err := w.open(dir)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st.Uid != u.UID {
		return "", fmt.Errorf("%s belongs to the user with id %d, and not to the User of mox.conf (id %d)", dir, st.Uid, u.UID)
	}
	return f.Name(), nil
}

// CheckPlace returns a [*ChangeableError] if u can replace what root puts into dir, or dir itself.
func CheckPlace(dir string, u User) error {
	w := walk{user: &u, flags: searchOnly | unix.O_DIRECTORY}
	f, st, err := w.open(dir)
	if err != nil {
		return err
	}
	f.Close()
	if u.mayReplace(st, &unix.Stat_t{Mode: unix.S_IFDIR}) {
		return &ChangeableError{Path: dir, At: dir, UID: u.UID}
	}
	return nil
}

// inode tells files apart.
type inode struct{ dev, ino uint64 }

func inodeOf(st *unix.Stat_t) inode { return inode{uint64(st.Dev), uint64(st.Ino)} } //nolint:unconvert // types differ between systems

// walk looks up a path.
type walk struct {
	user  *User // who is not to be able to change anything on the way; nil: nobody
	flags int   // to open what is found

	// guard, if not nil, is given what was opened, and the directory that it was found in, before it is
	// looked at whether the user could have put it there.
	guard func(dir, fd int, at string) error
	make  bool // directories that are missing are made
	own   bool // directories that are the user's are good, wherever they are

	dir   int    // descriptor of the directory in which the next name is looked up
	at    string // its path
	names []string
	links int
}

// open opens what is at a path, which is made absolute.
func (w *walk) open(name string) (*os.File, *unix.Stat_t, error) {
	whole, err := filepath.Abs(name)
	if err != nil {
		return nil, nil, err
	}
	if strings.ContainsRune(name, 0) {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: unix.EINVAL}
	}
	if w.dir, err = openAt(unix.AT_FDCWD, "/", searchOnly|unix.O_DIRECTORY); err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	w.at, w.names, w.links = "/", split(whole), 0
	for len(w.names) > 0 {
		f, st, err := w.step()
		if f != nil || err != nil {
			unix.Close(w.dir)
			var changeable *ChangeableError
			if errors.As(err, &changeable) {
				changeable.Path = whole
			}
			return f, st, err
		}
	}
	// It ended in a directory: "/" or "..".
	defer unix.Close(w.dir)
	return w.found(".", w.at)
}

// split returns the names in a path.
func split(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(s string) bool { return s == "" || s == "." })
}

// openAt is openat(2) that no link, FIFO or terminal can take advantage of.
func openAt(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// step looks up the next name. It returns a file when that was the last one.
func (w *walk) step() (*os.File, *unix.Stat_t, error) {
	name := w.names[0]
	w.names = w.names[1:]
	at := path.Join(w.at, name)
	failed := func(err error) (*os.File, *unix.Stat_t, error) {
		return nil, nil, &fs.PathError{Op: "open", Path: at, Err: err}
	}
	var st unix.Stat_t
	err := unix.Fstatat(w.dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) && w.make {
		if err = w.mkdir(name, at); err == nil {
			err = unix.Fstatat(w.dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		}
	}
	var changeable *ChangeableError
	if errors.As(err, &changeable) {
		return nil, nil, err
	} else if err != nil {
		return failed(err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil, nil, w.follow(name, at, &st)
	}
	if len(w.names) == 0 {
		return w.found(name, at)
	}
	next, err := openAt(w.dir, name, searchOnly|unix.O_DIRECTORY)
	if err != nil {
		return failed(err)
	}
	if err := w.enter(next, name, at); err != nil {
		unix.Close(next)
		return nil, nil, err
	}
	return nil, nil, nil
}

// mkdir makes a directory, where nobody could have another in its place.
func (w *walk) mkdir(name, at string) error {
	var dir unix.Stat_t
	if err := unix.Fstat(w.dir, &dir); err != nil {
		return err
	}
	if err := w.replaceable(&dir, &unix.Stat_t{Mode: unix.S_IFDIR}, at); err != nil {
		return err
	}
	return unix.Mkdirat(w.dir, name, 0o755)
}

// enter goes on in a directory that was opened.
func (w *walk) enter(next int, name, at string) error {
	// The directory above was looked at on the way down.
	if name != ".." {
		if _, err := w.check(next, at); err != nil {
			return err
		}
	}
	unix.Close(w.dir)
	w.dir, w.at = next, at
	return nil
}

// found opens the last name.
func (w *walk) found(name, at string) (*os.File, *unix.Stat_t, error) {
	fd, err := openAt(w.dir, name, w.flags)
	if err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: at, Err: err}
	}
	st, err := w.check(fd, at)
	if err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), at), st, nil
}

// check looks whether the user could have put fd, opened in w.dir, there.
func (w *walk) check(fd int, at string) (*unix.Stat_t, error) {
	if w.guard != nil {
		if err := w.guard(w.dir, fd, at); err != nil {
			return nil, err
		}
	}
	var dir, st unix.Stat_t
	if err := errors.Join(unix.Fstat(w.dir, &dir), unix.Fstat(fd, &st)); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	if w.own && st.Uid == w.user.UID && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return &st, nil
	}
	return &st, w.replaceable(&dir, &st, at)
}

// replaceable is the error for an entry of a directory that the user can replace.
func (w *walk) replaceable(dir, entry *unix.Stat_t, at string) error {
	if w.user == nil || !w.user.mayReplace(dir, entry) {
		return nil
	}
	changeable := &ChangeableError{Path: at, At: w.at, UID: w.user.UID}
	if dir.Uid != w.user.UID && uint32(dir.Mode)&unix.S_ISVTX != 0 {
		changeable.At = at // the directory is as it should be
	}
	return changeable
}

// follow goes on where a symbolic link leads to.
func (w *walk) follow(name, at string, link *unix.Stat_t) error {
	var dir unix.Stat_t
	if err := unix.Fstat(w.dir, &dir); err != nil {
		return &fs.PathError{Op: "stat", Path: w.at, Err: err}
	}
	// If the user cannot replace it, it is the same still when it is read.
	if err := w.replaceable(&dir, link, at); err != nil {
		return err
	}
	if w.links++; w.links > maxLinks {
		return &fs.PathError{Op: "open", Path: at, Err: unix.ELOOP}
	}
	buf := make([]byte, maxLinkText)
	n, err := unix.Readlinkat(w.dir, name, buf)
	if err == nil && n == 0 {
		err = unix.ENOENT
	} else if err == nil && n == len(buf) {
		err = unix.ENAMETOOLONG
	}
	if err != nil {
		return &fs.PathError{Op: "readlink", Path: at, Err: err}
	}
	target := string(buf[:n])
	w.names = append(split(target), w.names...)
	if !path.IsAbs(target) {
		return nil
	}
	top, err := openAt(unix.AT_FDCWD, "/", searchOnly|unix.O_DIRECTORY)
	if err != nil {
		return &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	unix.Close(w.dir)
	w.dir, w.at = top, "/"
	return nil
}

// mayReplace tells whether u could have put entry into a directory.
func (u *User) mayReplace(dir, entry *unix.Stat_t) bool {
	switch {
	case u.Believed:
		return false
	case dir.Uid == u.UID:
		return true
	case !u.mayWrite(dir):
		return false
	case uint32(dir.Mode)&unix.S_ISVTX == 0 || entry.Uid == u.UID:
		return true
	}
	// What is another's and has a second name may be a hard link that the user made.
	return entry.Mode&unix.S_IFMT != unix.S_IFDIR && entry.Nlink > 1
}

// mayChange tells whether u can write to a file or directory, or let itself do so.
func (u *User) mayChange(st *unix.Stat_t) bool {
	return !u.Believed && (st.Uid == u.UID || u.mayWrite(st))
}

// mayWrite tells whether permissions for groups and others let u write.
func (u *User) mayWrite(st *unix.Stat_t) bool {
	if st.Mode&0o002 != 0 {
		return true
	}
	return st.Mode&0o020 != 0 && (st.Gid == u.GID || slices.Contains(u.Groups, st.Gid))
}

// String is for logs.
func (u User) String() string { return fmt.Sprintf("id %d", u.UID) }
