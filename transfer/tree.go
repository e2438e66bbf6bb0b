package transfer

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"mox/mbox"
)

// tree is a directory or an archive. It is walked twice: first to know which folders there
// are, and what files beside messages say, then for the messages.
type tree interface {
	// walk calls f for each file and directory.
	walk(ctx context.Context, f func(e *entry) error) error
	// archive tells that there may be one directory around all of it.
	archive() bool
	close() error
}

// entry is a file or directory, valid while f is called with it.
type entry struct {
	name string // "/" between elements, nothing odd in it
	dir  bool
	time func() time.Time
	open func() (io.ReadCloser, error)
}

// dirTree is a directory of the system.
type dirTree struct {
	root    string
	limits  Limits
	problem func(string)
}

func (d *dirTree) archive() bool { return false }
func (d *dirTree) close() error  { return nil }

func (d *dirTree) walk(ctx context.Context, f func(*entry) error) error {
	n := 0
	fsys := os.DirFS(d.root)
	return fs.WalkDir(fsys, ".", func(name string, de fs.DirEntry, err error) error {
		if n++; n > d.limits.Entries {
			return fmt.Errorf("%w: more than %d files", ErrLimit, d.limits.Entries)
		}
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && name != ".":
			return nil // renamed or removed since, as servers do
		case err != nil && name != "." && ctx.Err() == nil:
			d.problem(fmt.Sprintf("%s: %v", name, err))
			if de != nil && de.IsDir() {
				return fs.SkipDir
			}
			return nil
		case err != nil:
			return err
		case !de.IsDir() && !de.Type().IsRegular():
			if de.Type()&fs.ModeSymlink != 0 {
				d.problem(fmt.Sprintf("%s: symbolic link is not followed", name))
			}
			return nil
		}
		return f(&entry{
			name: name, dir: de.IsDir(),
			time: func() time.Time {
				if fi, err := de.Info(); err == nil {
					return fi.ModTime()
				}
				return time.Time{}
			},
			open: func() (io.ReadCloser, error) { return fsys.Open(name) },
		})
	})
}

// fileTree is one file, which may be compressed.
type fileTree struct {
	name string
	open func() (io.ReadCloser, error)
	time time.Time
}

func (t *fileTree) archive() bool { return false }
func (t *fileTree) close() error  { return nil }

func (t *fileTree) walk(_ context.Context, f func(*entry) error) error {
	return f(&entry{name: t.name, time: func() time.Time { return t.time }, open: t.open})
}

// checkMbox returns ErrNothing for what is no mbox by its beginning.
func (t *fileTree) checkMbox(v mbox.Variant) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := mbox.NewReader(r, v).Next(); errors.Is(err, mbox.ErrFormat) {
		return fmt.Errorf("%w: the file is no zip, tar or tgz archive, and no mbox", ErrNothing)
	} else if err != nil && err != io.EOF {
		return err
	}
	return nil
}

// budget is what may come out of an archive.
type budget struct{ left int64 }

func (b *budget) reader(r io.Reader) io.Reader { return &budgetReader{b, r} }

type budgetReader struct {
	b *budget
	r io.Reader
}

func (r *budgetReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if r.b.left -= int64(n); r.b.left < 0 {
		return 0, fmt.Errorf("%w: more comes out of the archive than is allowed", ErrLimit)
	}
	return n, err
}

