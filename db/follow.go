package db

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// ErrLost is that a [Follower] can not have what follows any more: whoever follows has to begin
// anew with a copy of the whole database.
var ErrLost = errors.New("the log has gone on without its follower")

// Watcher is told of databases that are opened and closed. Methods must be quick.
type Watcher interface {
	Opened(d *DB)
	// Closing is called before the last connection ends; what a Follower has not been given by
	// then it still gives afterwards.
	Closing(d *DB)
}

// Commit is a transaction as it is in the log.
type Commit struct {
	Pages  uint32 // of the database after it
	Frames []Frame

	end LogPosition
}

// Frame is a page that a transaction has written.
type Frame struct {
	Page uint32 // from 1
	Data []byte
}

// Follower gives the commits of a database, in order, as they are in its log. It holds up
// nobody: when it falls too far behind, it is lost.
//
// The log is started anew when all of it was copied into the database file and a commit comes.
// Before it is copied, a read transaction is begun, the hold, as of the moment: nothing that
// comes later is copied as long as the hold lasts, and the log is not started anew. The hold ends
// when the follower has all up to it. So what is lost with a log that is started anew, the
// follower had. Where others have to wait for the log to become short, or the database is
// closed, what the follower has not got is read into memory, within a bound.
//
// It is for one goroutine at a time, beside those that use the database.
type Follower struct {
	d *DB

	mu      sync.Mutex // guards what follows; after DB.gate and DB.write
	started bool
	lost    bool
	closed  bool
	fresh   bool        // the next commit is the first of a log
	resumed bool        // a log with other salts is a new one
	pos     LogPosition // the follower has all up to it; not if fresh
	hold    *Conn       // in a read transaction; nil: none
	held    LogPosition
	pending []Commit // read into memory; they come before pos
}

// Bounds of a Follower.
const (
	followBatch   = 4 << 20 // bytes of pages that Next returns, more only for a single commit
	followPending = 8 << 20 // bytes of pages that are read into memory while others wait
)

// Follow returns a Follower of the database, which has to be started. There is at most one at a
// time.
func (d *DB) Follow() *Follower {
	f := &Follower{d: d}
	d.follower.Store(f)
	return f
}

// Unfollow ends following.
func (d *DB) Unfollow() {
	if f := d.follower.Swap(nil); f != nil {
		f.mu.Lock()
		f.lost = true
		f.release()
		f.mu.Unlock()
	}
}

// Commits is a number that is another one after each commit.
func (d *DB) Commits() uint64 { return d.commits.Load() }

// Start makes the commits follow those that pages has, which is open.
func (f *Follower) Start(pages *Pages) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started, f.lost, f.pending = true, false, nil
	f.pos = pages.Position()
	f.fresh, f.resumed = f.pos == LogPosition{}, false
	f.release()
}

// Resume makes the commits follow those before the database was opened. old is the follower of
// then, nil for one of another process, and nobody has written to the database since it was
// closed. Commits that old has still got are not given again.
func (f *Follower) Resume(old *Follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started, f.lost, f.fresh, f.pending = true, false, true, nil
	if old != nil {
		old.mu.Lock()
		defer old.mu.Unlock()
		// The log is there still when others were reading as the database was closed.
		f.pos, f.fresh, f.resumed = old.pos, old.fresh, true
	}
}

// Next returns commits that follow, nil when there are none. They come again until Done is
// called with mark. The error wraps ErrLost when there is a gap, ErrClosed at the end.
func (f *Follower) Next(ctx context.Context) (commits []Commit, mark Followed, err error) {
	commits, mark, closed, err := f.waiting()
	if err != nil || commits != nil {
		return commits, mark, err
	}
	if closed {
		return nil, mark, ErrClosed
	}
	err = f.d.Read(ctx, func(c *Conn) error {
		end, err := c.tellPosition()
		if err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.lost || len(f.pending) > 0 {
			return nil // the log was started anew meanwhile; the next call tells
		}
		commits, mark.pos, err = f.read(end, followBatch)
		if err != nil {
			f.lost = true
			f.release()
		}
		return err
	})
	return commits, mark, err
}

// Followed is up to where Next has returned commits.
type Followed struct {
	pos     LogPosition
	pending int // so many of those in memory
}

