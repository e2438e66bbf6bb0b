package tracelog

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mox/db"
	"mox/trace"
)

// FileName is the name of the log in the data directory.
const FileName = "trace.db"

//go:embed schema/*.sql
var schemaFiles embed.FS

func schema() fs.FS { return db.Schema(schemaFiles) }

// Schema has the numbered migrations of a database FileName, for checks of its version.
func Schema() fs.FS { return schema() }

// ErrClosed is returned by Find after Close.
var ErrClosed = errors.New("log of decisions is closed")

// Options say how to open a Log. The zero value is usable.
type Options struct {
	Log *slog.Logger     // nil: none
	Now func() time.Time // nil: time.Now

	Retention time.Duration // how long entries are kept; 0: 30 days
	Max       int           // entries kept, at most; 0: 100,000
	Queue     int           // entries that may wait to be written; 0: 4096

	span int64 // 0: spanSize, as in all files but those of tests
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Retention = cmp.Or(o.Retention, 30*24*time.Hour)
	o.Max = cmp.Or(o.Max, 100_000)
	o.Queue = cmp.Or(o.Queue, 4096)
	o.span = cmp.Or(o.span, spanSize)
}

// Log is an open log of decisions. It is safe for concurrent use.
type Log struct {
	o    Options
	path string
	packer

	mu      sync.Mutex // guards the below
	pending []*trace.Trace
	closed  bool

	dropped atomic.Int64
	wake    chan struct{} // 1: something waits, or a batch is complete
	asks    chan ask
	quit    chan struct{} // closed by Close
	ended   chan struct{} // closed by the goroutine

	file sync.RWMutex // held for reading while db is used
	db   *db.DB       // nil when it could not be begun anew

	// Of the goroutine.
	next, first int64 // ids: of the next entry, and at most that of the oldest
	spare       []*trace.Trace
	reported    int64     // of dropped, in the log
	complained  time.Time // when something was last logged
}

// ask wants what waits to be written. With damaged, the file is begun anew.
type ask struct {
	done    chan struct{}
	damaged *db.DB // in which damage was found
}

// Open opens the log at path, making it when missing. A file that is damaged, or of a
// newer version, is set aside.
func Open(path string, o Options) (*Log, error) {
	o.setDefaults()
	p, err := newPacker()
	if err != nil {
		return nil, err
	}
	l := &Log{
		o: o, path: path, packer: p,
		wake: make(chan struct{}, 1), asks: make(chan ask), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("opening log of decisions: %w", err)
	}
	go l.run()
	return l, nil
}

// Add adds a decision, which must not be changed any more. It never waits: when too many
// decisions wait to be written, or after Close, this one is dropped.
func (l *Log) Add(t *trace.Trace) {
	l.mu.Lock()
	n := len(l.pending)
	fits := !l.closed && n < l.o.Queue
	if fits {
		l.pending = append(l.pending, t)
	}
	l.mu.Unlock()
	if !fits {
		l.dropped.Add(1)
		return
	}
	if n == 0 || n+1 == batchSize {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Dropped is the number of decisions that were not kept since Open: because too many
// waited, or because they could not be written.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Close writes what waits and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if !closed {
		close(l.quit)
	}
	<-l.ended
	l.file.Lock()
	defer l.file.Unlock()
	if l.db == nil {
		return nil
	}
	return l.db.Close()
}

// open opens the file, and begins it anew when it cannot be used. It is called with
// l.file held, or before there is a goroutine.
func (l *Log) open() error {
	err := l.openFile()
	if !unusable(err) {
		return err
	}
	if err := l.setAside(err); err != nil {
		return err
	}
	return l.openFile()
}

// unusable tells whether an error is one of the file, of which nothing better can come.
func unusable(err error) bool { return errors.Is(err, db.ErrCorrupt) || errors.Is(err, db.ErrNewer) }

func (l *Log) openFile() error {
	d, err := db.Open(l.path, db.Options{
		Log: l.o.Log, Migrations: schema(), Synchronous: "NORMAL", Readers: 2, CheckpointKiB: 4096,
	})
	if err != nil {
		return err
	}
	if err := l.readState(d); err != nil {
		d.Close()
		return err
	}
	l.db = d
	return nil
}

// setAside renames the file, in place of one that was renamed before.
func (l *Log) setAside(reason error) error {
	aside := l.path + ".aside"
	l.o.Log.Error("log of decisions cannot be used, beginning it anew", "reason", reason, "aside", aside)
	return db.SetAside(l.path, aside)
}

// renew begins the file anew after damage was found in bad, unless that was done already.
// It is called by the goroutine.
func (l *Log) renew(bad *db.DB, reason error) error {
	l.file.Lock()
	defer l.file.Unlock()
	if l.db != bad {
		return nil
	}
	if bad != nil {
		bad.Close() // the damage is known
		l.db = nil
		if err := l.setAside(reason); err != nil {
			return err
		}
	}
	return l.open()
}
