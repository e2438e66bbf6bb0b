package search

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mox/store"
)

// Config configures a [Manager]. Store is required; zero fields stand for defaults.
type Config struct {
	Store *store.Store
	Log   *slog.Logger // nil: none

	// BatchMessages and BatchText bound what is indexed in one transaction, before other
	// accounts get their turn: messages, bytes of decoded text. Defaults 200, 4 MiB.
	BatchMessages int
	BatchText     int64
	// PartText and MessageText are the bytes of decoded text of one part and of one
	// message that are indexed. A message with more is looked through at every search
	// of bodies. Defaults 4 MiB, 8 MiB.
	PartText, MessageText int64
	// Cache bounds the decompressed parts of indexes that are kept, of all accounts, in
	// bytes. Default 32 MiB.
	Cache int64
	// Linger is how long an account must be quiet after a delivery before it is indexed,
	// and MaxLinger how long after the first delivery it is indexed anyway: while much
	// comes in, delivery has the machine for itself. Searches look through what is not
	// indexed yet. Default 1 s and 15 s.
	Linger, MaxLinger time.Duration
	// Idle is after what time without search or work an index is closed. Default 2 min.
	Idle time.Duration
	// MaxOpen is the number of indexes kept open that nobody uses, at most. Default 64.
	MaxOpen int
	// SweepEvery is how often, at most, an index is rid of messages that are gone.
	// Default 12 h.
	SweepEvery time.Duration
	// NoCatchUp leaves accounts alone at start that nobody uses or touches.
	NoCatchUp bool
}

func (c *Config) setDefaults() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.BatchMessages = cmp.Or(c.BatchMessages, 200)
	c.BatchText = cmp.Or(c.BatchText, 4<<20)
	c.PartText = cmp.Or(c.PartText, 4<<20)
	c.MessageText = cmp.Or(c.MessageText, 8<<20)
	c.Cache = cmp.Or(c.Cache, 32<<20)
	c.Linger = cmp.Or(c.Linger, time.Second)
	c.MaxLinger = cmp.Or(c.MaxLinger, 15*time.Second)
	c.Idle = cmp.Or(c.Idle, 2*time.Minute)
	c.MaxOpen = cmp.Or(c.MaxOpen, 64)
	c.SweepEvery = cmp.Or(c.SweepEvery, 12*time.Hour)
}

func (c *Config) limits() batchLimits {
	return batchLimits{c.BatchMessages, c.BatchText, textLimits{c.PartText, c.MessageText}}
}

// Manager owns the indexes of all accounts. Its methods may be called concurrently.
type Manager struct {
	c     Config
	codec *codec
	cache *cache
	stats counters

	ctx    context.Context // of the worker
	cancel context.CancelFunc
	ended  sync.WaitGroup // the worker, and one small goroutine for each open index
	wake   chan struct{}  // capacity 1: the queue has changed

	mu      sync.Mutex // guards the fields below and refs and used of each account
	closed  bool
	open    map[string]*account
	queue   map[string]time.Time // when to work on an account next
	touched map[string]time.Time // queued by Touch: when first
	retries map[string]int       // failures in a row
	busy    bool                 // the worker works on an account
}

// account is an account whose index is in use, or was a short while ago.
type account struct {
	name string
	refs int       // guarded by Manager.mu: searches and work under way
	used time.Time // guarded by Manager.mu

	mu    sync.RWMutex // held for reading by who uses the index; guards:
	index *index       // nil: not open
	acc   *store.Account
	watch *store.Watch
	stop  chan struct{} // ends the goroutine that waits for changes
	bad   atomic.Bool   // it was found damaged: to be made anew

	// Only for the worker.
	merge *merger
	sweep sweep
}

// sweep is the search for bodies that are gone.
type sweep struct {
	active bool
	after  store.BodyID
	gone   bool // some were
}

// New returns a Manager and starts its worker.
func New(c Config) (*Manager, error) {
	c.setDefaults()
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	m := &Manager{
		c: c, codec: codec, cache: newCache(c.Cache), wake: make(chan struct{}, 1),
		open: map[string]*account{}, queue: map[string]time.Time{}, touched: map[string]time.Time{}, retries: map[string]int{},
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.ended.Go(m.work)
	return m, nil
}

// Close stops all work, waits for it, and closes the indexes. Searches under way end
// first. It must be called before the Store is closed.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	already := m.closed
	m.closed = true
	m.mu.Unlock()
	if already {
		return nil
	}
	m.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, a := range m.accounts() {
			a.mu.Lock()
			m.closeAccount(a)
			a.mu.Unlock()
		}
		m.ended.Wait()
		m.codec.close()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Manager) accounts() []*account {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*account
	for _, a := range m.open {
		list = append(list, a)
	}
	return list
}

