package db

import (
	"fmt"
	"reflect"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// keepArena is the size of argument memory that a statement keeps between uses.
const keepArena = 16 << 10

// Stmt is a statement being run; see [Conn.Query].
type Stmt struct {
	c     *Conn
	p     uintptr // sqlite3_stmt*
	arena uintptr // C memory that holds bound text and blobs
	size  int     // of arena
	used  uint64  // clock of the last use
	err   error
	busy  bool // handed out
	once  bool // not cached
	done  bool // stepped to the end
}

func (s *Stmt) prepare(sql string) error {
	z, err := libc.CString(sql)
	if err != nil {
		return err
	}
	defer libc.Xfree(s.c.tls, z)
	pp := s.c.tls.Alloc(8)
	defer s.c.tls.Free(8)
	rc := sqlite3.Xsqlite3_prepare_v3(s.c.tls, s.c.db, z, int32(len(sql))+1, sqlite3.SQLITE_PREPARE_PERSISTENT, pp, 0)
	s.p = *(*uintptr)(pointer(pp))
	if rc != sqlite3.SQLITE_OK {
		return s.c.error(rc)
	}
	if s.p == 0 {
		return fmt.Errorf("empty statement")
	}
	return nil
}

func (s *Stmt) finalize() {
	if s.p != 0 {
		sqlite3.Xsqlite3_finalize(s.c.tls, s.p)
		s.p = 0
	}
	s.freeArena()
}

func (s *Stmt) freeArena() {
	if s.arena != 0 {
		libc.Xfree(s.c.tls, s.arena)
		s.arena, s.size = 0, 0
	}
}

// reserve makes the arena hold n bytes.
func (s *Stmt) reserve(n int) bool {
	if n <= s.size {
		return true
	}
	s.freeArena()
	n = max(n, 512)
	if s.arena = libc.Xmalloc(s.c.tls, types.Size_t(n)); s.arena == 0 {
		s.err = fmt.Errorf("out of memory")
		return false
	}
	s.size = n
	return true
}

func (s *Stmt) bindInts(args []int64) {
	for i, v := range args {
		if rc := sqlite3.Xsqlite3_bind_int64(s.c.tls, s.p, int32(i+1), v); rc != sqlite3.SQLITE_OK {
			s.err = s.c.error(rc)
			return
		}
	}
}

func (s *Stmt) bind(args []any) {
	total := 0
	for _, a := range args {
		switch v := a.(type) {
		case string:
			total += len(v)
		case []byte:
			total += len(v)
		}
	}
	// An empty text or blob still needs a pointer that is not null.
	if len(args) > 0 && !s.reserve(total+1) {
		return
	}
	at := s.arena
	for i, a := range args {
		rc := s.bindOne(int32(i+1), a, &at)
		if rc != sqlite3.SQLITE_OK {
			s.err = s.c.error(rc)
			return
		}
	}
}

func (s *Stmt) bindOne(i int32, a any, at *uintptr) int32 {
	tls, p := s.c.tls, s.p
	switch v := a.(type) {
	case nil:
		return sqlite3.Xsqlite3_bind_null(tls, p, i)
	case int64:
		return sqlite3.Xsqlite3_bind_int64(tls, p, i, v)
	case int:
		return sqlite3.Xsqlite3_bind_int64(tls, p, i, int64(v))
	case string:
		copy(unsafe.Slice((*byte)(pointer(*at)), len(v)), v)
		rc := sqlite3.Xsqlite3_bind_text(tls, p, i, *at, int32(len(v)), 0)
		*at += uintptr(len(v))
		return rc
	case []byte:
		if v == nil {
			return sqlite3.Xsqlite3_bind_null(tls, p, i)
		}
		copy(unsafe.Slice((*byte)(pointer(*at)), len(v)), v)
		rc := sqlite3.Xsqlite3_bind_blob(tls, p, i, *at, int32(len(v)), 0)
		*at += uintptr(len(v))
		return rc
	case bool:
		n := int64(0)
		if v {
			n = 1
		}
		return sqlite3.Xsqlite3_bind_int64(tls, p, i, n)
	case float64:
		return sqlite3.Xsqlite3_bind_double(tls, p, i, v)
	}
	switch v := reflect.ValueOf(a); {
	case v.CanInt():
		return sqlite3.Xsqlite3_bind_int64(tls, p, i, v.Int())
	case v.CanUint():
		return sqlite3.Xsqlite3_bind_int64(tls, p, i, int64(v.Uint()))
	}
	s.err = fmt.Errorf("argument %d has type %T, which is not supported", i, a)
	return sqlite3.SQLITE_OK
}

// Next goes to the next row. False at the end and on an error, which Close returns.
func (s *Stmt) Next() bool {
	if s.err != nil || s.done {
		return false
	}
	switch rc := sqlite3.Xsqlite3_step(s.c.tls, s.p); rc {
	case sqlite3.SQLITE_ROW:
		return true
	case sqlite3.SQLITE_DONE:
		s.done = true
	default:
		s.err = s.c.error(rc)
	}
	return false
}

func (s *Stmt) run() error {
	for s.Next() {
	}
	return s.Close()
}

// Close ends the statement and returns its first error. The Stmt must not be used after.
func (s *Stmt) Close() error {
	err := s.err
	if !s.busy {
		return err
	}
	s.busy = false
	if s.once {
		s.finalize()
		return err
	}
	sqlite3.Xsqlite3_reset(s.c.tls, s.p)
	if s.arena != 0 {
		sqlite3.Xsqlite3_clear_bindings(s.c.tls, s.p)
		if s.size > keepArena {
			s.freeArena()
		}
	}
	return err
}

// Int64 is column i as an integer; NULL is 0.
func (s *Stmt) Int64(i int) int64 { return sqlite3.Xsqlite3_column_int64(s.c.tls, s.p, int32(i)) }

// Float64 is column i as a number.
func (s *Stmt) Float64(i int) float64 {
	return sqlite3.Xsqlite3_column_double(s.c.tls, s.p, int32(i))
}

// Null reports whether column i is NULL.
func (s *Stmt) Null(i int) bool {
	return sqlite3.Xsqlite3_column_type(s.c.tls, s.p, int32(i)) == sqlite3.SQLITE_NULL
}

// Bytes is column i as SQLite holds it: valid until the next call of Next or Close,
// not to be written to. NULL is nil.
func (s *Stmt) Bytes(i int) []byte {
	p := sqlite3.Xsqlite3_column_blob(s.c.tls, s.p, int32(i))
	n := sqlite3.Xsqlite3_column_bytes(s.c.tls, s.p, int32(i))
	if p == 0 || n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(p)), int(n))
}

// Text is column i as a string of its own. NULL is "".
func (s *Stmt) Text(i int) string { return string(s.Bytes(i)) }

// pointer makes a pointer of an address in the library's memory, which the garbage
// collector neither knows nor moves.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }
