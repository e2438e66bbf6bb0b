package outbound

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"mox/config"
	"mox/dns"
	"mox/mlog"
	"mox/otlp"
	"mox/queue"
	"mox/smtpclient"
)

// Content is an open message of the queue.
type Content interface {
	io.ReaderAt
	Size() int64
	Close() error
}

// Queue is what is needed of the queue; see [FromQueue]. Methods are as those of
// [queue.Queue].
type Queue interface {
	Due(ctx context.Context, now time.Time, o queue.DueOptions) ([]queue.Message, error)
	Next(ctx context.Context, o queue.DueOptions) (time.Time, bool, error)
	Begin(ctx context.Context, ids ...int64) error
	Record(ctx context.Context, outcomes []queue.Outcome, notices []queue.NewMessage) error
	Content(ctx context.Context, id int64) (Content, error)
}

// FromQueue returns q as Queue.
func FromQueue(q *queue.Queue) Queue { return realQueue{q} }

type realQueue struct{ *queue.Queue }

// Content implements Queue.
func (q realQueue) Content(ctx context.Context, id int64) (Content, error) {
	c, err := q.Queue.Content(ctx, id)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Config is what sending needs. It must not change once in use.
type Config struct {
	Queue  Queue
	Config func() *config.Snapshot
	// Resolver is what hosts are looked up with. Without DNSSEC there is no DANE.
	Resolver dns.Resolver
	// Dial connects from source, which is invalid for any. Nil: the network.
	Dial func(ctx context.Context, source netip.Addr, network, address string) (net.Conn, error)
	// MTASTS has the policies of domains; nil: there are none.
	MTASTS MTASTS
	// TLSResults takes results of TLS for reports; nil: nobody does.
	TLSResults TLSResults
	// Local delivers a message to its recipient on this server. An error that is an
	// [*smtp.Error] of code 5xx is permanent, any other temporary.
	Local func(ctx context.Context, m queue.Message, c Content) error
	// Sign returns DKIM-Signature fields for a message of this server: a notification, or one
	// that had to be converted. from is the domain of its From field. Nil: none.
	Sign func(ctx context.Context, from dns.Domain, smtputf8 bool, content io.ReaderAt) (string, error)
	// Learned is told what was seen of a host of a recipient's domain; nil: nobody.
	Learned func(ctx context.Context, h HostTLS)
	// HTTP asks for tokens of OAuth 2 to log in with; nil: http.DefaultClient, for a time.
	HTTP *http.Client
	// Loopback allows to connect to loopback addresses and own addresses, which otherwise
	// are a mail loop: for tests.
	Loopback bool
	// SMTPPort is the port of hosts; 0: 25. For tests.
	SMTPPort int
	// TempDir is for large messages that must be converted; "": that of the system.
	TempDir string
	Limits  Limits
	Client  smtpclient.Limits // of sessions; zero fields have the defaults
	Metrics Metrics
	Spans   *otlp.Exporter   // is sent each attempt; nil: nobody is
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	Random  io.Reader        // seed of jitter and order, and message ids; nil: crypto/rand
}

// Limits bound what is done. Zero fields have the defaults.
type Limits struct {
	Workers  int // batches sent at a time; 0: 10
	Retrying int // of Workers, those for messages that were tried before; 0: 7
	Local    int // of Workers, those for this server; 0: 4
	// Connections at a time of a lane whose route says nothing; 0: 4.
	Connections int
	Batch       int // submissions of a batch; 0: 10
	Recipients  int // of a transaction; 0: 100 (RFC 5321 4.5.3.1.8)

	Messages  int           // on a connection; 0: 100
	Idle      time.Duration // that a connection is kept for more; 0: 5 s
	KeptConns int           // connections kept, those of workers between two messages included; 0: 20 more than Workers
	Age       time.Duration // after which a connection is not used again, as policies may have changed; 0: 5 min

	Hosts     int           // of a domain that are tried in an attempt; 0: 8
	Addresses int           // of a host, likewise; 0: 4
	Dial      time.Duration // 0: 30 s
	Attempt   time.Duration // for a transaction in all; 0: 30 min
	Shutdown  time.Duration // that what is under way has at the end; 0: 5 s

	// Unreachable is for how long a destination is not tried again whose hosts cannot be
	// reached; 0: 1 min. RFC 5321 4.5.4.1.
	Unreachable time.Duration
	// Pause is for how long a lane is left alone that said it gets too much; 0: 1 min.
	Pause time.Duration // and twice as long the next time in a row, up to 16 times
	// Patience is for how long a message in the queue can wait for a lane that is left alone
	// without that counting as attempts; 0: 1 h.
	Patience time.Duration
	// Gather is the least time between two looks at what is due; 0: 5 ms.
	Gather time.Duration
	Lanes  int // remembered; 0: 10,000. Likewise hosts.

	// DelayNotice is after how long in the queue the sender is told of the delay, at the
	// attempt then; 0: 105 min, which is the 5th attempt by the default schedule.
	DelayNotice time.Duration
	// Return is the most octets of a message that are returned with a notification; 0: 1 MiB.
	Return int64
	// Memory is the size of a message up to which it is converted in memory; 0: 1 MiB.
	Memory int64
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (l *Limits) defaults() {
	orElse(&l.Workers, 10)
	orElse(&l.Retrying, max(1, l.Workers*7/10))
	orElse(&l.Local, min(4, l.Workers))
	orElse(&l.Connections, 4)
	orElse(&l.Batch, 10)
	orElse(&l.Recipients, 100)
	orElse(&l.Messages, 100)
	orElse(&l.Idle, 5*time.Second)
	orElse(&l.KeptConns, l.Workers+20)
	orElse(&l.Age, 5*time.Minute)
	orElse(&l.Hosts, 8)
	orElse(&l.Addresses, 4)
	orElse(&l.Dial, 30*time.Second)
	orElse(&l.Attempt, 30*time.Minute)
	orElse(&l.Shutdown, 5*time.Second)
	orElse(&l.Unreachable, time.Minute)
	orElse(&l.Pause, time.Minute)
	orElse(&l.Patience, time.Hour)
	orElse(&l.Gather, 5*time.Millisecond)
	orElse(&l.Lanes, 10_000)
	orElse(&l.DelayNotice, 105*time.Minute)
	orElse(&l.Return, 1<<20)
	orElse(&l.Memory, 1<<20)
}

// Outbound sends. It is safe for concurrent use.
type Outbound struct {
	c     Config
	log   *slog.Logger
	pool  *pool
	hosts *hostMemory

	tokens tokens

	random   *rand.Rand // guarded by randomMu
	randomMu sync.Mutex

	wake    chan struct{}  // 1: there may be something to do
	ending  atomic.Bool    // no more transactions are begun
	workers sync.WaitGroup // added to by Run only

	local   gate       // for batches for this server
	holding sync.Mutex // held by HoldLocal

	mu     sync.Mutex       // guards what follows
	lanes  map[string]*lane // by name
	under  map[int64]bool   // messages that are being sent
	parked map[string]park  // destinations that have to wait
	active counts           // workers
}

// counts are numbers of workers.
type counts struct{ all, retrying int }

// New returns an Outbound. It does nothing before Run.
func New(c Config) *Outbound {
	c.Limits.defaults()
	orElse(&c.SMTPPort, 25)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = crand.Reader
	}
	if c.HTTP == nil {
		c.HTTP = http.DefaultClient
	}
	if c.Dial == nil {
		c.Dial = dialNet
	}
	var seed [16]byte
	if _, err := io.ReadFull(c.Random, seed[:]); err != nil {
		crand.Read(seed[:])
	}
	o := &Outbound{
		c: c, log: mlog.New("outbound", c.Log), hosts: newHostMemory(c.Limits.Lanes),
		random: rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:]))),
		wake:   make(chan struct{}, 1),
		lanes:  map[string]*lane{}, under: map[int64]bool{}, parked: map[string]park{},
	}
	o.tokens.http, o.tokens.now = c.HTTP, c.Now
	o.pool = newPool(c.Limits, c.Now)
	return o
}

// withRandom calls f with the source of randomness.
func (o *Outbound) withRandom(f func(*rand.Rand)) {
	o.randomMu.Lock()
	defer o.randomMu.Unlock()
	f(o.random)
}

// Kick makes Run look whether something is due, soon. It does not block: for
// [queue.Options.Changed].
func (o *Outbound) Kick() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Retry forgets which destinations cannot be reached or want less, and kicks: for an
// administrator who knows that it works now.
func (o *Outbound) Retry() {
	o.mu.Lock()
	for _, l := range o.lanes {
		l.down, l.downUntil, l.pauseUntil, l.pauses = nil, time.Time{}, time.Time{}, 0
	}
	o.mu.Unlock()
	o.Kick()
}
