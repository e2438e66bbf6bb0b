package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mox/atomicfile"
	"mox/mlog"
	"mox/sconf"
)

// ErrChanged is wrapped by the error of [Manager.Edit] when domains.conf was changed by
// someone else and what it says now is not valid, or when it changes during the edit.
var ErrChanged = errors.New("domains.conf was changed by someone else")

// Prepare is a subscriber: it readies a part of the server for the change from old to
// new, or refuses with an error. It must not call Check, Edit or Close of the Manager.
type Prepare func(old, new *Snapshot) (Prepared, error)

// Prepared is a change that is ready. Exactly one of its functions is called; each may
// be nil. They cannot fail.
type Prepared struct {
	Commit func()
	Abort  func()
}

// Manager holds the current configuration. Make one with [Open]. Safe for concurrent
// use.
type Manager struct {
	static  *staticFile
	log     *slog.Logger
	current atomic.Pointer[Snapshot]
	stop    chan struct{}
	done    chan struct{}
	closing sync.Once

	mu      sync.Mutex // Guards the following, and serializes changes.
	serial  uint64
	data    []byte // Of domains.conf as in current.
	seen    fileVersion
	bad     []byte // Text of domains.conf that was refused, nil if none was.
	badErr  error
	prepare []*Prepare
}

// fileVersion identifies what was read.
type fileVersion struct {
	info os.FileInfo
	read time.Time
	// settled is set once so much time has passed since the modification that another
	// one would have another modification time.
	settled bool
}

const (
	checkInterval = time.Second
	// settleTime is above the coarsest granularity of modification times (FAT: 2 s).
	settleTime = 2500 * time.Millisecond
	// writeTime is how long a file must have been left alone before it is taken: its
	// writer may be writing still.
	writeTime = 200 * time.Millisecond
)

// Open loads the configuration like [LoadOptions] and starts watching domains.conf.
func Open(path string, log *slog.Logger, opts Options) (*Manager, error) {
	static, err := loadStatic(path, opts)
	if err != nil {
		return nil, err
	}
	m := &Manager{static: static, log: mlog.New("config", log), stop: make(chan struct{}), done: make(chan struct{})}
	data, seen, err := m.read()
	if err != nil {
		return nil, err
	}
	snap, err := static.snapshot(data)
	if err != nil {
		return nil, err
	}
	m.data, m.seen = data, seen
	m.publish(snap)
	go m.watch()
	return m, nil
}

// Close ends watching. The Snapshot stays available.
func (m *Manager) Close() {
	m.closing.Do(func() { close(m.stop) })
	<-m.done
}

// Snapshot returns the current configuration, without lock or allocation.
func (m *Manager) Snapshot() *Snapshot {
	return m.current.Load()
}

// Subscribe calls prepare with every change from now on, in order of subscription,
// until cancel is called.
func (m *Manager) Subscribe(prepare Prepare) (cancel func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prepare = append(m.prepare, &prepare)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.prepare = slices.DeleteFunc(m.prepare, func(p *Prepare) bool { return p == &prepare })
	}
}

func (m *Manager) watch() {
	defer close(m.done)
	t := time.NewTicker(checkInterval)
	defer t.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-t.C:
			m.mu.Lock()
			// The error was logged.
			_ = m.check(true)
			m.mu.Unlock()
		}
	}
}

// Check looks now whether domains.conf changed, and if so makes it count. It returns
// what is wrong with the file, if that keeps it from counting, each time it is asked.
func (m *Manager) Check() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.check(false)
}

// check needs the lock. With patience it leaves a file alone that was just written.
func (m *Manager) check(patient bool) error {
	fi, err := os.Stat(m.static.dynamicPath())
	if err == nil {
		if m.seen.settled && sameVersion(m.seen.info, fi) {
			return m.badErr
		}
		if age := time.Since(fi.ModTime()); patient && age >= 0 && age < writeTime {
			return m.badErr
		}
	}
	data, seen, err := m.read()
	if err != nil {
		// Gone or unreadable: the bytes that tell one version from another are the error.
		// Should the same file come back, it has to be read.
		m.seen = fileVersion{}
		return m.refuse([]byte(err.Error()), err)
	}
	m.seen = seen
	switch {
	case bytes.Equal(data, m.data):
		if m.bad != nil {
			m.log.Info("configuration file is as before again", "file", m.static.dynamicPath())
		}
		m.bad, m.badErr = nil, nil
		return nil
	case m.bad != nil && bytes.Equal(data, m.bad):
		return m.badErr
	}
	snap, err := m.static.snapshot(data)
	if err == nil {
		err = m.commit(snap, nil)
	}
	if err != nil {
		return m.refuse(data, err)
	}
	m.data, m.bad, m.badErr = data, nil, nil
	m.log.Info("configuration changed", "file", snap.DynamicPath, "domains", len(snap.Domains), "accounts", len(snap.Accounts))
	return nil
}

