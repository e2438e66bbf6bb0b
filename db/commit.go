package db

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Bounds of one commit.
const (
	maxBatchOps  = 64
	maxBatchSize = 8 << 20
)

// PanicError is what an operation that panicked returns; it was rolled back.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

func stack() []byte { return debug.Stack() }

// Hooks are called by a [Committer] on its goroutine, inside the transaction.
type Hooks struct {
	// Before runs after the operations and before COMMIT; its error fails all of them. nil: nothing.
	Before func(*Conn) error
	// After runs when the outcome is known, before anyone is answered. nil: nothing.
	After func(err error)
	// Again is for operations that may be run more than once: they get no savepoint, which
	// costs a copy of every page that is changed. When one fails that has changed something, all
	// are undone; Again is called, and the others are run again. nil: each is run once.
	Again func()
}

// Committer gathers operations of many goroutines and commits them together: it takes
// all that wait (no timer, at most 64 or 8 MiB), runs each in a savepoint (but see
// Hooks.Again), commits once, and then answers all. An operation that fails or panics is rolled back alone;
// when the commit fails, all of them fail.
type Committer struct {
	d     *DB
	hooks Hooks
	queue chan *op
	mu    sync.RWMutex // guards closed against sends
	done  bool
	wait  sync.WaitGroup
}

// States of an op.
const (
	opWaiting = iota
	opTaken
	opGivenUp
)

type op struct {
	fn    func(*Conn) error
	size  int
	state atomic.Int32
	err   error
	done  chan struct{}
}

// NewCommitter starts the goroutine. There is at most one for a DB.
func (d *DB) NewCommitter(h Hooks) *Committer {
	c := &Committer{d: d, hooks: h, queue: make(chan *op, maxBatchOps)}
	c.wait.Go(c.loop)
	return c
}

// Do runs fn in a transaction and returns when that is durable, or with the error for
// which nothing of it was kept. size is about how many bytes it writes. When ctx ends
// while fn waits for its turn, it is not run; once it runs, Do waits for its outcome.
func (c *Committer) Do(ctx context.Context, size int, fn func(*Conn) error) error {
	o := &op{fn: fn, size: size, done: make(chan struct{})}
	if err := c.enqueue(ctx, o); err != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	if o.state.CompareAndSwap(opWaiting, opGivenUp) {
		return ctx.Err()
	}
	<-o.done
	return o.err
}

func (c *Committer) enqueue(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.done {
		return ErrClosed
	}
	select {
	case c.queue <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close finishes what waits and ends the goroutine.
func (c *Committer) Close() {
	c.mu.Lock()
	if !c.done {
		c.done = true
		close(c.queue)
	}
	c.mu.Unlock()
	c.wait.Wait()
}

func (c *Committer) loop() {
	for first := range c.queue {
		c.batch(first)
	}
}

// batch commits first and whatever else waits.
func (c *Committer) batch(first *op) {
	c.d.write.Lock()
	defer c.d.write.Unlock()
	var ran []*op
	var err error
	if c.d.w == nil {
		first.err = ErrClosed
		close(first.done)
		return
	}
	defer func() {
		if c.hooks.After != nil {
			c.hooks.After(err)
		}
		for _, o := range ran {
			if o.err == nil {
				o.err = err
			}
			close(o.done)
		}
	}()
	err = c.d.transaction(func(conn *Conn) error {
		var good int
		ran, good = c.run(conn, first)
		if good == 0 {
			return errNothing
		}
		if c.hooks.Before == nil {
			return nil
		}
		return contain(conn, c.hooks.Before)
	})
	if len(ran) == 0 && err != nil { // BEGIN failed
		if first.state.CompareAndSwap(opWaiting, opTaken) {
			ran = append(ran, first)
		}
	}
}

// errNothing rolls back a transaction none of whose operations succeeded.
var errNothing = errors.New("nothing to commit")

// run runs first and those that wait, and returns them, and how many succeeded. Each
// runs in a savepoint, except while there is nothing in the transaction that could be
// lost with it: a savepoint costs a copy of every page that is changed.
func (c *Committer) run(conn *Conn, first *op) (ran []*op, good int) {
	size := 0
	again := c.hooks.Again != nil
	for o := first; o != nil; o = c.next(size, len(ran)) {
		if !o.state.CompareAndSwap(opWaiting, opTaken) {
			continue
		}
		size += o.size
		ran = append(ran, o)
		var lost error
		switch {
		case good == 0:
			o.err, lost = alone(conn, o.fn)
		case again:
			var undone bool
			if o.err, undone = tryOp(conn, o.fn); undone {
				again = false // there may be more like it
				good, lost = c.redo(conn, ran[:len(ran)-1])
			}
		default:
			o.err, lost = savepoint(conn, o.fn)
		}
		if lost != nil {
			// The transaction is gone or cannot be trusted: the others are lost too.
			for _, r := range ran {
				if r.err == nil {
					r.err = lost
				}
			}
			return ran, 0
		}
		if o.err == nil {
			good++
		}
	}
	return ran, good
}

// tryOp runs fn as it is. undo tells that it failed and left something in the transaction.
func tryOp(conn *Conn, fn func(*Conn) error) (err error, undo bool) {
	before := conn.totalChanges()
	err = contain(conn, fn)
	return err, err != nil && (!conn.inTransaction() || conn.totalChanges() != before)
}

// redo begins the transaction anew and runs the operations again that had succeeded. It
// returns how many have.
func (c *Committer) redo(conn *Conn, ran []*op) (good int, lost error) {
	if conn.inTransaction() {
		if err := conn.ExecInts("ROLLBACK"); err != nil {
			return 0, err
		}
	}
	if err := conn.ExecInts("BEGIN IMMEDIATE"); err != nil {
		return 0, err
	}
	c.hooks.Again()
	for _, o := range ran {
		if o.err != nil {
			continue
		}
		if good == 0 {
			o.err, lost = alone(conn, o.fn)
		} else {
			o.err, lost = savepoint(conn, o.fn)
		}
		if lost != nil {
			return 0, lost
		}
		if o.err == nil {
			good++
		}
	}
	return good, nil
}

// next takes an operation that waits, nil when there is none or the batch is full.
func (c *Committer) next(size, n int) *op {
	if size >= maxBatchSize || n >= maxBatchOps {
		return nil
	}
	select {
	case o := <-c.queue: // nil once closed
		return o
	default:
		return nil
	}
}

// alone runs fn in a transaction with nothing else in it. lost is not nil when there is
// no transaction afterwards.
func alone(conn *Conn, fn func(*Conn) error) (err, lost error) {
	if err = contain(conn, fn); err == nil {
		return nil, nil
	}
	if conn.inTransaction() {
		if e := conn.ExecInts("ROLLBACK"); e != nil {
			return err, errors.Join(err, e)
		}
	}
	// SQLite ends the transaction by itself after some errors.
	return err, conn.ExecInts("BEGIN IMMEDIATE")
}

// savepoint runs fn in a savepoint. lost is not nil when the transaction is lost too.
func savepoint(conn *Conn, fn func(*Conn) error) (err, lost error) {
	if err = conn.ExecInts("SAVEPOINT op"); err != nil {
		return err, err
	}
	err = contain(conn, fn)
	if !conn.inTransaction() {
		return err, errors.Join(err, errors.New("the transaction was rolled back"))
	}
	if err != nil {
		if e := conn.ExecInts("ROLLBACK TO op"); e != nil {
			return err, errors.Join(err, e)
		}
	}
	return err, conn.ExecInts("RELEASE op")
}