// waiting returns what is in memory.
func (f *Follower) waiting() ([]Commit, Followed, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost || !f.started {
		return nil, Followed{}, f.closed, ErrLost
	}
	return f.pending, Followed{pending: len(f.pending)}, f.closed, nil
}

// Done tells that the commits up to mark are not needed any more.
func (f *Follower) Done(mark Followed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if mark.pending > 0 {
		f.pending = f.pending[min(mark.pending, len(f.pending)):]
		if len(f.pending) == 0 {
			f.pending = nil
		}
		return
	}
	if mark.pos == (LogPosition{}) {
		return
	}
	if len(f.pending) > 0 {
		// Read into memory since Next, from where Done was then.
		for len(f.pending) > 0 && f.pending[0].end.Salt == mark.pos.Salt && f.pending[0].end.Frames <= mark.pos.Frames {
			f.pending = f.pending[1:]
		}
		if len(f.pending) == 0 {
			f.pending = nil
		}
		return
	}
	f.pos, f.fresh, f.resumed = mark.pos, false, false
	if f.hold != nil && f.pos.Salt == f.held.Salt && f.pos.Frames >= f.held.Frames {
		f.release()
	}
}

// release ends the hold. It is called with f.mu held.
func (f *Follower) release() {
	if f.hold != nil {
		f.hold.close()
		f.hold = nil
	}
}

// tellPosition begins to read in a transaction, and returns what moment it sees.
func (c *Conn) tellPosition() (LogPosition, error) {
	if _, _, err := c.QueryInt64("SELECT count(*) FROM sqlite_schema"); err != nil {
		return LogPosition{}, err
	}
	return c.logPosition()
}

// beforeCheckpoint begins the hold. False: the one of the last time is still needed, and the
// log is not to be copied now.
func (f *Follower) beforeCheckpoint() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost || !f.started {
		return true, nil
	}
	if f.hold != nil {
		return false, nil
	}
	c, err := f.d.connect(openFlags)
	if err != nil {
		return false, err
	}
	err = c.Script("PRAGMA query_only=ON; BEGIN")
	if err == nil {
		f.held, err = c.tellPosition()
	}
	if err != nil {
		c.close()
		return false, err
	}
	f.hold = c // Done of the commits up to it, or afterCheckpoint, ends it
	return true, nil
}

// afterCheckpoint ends the hold if the follower has all up to it.
func (f *Follower) afterCheckpoint() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hold != nil && (f.held == LogPosition{} || !f.fresh && f.pos.Salt == f.held.Salt && f.pos.Frames >= f.held.Frames) {
		f.release()
	}
}

// catchUp reads what the follower has not got into memory: the log is about to be emptied. It is
// called with DB.write held, so that nothing is written meanwhile.
func (f *Follower) catchUp(w *Conn, closing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = f.closed || closing
	if f.lost || !f.started {
		return
	}
	err := func() error {
		if err := w.ExecInts("BEGIN"); err != nil {
			return err
		}
		defer func() { _ = w.ExecInts("COMMIT") }()
		end, err := w.tellPosition()
		if err != nil {
			return err
		}
		size := 0
		for _, c := range f.pending {
			for _, p := range c.Frames {
				size += len(p.Data)
			}
		}
		commits, pos, err := f.read(end, followPending-size)
		if err != nil {
			return err
		}
		if pos != end && pos != (LogPosition{}) {
			return ErrLost // too much of it
		}
		f.pending = append(f.pending, commits...)
		if end != (LogPosition{}) {
			f.pos, f.fresh, f.resumed = end, false, false
		}
		return nil
	}()
	f.release()
	if err != nil {
		f.lost, f.pending = true, nil
	}
}

