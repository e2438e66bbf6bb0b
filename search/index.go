package search

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"mox/db"
	"mox/store"
)

// FileName is the name of an account's index, beside its account.db.
const FileName = "search.db"

//go:embed index.sql
var schema string

// format names the form of the file and of what makes terms of text; an index of another
// form is made anew.
func format() string { return "mox search 3, Unicode " + unicode.Version + " " + norm.Version }

// errForeign says that an index is not of the account or not of this program.
var errForeign = errors.New("index does not belong to the account's data")

// index is an open index. Methods may be called concurrently, but only one goroutine at a
// time adds batches, and only one merges and sweeps.
type index struct {
	id    uint64 // of this opening, for the cache
	path  string
	log   *slog.Logger
	db    *db.DB
	codec *codec
	cache *cache
}

// openIndex opens the index of an account, and makes it anew when it is missing,
// damaged, of another version, or of other data than the account's.
func openIndex(ctx context.Context, id uint64, acc *store.Account, log *slog.Logger, codec *codec, cache *cache) (*index, error) {
	path := filepath.Join(acc.Dir(), FileName)
	x, err := openFile(ctx, id, path, log, codec, cache)
	if err == nil {
		if err = x.verify(ctx, acc); err == nil {
			return x, nil
		}
		x.close()
	}
	if !isDamage(err) && !errors.Is(err, errForeign) {
		return nil, fmt.Errorf("opening search index: %w", err)
	}
	log.Warn("making the search index anew", "account", acc.Name(), "reason", err)
	if err := db.Remove(path); err != nil {
		return nil, fmt.Errorf("removing search index: %w", err)
	}
	if x, err = openFile(ctx, id, path, log, codec, cache); err != nil {
		return nil, fmt.Errorf("making search index: %w", err)
	}
	return x, nil
}

