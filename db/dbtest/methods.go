package dbtest

import (
	"bytes"
	"os"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// headerSize is the room before the system's file structure: the pointer to our methods.
const headerSize = 16

// Signatures of sqlite3_io_methods.
type (
	fnClose    = func(*libc.TLS, uintptr) int32
	fnIO       = func(*libc.TLS, uintptr, uintptr, int32, sqlite3.Tsqlite3_int64) int32
	fnTruncate = func(*libc.TLS, uintptr, sqlite3.Tsqlite3_int64) int32
	fnInt      = func(*libc.TLS, uintptr, int32) int32
	fnPtr      = func(*libc.TLS, uintptr, uintptr) int32
	fnControl  = func(*libc.TLS, uintptr, int32, uintptr) int32
	fnShmMap   = func(*libc.TLS, uintptr, int32, int32, int32, uintptr) int32
	fnShmLock  = func(*libc.TLS, uintptr, int32, int32, int32) int32
	fnBarrier  = func(*libc.TLS, uintptr)
)

// fn makes a callable of a function pointer of the library.
func fn[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

func store[F any](p *uintptr, f F) { *(*F)(unsafe.Pointer(p)) = f }

func makeMethods(tls *libc.TLS) uintptr {
	p := libc.Xcalloc(tls, 1, types.Size_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
	m := (*sqlite3.Tsqlite3_io_methods)(pointer(p))
	m.FiVersion = 2 // with shared memory, without mapped content
	store[fnClose](&m.FxClose, xClose)
	store[fnIO](&m.FxRead, xRead)
	store[fnIO](&m.FxWrite, xWrite)
	store[fnTruncate](&m.FxTruncate, xTruncate)
	store[fnInt](&m.FxSync, xSync)
	store[fnPtr](&m.FxFileSize, xFileSize)
	store[fnInt](&m.FxLock, xLock)
	store[fnInt](&m.FxUnlock, xUnlock)
	store[fnPtr](&m.FxCheckReservedLock, xCheckReservedLock)
	store[fnControl](&m.FxFileControl, xFileControl)
	store[fnClose](&m.FxSectorSize, xSectorSize)
	store[fnClose](&m.FxDeviceCharacteristics, xDeviceCharacteristics)
	store[fnShmMap](&m.FxShmMap, xShmMap)
	store[fnShmLock](&m.FxShmLock, xShmLock)
	store[fnBarrier](&m.FxShmBarrier, xShmBarrier)
	store[fnInt](&m.FxShmUnmap, xShmUnmap)
	return p
}

// realOf returns the system's file behind ours, and its methods.
func realOf(f uintptr) (uintptr, *sqlite3.Tsqlite3_io_methods) {
	r := f + headerSize
	return r, (*sqlite3.Tsqlite3_io_methods)(pointer(*(*uintptr)(pointer(r))))
}

func handleOf(f uintptr) *handle {
	h, _ := handles.Load(f)
	return h.(*handle)
}

func xOpen(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32 {
	v, _ := handles.Load(vfs)
	l := v.(*Layer)
	real := (*sqlite3.Tsqlite3_vfs)(pointer(l.real))
	rc := fn[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](real.FxOpen)(tls, l.real, name, file+headerSize, flags, out)
	if rc != sqlite3.SQLITE_OK {
		*(*uintptr)(pointer(file)) = 0
		return rc
	}
	*(*uintptr)(pointer(file)) = methods
	h := &handle{l: l, real: file + headerSize}
	if name != 0 && flags&(sqlite3.SQLITE_OPEN_MAIN_DB|sqlite3.SQLITE_OPEN_WAL|sqlite3.SQLITE_OPEN_MAIN_JOURNAL) != 0 {
		h.path = libc.GoString(name)
		l.mu.Lock()
		if l.files[h.path] == nil {
			b, _ := os.ReadFile(h.path) // what was there before counts as synced; a new file is empty
			l.files[h.path] = &image{synced: b}
		}
		l.mu.Unlock()
	}
	handles.Store(file, h)
	return rc
}

func xDelete(tls *libc.TLS, vfs, name uintptr, sync int32) int32 {
	v, _ := handles.Load(vfs)
	l := v.(*Layer)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.files, libc.GoString(name))
	real := (*sqlite3.Tsqlite3_vfs)(pointer(l.real))
	return fn[func(*libc.TLS, uintptr, uintptr, int32) int32](real.FxDelete)(tls, l.real, name, sync)
}

func xClose(tls *libc.TLS, f uintptr) int32 {
	handles.Delete(f)
	r, m := realOf(f)
	return fn[fnClose](m.FxClose)(tls, r)
}

func xRead(tls *libc.TLS, f, buf uintptr, n int32, off sqlite3.Tsqlite3_int64) int32 {
	r, m := realOf(f)
	return fn[fnIO](m.FxRead)(tls, r, buf, n, off)
}

func xWrite(tls *libc.TLS, f, buf uintptr, n int32, off sqlite3.Tsqlite3_int64) int32 {
	h := handleOf(f)
	r, m := realOf(f)
	if h.path == "" {
		return fn[fnIO](m.FxWrite)(tls, r, buf, n, off)
	}
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if rc := h.l.check(Op{h.path, "write", int(n)}, sqlite3.SQLITE_IOERR_WRITE); rc != sqlite3.SQLITE_OK {
		return rc
	}
	rc := fn[fnIO](m.FxWrite)(tls, r, buf, n, off)
	if i := h.l.files[h.path]; rc == sqlite3.SQLITE_OK && i != nil {
		i.pending = append(i.pending, write{off, bytes.Clone(unsafe.Slice((*byte)(pointer(buf)), n))})
	}
	return rc
}

func xTruncate(tls *libc.TLS, f uintptr, size sqlite3.Tsqlite3_int64) int32 {
	h := handleOf(f)
	r, m := realOf(f)
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if rc := h.l.check(Op{h.path, "truncate", 0}, sqlite3.SQLITE_IOERR_TRUNCATE); rc != sqlite3.SQLITE_OK {
		return rc
	}
	rc := fn[fnTruncate](m.FxTruncate)(tls, r, size)
	if i := h.l.files[h.path]; rc == sqlite3.SQLITE_OK && i != nil {
		i.pending = append(i.pending, write{size, nil})
	}
	return rc
}

// xSync makes what was written durable. The system's sync is left out: tests are about
// what SQLite asks for, not about this machine's disk.
func xSync(tls *libc.TLS, f uintptr, flags int32) int32 {
	h := handleOf(f)
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	if rc := h.l.check(Op{h.path, "sync", 0}, sqlite3.SQLITE_IOERR_FSYNC); rc != sqlite3.SQLITE_OK {
		return rc
	}
	i := h.l.files[h.path]
	if i == nil {
		return sqlite3.SQLITE_OK
	}
	b := bytes.Clone(i.synced) // a PowerFailure may be looking at it
	for _, w := range i.pending {
		b = apply(b, w)
	}
	i.synced, i.pending = b, nil
	return sqlite3.SQLITE_OK
}

func xFileSize(tls *libc.TLS, f, size uintptr) int32 {
	r, m := realOf(f)
	return fn[fnPtr](m.FxFileSize)(tls, r, size)
}

func xLock(tls *libc.TLS, f uintptr, level int32) int32 {
	r, m := realOf(f)
	return fn[fnInt](m.FxLock)(tls, r, level)
}

func xUnlock(tls *libc.TLS, f uintptr, level int32) int32 {
	r, m := realOf(f)
	return fn[fnInt](m.FxUnlock)(tls, r, level)
}

func xCheckReservedLock(tls *libc.TLS, f, out uintptr) int32 {
	r, m := realOf(f)
	return fn[fnPtr](m.FxCheckReservedLock)(tls, r, out)
}

func xFileControl(tls *libc.TLS, f uintptr, op int32, arg uintptr) int32 {
	r, m := realOf(f)
	return fn[fnControl](m.FxFileControl)(tls, r, op, arg)
}

func xSectorSize(tls *libc.TLS, f uintptr) int32 {
	r, m := realOf(f)
	return fn[fnClose](m.FxSectorSize)(tls, r)
}

func xDeviceCharacteristics(tls *libc.TLS, f uintptr) int32 {
	r, m := realOf(f)
	return fn[fnClose](m.FxDeviceCharacteristics)(tls, r)
}

func xShmMap(tls *libc.TLS, f uintptr, page, size, extend int32, out uintptr) int32 {
	r, m := realOf(f)
	return fn[fnShmMap](m.FxShmMap)(tls, r, page, size, extend, out)
}

func xShmLock(tls *libc.TLS, f uintptr, off, n, flags int32) int32 {
	r, m := realOf(f)
	return fn[fnShmLock](m.FxShmLock)(tls, r, off, n, flags)
}

func xShmBarrier(tls *libc.TLS, f uintptr) {
	r, m := realOf(f)
	fn[fnBarrier](m.FxShmBarrier)(tls, r)
}

func xShmUnmap(tls *libc.TLS, f uintptr, remove int32) int32 {
	r, m := realOf(f)
	return fn[fnInt](m.FxShmUnmap)(tls, r, remove)
}
