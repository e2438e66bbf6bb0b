package junk

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"mox/classifier"
	"mox/db"
	"mox/store"
)

// FileName is the name of an account's file, beside its account.db.
const FileName = "junk.db"

//go:embed schema/*.sql
var schemaFiles embed.FS

func schema() fs.FS { return db.Schema(schemaFiles) }

// Schema has the numbered migrations of a database FileName, for checks of its version.
func Schema() fs.FS { return schema() }

// account is an account whose data is open.
type account struct {
	m    *Manager
	name string

	gone chan struct{} // closed when all is closed

	acc   *store.Account
	watch *store.Watch

	dbMu sync.RWMutex // held for reading by who uses db, for writing to replace it
	db   *db.DB
	bad  atomic.Bool // the file was found damaged: to be made anew

	outgoing outgoing

	seq   atomic.Int64 // the change log was followed up to here
	words counts

	params atomic.Pointer[string] // as in the file

	// token is taken by who follows the change log or trains. It guards the rest.
	token     chan struct{}
	saved     store.ModSeq // as in the file
	pending   []span       // read from the change log, to be done
	pendingTo store.ModSeq // then
	// wantCompare: the change log does not tell all that is to be learned. compare is the
	// comparison of all messages under way, nil for none.
	wantCompare bool
	compare     *comparison
	remake      remake
	jobs        []chan struct{}
}

// open opens the files of an account.
func (m *Manager) open(ctx context.Context, name string) (*account, error) {
	acc, err := m.c.Store.Account(ctx, name)
	if err != nil {
		return nil, err
	}
	a := &account{m: m, name: name, acc: acc, gone: make(chan struct{}), token: make(chan struct{}, 1)}
	if err := a.openFile(ctx); err != nil {
		acc.Release()
		return nil, fmt.Errorf("opening junk database: %w", err)
	}
	a.watch = acc.Watch()
	if a.wantCompare || a.compare != nil || a.remake.next < a.remake.last {
		a.hasWork()
	}
	return a, nil
}

// hasWork makes the worker do some as soon as it can.
func (a *account) hasWork() { a.m.keeper.Schedule(a.name, 0) }

// close saves how far the change log was followed, and closes the files. Nobody uses a.
func (a *account) close() {
	defer close(a.gone)
	a.watch.Close()
	if err := a.outgoing.flush(context.Background(), a); err != nil && a.note(err) != nil {
		a.m.c.Log.Warn("writing to whom the account sent", "account", a.name, "err", err)
	}
	if err := a.save(context.Background()); err != nil && a.note(err) != nil {
		a.m.c.Log.Warn("saving state of junk filter", "account", a.name, "err", err)
	}
	if err := a.db.Close(); err != nil {
		a.m.c.Log.Error("closing junk database", "account", a.name, "err", err)
	}
	a.words.drop(&a.m.memory)
	a.acc.Release()
}