// read returns the commits between f.pos and end, which a read transaction sees, and up to where;
// the zero position when there is none. It is called with f.mu held.
func (f *Follower) read(end LogPosition, max int) ([]Commit, LogPosition, error) {
	if end == (LogPosition{}) || end.Frames == 0 || !f.fresh && end == f.pos {
		return nil, LogPosition{}, nil
	}
	from := uint32(0)
	switch {
	case f.fresh:
	case end.Salt == f.pos.Salt:
		from = f.pos.Frames
	case f.resumed:
	case end.Salt[0] != f.pos.Salt[0]+1:
		return nil, LogPosition{}, fmt.Errorf("%w: it was started anew more than once", ErrLost)
	}
	if from > end.Frames {
		return nil, LogPosition{}, fmt.Errorf("%w: it is shorter than it was", ErrLost)
	}
	log, err := os.Open(f.d.path + "-wal") // SQLite has no locks on this file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, LogPosition{}, fmt.Errorf("%w: it is gone", ErrLost)
	} else if err != nil {
		return nil, LogPosition{}, err
	}
	defer log.Close()
	return readLog(log, end, from, max)
}

// Sizes in the log, https://sqlite.org/fileformat2.html section 4.
const logHeader = 32

// readLog reads commits of a log after so many frames, up to a position in it.
func readLog(log *os.File, end LogPosition, from uint32, max int) ([]Commit, LogPosition, error) {
	var head [logHeader]byte
	if _, err := log.ReadAt(head[:], 0); err != nil {
		return nil, LogPosition{}, fmt.Errorf("%w: %w", ErrLost, err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch binary.BigEndian.Uint32(head[:]) {
	case 0x377f0682:
	case 0x377f0683:
		order = binary.BigEndian
	default:
		return nil, LogPosition{}, fmt.Errorf("%w: no header", ErrLost)
	}
	salt := [2]uint32{binary.BigEndian.Uint32(head[16:]), binary.BigEndian.Uint32(head[20:])}
	if salt != end.Salt {
		return nil, LogPosition{}, fmt.Errorf("%w: another log", ErrLost)
	}
	page := int(binary.BigEndian.Uint32(head[8:]))
	size := frameHeader + page
	sum := [2]uint32{binary.BigEndian.Uint32(head[24:]), binary.BigEndian.Uint32(head[28:])}
	if from > 0 {
		var b [frameHeader]byte
		if _, err := log.ReadAt(b[:], logHeader+int64(from-1)*int64(size)); err != nil {
			return nil, LogPosition{}, fmt.Errorf("%w: %w", ErrLost, err)
		}
		sum = [2]uint32{binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])}
	}
	var commits []Commit
	var commit Commit
	pos, bytes := LogPosition{}, 0
	for i := from; i < end.Frames; i++ {
		b := make([]byte, size)
		if _, err := log.ReadAt(b, logHeader+int64(i)*int64(size)); err != nil {
			return nil, LogPosition{}, fmt.Errorf("%w: %w", ErrLost, err)
		}
		sum = logSum(order, logSum(order, sum, b[:8]), b[frameHeader:])
		if binary.BigEndian.Uint32(b[8:]) != salt[0] || binary.BigEndian.Uint32(b[12:]) != salt[1] || binary.BigEndian.Uint32(b[16:]) != sum[0] || binary.BigEndian.Uint32(b[20:]) != sum[1] {
			return nil, LogPosition{}, fmt.Errorf("%w: frame %d has another checksum", ErrLost, i)
		}
		commit.Frames = append(commit.Frames, Frame{binary.BigEndian.Uint32(b), b[frameHeader:]})
		bytes += page
		if n := binary.BigEndian.Uint32(b[4:]); n != 0 {
			pos = LogPosition{Salt: salt, Frames: i + 1}
			commit.Pages, commit.end = n, pos
			commits = append(commits, commit)
			commit = Commit{}
			if bytes >= max {
				break
			}
		}
	}
	return commits, pos, nil
}

// logSum is the checksum of a log, gone on with.
func logSum(order binary.ByteOrder, s [2]uint32, b []byte) [2]uint32 {
	s0, s1 := s[0], s[1]
	if order == binary.LittleEndian {
		for ; len(b) >= 8; b = b[8:] {
			s0 += binary.LittleEndian.Uint32(b) + s1
			s1 += binary.LittleEndian.Uint32(b[4:]) + s0
		}
		return [2]uint32{s0, s1}
	}
	for ; len(b) >= 8; b = b[8:] {
		s0 += binary.BigEndian.Uint32(b) + s1
		s1 += binary.BigEndian.Uint32(b[4:]) + s0
	}
	return [2]uint32{s0, s1}
}
