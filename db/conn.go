package db

import (
	"context"
	"fmt"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// maxCached bounds the prepared statements a connection keeps (2-6 KB each).
const maxCached = 128

// Conn is a connection to a database. It is for one goroutine at a time and valid
// only inside the function it was passed to.
type Conn struct {
	tls    *libc.TLS
	db     uintptr // sqlite3*
	stmts  map[string]*Stmt
	clock  uint64  // of statement uses, to evict the least recently used
	failed bool    // an I/O or corruption error was seen: do not reuse
	log    uintptr // int32 in C memory: pages in the log, see watchLog; 0: not watched
}

func openConn(path, vfs string, flags int32) (*Conn, error) {
	c := &Conn{tls: libc.NewTLS(), stmts: map[string]*Stmt{}}
	name, err := libc.CString(path)
	if err != nil {
		c.tls.Close()
		return nil, fmt.Errorf("opening database: %w", err)
	}
	defer libc.Xfree(c.tls, name)
	layer, err := logLayer(c.tls, vfs)
	if err != nil {
		c.tls.Close()
		return nil, fmt.Errorf("opening database: %w", err)
	}
	zvfs, err := libc.CString(layer)
	if err != nil {
		c.tls.Close()
		return nil, fmt.Errorf("opening database: %w", err)
	}
	defer libc.Xfree(c.tls, zvfs)
	pp := c.tls.Alloc(8)
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, pp, flags, zvfs)
	c.db = *(*uintptr)(pointer(pp))
	c.tls.Free(8)
	if rc != sqlite3.SQLITE_OK {
		err := c.error(rc)
		c.close()
		return nil, err
	}
	sqlite3.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	return c, nil
}

func (c *Conn) close() {
	for _, s := range c.stmts {
		s.finalize()
	}
	c.stmts = nil
	if c.db != 0 {
		sqlite3.Xsqlite3_close_v2(c.tls, c.db)
		c.db = 0
	}
	if c.log != 0 {
		libc.Xfree(c.tls, c.log)
	}
	c.tls.Close()
}

// trim finalizes cached statements and drops cached pages.
func (c *Conn) trim() {
	for sql, s := range c.stmts {
		if !s.busy {
			s.finalize()
			delete(c.stmts, sql)
		}
	}
	c.releaseLog()
	sqlite3.Xsqlite3_db_release_memory(c.tls, c.db)
}

// watchLog makes each commit note how many pages the write-ahead log then has.
func (c *Conn) watchLog() {
	if c.log = libc.Xcalloc(c.tls, 1, 8); c.log == 0 {
		return
	}
	f := noteLog
	sqlite3.Xsqlite3_wal_hook(c.tls, c.db, *(*uintptr)(unsafe.Pointer(&f)), c.log)
}

// noteLog is the hook: int(*)(void*, sqlite3*, const char*, int).
func noteLog(_ *libc.TLS, arg, _, _ uintptr, pages int32) int32 {
	*(*int32)(pointer(arg)) = pages
	return sqlite3.SQLITE_OK
}

// logPages is the number of pages in the log after the last commit.
func (c *Conn) logPages() int {
	if c.log == 0 {
		return 0
	}
	return int(*(*int32)(pointer(c.log)))
}

// error makes an Error of a result code; nil for OK.
func (c *Conn) error(rc int32) error {
	if rc == sqlite3.SQLITE_OK {
		return nil
	}
	e := &Error{Code: int(rc)}
	if c.db != 0 {
		e.Msg = libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))
	} else {
		e.Msg = libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))
	}
	switch rc & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		c.failed = true
	}
	return e
}

// Script runs statements separated by semicolons, without arguments or rows.
func (c *Conn) Script(sql string) error {
	z, err := libc.CString(sql)
	if err != nil {
		return err
	}
	defer libc.Xfree(c.tls, z)
	return c.error(sqlite3.Xsqlite3_exec(c.tls, c.db, z, 0, 0, 0))
}

// Exec runs one statement to its end. Arguments are integers of any type, bool,
// float64, string, []byte (nil is NULL) or nil.
func (c *Conn) Exec(sql string, args ...any) error {
	return c.Query(sql, args...).run()
}

// ExecInts is Exec for integer arguments, without allocating.
func (c *Conn) ExecInts(sql string, args ...int64) error {
	return c.QueryInts(sql, args...).run()
}

// Query begins a statement that returns rows:
//
//	rows := c.Query("SELECT uid FROM message WHERE mailbox_id = ?", id)
//	for rows.Next() {
//		use(rows.Int64(0))
//	}
//	if err := rows.Close(); err != nil { ... }
//
// Errors of preparing and binding also come out of Close.
func (c *Conn) Query(sql string, args ...any) *Stmt {
	s := c.stmt(sql)
	if s.err == nil {
		s.bind(args)
	}
	return s
}

// QueryInts is Query for integer arguments, without allocating.
func (c *Conn) QueryInts(sql string, args ...int64) *Stmt {
	s := c.stmt(sql)
	if s.err == nil {
		s.bindInts(args)
	}
	return s
}

// QueryInt64 returns the first column of the first row, and whether there was one.
func (c *Conn) QueryInt64(sql string, args ...any) (int64, bool, error) {
	s := c.Query(sql, args...)
	var v int64
	ok := s.Next()
	if ok {
		v = s.Int64(0)
	}
	return v, ok, s.Close()
}

// Changes is the number of rows that the last INSERT, UPDATE or DELETE touched.
func (c *Conn) Changes() int64 { return sqlite3.Xsqlite3_changes64(c.tls, c.db) }

// totalChanges is how many rows were changed since the connection was opened.
func (c *Conn) totalChanges() int64 { return sqlite3.Xsqlite3_total_changes64(c.tls, c.db) }

// LastRowID is the rowid that the last INSERT gave.
func (c *Conn) LastRowID() int64 { return sqlite3.Xsqlite3_last_insert_rowid(c.tls, c.db) }

// inTransaction reports whether a transaction is open.
func (c *Conn) inTransaction() bool { return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// stmt takes a prepared statement from the cache, or prepares one. A statement that
// is in use (a query inside the rows of the same query) is prepared once more.
func (c *Conn) stmt(sql string) *Stmt {
	s, cached := c.stmts[sql]
	if cached && !s.busy {
		s.busy, s.err, s.done = true, nil, false
		c.clock++
		s.used = c.clock
		return s
	}
	s = &Stmt{c: c, busy: true}
	if s.err = s.prepare(sql); s.err != nil || cached {
		s.once = true
		return s
	}
	c.evict()
	c.clock++
	s.used = c.clock
	c.stmts[sql] = s
	return s
}

func (c *Conn) evict() {
	if len(c.stmts) < maxCached {
		return
	}
	var oldest string
	var min uint64
	for sql, s := range c.stmts {
		if !s.busy && (oldest == "" || s.used < min) {
			oldest, min = sql, s.used
		}
	}
	if oldest != "" {
		c.stmts[oldest].finalize()
		delete(c.stmts, oldest)
	}
}

// interruptible runs fn and interrupts its statements when ctx ends.
func (c *Conn) interruptible(ctx context.Context, fn func() error) error {
	if ctx.Done() == nil {
		return fn()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		// sqlite3_interrupt may be called from any goroutine while the connection is open.
		sqlite3.Xsqlite3_interrupt(c.tls, c.db)
	})
	err := fn()
	if !stop() {
		<-done // or a late interrupt would hit the connection's next user
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}
