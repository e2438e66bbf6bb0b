package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mox/atomicfile"
)

// Storage keeps objects by name, names having slashes. It is safe for concurrent use. Errors
// about objects that are not there wrap fs.ErrNotExist.
type Storage interface {
	// Put makes or replaces an object, whole; it is durable on return.
	Put(ctx context.Context, name string, data []byte) error
	// Get returns n octets of an object from off on, or all that there are when n is negative.
	Get(ctx context.Context, name string, off, n int64) ([]byte, error)
	// List calls f for all objects whose names begin with prefix, which is empty or ends in a slash.
	List(ctx context.Context, prefix string, f func(Object) error) error
	// Delete removes an object; that there is none is no error.
	Delete(ctx context.Context, name string) error
	// String is where it is, for people; without secrets.
	String() string
}

// Object is an object of a Storage.
type Object struct {
	Name string
	Size int64
}

// maxObject bounds what is read at a time: far more than what is written.
const maxObject = 256 << 20

// dirStorage keeps objects as files.
type dirStorage struct{ root string }

// Directory returns a Storage that keeps objects as files in a directory, which it makes.
func Directory(root string) Storage { return &dirStorage{filepath.Clean(root)} }

func (d *dirStorage) String() string { return d.root }

func (d *dirStorage) path(name string) (string, error) {
	if !fs.ValidPath(name) || name == "." || !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fmt.Errorf("bad name of object %q", name)
	}
	return filepath.Join(d.root, filepath.FromSlash(name)), nil
}

func (d *dirStorage) Put(_ context.Context, name string, data []byte) error {
	p, err := d.path(name)
	if err != nil {
		return err
	}
	dir := filepath.Dir(p)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		// The directory's own entry must last as well.
		if err := atomicfile.SyncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return atomicfile.Write(p, data, 0o600)
}

func (d *dirStorage) Get(_ context.Context, name string, off, n int64) ([]byte, error) {
	p, err := d.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if n < 0 {
		fi, err := f.Stat()
		if err != nil {
			return nil, err
		}
		n = max(fi.Size()-off, 0)
	}
	if n > maxObject {
		return nil, fmt.Errorf("object %s is too large", name)
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil && n > 0 {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading object %s: %w", name, err)
	}
	return b, nil
}

func (d *dirStorage) List(ctx context.Context, prefix string, f func(Object) error) error {
	root := filepath.Join(d.root, filepath.FromSlash(prefix))
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if !e.Type().IsRegular() || strings.HasSuffix(e.Name(), ".tmp") {
			return nil
		}
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		return f(Object{path.Join(prefix, filepath.ToSlash(rel)), fi.Size()})
	})
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(root); errors.Is(serr, fs.ErrNotExist) {
			return nil
		}
	}
	return err
}

func (d *dirStorage) Delete(_ context.Context, name string) error {
	p, err := d.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
