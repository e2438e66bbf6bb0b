package outbound

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/config"
	"mox/dns"
	"mox/mtasts"
	"mox/mtastsdb"
	"mox/queue"
	"mox/reportdb"
)

const staticConf = `DataDir: data
LogLevel: info
Hostname: mx.example
Listeners:
	local:
		IPs:
			- 198.51.100.1
		SMTP:
			Enabled: true
			NoSTARTTLS: true
Postmaster:
	Account: mjl
	Mailbox: Postmaster
Transports:
	relay:
		Submission:
			Host: relay.test
			Auth:
				Username: user
				Password: pass1234
				Mechanisms:
					- PLAIN
	plain:
		SMTP:
			Host: relay.test
			Port: 2525
			NoSTARTTLS: true
		Retry:
			- 1m
			- 2m
		MaxConnections: 1
	proxy:
		Socks:
			Address: 192.0.2.80:1080
			RemoteIPs:
				- 192.0.2.80
			RemoteHostname: proxy.example
	ipv4:
		Direct:
			DisableIPv6: true
	fail:
		Fail:
			SMTPCode: 550
			SMTPMessage: not from here
`

const dynamicConf = `Domains:
	mx.example: nil
	other.example:
		Disabled: true
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
			x@other.example: nil
`

func loadConfig(t testing.TB, routes string) *config.Snapshot {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"mox.conf": staticConf, "domains.conf": dynamicConf + routes} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := config.Load(filepath.Join(dir, "mox.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// policyTable is an MTASTS.
type policyTable map[string]*mtasts.Policy

func (p policyTable) Get(_ context.Context, d dns.Domain) (*mtasts.Policy, mtastsdb.Info, error) {
	return p[d.ASCII], mtastsdb.Info{}, nil
}

// tlsTable is a TLSResults.
type tlsTable struct {
	mu sync.Mutex
	l  []reportdb.TLSResult
}

func (r *tlsTable) AddTLSResult(_ context.Context, l []reportdb.TLSResult) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.l = append(r.l, l...)
	return nil
}

// String returns results as "type success/failure reason", those of recipient domains.
func (r *tlsTable) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var l []string
	for _, x := range r.l {
		if x.Host {
			continue
		}
		for _, p := range x.Results {
			s := string(p.Policy.Type) + " ok"
			if p.Summary.Failure > 0 {
				s = string(p.Policy.Type) + " " + string(p.FailureDetails[0].ResultType)
			}
			l = append(l, s)
		}
	}
	return strings.Join(l, ", ")
}

// bench is an Outbound with everything around it, inside a synctest bubble.
type bench struct {
	t        *testing.T
	q        *fakeQueue
	n        *network
	o        *Outbound
	c        Config
	snapshot *config.Snapshot
	results  *tlsTable
	counts   map[string]int
	mu       sync.Mutex
	stop     func()
	ended    chan struct{}
}

const zone = `
dest.test. MX 10 mx1.dest.test.
mx1.dest.test. A 192.0.2.1
two.test. MX 10 mx1.two.test.
two.test. MX 20 mx2.two.test.
mx1.two.test. A 192.0.2.1
mx2.two.test. A 192.0.2.2
implicit.test. A 192.0.2.1
null.test. MX 0 .
loop.test. MX 10 mx.example.
self.test. MX 10 mx.self.test.
mx.self.test. A 198.51.100.1
backup.test. MX 10 mx1.dest.test.
backup.test. MX 20 mx.example.
backup.test. MX 30 mx2.two.test.
six.test. MX 10 mx.six.test.
mx.six.test. AAAA 2001:db8::1
dual.test. MX 10 mx.dual.test.
mx.dual.test. A 192.0.2.1
mx.dual.test. AAAA 2001:db8::1
alias.test. CNAME dest.test.
nohost.test. MX 10 nothing.test.
xn--bcher-kva.test. MX 10 mx1.dest.test.
relay.test. A 192.0.2.9
dead.test. MX 10 mx.dead.test.
mx.dead.test. A 192.0.2.66
`

func setup(t *testing.T, routes string, change func(*bench)) *bench {
	t.Helper()
	r, err := dns.MockZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, snapshot: loadConfig(t, routes), results: &tlsTable{}, counts: map[string]int{}, ended: make(chan struct{})}
	b.q = &fakeQueue{now: time.Now, msgs: map[int64]*queue.Message{}, content: map[int64]string{}}
	b.n = &network{servers: map[string]*server{"192.0.2.1": {}}}
	b.c = Config{
		Queue: b.q, Config: func() *config.Snapshot { return b.snapshot }, Resolver: r, Dial: b.n.dial, TLSResults: b.results,
		Metrics: Metrics{
			Connection:            func(s string) { b.count("connection " + s) },
			PlaintextFallback:     func() { b.count("plaintext") },
			RequireTLSUnsupported: func(s string) { b.count("requiretls " + s) },
			TLSRequiredNoIgnored:  func(s string) { b.count("ignored " + s) },
			Delivery:              func(_ int, _, tls, result string, _ time.Duration) { b.count("delivery " + tls + " " + result) },
		},
	}
	if change != nil {
		change(b)
	}
	b.c.Limits.Gather = -1 // time passes only where a test lets it
	b.o = New(b.c)
	b.q.changed = b.o.Kick
	ctx, stop := context.WithCancel(context.Background())
	b.stop = func() { stop(); <-b.ended }
	go func() { b.o.Run(ctx); close(b.ended) }()
	t.Cleanup(func() { b.stop(); b.n.close() })
	return b
}

func (b *bench) count(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[s]++
}

// bubble runs f in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// send queues a message from mjl@mx.example to recipients of a domain.
func (b *bench) send(to ...string) []int64 { return b.sendAs(queue.Message{}, to...) }

const text = "From: <mjl@mx.example>\r\nSubject: hello\r\n\r\n.dot\r\nhi\r\n"

func (b *bench) sendAs(m queue.Message, to ...string) []int64 {
	if m.Kind == "" {
		m.Sender, m.Account = path("mjl@mx.example"), "mjl"
	}
	var l []queue.Message
	for _, a := range to {
		m.Recipient = path(a)
		l = append(l, m)
	}
	return b.q.add(text, l...)
}

// outcome describes what became of a message: of the last attempt.
func (b *bench) outcome(id int64) string {
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	for _, o := range slices.Backward(b.q.all) {
		if o.ID != id {
			continue
		}
		s := map[queue.Action]string{queue.Delayed: "delayed", queue.Delivered: "delivered", queue.Failed: "failed"}[o.Action]
		if o.NotTried {
			s = "not tried"
		}
		if !o.Result.Success {
			s += " " + o.Result.Enhanced
		}
		return s
	}
	return "nothing"
}

func (b *bench) notices() []queue.NewMessage {
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	return slices.Clone(b.q.notices)
}

func (b *bench) records() []queue.Outcome {
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	return slices.Clone(b.q.all)
}

func (b *bench) server(ip string) *server { return b.n.servers[ip] }

// want checks an outcome.
func (b *bench) want(id int64, want string) {
	b.t.Helper()
	if got := b.outcome(id); got != want {
		b.t.Errorf("message %d: %s, want %s", id, got, want)
		b.q.mu.Lock()
		for _, o := range b.q.all {
			b.t.Logf("%+v", o)
		}
		b.q.mu.Unlock()
	}
}

func (b *bench) wantCount(name string, n int) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counts[name] != n {
		b.t.Errorf("count %q is %d, want %d; all: %v %v", name, b.counts[name], n, slices.Sorted(maps.Keys(b.counts)), b.counts)
	}
}
