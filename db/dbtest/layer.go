// Package dbtest has what tests of packages share that keep a database.
//
// A [Layer] shows what power failures and full disks do to a database. It sits between
// SQLite and the system's files, and knows what of each file is on disk for sure, because
// it was synced, and what may or may not be.
//
// [Upgrade] holds packages to the rule that what one release wrote, every later one opens.
package dbtest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// Op is what SQLite is about to do to a file.
type Op struct {
	Path string
	Kind string // "write", "sync", "truncate"
	Size int    // of a write
}

// ErrFull, returned by a Layer's Fail function, makes an operation fail as on a full
// disk; any other error as a failing disk does.
var ErrFull = errors.New("no space left on device")

// Layer is a file layer. Its Name is for db.Options.VFS. It is safe for concurrent use.
type Layer struct {
	Name string

	real uintptr // sqlite3_vfs of the system
	vfs  uintptr // our sqlite3_vfs

	mu    sync.Mutex // guards the fields below, and keeps file operations in one order
	files map[string]*image
	fail  func(Op) error
}

// image is what is known about a file's content.
type image struct {
	synced  []byte  // on disk for sure
	pending []write // since the last sync, in order
}

// write is bytes at an offset, or with nil data, a truncation to it.
type write struct {
	off  int64
	data []byte
}

// handles maps the address of an open file, and of a VFS, to what we know about it:
// SQLite calls functions, which have no other way to their data.
var handles sync.Map // uintptr: *handle or *Layer

type handle struct {
	l    *Layer
	path string // "" for files that do not matter (temporary ones)
	real uintptr
}

var (
	methodsOnce sync.Once
	methods     uintptr // our sqlite3_io_methods
	counter     atomic.Int64
)

// New registers a file layer, under a name of its own. It stays registered: SQLite may
// hold on to it for as long as the process runs.
func New() (*Layer, error) {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := sqlite3.Xsqlite3_initialize(tls); rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("initializing SQLite: %d", rc)
	}
	methodsOnce.Do(func() { methods = makeMethods(tls) })
	l := &Layer{Name: fmt.Sprintf("dbtest%d", counter.Add(1)), files: map[string]*image{}}
	l.real = sqlite3.Xsqlite3_vfs_find(tls, 0)
	name, err := libc.CString(l.Name)
	if err != nil {
		return nil, err
	}
	l.vfs = libc.Xmalloc(tls, types.Size_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
	v := (*sqlite3.Tsqlite3_vfs)(pointer(l.vfs))
	*v = *(*sqlite3.Tsqlite3_vfs)(pointer(l.real))
	v.FszOsFile += headerSize
	v.FpNext, v.FzName = 0, name
	*(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&v.FxOpen)) = xOpen
	*(*func(*libc.TLS, uintptr, uintptr, int32) int32)(unsafe.Pointer(&v.FxDelete)) = xDelete
	handles.Store(l.vfs, l)
	if rc := sqlite3.Xsqlite3_vfs_register(tls, l.vfs, 0); rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("registering file layer: %d", rc)
	}
	return l, nil
}

// Fail makes f decide about each operation: an error makes it fail, without effect. nil
// lets all succeed.
func (l *Layer) Fail(f func(Op) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = f
}

// check returns a result code other than OK when the operation is to fail. l.mu is held.
func (l *Layer) check(op Op, code int32) int32 {
	if l.fail == nil {
		return sqlite3.SQLITE_OK
	}
	switch err := l.fail(op); {
	case err == nil:
		return sqlite3.SQLITE_OK
	case errors.Is(err, ErrFull):
		return sqlite3.SQLITE_FULL
	}
	return code
}

// PowerFailure is the files of a Layer as a power failure left them.
type PowerFailure struct{ files map[string][]byte }

// PowerFailure returns what is on disk when power fails now: all that was synced, and
// of what was written since, any sectors, as r decides.
func (l *Layer) PowerFailure(r *rand.Rand) *PowerFailure {
	l.mu.Lock()
	images := map[string]image{}
	for path, i := range l.files {
		// Synced content is replaced, pending writes are appended: neither is written to.
		images[path] = *i
	}
	l.mu.Unlock()
	p := &PowerFailure{map[string][]byte{}}
	for path, i := range images {
		p.files[path] = i.torn(r)
	}
	return p
}

// torn applies a random part of the pending writes.
func (i *image) torn(r *rand.Rand) []byte {
	b := append([]byte{}, i.synced...)
	// Sometimes nothing was written yet, sometimes all of it; mostly, sectors at random.
	p := r.Float64()*1.6 - 0.3
	for _, w := range i.pending {
		if w.data == nil {
			if r.Float64() < p {
				b = apply(b, w)
			}
			continue
		}
		for at := 0; at < len(w.data); {
			n := min(len(w.data)-at, sector-int((w.off+int64(at))%sector))
			if r.Float64() < p {
				b = apply(b, write{w.off + int64(at), w.data[at : at+n]})
			}
			at += n
		}
	}
	return b
}

func apply(b []byte, w write) []byte {
	if w.data == nil {
		if int64(len(b)) > w.off {
			b = b[:w.off]
		}
		return b
	}
	if need := w.off + int64(len(w.data)); int64(len(b)) < need {
		b = append(b, make([]byte, need-int64(len(b)))...)
	}
	copy(b[w.off:], w.data)
	return b
}

// Restore writes the files whose path begins with dir into another directory.
func (p *PowerFailure) Restore(dir, to string) error {
	for path, b := range p.files {
		rel, err := filepath.Rel(dir, path)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		dst := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(dst), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(dst, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Paths returns the files the layer knows.
func (p *PowerFailure) Paths() []string {
	var paths []string
	for path := range maps.Keys(p.files) {
		paths = append(paths, path)
	}
	return paths
}

// pointer makes a pointer of an address in the library's memory.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }
