//go:build unix

package ownership

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MakeDir makes a directory, with those above that are missing, which belong to the user alone then.
// Root can do so where the user may change things meanwhile: links that are put into the place of a new
// directory are not followed, and what is not new is an error.
func MakeDir(path string, u User) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	var missing []string // the last first
	at := path
	for {
		_, err := os.Stat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, filepath.Base(at))
		at = filepath.Dir(at)
	}
	dir, err := os.Open(at)
	if err != nil {
		return err
	}
	defer func() { dir.Close() }()
	var made []*os.File
	defer func() {
		for _, f := range made {
			f.Close()
		}
	}()
	for i := len(missing) - 1; i >= 0; i-- {
		parent := dir
		if len(made) > 0 {
			parent = made[len(made)-1]
		}
		f, err := makeIn(parent, missing[i])
		if err != nil {
			return err
		}
		made = append(made, f)
	}
	// Only now: nobody else could change what was made.
	for _, f := range made {
		if err := f.Chown(int(u.UID), int(u.GID)); err != nil {
			return err
		}
	}
	return nil
}

// makeIn makes a directory in another, and opens it.
func makeIn(parent *os.File, name string) (*os.File, error) {
	path := filepath.Join(parent.Name(), name)
	if err := unix.Mkdirat(int(parent.Fd()), name, 0o700); err != nil {
		return nil, &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if err := isNew(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

var errReplaced = errors.New("another directory is in the place of the one that was made")

// isNew tells whether a directory is ours, and empty.
func isNew(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if _, err := f.Readdirnames(1); int(st.Uid) != os.Geteuid() || !errors.Is(err, io.EOF) {
		return errReplaced
	}
	return nil
}
