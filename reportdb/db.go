package reportdb

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"mox/db"
)

// FileName is the name of the file in the data directory.
const FileName = "report.db"

// ErrNotFound: there is no report or suppression with that id.
var ErrNotFound = errors.New("not found")

//go:embed schema/*.sql
var schemaFiles embed.FS

func schema() fs.FS { return db.Schema(schemaFiles) }

// Schema has the numbered migrations of a database FileName, for checks of its version.
func Schema() fs.FS { return schema() }

// Options say how to open a DB. The zero value is usable.
type Options struct {
	Log *slog.Logger     // nil: none
	Now func() time.Time // nil: time.Now

	FlushEvery time.Duration // how long results wait in memory; 0: 10 seconds
	MaxPending int           // different results that wait, at most; 0: 5000. More are dropped

	Unsent         time.Duration // how long results wait to be reported; 0: 48 hours
	MaxEvaluations int           // rows of evaluations, of about 1 KB; 0: 100,000. More are dropped
	MaxTLSResults  int           // rows of TLS results; 0: 50,000. More are dropped

	Retention  time.Duration // of reports received; 0: 400 days
	MaxReports int           // received, of each kind; 0: 50,000. The oldest go
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.FlushEvery = cmp.Or(o.FlushEvery, 10*time.Second)
	o.MaxPending = cmp.Or(o.MaxPending, 5000)
	o.Unsent = cmp.Or(o.Unsent, 48*time.Hour)
	o.MaxEvaluations = cmp.Or(o.MaxEvaluations, 100_000)
	o.MaxTLSResults = cmp.Or(o.MaxTLSResults, 50_000)
	o.Retention = cmp.Or(o.Retention, 400*24*time.Hour)
	o.MaxReports = cmp.Or(o.MaxReports, 50_000)
}

// DB is an open database of reports. It is safe for concurrent use.
type DB struct {
	o   Options
	db  *db.DB
	enc *zstd.Encoder
	dec *zstd.Decoder

	flushing sync.Mutex // held while pending is written

	mu      sync.Mutex // guards the below
	pending pending
	dropped int64
	closed  bool

	wake  chan struct{} // 1: much waits
	quit  chan struct{} // closed by Close
	ended chan struct{} // closed by the goroutine
}

// pending waits to be written.
type pending struct {
	tls         map[tlsKey]*tlsRow
	evaluations map[evaluationKey]int64
}

func newPending() pending {
	return pending{map[tlsKey]*tlsRow{}, map[evaluationKey]int64{}}
}

func (p *pending) size() int { return len(p.tls) + len(p.evaluations) }

// Open opens the database at path, making it when missing. A file that is damaged is set
// aside; one of a newer version is an error.
func Open(path string, o Options) (*DB, error) {
	o.setDefaults()
	file, err := db.OpenAnew(path, db.Options{Log: o.Log, Migrations: schema(), Readers: 2, CheckpointKiB: 4096})
	if err != nil {
		return nil, fmt.Errorf("opening database of reports: %w", err)
	}
	d := &DB{o: o, db: file, pending: newPending(), wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	if d.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err == nil {
		d.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxReport))
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("opening database of reports: %w", err)
	}
	go d.run()
	return d, nil
}

// maxReport bounds a stored report, in octets of JSON. It is more than any that is parsed
// can have.
const maxReport = 256 << 20

// Close writes what waits and closes the file.
func (d *DB) Close() error {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.mu.Unlock()
	if closed {
		<-d.ended
		return nil
	}
	close(d.quit)
	<-d.ended
	d.dec.Close()
	return d.db.Close()
}

const sweepEvery = time.Hour

// run is the goroutine that writes batches and removes what is old.
func (d *DB) run() {
	defer close(d.ended)
	flush, sweep := time.NewTicker(d.o.FlushEvery), time.NewTicker(sweepEvery)
	defer flush.Stop()
	defer sweep.Stop()
	ctx := context.Background()
	d.sweep(ctx)
	for {
		select {
		case <-flush.C:
		case <-d.wake:
		case <-sweep.C:
			d.sweep(ctx)
			continue
		case <-d.quit:
			d.flushLogged(ctx)
			return
		}
		d.flushLogged(ctx)
	}
}

