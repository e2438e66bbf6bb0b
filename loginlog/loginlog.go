package loginlog

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"mox/db"
	"mox/mlog"
)

// FileName is the name of the database in the data directory.
const FileName = "login.db"

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema has the numbered migrations of a database FileName, for checks of its version.
func Schema() fs.FS { return db.Schema(schemaFiles) }

// Bounds of what is kept.
const (
	MaxAttempts = 10_000              // rows of an account
	MaxWaiting  = 10_000              // attempts that wait to be written
	keep        = 30 * 24 * time.Hour // after the last time
	maxText     = 255                 // octets of login, agent and the other texts
	sweepEvery  = time.Hour
)

// Options say how to open a Log. The zero value is usable.
type Options struct {
	Log   *slog.Logger     // nil: none
	Now   func() time.Time // nil: time.Now
	Delay time.Duration    // how long attempts wait to be written; 0: 2 seconds
	Max   int              // rows of an account; 0: MaxAttempts
}

// key is what attempts have in common.
type key struct{ account, login, remote, protocol, mech, tls, agent, result string }

// times are when they were.
type times struct {
	first, last int64
	count       int64
}

// Log is the record of a server.
type Log struct {
	o  Options
	db *db.DB

	writing sync.Mutex // held while rows are written

	mu      sync.Mutex // guards the below
	waiting map[key]times
	left    int // attempts that were left out since the last write
	closed  bool

	wake  chan struct{} // 1: something waits
	quit  chan struct{}
	ended chan struct{}
}

// Open opens the database at path, making it when missing.
func Open(path string, o Options) (*Log, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = mlog.New("loginlog", o.Log)
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Delay, o.Max = cmp.Or(o.Delay, 2*time.Second), cmp.Or(o.Max, MaxAttempts)
	file, err := db.OpenAnew(path, db.Options{Log: o.Log, Migrations: Schema(), Readers: 1, CheckpointKiB: 1024})
	if err != nil {
		return nil, fmt.Errorf("opening database of logins: %w", err)
	}
	l := &Log{o: o, db: file, waiting: map[key]times{}, wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	go l.run()
	return l, nil
}

// text is one of a client, as it is kept.
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}

// Record adds an attempt, of which First does not count. It does not wait for anything.
func (l *Log) Record(a Attempt) {
	k := key{text(a.Account), text(a.LoginAddress), text(a.RemoteIP), text(a.Protocol), text(a.AuthMech), text(a.TLS), text(a.UserAgent), text(a.Result)}
	at := a.Last.Unix()
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.waiting[k]
	switch {
	case !ok && len(l.waiting) >= MaxWaiting:
		l.left++
		return
	case !ok:
		t = times{first: at, last: at}
	}
	t.first, t.last, t.count = min(t.first, at), max(t.last, at), t.count+max(1, a.Count)
	l.waiting[k] = t
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run writes what waits, and forgets what is old.
func (l *Log) run() {
	defer close(l.ended)
	ctx := context.Background()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	l.sweep(ctx)
	for {
		select {
		case <-l.wake:
			t := time.NewTimer(l.o.Delay)
			select {
			case <-t.C:
			case <-l.quit:
			}
			t.Stop()
			l.write(ctx)
		case <-sweep.C:
			l.sweep(ctx)
		case <-l.quit:
			l.write(ctx)
			return
		}
	}
}

// write writes what waits, and logs what goes wrong.
func (l *Log) write(ctx context.Context) {
	if err := l.flush(ctx); err != nil {
		l.o.Log.ErrorContext(ctx, "writing record of logins", "err", err)
	}
}

// flush writes what waits. If that fails, it waits for the next time.
func (l *Log) flush(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	rows, left := l.waiting, l.left
	l.waiting, l.left = map[key]times{}, 0
	l.mu.Unlock()
	if left > 0 {
		l.o.Log.WarnContext(ctx, "too many different logins to record them all", "count", left)
	}
	if len(rows) == 0 {
		return nil
	}
	err := l.db.Write(ctx, func(c *db.Conn) error {
		accounts := map[string]bool{}
		for k, t := range rows {
			accounts[k.account] = true
			err := c.Exec("INSERT INTO attempt (account, login, remote, protocol, mech, tls, agent, result, first, last, count) VALUES (?,?,?,?,?,?,?,?,?,?,?)"+
				" ON CONFLICT DO UPDATE SET last = max(last, excluded.last), count = count + excluded.count",
				k.account, k.login, k.remote, k.protocol, k.mech, k.tls, k.agent, k.result, t.first, t.last, t.count)
			if err != nil {
				return err
			}
		}
		for account := range accounts {
			if err := l.trim(c, account); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, t := range rows {
		if o, ok := l.waiting[k]; ok {
			t = times{t.first, max(t.last, o.last), t.count + o.count}
		} else if len(l.waiting) >= MaxWaiting {
			l.left++
			continue
		}
		l.waiting[k] = t
	}
	return fmt.Errorf("writing: %w", err)
}

// trim removes the oldest rows of an account that has too many; those of the last second stay.
func (l *Log) trim(c *db.Conn, account string) error {
	oldest, ok, err := c.QueryInt64("SELECT last FROM attempt WHERE account=? ORDER BY last DESC LIMIT 1 OFFSET ?", account, int64(l.o.Max))
	if err != nil || !ok {
		return err
	}
	return c.Exec("DELETE FROM attempt WHERE account=?1 AND last<=?2 AND last<(SELECT max(last) FROM attempt WHERE account=?1)", account, oldest)
}

// sweep forgets what is too old.
func (l *Log) sweep(ctx context.Context) {
	err := l.db.Write(ctx, func(c *db.Conn) error {
		return c.Exec("DELETE FROM attempt WHERE last<?", l.o.Now().Add(-keep).Unix())
	})
	if err != nil {
		l.o.Log.ErrorContext(ctx, "forgetting old logins", "err", err)
	}
}

// List returns the last attempts of an account, or of all for "", newest first, limit of them at most.
func (l *Log) List(ctx context.Context, account string, limit int) ([]Attempt, error) {
	if err := l.flush(ctx); err != nil {
		return nil, err
	}
	const columns = "SELECT account, login, remote, protocol, mech, tls, agent, result, first, last, count FROM attempt "
	var all []Attempt
	err := l.db.Read(ctx, func(c *db.Conn) error {
		query, args := columns+"WHERE account=? ORDER BY last DESC LIMIT ?", []any{account, int64(limit)}
		if account == "" {
			query, args = columns+"ORDER BY last DESC LIMIT ?", args[1:]
		}
		rows := c.Query(query, args...)
		for rows.Next() {
			all = append(all, Attempt{
				Account: rows.Text(0), LoginAddress: rows.Text(1), RemoteIP: rows.Text(2), Protocol: rows.Text(3), AuthMech: rows.Text(4), TLS: rows.Text(5),
				UserAgent: rows.Text(6), Result: rows.Text(7), First: time.Unix(rows.Int64(8), 0).UTC(), Last: time.Unix(rows.Int64(9), 0).UTC(), Count: rows.Int64(10),
			})
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("listing logins: %w", err)
	}
	return all, nil
}

// Forget removes what is recorded of an account, which is removed.
func (l *Log) Forget(ctx context.Context, account string) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	return l.db.Write(ctx, func(c *db.Conn) error { return c.Exec("DELETE FROM attempt WHERE account=?", account) })
}

// Close writes what waits and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if closed {
		<-l.ended
		return nil
	}
	close(l.quit)
	<-l.ended
	return l.db.Close()
}
