package hook

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"mox/config"
	"mox/mlog"
	"mox/otlp"
	"mox/queue"
	"mox/store"
)

// Queue keeps calls, and knows messages that were sent. It is a *queue.Queue.
type Queue interface {
	HookAdd(ctx context.Context, hooks ...queue.Hook) ([]queue.Hook, error)
	HookDue(ctx context.Context, now time.Time, o queue.HookDueOptions) ([]queue.Hook, error)
	HookNext(ctx context.Context, o queue.HookDueOptions) (time.Time, bool, error)
	HookRecord(ctx context.Context, outcomes ...queue.HookOutcome) error
	RecordDSN(ctx context.Context, r queue.DSNReport) (queue.Message, error)
	ByFromID(ctx context.Context, fromID string) (queue.Message, error)
	Awaits(ctx context.Context, account string) (bool, error)
	Awaiting(ctx context.Context) ([]string, error)
}

// Config is what Hooks need. It must not change once in use.
type Config struct {
	Queue   Queue
	Store   *store.Store
	Config  func() *config.Snapshot
	Version string // in User-Agent
	// Transport makes calls; nil: one of its own, which keeps to TLS and Allow.
	Transport http.RoundTripper
	TLS       *tls.Config // nil: the system's certificate authorities
	// Allow tells which addresses may be called; nil: all but link-local, multicast and unspecified
	// ones.
	Allow   func(netip.Addr) bool
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	Random  func() float64   // in [0, 1); nil: math/rand
	Limits  Limits
	Metrics Metrics
	Spans   *otlp.Exporter // is sent each call; nil: nobody is
}

// Limits bound calls. Zero fields have the defaults.
type Limits struct {
	Parallel int           // calls at the same time; 0: 10
	Timeout  time.Duration // of a call; 0: 1 min
	Response int           // octets of a response that are kept; 0: 512
	Pause    time.Duration // the longest time between tries of a URL that cannot be reached; 0: 1 min
	Payload  int           // octets of a call; 0: 4 MiB
	Batch    int           // deliveries looked at together; 0: 50
	CatchUp  time.Duration // messages received longer ago are not told; 0: 7 days
	Retry    time.Duration // after a failure to follow an account; 0: 1 min
}

// Metrics are called when set.
type Metrics struct {
	Request func(d time.Duration)
	Result  func(status int) // 0: error
	// Bounce: a notification was matched by its "fromid" or "messageid"; event is that of webhooks.
	Bounce func(event, by string)
	Panic  func()
}

// Hooks makes calls. It is safe for concurrent use.
type Hooks struct {
	c      Config
	client *http.Client
	kick   chan struct{} // 1: calls may be due
	wake   chan struct{} // 1: there is something in touched

	mu      sync.Mutex // guards the below
	busy    map[string]bool
	paused  map[string]pause
	touched map[string]time.Time // accounts to look at, and when
}

// pause is a URL that could not be reached.
type pause struct {
	until    time.Time
	failures int
}

// New returns Hooks, which do nothing before Run.
func New(c Config) *Hooks {
	l := &c.Limits
	l.Parallel, l.Response, l.Payload, l.Batch = cmp.Or(l.Parallel, 10), cmp.Or(l.Response, 512), cmp.Or(l.Payload, 4<<20), cmp.Or(l.Batch, 50)
	l.Timeout, l.Pause, l.CatchUp, l.Retry = cmp.Or(l.Timeout, time.Minute), cmp.Or(l.Pause, time.Minute), cmp.Or(l.CatchUp, 7*24*time.Hour), cmp.Or(l.Retry, time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Allow == nil {
		c.Allow = allowed
	}
	c.Log = mlog.New("hook", c.Log)
	if c.Transport == nil {
		c.Transport = transport(c)
	}
	return &Hooks{
		c:    c,
		kick: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		busy: map[string]bool{}, paused: map[string]pause{}, touched: map[string]time.Time{},
		client: &http.Client{
			Transport:     c.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// allowed is the default of Config.Allow.
func allowed(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsValid() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.IsUnspecified()
}

// errForbidden: a name leads to an address that is not called.
var errForbidden = errors.New("address may not be called")

// transport is the default of Config.Transport.
func transport(c Config) http.RoundTripper {
	d := net.Dialer{
		Timeout: 20 * time.Second,
		// After the name was resolved: a name cannot lead where an address may not.
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !c.Allow(ap.Addr().WithZone("")) {
				return errForbidden
			}
			return nil
		},
	}
	return &http.Transport{
		DialContext: d.DialContext, TLSClientConfig: c.TLS, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 20 * time.Second, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		MaxIdleConns: 100, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
	}
}

// Run makes calls and follows deliveries until ctx ends, and all of it has stopped.
func (h *Hooks) Run(ctx context.Context) {
	h.Sync()
	// Notifications may have come when the server ended.
	accounts, err := h.c.Queue.Awaiting(ctx)
	if err != nil && ctx.Err() == nil {
		h.c.Log.Error("looking for accounts that have sent", "err", err)
	}
	for _, name := range accounts {
		h.touch(name, h.c.Now())
	}
	var wg sync.WaitGroup
	wg.Go(func() { h.follow(ctx) })
	wg.Go(func() { h.callAll(ctx) })
	wg.Wait()
	h.client.CloseIdleConnections()
}

// Kick says that a call may be due: for queue.Options.HooksChanged. It never waits.
func (h *Hooks) Kick() { signal(h.kick) }

// gather is for how long deliveries to an account without a webhook are gathered before they are looked at
// for notifications.
const gather = 50 * time.Millisecond

// Touch says that messages were delivered to an account: for store.Options.Added. It never
// waits.
func (h *Hooks) Touch(account string) {
	info := h.c.Config().Accounts[account]
	switch {
	case info == nil:
	case Watched(info):
		h.touch(account, h.c.Now())
	default:
		h.touch(account, h.c.Now().Add(gather))
	}
}

// Sync looks at all accounts that have webhooks: at start, and when the configuration has
// changed. It never waits.
func (h *Hooks) Sync() {
	for name, info := range h.c.Config().Accounts {
		if Watched(info) {
			h.touch(name, h.c.Now())
		}
	}
}

// Forget says that an account has webhooks no more: what is delivered from now on will not
// be told when it has some again. It never waits.
func (h *Hooks) Forget(account string) { h.touch(account, h.c.Now()) }

func (h *Hooks) touch(account string, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t, ok := h.touched[account]; ok && !at.Before(t) {
		return
	}
	h.touched[account] = at
	signal(h.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Watched tells whether what is delivered to an account is told to a webhook.
func Watched(info *config.AccountInfo) bool { return info != nil && info.Config.IncomingWebhook != nil }