func openFile(ctx context.Context, id uint64, path string, log *slog.Logger, codec *codec, cache *cache) (*index, error) {
	// NORMAL: a power failure may lose the last batches, and with them that they were taken.
	d, err := db.Open(path, db.Options{Log: log, PageSize: 2048, Shrink: true, Readers: 4, Synchronous: "NORMAL"})
	if err != nil {
		return nil, err
	}
	x := &index{id: id, path: path, log: log, db: d, codec: codec, cache: cache}
	if err := x.prepare(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return x, nil
}

// prepare makes the tables in a new file, checks the format of others, and drops what a
// merge left that did not come to its end.
func (x *index) prepare(ctx context.Context) error {
	return x.db.Write(ctx, func(c *db.Conn) error {
		n, _, err := c.QueryInt64("SELECT count(*) FROM sqlite_schema")
		if err != nil {
			return err
		}
		if n == 0 {
			if err := c.Script(schema); err != nil {
				return err
			}
			return c.Exec("INSERT INTO state (id, format, indexed, next_segment, modseq, swept, prints) VALUES (1,?,0,1,0,0,?)", format(), []byte{})
		}
		rows := c.Query("SELECT format FROM state WHERE id=1")
		got := ""
		if rows.Next() {
			got = rows.Text(0)
		}
		if err := rows.Close(); err != nil {
			if strings.Contains(err.Error(), "no such") { // table or column: some other database
				return fmt.Errorf("%w: %w", errForeign, err)
			}
			return err
		}
		if got != format() {
			return fmt.Errorf("%w: format %q", errForeign, got)
		}
		return c.ExecInts("UPDATE segment SET state=? WHERE state=?", stateDead, stateBuilding)
	})
}

func (x *index) close() error {
	x.cache.drop(x.id)
	return x.db.Close()
}

// state is the row of the table state, with totals.
type state struct {
	indexed store.BodyID
	modseq  store.ModSeq
	swept   int64
	prints  []byte
}

func readState(c *db.Conn) (s state, err error) {
	rows := c.QueryInts("SELECT indexed, modseq, swept, prints FROM state WHERE id=1")
	ok := rows.Next()
	if ok {
		s = state{store.BodyID(rows.Int64(0)), store.ModSeq(rows.Int64(1)), rows.Int64(2), append([]byte(nil), rows.Bytes(3)...)}
	}
	if err := rows.Close(); err != nil || !ok {
		return s, orDamaged(err, "no state")
	}
	return s, nil
}

func (x *index) state(ctx context.Context) (s state, err error) {
	err = x.db.Read(ctx, func(c *db.Conn) (err error) {
		s, err = readState(c)
		return err
	})
	return s, err
}

// bodiesAfter returns some of the bodies above after that are in live segments and not
// known to be gone, ascending.
func (x *index) bodiesAfter(ctx context.Context, after store.BodyID, max int) (ids []store.BodyID, err error) {
	err = x.db.Read(ctx, func(c *db.Conn) error {
		list, err := segments(c)
		if err != nil {
			return err
		}
		r := &reader{c, x.id, x.cache, x.codec}
		for i := range list {
			if s := &list[i]; s.last > after && len(ids) < max {
				d, err := r.details(s)
				if err != nil {
					return err
				}
				n, _ := slices.BinarySearch(d.bodies, after+1)
				ids = append(ids, d.bodies[n:min(len(d.bodies), n+max-len(ids))]...)
			}
		}
		return nil
	})
	return ids, err
}

// setSwept notes when all bodies were looked for.
func (x *index) setSwept(ctx context.Context, at int64) error {
	return x.db.Write(ctx, func(c *db.Conn) error {
		return c.ExecInts("UPDATE state SET swept=? WHERE id=1", at)
	})
}

// search answers a query. ok is false when the index cannot tell anything.
func (x *index) search(ctx context.Context, q *Query) (res Result, ok bool, err error) {
	needle, name := q.plan()
	if len(needle.needs) == 0 && len(name.needs) == 0 {
		return Result{}, false, nil
	}
	err = x.db.Read(ctx, func(c *db.Conn) error {
		s, err := readState(c)
		if err != nil {
			return err
		}
		res.IndexedTo = s.indexed
		list, err := segments(c)
		if err != nil {
			return err
		}
		r := &reader{c, x.id, x.cache, x.codec}
		for i := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := res.addSegment(r, &list[i], q, needle, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Result{}, false, fmt.Errorf("searching index: %w", err)
	}
	return res, true, nil
}

func (res *Result) addSegment(r *reader, s *segment, q *Query, needle, name plan) error {
	d, err := r.details(s)
	if err != nil {
		return err
	}
	l := lookup{r: r, s: s, d: d}
	sure, maybe, err := l.segmentMatches(q, needle, name)
	if err != nil {
		return err
	}
	for n := range sure.all {
		res.Matches = append(res.Matches, d.bodies[n])
	}
	for n := range maybe.all {
		res.Candidates = append(res.Candidates, d.bodies[n])
	}
	return nil
}

// nextSegment takes an id for a segment.
func nextSegment(c *db.Conn) (int64, error) {
	id, ok, err := c.QueryInt64("UPDATE state SET next_segment=next_segment+1 WHERE id=1 RETURNING next_segment-1")
	if err != nil || !ok {
		return 0, orDamaged(err, "no state")
	}
	return id, nil
}

// insertSegment writes the row of a segment.
func (x *index) insertSegment(c *db.Conn, s *segment, state int, d *details) error {
	return c.Exec("INSERT OR REPLACE INTO segment (id, state, first, last, docs, dead, blocks, bytes, bodies, firsts) VALUES (?,?,?,?,?,?,?,?,?,?)",
		s.id, state, s.first, s.last, s.docs, s.dead, s.blocks, s.bytes,
		x.codec.pack(encodeBodies(d.bodies)), x.codec.pack(encodeFirsts(d.firsts)))
}

// addBatch writes a batch, and that all bodies up to its last have been taken.
func (x *index) addBatch(ctx context.Context, b *batch, modseq store.ModSeq) error {
	return x.db.Write(ctx, func(c *db.Conn) (err error) {
		if b.out.docs > 0 {
			if b.out.id, err = nextSegment(c); err != nil {
				return err
			}
			if err := b.store(c); err != nil {
				return err
			}
			if err := b.storeFilter(c, b.chunks); err != nil {
				return err
			}
			if err := x.insertSegment(c, &b.out, stateLive, &b.details); err != nil {
				return err
			}
		}
		if err := x.addDocuments(c, b.documents); err != nil {
			return err
		}
		s, err := readState(c)
		if err != nil {
			return err
		}
		return c.Exec("UPDATE state SET indexed=?, modseq=?, prints=? WHERE id=1", int64(b.upto), int64(modseq), addPrints(s.prints, b.prints))
	})
}

func isCorruptDB(err error) bool { return errors.Is(err, db.ErrCorrupt) || errors.Is(err, db.ErrNewer) }
