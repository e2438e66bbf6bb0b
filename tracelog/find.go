package tracelog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mox/db"
	"mox/trace"
)

const (
	// DefaultLimit is how many traces Find returns without a limit.
	DefaultLimit = 20
	// MaxLimit is how many it returns at most.
	MaxLimit = 1000

	// clockSlack is how far entries may be out of the order of time: a decision was made
	// before it was added, and clocks are set.
	clockSlack = time.Hour
)

var (
	// ErrQuery: a query has nothing to look for.
	ErrQuery = errors.New("nothing to look for: give a message-id, an address, a domain, an IP address, an id of a reply or Received header, or an account")

	errNoFile = errors.New("log of decisions could not be begun anew, see the log")
)

// Query says which decisions to look for.
type Query struct {
	// Text is a message-id with or without angle brackets, an address of sender or
	// recipient, a domain of one ("example.org" or "@example.org"), the client's IP address, or
	// the id that replies and Received fields show. May be empty if there is an Account.
	Text    string
	Account string    // only for this account; empty: for all
	Since   time.Time // not decided before; zero: any
	Limit   int       // at most so many; 0: DefaultLimit, and never more than MaxLimit
}

// Find returns the decisions that match, newest first: all that were added before the
// call. Without any it returns none and no error.
func (l *Log) Find(ctx context.Context, q Query) ([]*trace.Trace, error) {
	hashes, filter := []int64{}, int64(0)
	text := strings.TrimSpace(q.Text)
	switch {
	case strings.Trim(text, "<>@ ") != "":
		hashes = queryHashes(text)
		if q.Account != "" {
			filter = accountHash(q.Account)
		}
	case text == "" && q.Account != "":
		hashes = append(hashes, accountHash(q.Account))
	default:
		return nil, ErrQuery
	}
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	f := finder{l: l, hashes: hashes, filter: filter, since: q.Since, limit: min(q.Limit, MaxLimit)}
	if err := l.ask(ctx, ask{}); err != nil {
		return nil, err
	}
	used, err := f.run(ctx)
	if errors.Is(err, db.ErrCorrupt) {
		l.ask(ctx, ask{damaged: used})
		return nil, fmt.Errorf("log of decisions was damaged and is begun anew: %w", err)
	} else if err != nil {
		return nil, fmt.Errorf("searching log of decisions: %w", err)
	}
	return f.found, nil
}

// ask has the goroutine write what waits, and returns when that is done.
func (l *Log) ask(ctx context.Context, a ask) error {
	a.done = make(chan struct{})
	select {
	case l.asks <- a:
	case <-l.ended:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finder is a search under way.
type finder struct {
	l      *Log
	hashes []int64
	filter int64 // hash that entries must also have; 0: none
	since  time.Time
	limit  int

	found []*trace.Trace
	done  bool // what follows is too old
}

// run searches the spans from the newest to the oldest, each in a read transaction of its
// own, and returns the database that it used last.
func (f *finder) run(ctx context.Context) (*db.DB, error) {
	span, last := int64(-1), int64(-1)
	for first := true; first || span >= last && !f.done; first = false {
		var blobs []stored
		used, err := f.l.read(ctx, func(c *db.Conn) (err error) {
			if first {
				span, last, err = f.l.spans(c)
			}
			if err == nil {
				blobs, err = f.entries(c, span)
			}
			return err
		})
		if err != nil {
			return used, err
		}
		f.decode(blobs)
		span--
	}
	return nil, nil
}

func (l *Log) read(ctx context.Context, fn func(*db.Conn) error) (*db.DB, error) {
	l.file.RLock()
	defer l.file.RUnlock()
	if l.db == nil {
		return nil, errNoFile
	}
	err := l.db.Read(ctx, fn)
	if errors.Is(err, db.ErrClosed) {
		err = ErrClosed
	}
	return l.db, err
}

// spans returns the newest span with entries and the oldest one; 0, 1 if there are none.
func (l *Log) spans(c *db.Conn) (newest, oldest int64, err error) {
	id, ok, err := c.QueryInt64("SELECT id FROM entry ORDER BY id DESC LIMIT 1")
	if err != nil || !ok {
		return 0, 1, err
	}
	newest = id / l.o.span
	id, _, err = c.QueryInt64("SELECT id FROM entry ORDER BY id LIMIT 1")
	return newest, id / l.o.span, err
}

// stored is an entry as it was read.
type stored struct {
	id    int64
	trace []byte
}

// entries returns the matching ones of a span, newest first, until there are enough or
// they are too old.
func (f *finder) entries(c *db.Conn, span int64) ([]stored, error) {
	ids, err := f.ids(c, span)
	if err != nil {
		return nil, err
	}
	var all []stored
	for _, id := range ids {
		rows := c.QueryInts("SELECT time, trace FROM entry WHERE id = ?", id)
		if rows.Next() { // it may have been removed, lookup rows stay longer
			switch at := time.Unix(rows.Int64(0), 0); {
			case !at.Before(f.since.Truncate(time.Second)):
				all = append(all, stored{id, slices.Clone(rows.Bytes(1))})
			case at.Before(f.since.Add(-clockSlack)):
				f.done = true
			}
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
		if f.done = f.done || len(f.found)+len(all) >= f.limit; f.done {
			break
		}
	}
	return all, nil
}

// ids returns the ids of the entries of a span that have one of the hashes and the
// filter's, largest first.
func (f *finder) ids(c *db.Conn, span int64) ([]int64, error) {
	var allowed, ids []int64
	var err error
	if f.filter != 0 {
		if allowed, err = postings(c, nil, span, f.filter); err != nil || len(allowed) == 0 {
			return nil, err
		}
	}
	for _, h := range f.hashes {
		if ids, err = postings(c, ids, span, h); err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if f.filter != 0 {
		ids = slices.DeleteFunc(ids, func(id int64) bool {
			_, ok := slices.BinarySearch(allowed, id)
			return !ok
		})
	}
	slices.Reverse(ids)
	return ids, nil
}

// postings appends the ids of the entries of a span that have a hash, in their order.
func postings(c *db.Conn, ids []int64, span, hash int64) ([]int64, error) {
	rows := c.QueryInts("SELECT entry FROM lookup WHERE span = ? AND hash = ? ORDER BY entry", span, hash)
	for rows.Next() {
		ids = append(ids, rows.Int64(0))
	}
	return ids, rows.Close()
}

// decode adds entries to what was found. One that is damaged is left out.
func (f *finder) decode(blobs []stored) {
	for _, b := range blobs {
		t, err := f.l.unpack(b.trace)
		if err != nil {
			f.l.o.Log.Warn("entry of the log of decisions is damaged", "err", err, "entry", b.id)
			continue
		}
		f.found = append(f.found, t)
	}
}