// lock takes the token.
func (a *account) lock(ctx context.Context) error {
	select {
	case a.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *account) unlock() { <-a.token }

func (a *account) path() string { return filepath.Join(a.acc.Dir(), FileName) }

// openFile opens junk.db. One that is damaged or of a newer release is set aside and made anew.
func (a *account) openFile(ctx context.Context) error {
	err := a.tryOpen(ctx)
	if !isDamage(err) {
		return err
	}
	a.m.c.Log.Error("junk database cannot be used: it is made anew of the messages", "account", a.name, "err", err)
	a.m.c.Metrics.Rebuilt("damage")
	if err := a.setAside(); err != nil {
		return err
	}
	return a.tryOpen(ctx)
}

func (a *account) tryOpen(ctx context.Context) error {
	_, err := os.Stat(a.path())
	fresh := errors.Is(err, fs.ErrNotExist)
	// NORMAL: a power failure may lose the last transactions, with how far the change log was
	// followed.
	d, err := db.Open(a.path(), db.Options{Log: a.m.c.Log, Migrations: schema(), Synchronous: "NORMAL", CacheKiB: 256})
	if err != nil {
		return err
	}
	a.db = d
	if fresh {
		err = d.Write(ctx, func(c *db.Conn) error {
			return c.Exec("UPDATE state SET params=? WHERE id=1", fingerprint(a.m.c.Params(a.name)))
		})
	}
	if err == nil {
		err = a.readState(ctx, fresh)
	}
	if err != nil {
		d.Close()
		return err
	}
	return nil
}

// readState reads the table state.
func (a *account) readState(ctx context.Context, fresh bool) error {
	var s struct {
		modseq     store.ModSeq
		compare    bool
		params     string
		ham, junk  uint32
		next, last int64
		ok         bool
	}
	err := a.db.Read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT modseq, compare, remake_next, remake_last, params, ham, junk FROM state WHERE id=1")
		if s.ok = rows.Next(); s.ok {
			s.modseq, s.compare = store.ModSeq(rows.Int64(0)), rows.Int64(1) != 0
			s.next, s.last, s.params = rows.Int64(2), rows.Int64(3), rows.Text(4)
			s.ham, s.junk = uint32(rows.Int64(5)), uint32(rows.Int64(6))
		}
		return rows.Close()
	})
	if err != nil {
		return err
	}
	if !s.ok {
		return errDamaged
	}
	a.saved, a.remake = s.modseq, remake{s.next, s.last}
	a.params.Store(&s.params)
	a.pending, a.compare = nil, nil
	a.seq.Store(int64(s.modseq))
	a.words.reset(&a.m.memory, classifier.Counts{Ham: s.ham, Spam: s.junk})
	a.wantCompare = fresh && a.acc.ModSeq() > fewChanges ||
		s.modseq > a.acc.ModSeq() // the account is from a backup
	if s.compare {
		a.compare = &comparison{}
	}
	return nil
}

// fewChanges is how many changes of an account are followed one by one by a new file, in
// place of comparing all messages.
const fewChanges = 1000

// repair makes a damaged file anew. The token is held.
func (a *account) repair(ctx context.Context) error {
	a.dbMu.Lock()
	defer a.dbMu.Unlock()
	a.db.Close()
	if err := a.setAside(); err != nil {
		return err
	}
	if err := a.openFile(ctx); err != nil {
		return fmt.Errorf("making junk database anew: %w", err)
	}
	a.m.c.Metrics.Rebuilt("damage")
	a.bad.Store(false)
	return nil
}

// setAside keeps a damaged file, in the place of one set aside before.
func (a *account) setAside() error { return db.SetAside(a.path(), a.path()+".damaged") }

func isDamage(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, db.ErrCorrupt) && !errors.Is(err, store.ErrCorrupt) ||
		errors.Is(err, db.ErrNewer) && !errors.Is(err, store.ErrNewer)
}

// note looks at an error: after damage the file is made anew in the background.
func (a *account) note(err error) error {
	if isDamage(err) && !a.bad.Swap(true) {
		a.m.c.Log.Error("junk database is damaged: it is made anew of the messages", "account", a.name, "err", err)
		a.hasWork()
	}
	return err
}

// read and write run transactions. Functions must not call them in turn.
func (a *account) read(ctx context.Context, fn func(*db.Conn) error) error {
	a.dbMu.RLock()
	defer a.dbMu.RUnlock()
	return a.note(a.db.Read(ctx, fn))
}

func (a *account) write(ctx context.Context, fn func(*db.Conn) error) error {
	a.dbMu.RLock()
	defer a.dbMu.RUnlock()
	return a.note(a.db.Write(ctx, fn))
}

// save writes how far the change log was followed, where that changed.
func (a *account) save(ctx context.Context) error {
	seq := store.ModSeq(a.seq.Load())
	if seq == a.saved {
		return nil
	}
	err := a.write(ctx, func(c *db.Conn) error {
		return c.ExecInts("UPDATE state SET modseq=? WHERE id=1", int64(seq))
	})
	if err == nil {
		a.saved = seq
	}
	return err
}
