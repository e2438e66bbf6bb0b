package db

import (
	"errors"
	"os"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// grown wakes the background goroutine when the log has become long: a quarter longer
// each time, for as long as readers keep it from being started anew.
func (d *DB) grown() {
	n := d.w.logPages()
	if n < d.copied {
		d.copied = 0 // it was started anew
	}
	if page := d.o.PageSize; (n-d.copied)*page < d.o.CheckpointKiB<<10 && (d.copied == 0 || (n-d.copied)*page < d.o.CheckpointKiB<<8) {
		return
	}
	d.copied = n
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// logSize is the size of the write-ahead log file, which does not shrink when the log
// is started anew. Stat opens no descriptor.
func logSize(path string) int64 {
	fi, err := os.Stat(path + "-wal")
	if err != nil {
		return 0
	}
	return fi.Size()
}

// background copies the log into the database when it has grown, and closes readers
// that nobody uses.
func (d *DB) background() {
	tick := time.NewTicker(d.o.IdleReaders)
	defer tick.Stop()
	for {
		select {
		case <-d.quit:
			return
		case <-tick.C:
			d.closeIdle()
		case <-d.kick:
			if err := d.checkpoint(); err != nil && !errors.Is(err, ErrBusy) {
				d.log.Error("copying the write-ahead log", "path", d.path, "err", err)
			}
		}
	}
}

func (d *DB) closeIdle() { d.trim(time.Now().Add(-d.o.IdleReaders)) }

// Trim gives memory back that is there for speed, as happens anyway after a while
// without use: readers, prepared statements, cached pages.
func (d *DB) Trim() { d.trim(time.Now()) }

func (d *DB) trim(before time.Time) {
	d.closeReaders(before)
	d.write.Lock()
	defer d.write.Unlock()
	if d.w != nil && !d.wrote.IsZero() && d.wrote.Before(before) {
		d.w.trim()
		d.wrote = time.Time{}
	}
}

// closeReaders closes the readers that were not used since before.
func (d *DB) closeReaders(before time.Time) {
	d.mu.Lock()
	var old []*Conn
	keep := d.idle[:0]
	for _, i := range d.idle {
		if i.since.Before(before) {
			old = append(old, i.c)
		} else {
			keep = append(keep, i)
		}
	}
	d.idle = keep
	d.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

// How long, in all 4 ms, commits wait at most for readers to leave the log, so that it can be
// started anew.
const (
	startAnewTries = 20
	startAnewWait  = 200 * time.Microsecond
)

// checkpoint copies the log, and has it started anew, where that holds up nobody for long. When
// that has not come about for a long time, because there always is a reader, new readers
// wait until it has.
func (d *DB) checkpoint() error {
	d.write.Lock()
	long := d.w != nil && d.w.logPages()*d.o.PageSize > d.o.CheckpointKiB<<14 && time.Since(d.held) > time.Second
	d.write.Unlock()
	if long {
		return d.restart()
	}
	d.copying.Lock()
	defer d.copying.Unlock()
	f := d.follower.Load()
	if f != nil {
		if ok, err := f.beforeCheckpoint(); !ok || err != nil {
			return err
		}
	}
	c, err := d.reader()
	if err != nil {
		return err
	}
	err = c.copyLog(sqlite3.SQLITE_CHECKPOINT_PASSIVE)
	if err == nil && f == nil {
		// What was written meanwhile: less each time.
		err = c.copyLog(sqlite3.SQLITE_CHECKPOINT_PASSIVE)
	}
	d.putReader(c, err == nil)
	switch {
	case f != nil:
		f.afterCheckpoint()
	case err == nil:
		return d.startAnew()
	}
	return err
}

// startAnew copies the little that is left of the log and has the next commit begin it anew, if
// no reader stands in the way for long: otherwise it grows for as long as somebody writes.
func (d *DB) startAnew() error {
	d.write.Lock()
	defer d.write.Unlock()
	if d.w == nil || d.follower.Load() != nil {
		return nil
	}
	for range startAnewTries {
		if d.gate.TryLock() {
			defer d.gate.Unlock()
			return d.copyAll(sqlite3.SQLITE_CHECKPOINT_RESTART, 0)
		}
		time.Sleep(startAnewWait)
	}
	return nil
}

// copyAll copies all of the log by the writer, which is held. A reader that is not held back by
// the gate, and does not end within wait, makes it fail with ErrBusy.
func (d *DB) copyAll(mode int32, wait time.Duration) error {
	sqlite3.Xsqlite3_busy_timeout(d.w.tls, d.w.db, int32(wait.Milliseconds()))
	err := d.w.copyLog(mode)
	sqlite3.Xsqlite3_busy_timeout(d.w.tls, d.w.db, int32(d.o.BusyTimeout.Milliseconds()))
	return err
}

// restart copies the whole log and empties it, while others wait. A reader that is not
// held back by the gate (a backup, a check) makes it fail with ErrBusy.
func (d *DB) restart() error {
	d.copying.Lock()
	defer d.copying.Unlock()
	d.gate.Lock()
	defer d.gate.Unlock()
	d.write.Lock()
	defer d.write.Unlock()
	if d.w == nil {
		return ErrClosed
	}
	if f := d.follower.Load(); f != nil {
		f.catchUp(d.w, false)
	}
	err := d.copyAll(sqlite3.SQLITE_CHECKPOINT_TRUNCATE, 20*time.Millisecond)
	if errors.Is(err, ErrBusy) {
		d.held = time.Now()
	}
	return err
}

func (c *Conn) copyLog(mode int32) error {
	return c.error(sqlite3.Xsqlite3_wal_checkpoint_v2(c.tls, c.db, 0, mode, 0, 0))
}

// Checkpoint copies the whole log into the database file and empties it. ErrBusy when a
// long reader uses the log.
func (d *DB) Checkpoint() error { return d.restart() }
