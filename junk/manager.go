package junk

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"mox/config"
	"mox/store"
	"mox/upkeep"
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
	keeper *upkeep.Keeper[*account]

	tokenizers sync.Pool // of *classifier.Tokenizer: of those who judge words
}

// New returns a Manager and starts its worker.
func New(c Config) (*Manager, error) {
	if c.Store == nil {
		return nil, errors.New("junk: no store")
	}
	c.setDefaults()
	m := &Manager{c: c, memory: budget{left: c.Memory}}
	m.keeper = upkeep.New(upkeep.Options[*account]{
		Open:   m.open,
		Close:  (*account).close,
		Await:  func(a *account, stop <-chan struct{}) bool { return a.watch.Wait(stop) },
		Work:   func(ctx context.Context, a *account) (bool, error) { return a.work(ctx) },
		Final:  func(err error) bool { return errors.Is(err, store.ErrNoAccount) || errors.Is(err, store.ErrClosed) },
		Failed: func(name string, err error) { c.Log.Error("learning from messages", "account", name, "err", err) },
		Linger: c.Linger, Idle: c.Idle, MaxOpen: c.MaxOpen,
	})
	return m, nil
}

// Close stops all work, waits for it, and closes the files once nobody uses them. It must
// be called before the Store is closed.
func (m *Manager) Close(ctx context.Context) error { return m.keeper.Close(ctx) }

// Touch says that an account has something to learn. It never waits. Accounts that are open
// are watched; for all others, who classifies should touch (store.Options.Classified), or it
// is learned when the next message is judged.
func (m *Manager) Touch(name string) { m.keeper.Touch(name) }

// Detach closes the data of an account, and with it what the Manager holds of the account,
// so that it can be removed. Where someone uses it, it is closed as soon as they are done,
// and nobody else can use it until then; Detach does not wait for that. When the account is
// used or touched later, it is opened again.
func (m *Manager) Detach(name string) { m.keeper.Detach(name) }
