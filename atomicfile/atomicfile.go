package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Write replaces or creates the file at path with data. The file gets exactly these
// permission bits, whatever the umask.
func Write(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// Replace writes data to a file that exists, keeping its permission bits and, as far
// as we are allowed to, its owner. A symbolic link is followed, not replaced.
//
// If the directory does not let us create or rename (not writable for us while the
// file is, or the file is a mount point of its own as in a container), the file is
// overwritten in place and synced. That is not atomic: a crash in between can leave a
// mix of old and new.
func Replace(path string, data []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("replacing file: %w", err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("replacing file: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("replacing file: %s is not a regular file", path)
	}
	// Rename needs no permission on the file itself. That we may write a directory is no
	// reason to replace a file that was made read-only.
	if err := checkWritable(path); err != nil {
		return fmt.Errorf("replacing file: %w", err)
	}
	err = replaceByRename(path, data, fi)
	if err == nil || !mayWriteInPlace(err) {
		return err
	}
	return overwrite(path, data)
}

func checkWritable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func replaceByRename(path string, data []byte, fi fs.FileInfo) error {
	f, err := Create(path, fi.Mode().Perm())
	if err != nil {
		return err
	}
	defer f.Abort()
	keepOwner(f.f, fi)
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// mayWriteInPlace tells whether an error is about the directory rather than about
// writing data.
func mayWriteInPlace(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) ||
		errors.Is(err, syscall.EROFS)
}

// overwrite writes before it truncates, so that a full disk leaves as much as possible.
func overwrite(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("overwriting file in place: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("closing overwritten file: %w", cerr)
		}
	}()
	if _, err := f.WriteAt(data, 0); err != nil {
		return fmt.Errorf("overwriting file in place: %w", err)
	}
	if err := f.Truncate(int64(len(data))); err != nil {
		return fmt.Errorf("truncating overwritten file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing overwritten file: %w", err)
	}
	return nil
}

// File is a file being written that appears under its path with [File.Commit]. Not
// safe for concurrent use.
type File struct {
	f    *os.File
	path string
	done bool
}

var _ io.Writer = (*File)(nil)

// Create starts writing a file that is to replace or become path, with exactly these
// permission bits. Call Commit, and Abort in any case.
func Create(path string, perm fs.FileMode) (*File, error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	// os.CreateTemp makes it mode 0600, nobody else reads it before it is complete.
	f, err := os.CreateTemp(dir, "."+name+".*"+tempSuffix)
	if err != nil {
		return nil, fmt.Errorf("creating temporary file: %w", err)
	}
	af := &File{f: f, path: path}
	if err := f.Chmod(perm); err != nil && !errors.Is(err, errors.ErrUnsupported) && !isWindows {
		af.Abort()
		return nil, fmt.Errorf("setting mode of temporary file: %w", err)
	}
	return af, nil
}

// Write adds data.
func (f *File) Write(data []byte) (int, error) {
	n, err := f.f.Write(data)
	if err != nil {
		return n, fmt.Errorf("writing temporary file: %w", err)
	}
	return n, nil
}

// Commit makes what was written durable and puts it in place. After an error the old
// file is as it was, unless the error is about syncing the directory; then the new
// one is in place but might not be after a crash.
func (f *File) Commit() error {
	if f.done {
		return fs.ErrClosed
	}
	defer f.Abort()
	if err := f.f.Sync(); err != nil {
		return fmt.Errorf("syncing temporary file: %w", err)
	}
	if err := f.f.Close(); err != nil {
		return fmt.Errorf("closing temporary file: %w", err)
	}
	if err := os.Rename(f.f.Name(), f.path); err != nil {
		return fmt.Errorf("putting file in place: %w", err)
	}
	f.done = true
	return SyncDir(filepath.Dir(f.path))
}

// Abort removes the temporary file. After Commit it does nothing.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	_ = f.f.Close() // Closed already when Commit failed; nothing is lost.
	_ = os.Remove(f.f.Name())
}

const tempSuffix = ".tmp"

// Leftovers returns the names of temporary files in dir that were left by a process that
// died more than an hour ago.
func Leftovers(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for temporary files: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !isTemp(e.Name()) {
			continue
		}
		if fi, err := e.Info(); err == nil && time.Since(fi.ModTime()) >= time.Hour {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Clean removes [Leftovers].
func Clean(dir string) error {
	names, err := Leftovers(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cleaning temporary files: %w", err)
		}
	}
	return nil
}

// isTemp tells whether a name is one that Create makes: ".name.digits.tmp".
func isTemp(name string) bool {
	base, ok := strings.CutSuffix(name, tempSuffix)
	if !ok || !strings.HasPrefix(base, ".") {
		return false
	}
	i := strings.LastIndexByte(base, '.')
	digits := base[i+1:]
	return i > 1 && digits != "" && strings.Trim(digits, "0123456789") == ""
}
