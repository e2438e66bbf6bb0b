package search

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mox/store"
	"mox/upkeep"
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
	// Documents takes the text out of parts that are no text, such as PDF; nil: it is not
	// searched. It is found once it is in the index.
	Documents Documents
	// Cache bounds the decompressed parts of indexes that are kept, of all accounts, in
	// bytes. Default 32 MiB.
	Cache int64
	// Linger is how long an account must be quiet after a delivery before it is indexed,
	// and MaxLinger how long after the first delivery it is indexed anyway: while much
	// comes in, delivery has the machine for itself. Searches look through what is not
	// indexed yet, or index it, see CatchUp. Default 1 s and 15 s.
	Linger, MaxLinger time.Duration
	// Idle is after what time without search or work an index is closed. Default 2 min.
	Idle time.Duration
	// MaxOpen is the number of indexes kept open that nobody uses, at most. Default 64.
	MaxOpen int
	// SweepEvery is how often, at most, an index is rid of messages that are gone.
	// Default 12 h.
	SweepEvery time.Duration
	// Foreground is what indexing gives way to; nil: nothing.
	Foreground *upkeep.Foreground
	// NoCatchUp leaves accounts alone at start that nobody uses or touches.
	NoCatchUp bool
}

// Documents is a [doctext.Extractor], or what does the same. An error of Text is one of
// the document, which then has none, except that of ctx.
type Documents interface {
	Handles(mediaType string) bool
	Text(ctx context.Context, mediaType string, doc io.Reader) ([]byte, error)
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
	c      Config
	codec  *codec
	cache  *cache
	stats  counters
	lag    lag
	keeper *upkeep.Keeper[*account]

	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	catching catchUps
	patience time.Duration // catchUpTime, but in tests
	builders chan struct{} // one for each that searches run, of all accounts
	free     sync.Pool     // of *builder
}

// account is an account whose index is in use, or was a short while ago.
type account struct {
	name  string
	acc   *store.Account
	watch *store.Watch

	mu    sync.RWMutex // held for reading by who uses the index; guards:
	index *index       // nil: it was damaged, and making it anew has failed
	bad   atomic.Bool  // it was found damaged: to be made anew
	slow  atomic.Bool  // a CatchUp took too long: there is none until the worker has taken all

	taking  ticket       // held by who adds batches
	hurried atomic.Int32 // searches that do, or wait for it
	looked  atomic.Int64 // messages that searches had to look through since the index was complete

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
	m := &Manager{c: c, codec: codec, cache: newCache(c.Cache), builders: make(chan struct{}, maxBuilders()), patience: catchUpTime}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.keeper = upkeep.New(upkeep.Options[*account]{
		Open:   m.open,
		Close:  m.close,
		Await:  m.await,
		Work:   m.work,
		Final:  func(err error) bool { return errors.Is(err, store.ErrNoAccount) || errors.Is(err, store.ErrClosed) },
		Failed: m.failed,
		Linger: c.Linger, MaxLinger: c.MaxLinger, Idle: c.Idle, MaxOpen: c.MaxOpen,
	})
	if !c.NoCatchUp {
		m.queueAll()
	}
	return m, nil
}

// Close stops all work, CatchUp as well, waits for it, and closes the indexes. Searches under
// way end first. It must be called before the Store is closed.
func (m *Manager) Close(ctx context.Context) error {
	m.stop()
	if err := m.keeper.Close(ctx); err != nil {
		return err
	}
	m.codec.close()
	return nil
}

// Touch says that an account may have new messages. It never waits. Accounts whose
// index is open are watched and need not be touched; for all others, who delivers
// should, or their messages are indexed only when somebody searches.
func (m *Manager) Touch(name string) {
	m.lag.begin(name)
	m.keeper.Touch(name)
}

// await waits until an account has something new.
func (m *Manager) await(a *account, stop <-chan struct{}) bool {
	ok := a.watch.Wait(stop)
	if ok {
		m.lag.begin(a.name)
	}
	return ok
}

// Detach closes the index of an account, and with it what the Manager holds of the
// account, so that it can be removed. Searches under way end first; those that begin
// meanwhile do without index. When it is searched or touched again, its index is opened
// again.
func (m *Manager) Detach(name string) {
	gone := m.keeper.Detach(name)
	m.catching.cancel(name)
	<-gone
	m.lag.end(name)
}

// acquire returns the account with its index open and a.mu held for reading.
func (m *Manager) acquire(ctx context.Context, name string) (*account, error) {
	a, err := m.keeper.Acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	a.mu.RLock()
	if a.index == nil {
		m.release(a)
		return nil, errNoIndex
	}
	return a, nil
}

// errNoIndex: the worker will try again to make it; it has logged why it could not.
var errNoIndex = errors.New("search index could not be made anew")

// release ends the use of an account.
func (m *Manager) release(a *account) {
	a.mu.RUnlock()
	m.keeper.Release(a.name)
}

// open opens an account and its index.
func (m *Manager) open(ctx context.Context, name string) (*account, error) {
	acc, err := m.c.Store.Account(ctx, name)
	if err != nil {
		return nil, err
	}
	a := &account{name: name, acc: acc, taking: make(ticket, 1)}
	if err := m.openIndex(ctx, a); err != nil {
		acc.Release()
		return nil, err
	}
	a.watch = acc.Watch()
	return a, nil
}

// openIndex opens the index of an account. a.mu is held, or nobody else knows a.
func (m *Manager) openIndex(ctx context.Context, a *account) (err error) {
	a.index, err = openIndex(ctx, m.stats.opened.Add(1), a.acc, m.c.Log, m.codec, m.cache)
	a.bad.Store(err != nil)
	return err
}

// close closes an account that nobody uses.
func (m *Manager) close(a *account) {
	a.watch.Close()
	m.closeIndex(a)
	a.acc.Release()
}

// closeIndex closes the index of an account. a.mu is held, or nobody uses a.
func (m *Manager) closeIndex(a *account) {
	if a.index == nil {
		return
	}
	if err := a.index.close(); err != nil {
		m.c.Log.Error("closing search index", "account", a.name, "err", err)
	}
	a.index, a.merge, a.sweep = nil, nil, sweep{}
}

// Candidates returns what the index knows of a query on the messages of an account. ok
// is false when it knows nothing: the caller then looks through all messages with
// [Match]. It never waits for messages to be indexed: for that there is [Manager.CatchUp].
func (m *Manager) Candidates(ctx context.Context, acc *store.Account, q Query) (res Result, ok bool) {
	a, err := m.acquire(ctx, acc.Name())
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, upkeep.ErrClosed) && !errors.Is(err, errNoIndex) {
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
			m.keeper.Touch(a.name) // if the search does not take them itself, see CatchUp
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
		m.keeper.Schedule(a.name, 0)
	}
}
