package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// Options say how to open a database. The zero value is usable.
type Options struct {
	Log        *slog.Logger // nil: none
	Migrations fs.FS        // numbered .sql files, see [DB] and migrate.go; nil: none
	CacheKiB   int          // page cache of a connection that reads; 0: 64
	WriteKiB   int          // page cache of the connection that writes, given back when idle; 0: 1024
	PageSize   int          // of a new file; 0: 4096
	Shrink     bool         // of a new file: PRAGMA incremental_vacuum gives free pages back
	Readers    int          // connections that read, at most; 0: 4
	// Synchronous is FULL unless set. NORMAL loses acknowledged commits at a power
	// failure; it is for tests that show so, and for data that can be rebuilt.
	Synchronous string
	VFS         string        // file layer; "": the system's
	BusyTimeout time.Duration // waiting for other processes' locks; 0: 10 s
	IdleReaders time.Duration // after which unused readers are closed; 0: 30 s
	// CheckpointKiB is the size of the log from which it is copied into the database
	// file in the background; 0: 16384. At sixteen times this size, readers are held
	// back for as long as it takes to start the log anew.
	CheckpointKiB int
	Watch         Watcher // is told that the database is opened and closed; nil: nobody
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	path string
	o    Options
	log  *slog.Logger

	copying sync.Mutex   // held by who copies the log: one at a time, as SQLite tells the others that it is locked
	gate    sync.RWMutex // read transactions hold it for reading; a resetting checkpoint for writing
	write   sync.Mutex   // guards w
	w       *Conn        // the connection that writes; nil when closed

	mu      sync.Mutex // guards idle, open
	idle    []idleConn
	slots   chan struct{} // one for each reader in use
	closed  atomic.Bool
	kick    chan struct{} // wakes the checkpointer
	quit    chan struct{}
	stopped sync.WaitGroup

	wrote    time.Time // the last transaction, zero when memory was given back since; guarded by write
	held     time.Time // when a long reader last kept the log from being started anew; guarded by write
	follower atomic.Pointer[Follower]
	commits  atomic.Uint64

	copied int // pages of the log when it was last to be copied; guarded by write
}

type idleConn struct {
	c     *Conn
	since time.Time
}

const openFlags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_NOMUTEX | sqlite3.SQLITE_OPEN_PRIVATECACHE

// Open opens the database at path, making it when missing, and brings its schema up to
// date. A file that is not a database gives ErrCorrupt, a newer one ErrNewer.
func Open(path string, o Options) (*DB, error) {
	defaults(&o)
	lockPerDescriptor()
	d := &DB{path: path, o: o, log: o.Log, slots: make(chan struct{}, o.Readers), kick: make(chan struct{}, 1), quit: make(chan struct{})}
	w, err := d.connect(openFlags | sqlite3.SQLITE_OPEN_CREATE)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	d.w = w
	w.watchLog()
	err = w.Script(fmt.Sprintf("PRAGMA cache_size=-%d", o.WriteKiB))
	if err == nil {
		err = d.prepareFile()
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	d.stopped.Go(d.background)
	if o.Watch != nil {
		o.Watch.Opened(d)
	}
	return d, nil
}

func defaults(o *Options) {
	set := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	set(&o.CacheKiB, 64)
	set(&o.WriteKiB, 1024)
	set(&o.PageSize, 4096)
	set(&o.Readers, 4)
	set(&o.CheckpointKiB, 16384)
	if o.Synchronous == "" {
		o.Synchronous = "FULL"
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 10 * time.Second
	}
	if o.IdleReaders == 0 {
		o.IdleReaders = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// connect opens a connection and sets it up.
func (d *DB) connect(flags int32) (*Conn, error) {
	c, err := openConn(d.path, d.o.VFS, flags)
	if err != nil {
		return nil, err
	}
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, int32(d.o.BusyTimeout.Milliseconds()))
	// auto_vacuum has effect while the file is empty. Later it would be a write for nothing, and a reader
	// that sets it would wait for the writer's lock.
	vacuum := "NONE"
	if d.o.Shrink && flags&sqlite3.SQLITE_OPEN_CREATE != 0 {
		vacuum = "INCREMENTAL"
	}
	// Checkpoints happen in the background; a mapped file turns I/O errors into SIGBUS.
	// temp_store: nothing about messages goes to files outside of the account.
	err = c.Script(fmt.Sprintf(`
		PRAGMA page_size=%d; PRAGMA auto_vacuum=%s; PRAGMA cache_size=-%d; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;
		PRAGMA synchronous=%s; PRAGMA wal_autocheckpoint=0; PRAGMA foreign_keys=OFF;
		PRAGMA trusted_schema=OFF; PRAGMA journal_size_limit=%d`,
		d.o.PageSize, vacuum, d.o.CacheKiB, d.o.Synchronous, d.o.CheckpointKiB<<11))
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// prepareFile switches to the write-ahead log and applies migrations.
func (d *DB) prepareFile() error {
	s := d.w.Query("PRAGMA journal_mode=WAL")
	mode := ""
	if s.Next() {
		mode = s.Text(0)
	}
	if err := s.Close(); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("file system does not support write-ahead logging (mode %q): it must be local", mode)
	}
	return d.migrate()
}

// Path is where the database file is.
func (d *DB) Path() string { return d.path }

// Close ends the connections; the log is then copied into the file and removed.
// It waits for transactions that are under way.
func (d *DB) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	close(d.quit)
	d.stopped.Wait()
	for range cap(d.slots) {
		d.slots <- struct{}{} // waits for readers
	}
	d.mu.Lock()
	idle := d.idle
	d.idle = nil
	d.mu.Unlock()
	for _, i := range idle {
		i.c.close()
	}
	for range cap(d.slots) {
		<-d.slots // who waits for one finds the database closed
	}
	d.write.Lock()
	defer d.write.Unlock()
	if f := d.follower.Load(); f != nil {
		f.catchUp(d.w, true)
	}
	if d.o.Watch != nil {
		d.o.Watch.Closing(d)
	}
	d.w.close()
	d.w = nil
	return nil
}

// Read runs fn in a read transaction: all its queries see the same moment. Its
// statements are interrupted when ctx ends. fn must be quick, see the package comment.
func (d *DB) Read(ctx context.Context, fn func(*Conn) error) error {
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.slots }()
	if d.closed.Load() {
		return ErrClosed
	}
	d.gate.RLock()
	defer d.gate.RUnlock()
	c, err := d.reader()
	if err != nil {
		return fmt.Errorf("opening %s to read: %w", d.path, err)
	}
	ok := false
	defer func() { d.putReader(c, ok) }()
	err = c.interruptible(ctx, func() error {
		if err := c.ExecInts("BEGIN"); err != nil {
			return err
		}
		return fn(c)
	})
	// An interrupted statement may have ended the transaction.
	if c.inTransaction() {
		ok = c.ExecInts("COMMIT") == nil
	} else {
		ok = true
	}
	return err
}