func (d *DB) flushLogged(ctx context.Context) {
	if err := d.Flush(ctx); err != nil {
		d.o.Log.ErrorContext(ctx, "writing results to be reported", "err", err)
	}
	d.mu.Lock()
	n := d.dropped
	d.dropped = 0
	d.mu.Unlock()
	if n > 0 {
		d.o.Log.WarnContext(ctx, "results to be reported were dropped, there are too many", "dropped", n)
	}
}

// Flush writes what waits. If that fails, it waits further.
func (d *DB) Flush(ctx context.Context) error {
	d.flushing.Lock()
	defer d.flushing.Unlock()
	d.mu.Lock()
	p := d.pending
	if p.size() == 0 {
		d.mu.Unlock()
		return nil
	}
	d.pending = newPending()
	d.mu.Unlock()
	var dropped int64
	err := d.db.Write(ctx, func(c *db.Conn) error {
		dropped = 0
		n, err := d.writeTLS(c, p.tls)
		if err != nil {
			return err
		}
		m, err := d.writeEvaluations(c, p.evaluations)
		dropped = n + m
		return err
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.dropped += dropped
		return nil
	}
	for k, r := range p.tls {
		d.mergeTLS(k, r)
	}
	for k, n := range p.evaluations {
		d.pending.evaluations[k] += n
	}
	return fmt.Errorf("writing results: %w", err)
}

// added is called with d.mu held after something was added, which then waits.
func (d *DB) added() {
	if d.pending.size() < d.o.MaxPending/2 {
		return
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// read runs fn with all that was added written.
func (d *DB) read(ctx context.Context, fn func(c *db.Conn) error) error {
	if err := d.Flush(ctx); err != nil {
		return err
	}
	return d.db.Read(ctx, fn)
}

// sweep removes what is old or too much.
func (d *DB) sweep(ctx context.Context) {
	now := d.o.Now()
	err := d.db.Write(ctx, func(c *db.Conn) error {
		unsent := now.Add(-d.o.Unsent)
		if err := c.Exec("DELETE FROM tls_result WHERE day < ?", day(unsent)); err != nil {
			return err
		}
		if err := c.Exec("DELETE FROM evaluation WHERE hour < ?", hour(unsent)); err != nil {
			return err
		}
		if err := c.Exec("DELETE FROM suppression WHERE until <= ?", now.Unix()); err != nil {
			return err
		}
		for _, table := range []string{"tls_report", "dmarc_report"} {
			if err := d.sweepReports(c, table, now.Add(-d.o.Retention)); err != nil {
				return err
			}
		}
		return c.Exec("DELETE FROM tls_report_domain WHERE report NOT IN (SELECT id FROM tls_report)")
	})
	if err != nil {
		d.o.Log.ErrorContext(ctx, "removing old reports", "err", err)
	}
}

func (d *DB) sweepReports(c *db.Conn, table string, before time.Time) error {
	if err := c.Exec("DELETE FROM "+table+" WHERE received < ?", before.Unix()); err != nil {
		return err
	}
	return c.Exec("DELETE FROM "+table+" WHERE id IN (SELECT id FROM "+table+" ORDER BY received DESC, id DESC LIMIT -1 OFFSET ?)", d.o.MaxReports)
}

func day(t time.Time) int64  { return t.Unix() / 86400 }
func hour(t time.Time) int64 { return t.Unix() / 3600 }

func dayTime(n int64) time.Time  { return time.Unix(n*86400, 0).UTC() }
func hourTime(n int64) time.Time { return time.Unix(n*3600, 0).UTC() }

func (d *DB) pack(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return d.enc.EncodeAll(b, nil), nil
}

func (d *DB) unpack(b []byte, v any) error {
	b, err := d.dec.DecodeAll(b, nil)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("stored report: %w", err)
	}
	return nil
}

func lower(s string) string { return strings.ToLower(s) }
