package classifier

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"mox/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrTokens says that a file was trained with other tokens than those asked for, of
// which none would be found.
var ErrTokens = errors.New("filter was trained with other tokens")

// File keeps the counts of one filter in a database file of its own, for the commands
// that work offline. It is safe for concurrent use.
type File struct {
	db *db.DB
}

// OpenFile opens the filter at path. With create, it is made when missing; otherwise that
// is an error of fs.ErrNotExist. o are the tokens it is to be used with: only which
// words are looked at matters. [ErrTokens] when it was trained with others.
func OpenFile(ctx context.Context, path string, o Options, create bool) (*File, error) {
	if _, err := os.Stat(path); err != nil && !(create && errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	d, err := db.Open(path, db.Options{Migrations: sub, CacheKiB: 16 << 10, WriteKiB: 64 << 10})
	if err != nil {
		return nil, fmt.Errorf("opening filter: %w", err)
	}
	f := &File{d}
	if err := f.checkTokens(ctx, o); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.db.Close() }

// grams is how the tokens of o are told from others.
func grams(o Options) (bits int64) {
	for i, on := range []bool{o.Onegrams, o.Twograms, o.Threegrams} {
		if on {
			bits |= 1 << i
		}
	}
	return bits
}

// checkTokens compares what the file was trained with, and writes it to a new one.
func (f *File) checkTokens(ctx context.Context, o Options) error {
	return f.db.Write(ctx, func(c *db.Conn) error {
		if err := c.Exec("INSERT OR IGNORE INTO total VALUES (1, ?, ?, 0, 0)", Version, grams(o)); err != nil {
			return err
		}
		n, _, err := c.QueryInt64("SELECT 1 FROM total WHERE version = ? AND grams = ?", Version, grams(o))
		if err == nil && n == 0 {
			return ErrTokens
		}
		return err
	})
}

// Totals returns the number of messages trained.
func (f *File) Totals(ctx context.Context) (Counts, error) {
	var t Counts
	err := f.db.Read(ctx, func(c *db.Conn) (err error) {
		t, err = totals(c)
		return err
	})
	return t, err
}

func totals(c *db.Conn) (t Counts, err error) {
	rows := c.Query("SELECT ham, spam FROM total WHERE id = 1")
	if rows.Next() {
		t = Counts{uint32(rows.Int64(0)), uint32(rows.Int64(1))}
	}
	return t, rows.Close()
}

// Counts returns the counts of tokens, in their order, and the totals of the same moment.
func (f *File) Counts(ctx context.Context, tokens []Token) ([]Counts, Counts, error) {
	counts := make([]Counts, len(tokens))
	var t Counts
	err := f.db.Read(ctx, func(c *db.Conn) (err error) {
		for i, token := range tokens {
			if counts[i], err = tokenCounts(c, token.Hash); err != nil {
				return err
			}
		}
		t, err = totals(c)
		return err
	})
	return counts, t, err
}

func tokenCounts(c *db.Conn, hash uint64) (n Counts, err error) {
	rows := c.QueryInts("SELECT ham, spam FROM token WHERE hash = ?", int64(hash))
	if rows.Next() {
		n = Counts{uint32(rows.Int64(0)), uint32(rows.Int64(1))}
	}
	return n, rows.Close()
}

// Sample is the tokens of a message and what it is.
type Sample struct {
	Tokens []Token
	Spam   bool
}

// Train counts messages, all or none.
func (f *File) Train(ctx context.Context, samples ...Sample) error {
	return f.change(ctx, samples, Counts.Add)
}

// Untrain takes back messages that were trained with the same tokens and as the same.
// What was trained and taken back leaves nothing.
func (f *File) Untrain(ctx context.Context, samples ...Sample) error {
	return f.change(ctx, samples, Counts.Sub)
}

func (f *File) change(ctx context.Context, samples []Sample, by func(Counts, bool) Counts) error {
	changed := map[uint64]Counts{}
	return f.db.Write(ctx, func(c *db.Conn) error {
		all, err := totals(c)
		if err != nil {
			return err
		}
		for _, s := range samples {
			all = by(all, s.Spam)
			for _, t := range s.Tokens {
				n, ok := changed[t.Hash]
				if !ok {
					if n, err = tokenCounts(c, t.Hash); err != nil {
						return err
					}
				}
				changed[t.Hash] = by(n, s.Spam)
			}
		}
		for hash, n := range changed {
			if n == (Counts{}) {
				err = c.ExecInts("DELETE FROM token WHERE hash = ?", int64(hash))
			} else {
				err = c.ExecInts("INSERT OR REPLACE INTO token VALUES (?, ?, ?)", int64(hash), int64(n.Ham), int64(n.Spam))
			}
			if err != nil {
				return err
			}
		}
		return c.ExecInts("UPDATE total SET ham = ?, spam = ?", int64(all.Ham), int64(all.Spam))
	})
}