func (d *DB) reader() (*Conn, error) {
	d.mu.Lock()
	if n := len(d.idle); n > 0 {
		c := d.idle[n-1].c
		d.idle = d.idle[:n-1]
		d.mu.Unlock()
		return c, nil
	}
	d.mu.Unlock()
	c, err := d.connect(openFlags)
	if err != nil {
		return nil, err
	}
	if err := c.Script("PRAGMA query_only=ON"); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (d *DB) putReader(c *Conn, ok bool) {
	if !ok || c.failed {
		c.close()
		return
	}
	d.mu.Lock()
	d.idle = append(d.idle, idleConn{c, time.Now()})
	d.mu.Unlock()
}

// Write runs fn in a transaction of its own that is durable when Write returns nil. A
// database with a [Committer] is better written through that.
func (d *DB) Write(ctx context.Context, fn func(*Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.write.Lock()
	defer d.write.Unlock()
	if d.w == nil {
		return ErrClosed
	}
	return d.transaction(func(c *Conn) error { return contain(c, fn) })
}

// transaction is called with d.write held.
func (d *DB) transaction(fn func(*Conn) error) error {
	c := d.w
	d.wrote = time.Now()
	if err := c.ExecInts("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := fn(c)
	if err == nil {
		err = c.ExecInts("COMMIT")
	}
	if err != nil && c.inTransaction() {
		err = errors.Join(err, c.ExecInts("ROLLBACK"))
	}
	d.commits.Add(1)
	d.grown()
	return err
}

// contain turns a panic of fn into an error.
func contain(c *Conn, fn func(*Conn) error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = &PanicError{Value: x, Stack: stack()}
		}
	}()
	return fn(c)
}

// ReadLong is like Read for what takes long: it uses a connection of its own and holds
// back nobody, but the log grows as long as it runs.
func (d *DB) ReadLong(ctx context.Context, fn func(*Conn) error) error {
	if d.closed.Load() {
		return ErrClosed
	}
	c, err := d.connect(openFlags)
	if err != nil {
		return fmt.Errorf("opening %s to read: %w", d.path, err)
	}
	defer c.close()
	return c.interruptible(ctx, func() error {
		if err := c.Script("PRAGMA query_only=ON; BEGIN"); err != nil {
			return err
		}
		return fn(c)
	})
}

// IntegrityCheck returns what SQLite finds wrong with the file, at most max lines.
func (d *DB) IntegrityCheck(ctx context.Context, max int) ([]string, error) {
	var found []string
	err := d.ReadLong(ctx, func(c *Conn) error {
		rows := c.Query(fmt.Sprintf("PRAGMA integrity_check(%d)", max))
		for rows.Next() {
			if t := rows.Text(0); t != "ok" {
				found = append(found, t)
			}
		}
		return rows.Close()
	})
	if errors.Is(err, ErrCorrupt) {
		return append(found, err.Error()), nil
	}
	return found, err
}
