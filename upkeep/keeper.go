package upkeep

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// ErrClosed is returned after Close, and for a thing that was sent away while others still
// use it.
var ErrClosed = errors.New("closed")

// Options say what a [Keeper] keeps, and how. Open and Close are needed.
type Options[T any] struct {
	// Open opens what belongs to a name. ctx has the values of who asked first, and does not
	// end with it: others may wait for the same.
	Open func(ctx context.Context, name string) (T, error)
	// Close closes it; nobody uses it any more.
	Close func(T)
	// Await waits until there is something new to work on, for which the thing is then
	// touched, and returns false when stop is closed before. nil: only others touch.
	Await func(t T, stop <-chan struct{}) bool

	// Work does a bounded piece of the work, and says whether there is more. ctx ends with
	// Close. nil: none is ever done.
	Work func(ctx context.Context, t T) (more bool, err error)
	// Final tells whether an error of Open or Work is not worth another try, such as that the
	// name is no more. nil: all others are.
	Final func(err error) bool
	// Failed is told of the others, for logs. nil: nothing.
	Failed func(name string, err error)

	// Linger is how long after a touch the work begins, so that several touches become one
	// piece of work. Each further touch puts it off, until MaxLinger after the first. MaxLinger
	// is at least Linger, which is then never put off.
	Linger, MaxLinger time.Duration
	// Idle is after what time without use a thing is closed; 0: 2 minutes.
	Idle time.Duration
	// MaxOpen is how many are kept open that nobody uses, at most; 0: 64.
	MaxOpen int
	// RetryFirst is how long after a first failure the work is tried again; it doubles each
	// time, up to RetryLast; 0: 10 s, 1 h.
	RetryFirst, RetryLast time.Duration
}

func (o *Options[T]) setDefaults() {
	if o.Work == nil {
		o.Work = func(context.Context, T) (bool, error) { return false, nil }
	}
	if o.Final == nil {
		o.Final = func(error) bool { return false }
	}
	if o.Failed == nil {
		o.Failed = func(string, error) {}
	}
	o.MaxLinger = max(o.MaxLinger, o.Linger)
	o.Idle = cmp.Or(o.Idle, 2*time.Minute)
	o.MaxOpen = cmp.Or(o.MaxOpen, 64)
	o.RetryFirst = cmp.Or(o.RetryFirst, 10*time.Second)
	o.RetryLast = cmp.Or(o.RetryLast, time.Hour)
}

// Keeper keeps things open by name. Its methods may be called concurrently.
type Keeper[T any] struct {
	o Options[T]

	ctx    context.Context // of the worker
	cancel context.CancelFunc
	worker sync.WaitGroup
	wake   chan struct{} // capacity 1: the queue has changed
	ended  chan struct{} // closed when all is closed

	mu     sync.Mutex // guards the fields below and some of each entry
	closed bool
	open   map[string]*entry[T]
	queue  queue
	busy   bool // the worker has taken a name
}

// entry is a thing that is open, or being opened or closed.
type entry[T any] struct {
	name      string
	ready     chan struct{} // closed when Open has returned:
	thing     T
	err       error
	stop      chan struct{} // ends the goroutine that waits for changes:
	following sync.WaitGroup
	gone      chan struct{} // closed when it is closed
	end       sync.Once

	// Guarded by Keeper.mu.
	refs    int
	used    time.Time
	leaving bool // nobody new comes in; closed by the last to leave
	closing bool // nobody uses it: it is gone soon
}

// New returns a Keeper and starts its worker.
func New[T any](o Options[T]) *Keeper[T] {
	o.setDefaults()
	k := &Keeper[T]{o: o, wake: make(chan struct{}, 1), ended: make(chan struct{}), open: map[string]*entry[T]{}, queue: newQueue()}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.worker.Go(k.work)
	return k
}

// Stop ends the work in the background and waits for it. What is open stays so, and can be
// asked for until Close.
func (k *Keeper[T]) Stop() {
	k.cancel()
	k.worker.Wait()
}

