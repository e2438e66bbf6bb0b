package junk

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"mox/config"
	"mox/store"
)

// Config configures a [Manager]. Store is required; zero fields stand for defaults.
type Config struct {
	Store *store.Store
	Log   *slog.Logger     // nil: none
	Now   func() time.Time // nil: time.Now
	// Params returns the filter of an account, nil for none: then words are not looked at. It
	// is asked each time; when Params of it change, words are taken anew in the background.
	// nil: no account has one.
	Params func(account string) *config.JunkFilter
	// OrgDomain returns the organizational domain of a domain. nil: the domain itself.
	OrgDomain func(domain string) string
	Metrics   Metrics

	// Linger is how long after a change an account is looked at, so that several become one
	// piece of work. Default 1 s. Who judges does not wait for that.
	Linger time.Duration
	// Idle is after what time without use the data of an account is closed. Default 2 min.
	Idle time.Duration
	// MaxOpen is the number of accounts kept open that nobody uses, at most. Default 64.
	MaxOpen int
	// Memory bounds the counters of words that are held in memory, of all accounts, in
	// bytes. Those of accounts that do not fit are read from the file. Default 64 MiB.
	Memory int64
	// Wait is how long who judges waits for work on the account that others do. Default 200 ms.
	Wait time.Duration
}

// Metrics are called for what happens. A nil field is not called.
type Metrics struct {
	// Trained: n examples were "added", "removed", "changed" (to the other class) or
	// "remade" (of the same message).
	Trained func(change string, n int)
	// Judged: something was asked, "reputation" or "words".
	Judged func(what string, d time.Duration)
	// Rebuilt: work on all messages of an account began, for "damage", since the change log
	// does not reach back ("log"), because of changed parameters ("params"), or on "request".
	Rebuilt func(reason string)
}

func (c *Config) setDefaults() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Params == nil {
		c.Params = func(string) *config.JunkFilter { return nil }
	}
	if c.OrgDomain == nil {
		c.OrgDomain = func(d string) string { return d }
	}
	if c.Metrics.Trained == nil {
		c.Metrics.Trained = func(string, int) {}
	}
	if c.Metrics.Judged == nil {
		c.Metrics.Judged = func(string, time.Duration) {}
	}
	if c.Metrics.Rebuilt == nil {
		c.Metrics.Rebuilt = func(string) {}
	}
	c.Linger = cmp.Or(c.Linger, time.Second)
	c.Idle = cmp.Or(c.Idle, 2*time.Minute)
	c.MaxOpen = cmp.Or(c.MaxOpen, 64)
	c.Memory = cmp.Or(c.Memory, 64<<20)
	c.Wait = cmp.Or(c.Wait, 200*time.Millisecond)
}

// Manager owns what accounts have been taught. Its methods may be called concurrently.
type Manager struct {
	c      Config
	memory budget

	tokenizers sync.Pool // of *classifier.Tokenizer: of those who judge words

	ctx    context.Context // of the worker
	cancel context.CancelFunc
	ended  sync.WaitGroup // the worker, and one small goroutine for each open account
	wake   chan struct{}  // capacity 1: the queue has changed

	mu      sync.Mutex // guards the fields below and some of each account
	closed  bool
	open    map[string]*account
	queue   map[string]time.Time // when to work on an account next
	retries map[string]int       // failures in a row
}

// errClosed is returned once Close was called, or while an account is being detached.
var errClosed = errors.New("junk filter is closed")

// New returns a Manager and starts its worker.
func New(c Config) (*Manager, error) {
	if c.Store == nil {
		return nil, errors.New("junk: no store")
	}
	c.setDefaults()
	m := &Manager{
		c: c, memory: budget{left: c.Memory}, wake: make(chan struct{}, 1),
		open: map[string]*account{}, queue: map[string]time.Time{}, retries: map[string]int{},
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.ended.Go(m.work)
	return m, nil
}

// Close stops all work, waits for it, and closes the files once nobody uses them. It must
// be called before the Store is closed.
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
		for _, name := range m.names() {
			if gone := m.detach(name); gone != nil {
				<-gone
			}
		}
		m.ended.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Manager) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for n := range m.open {
		list = append(list, n)
	}
	return list
}

// Touch says that an account has something to learn. It never waits. Accounts that are open
// are watched; for all others, who classifies should touch (store.Options.Classified), or it
// is learned when the next message is judged.
func (m *Manager) Touch(name string) { m.schedule(name, m.c.Linger, false) }

// schedule makes the worker work on an account after a while, or, later being set, at the
// later of two times.
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
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Detach closes the data of an account, and with it what the Manager holds of the account,
// so that it can be removed. Where someone uses it, it is closed as soon as they are done,
// and nobody else can use it until then; Detach does not wait for that. When the account is
// used or touched later, it is opened again.
func (m *Manager) Detach(name string) { m.detach(name) }

// detach is Detach, and returns what is closed when all is, nil when nothing is open.
func (m *Manager) detach(name string) <-chan struct{} {
	m.mu.Lock()
	delete(m.queue, name)
	a := m.open[name]
	if a == nil {
		m.mu.Unlock()
		return nil
	}
	a.leaving = true
	last := a.refs == 0
	m.mu.Unlock()
	if last {
		m.finish(a)
	}
	return a.gone
}

// acquire returns an open account; release gives it back.
func (m *Manager) acquire(ctx context.Context, name string) (*account, error) {
	m.mu.Lock()
	a := m.open[name]
	if m.closed || a != nil && a.leaving {
		m.mu.Unlock()
		return nil, errClosed
	}
	first := a == nil
	if first {
		a = newAccount(m, name)
		m.open[name] = a
	}
	a.refs++
	m.mu.Unlock()
	if first {
		// Others may come to wait for it: the end of this ctx must not be theirs.
		a.err = a.start(context.WithoutCancel(ctx))
		close(a.ready)
	}
	var err error
	select {
	case <-a.ready:
		err = a.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		m.release(a)
		return nil, err
	}
	return a, nil
}

// release ends the use of an account.
func (m *Manager) release(a *account) {
	m.mu.Lock()
	a.refs--
	a.used = time.Now()
	last := false
	if a.refs == 0 {
		select {
		case <-a.ready:
			last = a.leaving || a.err != nil
			a.leaving = last
		default:
		}
	}
	m.mu.Unlock()
	if last {
		m.finish(a)
	}
}

// finish closes an account that is leaving and that nobody uses.
func (m *Manager) finish(a *account) {
	a.end.Do(func() {
		if a.err == nil {
			a.close()
		}
		m.mu.Lock()
		delete(m.open, a.name)
		m.mu.Unlock()
		close(a.gone)
	})
}

// closeIdle closes accounts that nobody has used for a while, and those that are too many,
// the longest unused first.
func (m *Manager) closeIdle() {
	before := time.Now().Add(-m.c.Idle)
	m.mu.Lock()
	var idle []*account
	for _, a := range m.open {
		if _, queued := m.queue[a.name]; a.refs == 0 && !queued && !a.leaving {
			idle = append(idle, a)
		}
	}
	slices.SortFunc(idle, func(a, b *account) int { return a.used.Compare(b.used) })
	n := max(0, len(idle)-m.c.MaxOpen)
	for n < len(idle) && idle[n].used.Before(before) {
		n++
	}
	for _, a := range idle[:n] {
		a.leaving = true
	}
	m.mu.Unlock()
	for _, a := range idle[:n] {
		m.finish(a)
	}
}
