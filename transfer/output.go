package transfer

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Output is where Files go. Names have "/" between their elements. Nothing that exists is
// overwritten.
type Output interface {
	// Mkdir makes a directory, and those above it that are missing.
	Mkdir(name string, t time.Time) error
	// Create makes a file of which the size is known.
	Create(name string, size int64, t time.Time) (io.WriteCloser, error)
	// Stream tells whether sizes need not be known: then Create is given -1.
	Stream() bool
	Close() error
}

// Directory is an Output into a directory, which is made when missing, and removed again if
// nothing was written.
func Directory(root string) (Output, error) {
	_, err := os.Lstat(root)
	missing := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	return dirOutput{r, missing}, nil
}

type dirOutput struct {
	root *os.Root
	made bool // by us
}

func (d dirOutput) Mkdir(name string, _ time.Time) error {
	if dir := path.Dir(name); dir != "." {
		if err := d.root.MkdirAll(filepath.FromSlash(dir), 0o700); err != nil {
			return err
		}
	}
	return d.root.Mkdir(filepath.FromSlash(name), 0o700)
}

func (d dirOutput) Create(name string, _ int64, t time.Time) (io.WriteCloser, error) {
	if dir := path.Dir(name); dir != "." {
		if err := d.root.MkdirAll(filepath.FromSlash(dir), 0o700); err != nil {
			return nil, err
		}
	}
	f, err := d.root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &dirFile{f, d.root, name, t}, nil
}

func (d dirOutput) Stream() bool { return true }

func (d dirOutput) Close() error {
	err := d.root.Close()
	if d.made {
		_ = os.Remove(d.root.Name()) // does nothing where there is something in it
	}
	return err
}

// dirFile gets its time when it is complete.
type dirFile struct {
	*os.File
	root *os.Root
	name string
	time time.Time
}

func (f *dirFile) Close() error {
	err := f.File.Close()
	if !f.time.IsZero() {
		err = errors.Join(err, f.root.Chtimes(filepath.FromSlash(f.name), f.time, f.time))
	}
	return err
}

// Zip is an Output into a zip file. Close does not close w.
func Zip(w io.Writer) Output { return &zipOutput{zip.NewWriter(w)} }

type zipOutput struct{ w *zip.Writer }

func (z *zipOutput) Mkdir(name string, t time.Time) error {
	_, err := z.w.CreateHeader(&zip.FileHeader{Name: name + "/", Modified: t})
	return err
}

func (z *zipOutput) Create(name string, _ int64, t time.Time) (io.WriteCloser, error) {
	w, err := z.w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: t})
	return nopCloser{w}, err
}

func (z *zipOutput) Stream() bool { return true }
func (z *zipOutput) Close() error { return z.w.Close() }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// Tar is an Output into a tar file, compressed or not. Close does not close w.
func Tar(w io.Writer, compressed bool) Output {
	o := &tarOutput{}
	if compressed {
		o.z = gzip.NewWriter(w)
		w = o.z
	}
	o.w = tar.NewWriter(w)
	return o
}

// OneFile is an Output of the content of a single mbox, for Files of one folder: other files, which are about all of it,
// are left out. Close does not close w.
func OneFile(w io.Writer) Output { return &oneOutput{w: w} }

type oneOutput struct {
	w     io.Writer
	begun bool
}

func (o *oneOutput) Mkdir(name string, _ time.Time) error {
	return fmt.Errorf("%q cannot be in a single file", name)
}

func (o *oneOutput) Create(name string, _ int64, _ time.Time) (io.WriteCloser, error) {
	switch {
	case !strings.HasSuffix(name, ".mbox"):
		return nopCloser{io.Discard}, nil
	case o.begun:
		return nil, fmt.Errorf("%q cannot be in the same file as another mailbox", name)
	}
	o.begun = true
	return nopCloser{o.w}, nil
}

func (o *oneOutput) Stream() bool { return true }
func (o *oneOutput) Close() error { return nil }

type tarOutput struct {
	w *tar.Writer
	z *gzip.Writer
}

func (o *tarOutput) Mkdir(name string, t time.Time) error {
	return o.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o700, ModTime: t})
}

func (o *tarOutput) Create(name string, size int64, t time.Time) (io.WriteCloser, error) {
	if size < 0 {
		return nil, fmt.Errorf("size of %q is not known", name)
	}
	return nopCloser{o.w}, o.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: size, ModTime: t})
}

func (o *tarOutput) Stream() bool { return false }

func (o *tarOutput) Close() error {
	err := o.w.Close()
	if o.z != nil {
		err = errors.Join(err, o.z.Close())
	}
	return err
}