// entryName checks a name in an archive; empty for one that is passed over.
func entryName(name string) (string, error) {
	name = strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(name, `\`, "/"), "./"), "/")
	if name == "" || name == "." {
		return "", nil
	}
	// Names are never used to open files, only to name mailboxes: this is to refuse what
	// somebody made on purpose.
	if len(name) > 4096 || !fs.ValidPath(name) {
		return "", fmt.Errorf("%.100q is no name of a file in an archive", name)
	}
	return name, nil
}

// zipTree is a zip file.
type zipTree struct {
	r       *zip.Reader
	limits  Limits
	problem func(string)
}

func (z *zipTree) archive() bool { return true }
func (z *zipTree) close() error  { return nil }

func (z *zipTree) walk(ctx context.Context, f func(*entry) error) error {
	if len(z.r.File) > z.limits.Entries {
		return fmt.Errorf("%w: more than %d files", ErrLimit, z.limits.Entries)
	}
	b := &budget{z.limits.Expanded}
	for _, zf := range z.r.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		name, err := entryName(zf.Name)
		if err != nil {
			z.problem(err.Error())
			continue
		}
		mode := zf.Mode()
		if name == "" || !mode.IsDir() && !mode.IsRegular() {
			continue
		}
		err = f(&entry{name: name, dir: mode.IsDir(), time: func() time.Time { return zf.Modified }, open: func() (io.ReadCloser, error) {
			r, err := zf.Open()
			if err != nil {
				return nil, err
			}
			return readCloser{b.reader(r), r}, nil
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// tarTree is a tar file, compressed or not, that is read from its beginning each time.
type tarTree struct {
	open    func() (io.ReadCloser, error)
	limits  Limits
	problem func(string)
}

func (t *tarTree) archive() bool { return true }
func (t *tarTree) close() error  { return nil }

func (t *tarTree) walk(ctx context.Context, f func(*entry) error) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.Close()
	b := &budget{t.limits.Expanded}
	tr := tar.NewReader(b.reader(r))
	for n := 0; ; n++ {
		h, err := tr.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("reading archive: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case n >= t.limits.Entries:
			return fmt.Errorf("%w: more than %d files", ErrLimit, t.limits.Entries)
		}
		name, err := entryName(h.Name)
		if err != nil {
			t.problem(err.Error())
			continue
		}
		if name == "" || h.Typeflag != tar.TypeDir && h.Typeflag != tar.TypeReg {
			continue
		}
		e := &entry{name: name, dir: h.Typeflag == tar.TypeDir, time: func() time.Time { return h.ModTime }, open: func() (io.ReadCloser, error) { return io.NopCloser(tr), nil }}
		if err := f(e); err != nil {
			return err
		}
	}
}

// openTree recognizes what a file is by its beginning. name is that of a file that is no
// archive. again opens it from its beginning; at is for zip files.
func openTree(name string, size int64, at io.ReaderAt, limits Limits, t time.Time, problem func(string)) (tree, error) {
	limits.setDefaults()
	if limits.Expanded == 0 {
		limits.Expanded = 1<<30 + 200*size
	}
	again := func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(at, 0, size)), nil }
	var head [512]byte
	n, err := at.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	b := head[:n]
	switch {
	case bytes.HasPrefix(b, []byte("PK\x03\x04")) || bytes.HasPrefix(b, []byte("PK\x05\x06")):
		d := &directoryReader{at: at, left: limits.Directory}
		r, err := zip.NewReader(d, size)
		d.done = true
		if errors.Is(err, ErrLimit) {
			return nil, err
		} else if err != nil {
			return nil, fmt.Errorf("reading zip file: %w", err)
		}
		return &zipTree{r, limits, problem}, nil
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		unzip := func() (io.ReadCloser, error) {
			r, _ := again()
			z, err := gzip.NewReader(bufio.NewReaderSize(r, 64<<10))
			if err != nil {
				return nil, fmt.Errorf("decompressing: %w", err)
			}
			return z, nil
		}
		z, err := unzip()
		if err != nil {
			return nil, err
		}
		defer z.Close()
		n, _ := io.ReadFull(z, head[:])
		if isTar(head[:n]) {
			return &tarTree{unzip, limits, problem}, nil
		}
		return &fileTree{strings.TrimSuffix(name, ".gz"), func() (io.ReadCloser, error) {
			r, err := unzip()
			if err != nil {
				return nil, err
			}
			return readCloser{(&budget{limits.Expanded}).reader(r), r}, nil
		}, t}, nil
	case isTar(b):
		return &tarTree{again, limits, problem}, nil
	}
	return &fileTree{name, again, t}, nil
}

// directoryReader is a zip file, of which no more than a limit is read until it is done: the directory, which gets into
// memory as a whole.
type directoryReader struct {
	at   io.ReaderAt
	left int64
	done bool
}

func (d *directoryReader) ReadAt(p []byte, off int64) (int, error) {
	if d.done {
		return d.at.ReadAt(p, off)
	}
	if d.left -= int64(len(p)); d.left < 0 {
		return 0, fmt.Errorf("%w: the zip file has too many files: a tgz file may have more", ErrLimit)
	}
	return d.at.ReadAt(p, off)
}

// isTar looks for the magic of POSIX and GNU.
func isTar(b []byte) bool { return len(b) >= 262 && string(b[257:262]) == "ustar" }