// Close stops all work, waits for it, and closes the things once nobody uses them. When ctx
// ends before, its error is returned, and the rest is done in the background.
func (k *Keeper[T]) Close(ctx context.Context) error {
	k.mu.Lock()
	if !k.closed {
		k.closed = true
		k.cancel()
		go k.end(slices.Collect(maps.Keys(k.open)))
	}
	k.mu.Unlock()
	select {
	case <-k.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end waits until all is closed that is open.
func (k *Keeper[T]) end(names []string) {
	for _, name := range names {
		<-k.Detach(name)
	}
	k.worker.Wait()
	close(k.ended)
}

// nothing is the channel of what is gone already.
var nothing = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Detach sends a thing away: work that waits for it is dropped, and it is closed as soon
// as nobody uses it, until when nobody else can. Detach does not wait for that; the channel
// is closed when the thing is. Who asks for the name or touches it later has it opened again.
func (k *Keeper[T]) Detach(name string) <-chan struct{} {
	k.mu.Lock()
	k.queue.drop(name)
	e := k.open[name]
	if e == nil {
		k.mu.Unlock()
		return nothing
	}
	e.leaving = true
	last := e.refs == 0
	e.closing = e.closing || last
	k.mu.Unlock()
	if last {
		k.finish(e)
	}
	return e.gone
}

// Acquire returns what belongs to a name, opening it when it is not open, for the caller to
// use until it calls Release. ErrClosed after Close, and as long as others use a thing that
// was sent away: waiting for them could be waiting for oneself.
func (k *Keeper[T]) Acquire(ctx context.Context, name string) (T, error) {
	var none T
	e, first, err := k.enter(ctx, name)
	if err != nil {
		return none, err
	}
	if first {
		e.thing, e.err = k.o.Open(context.WithoutCancel(ctx), name)
		if e.err == nil {
			k.follow(e)
		}
		close(e.ready)
	}
	select {
	case <-e.ready:
		err = e.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		k.release(e)
		return none, err
	}
	return e.thing, nil
}

// enter counts a user of a name's entry. first: it is new, and to be opened.
func (k *Keeper[T]) enter(ctx context.Context, name string) (e *entry[T], first bool, err error) {
	for {
		k.mu.Lock()
		e := k.open[name]
		switch {
		case k.closed || e != nil && e.leaving && !e.closing:
			k.mu.Unlock()
			return nil, false, ErrClosed
		case e == nil:
			e = &entry[T]{name: name, refs: 1, ready: make(chan struct{}), stop: make(chan struct{}), gone: make(chan struct{})}
			k.open[name] = e
			k.mu.Unlock()
			return e, true, nil
		case !e.leaving:
			e.refs++
			k.mu.Unlock()
			return e, false, nil
		}
		k.mu.Unlock()
		select {
		case <-e.gone:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// follow touches a thing when there is something new, until it is closed.
func (k *Keeper[T]) follow(e *entry[T]) {
	if k.o.Await == nil {
		return
	}
	e.following.Go(func() {
		for k.o.Await(e.thing, e.stop) {
			k.Touch(e.name)
		}
	})
}

// Release ends the use of what Acquire returned for a name.
func (k *Keeper[T]) Release(name string) {
	k.mu.Lock()
	e := k.open[name] // it is there while it is used
	k.mu.Unlock()
	k.release(e)
}

func (k *Keeper[T]) release(e *entry[T]) {
	k.mu.Lock()
	e.refs--
	e.used = time.Now()
	if e.refs == 0 { // who opened it is done as well
		e.closing = e.leaving || e.err != nil
		e.leaving = e.closing
	}
	last := e.closing
	k.mu.Unlock()
	if last {
		k.finish(e)
	}
}

// finish closes a thing that nobody uses and nobody can ask for any more.
func (k *Keeper[T]) finish(e *entry[T]) {
	e.end.Do(func() {
		close(e.stop)
		e.following.Wait()
		if e.err == nil {
			k.o.Close(e.thing)
		}
		k.mu.Lock()
		delete(k.open, e.name)
		k.wakeUp() // its name may be queued
		k.mu.Unlock()
		close(e.gone)
	})
}

// closeIdle closes things that nobody has used for a while, and those that are too many,
// the longest unused first.
func (k *Keeper[T]) closeIdle() {
	before := time.Now().Add(-k.o.Idle)
	k.mu.Lock()
	var idle []*entry[T]
	for _, e := range k.open {
		if e.refs == 0 && !e.leaving && !k.queue.has(e.name) {
			idle = append(idle, e)
		}
	}
	slices.SortFunc(idle, func(a, b *entry[T]) int { return a.used.Compare(b.used) })
	n := max(0, len(idle)-k.o.MaxOpen)
	for n < len(idle) && idle[n].used.Before(before) {
		n++
	}
	for _, e := range idle[:n] {
		e.leaving, e.closing = true, true
	}
	k.mu.Unlock()
	for _, e := range idle[:n] {
		k.finish(e)
	}
}

func (k *Keeper[T]) tooMany() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.open) > k.o.MaxOpen+k.o.MaxOpen/4
}

// Stats are the things open, and the names with work under way or waiting for its time.
type Stats struct{ Open, Queued int }

// Stats returns how much there is at this moment.
func (k *Keeper[T]) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Stats{len(k.open), len(k.queue.due)}
	if k.busy {
		s.Queued++
	}
	return s
}
