package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// Pages reads the content of a database file as it is at one moment, while others read and
// write: what [io.ReadAll] gives is a file that can be opened as that database, without log.
// It holds back nobody, but the log grows as long as it is open. For one goroutine at a time.
type Pages struct {
	ctx   context.Context
	c     *Conn
	rows  *Stmt
	page  int
	count int64
	next  int64 // page to be read next, from 1
	rest  []byte
	err   error
	log   LogPosition
}

// OpenPages begins to read the database at path, which exists. Whoever has it open, of this
// process or another, goes on as before. The context ends reading.
func OpenPages(ctx context.Context, path string) (_ *Pages, rerr error) {
	lockPerDescriptor()
	c, err := openConn(path, "", openFlags)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	defer func() {
		if rerr != nil {
			c.close()
			rerr = fmt.Errorf("reading pages of %s: %w", path, rerr)
		}
	}()
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, 10_000)
	p := &Pages{ctx: ctx, c: c, next: 1}
	err = c.Script("PRAGMA cache_size=-64; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA query_only=ON; BEGIN")
	if err != nil {
		return nil, err
	}
	var ok bool
	if p.count, ok, err = c.QueryInt64("PRAGMA page_count"); err != nil || !ok {
		return nil, errors.Join(err, noRow(ok))
	}
	page, ok, err := c.QueryInt64("PRAGMA page_size")
	if err != nil || !ok {
		return nil, errors.Join(err, noRow(ok))
	}
	p.page = int(page)
	// The transaction reads from here on.
	if _, _, err := c.QueryInt64("SELECT count(*) FROM sqlite_schema"); err != nil {
		return nil, err
	}
	if n, _, err := c.QueryInt64("PRAGMA page_count"); err != nil {
		return nil, err
	} else {
		p.count = n
	}
	p.log, err = c.logPosition()
	return p, err
}

func noRow(ok bool) error {
	if ok {
		return nil
	}
	return errors.New("no answer")
}

// Size is how many bytes there are.
func (p *Pages) Size() int64 { return p.count * int64(p.page) }

// PageSize is the size of a page in bytes.
func (p *Pages) PageSize() int { return p.page }

// Position is where in the log the moment is. It is the zero value when the file has no log.
func (p *Pages) Position() LogPosition { return p.log }

// Read implements io.Reader.
func (p *Pages) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		if p.err == nil {
			p.err = p.fill()
		}
		if p.err != nil {
			return 0, p.err
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *Pages) fill() error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.next > p.count {
		return io.EOF
	}
	if p.rows == nil {
		p.rows = p.c.QueryInts("SELECT pgno, data FROM sqlite_dbpage WHERE schema = 'main'")
	}
	if !p.rows.Next() {
		err := p.rows.Close()
		p.rows = nil
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	data := p.rows.Bytes(1)
	if p.rows.Int64(0) != p.next || len(data) != p.page {
		return fmt.Errorf("%w: page %d is missing", ErrCorrupt, p.next)
	}
	p.next++
	p.rest = data
	return nil
}

// Close ends reading.
func (p *Pages) Close() error {
	var err error
	if p.rows != nil {
		err = p.rows.Close()
		p.rows = nil
	}
	p.c.close()
	return err
}

// Mark tells whether a database has been written to between two moments: when both marks are
// equal and not empty, it has not. It opens nothing. A database that was written to within the
// last seconds has no mark, since file systems do not tell times finely enough.
//
// SQLite's own change counter is of no use here: it is only written with the first page, which
// a commit to the log mostly leaves alone.
func Mark(path string, now time.Time) string {
	mark := ""
	for _, suffix := range []string{"", "-wal"} {
		fi, err := os.Stat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			mark += " -"
			continue
		} else if err != nil || now.Sub(fi.ModTime()) < 3*time.Second {
			return ""
		}
		mark += fmt.Sprintf(" %d.%d.%s", fi.Size(), fi.ModTime().UnixNano(), fileIdentity(fi))
	}
	return mark[1:]
}

// FileID tells a file from another one that was at the same path; empty where that is not known.
func FileID(path string) string {
	fi, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fileIdentity(fi)
}

// Identity tells a closed database file from what it becomes when it is written to; empty when
// there is none. It opens nothing, and does not tell what is only in the log.
func Identity(path string) string {
	fi, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d.%d.%s", fi.Size(), fi.ModTime().UnixNano(), fileIdentity(fi))
}
