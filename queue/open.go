package queue

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"time"

	"mox/chunk"
	"mox/db"
)

// logKiB is the size of the log from which it is copied into the file. Most of what is
// written to it does not matter any more by then, so that not copying often saves much.
const logKiB = 64 << 10

//go:embed schema/*.sql
var schemaFiles embed.FS

func schema() fs.FS { return db.Schema(schemaFiles) }

// Schema has the numbered migrations of a database FileName, for checks of its version.
func Schema() fs.FS { return schema() }

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retired == nil {
		o.Retired = func(string) (time.Duration, time.Duration) { return 0, 0 }
	}
	if o.Hooks == nil {
		o.Hooks = func(Event) []Hook { return nil }
	}
	if o.Suppress == nil {
		o.Suppress = func(m *Message) bool { return m.Account != "" && m.Kind == Ordinary && !m.Local }
	}
	if o.Touched == nil {
		o.Touched = func(string) {}
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.HooksChanged == nil {
		o.HooksChanged = func() {}
	}
	l := &o.Limits
	l.Messages = cmp.Or(l.Messages, 100_000)
	l.Size = cmp.Or(l.Size, 10<<30)
	l.Results = max(cmp.Or(l.Results, 20), 2)
	l.ResultText = cmp.Or(l.ResultText, 2048)
	l.Extra = cmp.Or(l.Extra, 64<<10)
	l.HoldRules = cmp.Or(l.HoldRules, 1000)
	l.Suppressed = cmp.Or(l.Suppressed, 100_000)
	l.Payload = cmp.Or(l.Payload, 4<<20)
	l.Hooks = cmp.Or(l.Hooks, 100_000)
	l.Bounces = cmp.Or(l.Bounces, 5*24*time.Hour)
	l.Awaited = cmp.Or(l.Awaited, 500_000)
	l.Failures = cmp.Or(l.Failures, 90*24*time.Hour)
}

// Open opens the queue at path, making it when missing. Attempts that were noted by Begin
// and whose outcome was never recorded are recorded as failed temporarily.
func Open(path string, o Options) (*Queue, error) {
	o.setDefaults()
	codec, err := chunk.New()
	if err != nil {
		return nil, fmt.Errorf("opening queue: %w", err)
	}
	d, err := db.Open(path, db.Options{Log: o.Log, Migrations: schema(), Shrink: true, WriteKiB: 2048, CheckpointKiB: logKiB, VFS: o.VFS, Synchronous: o.Synchronous, Watch: o.Watch})
	if err != nil {
		codec.Close()
		return nil, openError(path, err)
	}
	q := &Queue{
		o: o, log: o.Log, db: d, codec: codec, begun: map[int64]int64{}, recent: recent{content: map[int64]*recentContent{}},
		quit: make(chan struct{}), wake: make(chan struct{}, 1), noted: make(chan struct{}, 1),
	}
	q.committer = d.NewCommitter(db.Hooks{Before: q.beforeCommit, After: q.afterCommit, Again: q.totals.clear})
	if err := q.recover(context.Background()); err != nil {
		q.committer.Close()
		d.Close()
		codec.Close()
		return nil, openError(path, err)
	}
	q.working.Go(q.work)
	return q, nil
}

// Look opens the queue at path for f, which may call List, Count and Stats only: nothing is recorded,
// tried or removed. No server may use it. There is nothing to see where there is no file.
func Look(path string, f func(q *Queue) error) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	d, err := db.Open(path, db.Options{Migrations: schema()})
	if err != nil {
		return openError(path, err)
	}
	return errors.Join(f(&Queue{db: d}), d.Close())
}

// openError says what to do about a damaged file. To begin with an empty queue is for a
// person to decide: mail is in it.
func openError(path string, err error) error {
	if errors.Is(err, db.ErrCorrupt) {
		return fmt.Errorf("opening queue: %w; %s is damaged: restore it from a backup, or save what can be read with \"sqlite3 %s .recover\", or move it and its -wal file away to begin with an empty queue", err, path, path)
	}
	return fmt.Errorf("opening queue: %w", err)
}

// recover brings in order what a crash left: attempts without outcome, and content of
// messages that never came.
func (q *Queue) recover(ctx context.Context) error {
	return q.do(ctx, 0, func(t *tx) error {
		if err := t.c.Exec("UPDATE content SET freed = 1 WHERE refs = 0"); err != nil {
			return err
		}
		t.free = true
		ids, err := queryIDs(t.c, "SELECT id FROM message WHERE begun <> 0")
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := t.interrupted(id); err != nil {
				return err
			}
		}
		if len(ids) > 0 {
			q.log.Warn("attempts to deliver were interrupted by the end of the server", "messages", len(ids))
		}
		return nil
	})
}

// interrupted records the attempt that was under way when the process ended. The
// message stays due: it may be that nobody has it.
func (t *tx) interrupted(id int64) error {
	r, err := t.get(id)
	if err != nil {
		return err
	}
	res := Result{Start: fromMillis(r.begun), Error: "interrupted: the server ended while the attempt was under way"}
	results, err := t.q.appendResult(r.m.Results, res)
	if err != nil {
		return err
	}
	return t.c.Exec("UPDATE message SET begun = 0, attempts = attempts + 1, last_attempt = ?, results = ? WHERE id = ?", r.begun, results, id)
}

// Close waits for what is under way and closes the file. Calls that come later fail with ErrClosed.
func (q *Queue) Close() error {
	var err error
	q.once.Do(func() {
		close(q.quit)
		q.working.Wait()
		q.committer.Close()
		err = q.db.Close()
		q.codec.Close()
	})
	return err
}

// Backup writes a copy of the queue as it is now to a new file.
func (q *Queue) Backup(ctx context.Context, path string) error { return q.db.Backup(ctx, path) }

// tx is an operation within a commit.
type tx struct {
	q   *Queue
	c   *db.Conn
	now time.Time

	totals totals

	changed, hooks, free bool     // what is to be told once it is durable
	touched              []string // accounts, "": any
}

// do runs fn as an operation of the next commit, and returns when that is durable. size
// is about how many bytes it writes. fn may be run more than once, see db.Hooks: what it
// leaves outside of the transaction is that of the last time.
func (q *Queue) do(ctx context.Context, size int, fn func(*tx) error) error {
	var t *tx
	err := q.committer.Do(ctx, size, func(c *db.Conn) error {
		t = &tx{q: q, c: c, now: q.o.Now()}
		if err := fn(t); err != nil {
			return err
		}
		q.totals.add(&t.totals)
		return nil
	})
	if err != nil {
		return diskError(err)
	}
	if t.changed {
		q.o.Changed()
	}
	for _, account := range t.touched {
		q.o.Touched(account)
	}
	if t.hooks {
		q.o.HooksChanged()
	}
	if t.free {
		signal(q.wake)
	}
	return nil
}

// touch notes that messages of an account have changed; "" stands for any account.
func (t *tx) touch(account string) {
	if !slices.Contains(t.touched, account) {
		t.touched = append(t.touched, account)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// diskError makes errors about space those of this package.
func diskError(err error) error {
	if errors.Is(err, db.ErrFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

// millis is a time as stored.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is a stored time.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// queryIDs returns the first column of all rows.
func queryIDs(c *db.Conn, sql string, args ...any) ([]int64, error) {
	rows := c.Query(sql, args...)
	var ids []int64
	for rows.Next() {
		ids = append(ids, rows.Int64(0))
	}
	return ids, rows.Close()
}
