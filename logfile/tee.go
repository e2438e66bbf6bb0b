package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Names of files in the directory.
const (
	name    = "mox.log"
	oldName = "mox.log.1"
)

// DefaultSize is what files have together at most, about.
const DefaultSize = 32 << 20

// Bounds of what waits to be written.
const (
	maxBuffer = 4 << 20
	gather    = 100 * time.Millisecond // lines are written together
)

// TimeFormat is that of the times in files.
const TimeFormat = "2006-01-02T15:04:05.000Z07:00"

// Tee is a writer of lines that passes them on and, once opened, keeps them in files. Make one with
// [New]. It is safe for concurrent use.
type Tee struct {
	next     io.Writer
	priority bool
	now      func() time.Time

	mu      sync.Mutex
	open    bool
	buf     []byte
	dropped int
	wake    chan struct{} // 1: there is something in buf
	quit    chan struct{}
	done    chan struct{}
}

// New returns a Tee that passes lines on. With priority, the lines that are passed on begin with their level as
// journald wants it, sd-daemon(3): "<6>".
func New(next io.Writer, priority bool) *Tee {
	return &Tee{next: next, priority: priority, now: time.Now, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

// Open begins to keep lines in a directory, which is made, in files of at most size octets together;
// 0: [DefaultSize].
func (t *Tee) Open(dir string, size int64) error {
	if size == 0 {
		size = DefaultSize
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("directory of the log: %w", err)
	}
	w := &writer{dir: dir, max: size / 2}
	if err := w.reopen(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = true
	go t.run(w)
	return nil
}

// Close writes what waits, and ends writing to files.
func (t *Tee) Close() {
	t.mu.Lock()
	was := t.open
	t.open = false
	t.mu.Unlock()
	if was {
		close(t.quit)
		<-t.done
	}
}

// Write passes on a line with its end.
func (t *Tee) Write(line []byte) (int, error) {
	t.keep(line)
	if t.priority {
		// One call, so that lines of two processes do not mix.
		if _, err := t.next.Write(append([]byte(priorities[levelOf(line)]), line...)); err != nil {
			return 0, err
		}
		return len(line), nil
	}
	return t.next.Write(line)
}

// keep adds a line to the buffer.
func (t *Tee) keep(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		return
	}
	if len(t.buf)+len(line) > maxBuffer {
		t.dropped++
		return
	}
	json := len(line) > 0 && line[0] == '{'
	if json {
		t.buf = append(t.buf, `{"t":"`...)
	} else {
		t.buf = append(t.buf, "t="...)
	}
	t.buf = t.now().UTC().AppendFormat(t.buf, TimeFormat)
	if json {
		t.buf = append(t.buf, `",`...)
		line = line[1:]
	} else {
		t.buf = append(t.buf, ' ')
	}
	t.buf = append(t.buf, line...)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run writes until Close.
func (t *Tee) run(w *writer) {
	defer close(t.done)
	defer w.close()
	var spare []byte
	for end := false; !end; {
		select {
		case <-t.wake:
			select {
			case <-time.After(gather):
			case <-t.quit:
				end = true
			}
		case <-t.quit:
			end = true
		}
		t.mu.Lock()
		b, dropped := t.buf, t.dropped
		t.buf, t.dropped = spare[:0], 0
		t.mu.Unlock()
		if dropped > 0 {
			b = fmt.Appendf(b, "t=%s l=warn m=\"lines are not in this file, as it could not be written fast enough\" pkg=logfile lines=%d\n", t.now().UTC().Format(TimeFormat), dropped)
		}
		w.write(b)
		spare = nil
		if cap(b) <= maxBuffer/16 {
			spare = b
		}
	}
}

// priorities of journald, by level, syslog(3).
var priorities = map[string]string{
	"fatal": "<2>", "error": "<3>", "warn": "<4>", "print": "<5>", "info": "<6>", "debug": "<7>", "trace": "<7>", "traceauth": "<7>", "tracedata": "<7>",
	"": "<6>",
}

// levelOf is the name of the level at the beginning of a line, "" if there is none.
func levelOf(line []byte) string {
	rest, ok := bytes.CutPrefix(line, []byte("l="))
	if !ok {
		if rest, ok = bytes.CutPrefix(line, []byte(`{"l":"`)); !ok {
			return ""
		}
	}
	if i := bytes.IndexAny(rest[:min(len(rest), 12)], " \""); i > 0 {
		if level := string(rest[:i]); priorities[level] != "" {
			return level
		}
	}
	return ""
}

// writer writes to the file. It belongs to one goroutine. What cannot be written is lost: there is nowhere to
// tell of it but standard error, which has the lines anyway.
type writer struct {
	dir string
	max int64
	f   *os.File
}

func (w *writer) path(name string) string { return filepath.Join(w.dir, name) }

func (w *writer) reopen() error {
	w.close()
	f, err := os.OpenFile(w.path(name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("file of the log: %w", err)
	}
	w.f = f
	return nil
}

func (w *writer) close() {
	if w.f != nil {
		w.f.Close()
		w.f = nil
	}
}

// write appends lines, and begins a new file when this one is large enough.
func (w *writer) write(b []byte) {
	if len(b) == 0 || w.f == nil && w.reopen() != nil {
		return
	}
	_, err := w.f.Write(b)
	if err != nil {
		w.close()
		return
	}
	// Another process may write to it too.
	if info, err := w.f.Stat(); err == nil && info.Size() >= w.max {
		w.rotate()
	}
}

// rotate puts the file in the place of the old one, unless another process has done that, and begins another.
func (w *writer) rotate() {
	release, ok := w.lock()
	if !ok {
		return // the next write tries again
	}
	defer release()
	own, err := w.f.Stat()
	there, terr := os.Stat(w.path(name))
	if err == nil && terr == nil && os.SameFile(own, there) {
		err = os.Rename(w.path(name), w.path(oldName))
	}
	if err != nil || terr != nil && !errors.Is(terr, fs.ErrNotExist) {
		return
	}
	if w.reopen() != nil {
		w.close()
	}
}

// staleLock is when a lock is of a process that was killed.
const staleLock = time.Minute

// lock keeps other processes from rotating.
func (w *writer) lock() (release func(), ok bool) {
	path := w.path(name + ".lock")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		f.Close()
		return func() { os.Remove(path) }, true
	}
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > staleLock {
		os.Remove(path)
	}
	return nil, false
}