func sameVersion(a, b os.FileInfo) bool {
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// refuse remembers and logs what is wrong with a version of the file, once.
func (m *Manager) refuse(data []byte, err error) error {
	if m.bad != nil && bytes.Equal(m.bad, data) {
		return m.badErr
	}
	m.bad, m.badErr = data, err
	const maxLogged = 10
	l := []error{err}
	if errs, ok := errors.AsType[sconf.Errors](err); ok {
		l = errs.Unwrap()
	}
	for i, e := range l {
		if i == maxLogged {
			m.log.Error("configuration has more errors", "count", len(l)-i)
			break
		}
		m.log.Error("configuration is not valid, keeping the previous one", "err", e)
	}
	return err
}

// read reads domains.conf.
func (m *Manager) read() (data []byte, v fileVersion, err error) {
	f, err := os.Open(m.static.dynamicPath())
	if err != nil {
		return nil, v, fmt.Errorf("reading configuration: %w", err)
	}
	defer f.Close()
	v.read = time.Now()
	if v.info, err = f.Stat(); err != nil {
		return nil, v, fmt.Errorf("reading configuration: %w", err)
	}
	data, err = io.ReadAll(io.LimitReader(f, sconf.MaxSize+1))
	if err != nil {
		return nil, v, fmt.Errorf("reading configuration: %w", err)
	}
	v.settled = v.read.Sub(v.info.ModTime()) > settleTime
	// A modification time in the future says nothing, but after a while we know that it
	// is not about to change.
	if m.seen.info != nil && sameVersion(m.seen.info, v.info) {
		v.read = m.seen.read
		v.settled = v.settled || time.Since(v.read) > settleTime
	}
	return data, v, nil
}

// publish makes a Snapshot the current one. It needs the lock, but in Open.
func (m *Manager) publish(snap *Snapshot) {
	m.serial++
	snap.Serial = m.serial
	var known sconf.Errors
	if old := m.current.Load(); old != nil {
		known = old.Warnings
	}
	m.current.Store(snap)
	for _, w := range snap.Warnings {
		if !slices.ContainsFunc(known, func(k *sconf.Error) bool { return k.Msg == w.Msg && slices.Equal(k.Path, w.Path) }) {
			m.log.Warn("configuration", "err", w)
		}
	}
}

// commit takes a new Snapshot through all subscribers. Write, which may be nil, is what
// can fail after all are prepared.
func (m *Manager) commit(snap *Snapshot, write func() error) error {
	old := m.current.Load()
	var prepared []Prepared
	abort := func() {
		for _, p := range slices.Backward(prepared) {
			if p.Abort != nil {
				p.Abort()
			}
		}
	}
	for _, prepare := range m.prepare {
		p, err := (*prepare)(old, snap)
		if err != nil {
			abort()
			return fmt.Errorf("applying configuration: %w", err)
		}
		prepared = append(prepared, p)
	}
	if write != nil {
		if err := write(); err != nil {
			abort()
			return err
		}
	}
	m.publish(snap)
	for _, p := range prepared {
		if p.Commit != nil {
			p.Commit()
		}
	}
	return nil
}

// Edit changes domains.conf: edit gets what the file says now, for it alone, and changes
// it. The result is checked, written to the file with comments kept, and counts when
// Edit returns. After an error, be it from edit, of checks ([sconf.Errors]), a
// subscriber, or of writing, all is as before. The error of edit is returned as it is.
//
// Changes that others made to the file just before are taken along; if they are not
// valid, Edit fails with [ErrChanged].
func (m *Manager) Edit(edit func(*Dynamic) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(false); err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	path := m.static.dynamicPath()
	var conf Dynamic
	if _, err := sconf.Parse(m.data, path, &conf); err != nil {
		return fmt.Errorf("parsing current configuration: %w", err)
	}
	if err := edit(&conf); err != nil {
		return err
	}
	text, err := sconf.Rewrite(m.data, &conf)
	if err != nil {
		return fmt.Errorf("changing configuration: %w", err)
	}
	if bytes.Equal(text, m.data) {
		return nil
	}
	snap, err := m.static.snapshot(text)
	if err != nil {
		return fmt.Errorf("changed configuration is not valid: %w", err)
	}
	seen := m.seen
	err = m.commit(snap, func() error {
		fi, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrChanged, err)
		} else if !sameVersion(seen.info, fi) {
			return ErrChanged
		}
		return atomicfile.Replace(path, text)
	})
	if err != nil {
		return err
	}
	m.data, m.seen.settled = text, false
	if _, seen, err := m.read(); err == nil {
		m.seen = seen
	}
	return nil
}