// Touch says that an account may have new messages. It never waits. Accounts whose
// index is open are watched and need not be touched; for all others, who delivers
// should, or their messages are indexed only when somebody searches.
func (m *Manager) Touch(name string) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	first, again := m.touched[name]
	if _, queued := m.queue[name]; m.closed || queued && !again {
		return // it is worked on soon anyway, or has failed and must wait
	}
	if !again {
		first = now
		m.touched[name] = first
	}
	at, latest := now.Add(m.c.Linger), first.Add(m.c.MaxLinger)
	if at.After(latest) {
		at = latest
	}
	m.queue[name] = at
	if !again {
		m.wakeUp()
	}
}

// wakeUp makes the worker look at the queue again. m.mu is held.
func (m *Manager) wakeUp() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// schedule makes the worker work on an account after a while, or, later being set, at
// the later of two times.
func (m *Manager) schedule(name string, after time.Duration, later bool) {
	at := time.Now().Add(after)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	due, queued := m.queue[name]
	if queued && (due.Before(at) != later || due.Equal(at) || m.retries[name] > 0 && !later) {
		return
	}
	m.queue[name] = at
	m.wakeUp()
}

// Detach closes the index of an account, and with it what the Manager holds of the
// account, so that it can be removed. Searches under way end first. When it is searched
// or touched again, its index is opened again.
func (m *Manager) Detach(name string) {
	m.mu.Lock()
	delete(m.queue, name)
	delete(m.touched, name)
	a := m.open[name]
	m.mu.Unlock()
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	m.closeAccount(a)
}

// errManagerClosed is returned once Close was called.
var errManagerClosed = errors.New("search is closed")

// acquire returns the account with its index open and a.mu held for reading.
func (m *Manager) acquire(ctx context.Context, name string) (*account, error) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, errManagerClosed
	}
	a := m.open[name]
	if a == nil {
		a = &account{name: name}
		m.open[name] = a
	}
	a.refs++
	m.mu.Unlock()
	a.mu.RLock()
	for a.index == nil {
		a.mu.RUnlock()
		a.mu.Lock()
		err := m.openAccount(ctx, a)
		a.mu.Unlock()
		a.mu.RLock()
		if err != nil {
			m.release(a)
			return nil, err
		}
	}
	return a, nil
}

// release ends the use of an account.
func (m *Manager) release(a *account) {
	a.mu.RUnlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	a.refs--
	a.used = time.Now()
}

// openAccount opens the index. a.mu is held.
func (m *Manager) openAccount(ctx context.Context, a *account) error {
	if a.index != nil {
		return nil
	}
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	if closed {
		return errManagerClosed
	}
	acc, err := m.c.Store.Account(ctx, a.name)
	if err != nil {
		return err
	}
	id := m.stats.opened.Add(1)
	x, err := openIndex(ctx, id, acc, m.c.Log, m.codec, m.cache)
	if err != nil {
		acc.Release()
		return err
	}
	a.index, a.acc, a.watch, a.stop = x, acc, acc.Watch(), make(chan struct{})
	a.bad.Store(false)
	watch, stop := a.watch, a.stop
	m.ended.Go(func() {
		for {
			select {
			case <-watch.C:
				m.Touch(a.name)
			case <-stop:
				return
			}
		}
	})
	return nil
}

// closeAccount closes the index. a.mu is held.
func (m *Manager) closeAccount(a *account) {
	if a.index == nil {
		return
	}
	close(a.stop)
	a.watch.Close()
	if err := a.index.close(); err != nil {
		m.c.Log.Error("closing search index", "account", a.name, "err", err)
	}
	a.acc.Release()
	a.index, a.acc, a.watch, a.merge, a.sweep = nil, nil, nil, nil, sweep{}
}

// Candidates returns what the index knows of a query on the messages of an account. ok
// is false when it knows nothing: the caller then looks through all messages with
// [Match]. It never waits for messages to be indexed.
func (m *Manager) Candidates(ctx context.Context, acc *store.Account, q Query) (res Result, ok bool) {
	a, err := m.acquire(ctx, acc.Name())
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errManagerClosed) {
			m.c.Log.ErrorContext(ctx, "opening search index", "account", acc.Name(), "err", err)
		}
		return Result{}, false
	}
	defer m.release(a)
	m.stats.searches.Add(1)
	res, ok, err = a.index.search(ctx, &q)
	switch {
	case err == nil:
		if res.IndexedTo == 0 {
			m.schedule(a.name, 0, false)
		}
		return res, ok
	case isDamage(err):
		m.damaged(a, err)
	case ctx.Err() == nil:
		m.c.Log.ErrorContext(ctx, "searching index", "account", a.name, "err", err)
	}
	return Result{}, false
}

// damaged makes the worker make the index anew.
func (m *Manager) damaged(a *account, err error) {
	if !a.bad.Swap(true) {
		m.c.Log.Error("search index is damaged", "account", a.name, "err", err)
		m.schedule(a.name, 0, false)
	}
}
