package mtastsdb

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"mox/db"
	"mox/dns"
	"mox/mlog"
	"mox/mtasts"
)

// FileName is the name of the database in the data directory.
const FileName = "mtasts.db"

//go:embed schema/*.sql
var schemaFiles embed.FS

func schema() fs.FS { return db.Schema(schemaFiles) }

// Schema has the numbered migrations of a database FileName, for checks of its version.
func Schema() fs.FS { return schema() }

// ErrClosed is returned after Close.
var ErrClosed = errors.New("policy database is closed")

// Source is where policies come from: an *mtasts.Client.
type Source interface {
	Lookup(ctx context.Context, domain dns.Domain) (mtasts.Record, error)
	Fetch(ctx context.Context, domain dns.Domain) (mtasts.Fetched, error)
}

// Options say how to open a DB. Only Source is needed.
type Options struct {
	Source Source
	Log    *slog.Logger     // nil: none
	Now    func() time.Time // nil: time.Now
	// Random returns a number from 0 to below 1, for times of refreshes; nil: math/rand.
	Random func() float64
	// Observe, if not nil, is told the result of each Get: hit (a known policy), fetched (a
	// new one), kept (a known one, as looking for a newer one failed), none (the domain
	// has no policy), fetcherror (it has one that cannot be had), error.
	Observe func(result string)
	// Panic, if not nil, is told of panics that were caught.
	Panic func()

	// RetryAfter is how long after a failed fetch the policy of a record is not fetched
	// again; 0: 5 minutes (RFC 8461 3.3).
	RetryAfter time.Duration
	// RefreshEvery is the time between rounds of refreshes; 0: 24 hours. A round takes
	// RefreshSpread at most, 0: 3 hours, and is about the policies that nobody has tried to
	// fetch for RefreshAge, 0: 12 hours.
	RefreshEvery, RefreshSpread, RefreshAge time.Duration
	// Unused is when a policy that nobody asks for is forgotten; 0: 180 days.
	Unused time.Duration
	// Fetches bounds those under way; 0: 16.
	Fetches int
	// FetchTimeout bounds each fetch, waiting for its turn included; 0: 2 minutes.
	FetchTimeout time.Duration
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = mlog.New("mtastsdb", o.Log)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Observe == nil {
		o.Observe = func(string) {}
	}
	if o.Panic == nil {
		o.Panic = func() {}
	}
	o.RetryAfter = cmp.Or(o.RetryAfter, 5*time.Minute)
	o.RefreshEvery = cmp.Or(o.RefreshEvery, 24*time.Hour)
	o.RefreshSpread = cmp.Or(o.RefreshSpread, 3*time.Hour)
	o.RefreshAge = cmp.Or(o.RefreshAge, 12*time.Hour)
	o.Unused = cmp.Or(o.Unused, 180*24*time.Hour)
	o.Fetches = cmp.Or(o.Fetches, 16)
	o.FetchTimeout = cmp.Or(o.FetchTimeout, 2*time.Minute)
}

// DB is an open database of policies. It is safe for concurrent use.
type DB struct {
	o      Options
	db     *db.DB
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	slots  chan struct{} // one for each fetch under way
	wg     sync.WaitGroup

	mu      sync.Mutex // guards the below
	flights map[string]*flight
	closed  bool
}

// Open opens the database at path, making it when missing. A file that is damaged is set
// aside.
func Open(path string, o Options) (*DB, error) {
	o.setDefaults()
	file, err := db.OpenAnew(path, db.Options{Log: o.Log, Migrations: schema(), Readers: 2, CheckpointKiB: 1024})
	if err != nil {
		return nil, fmt.Errorf("opening policy database: %w", err)
	}
	d := &DB{o: o, db: file, slots: make(chan struct{}, o.Fetches), flights: map[string]*flight{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

// Close ends what is under way and closes the file. Run must have been ended before.
func (d *DB) Close() error {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.mu.Unlock()
	if closed {
		return nil
	}
	d.cancel()
	d.wg.Wait()
	return d.db.Close()
}

// Backup writes a copy of the database to a new file.
func (d *DB) Backup(ctx context.Context, path string) error { return d.db.Backup(ctx, path) }
