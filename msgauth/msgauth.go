package msgauth

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"mox/dmarc"
	"mox/dns"
	"mox/dnsbl"
	"mox/iprev"
	"mox/mlog"
	"mox/otlp"
	"mox/smtp"
	"mox/spf"
)

// DefaultTimeout is the default of Config.Timeout.
const DefaultTimeout = 30 * time.Second

// Config is what checks need. It must not change once in use.
type Config struct {
	Resolver dns.Resolver
	Hostname dns.Domain
	// Timeout is for the checks that begin with MAIL together, and again for those of the
	// message; 0: DefaultTimeout.
	Timeout time.Duration
	DNSBL   *dnsbl.Checker   // nil: block lists are not asked
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	Metrics Metrics
}

// Metrics are called when set.
type Metrics struct {
	IPRev func(status string, took time.Duration)
	SPF   func(status string, took time.Duration)
	DKIM  func(algorithm, status string, took time.Duration)
	DMARC func(status string, reject bool, took time.Duration)
	Panic func(check string)
}

// Checker makes checks. It is safe for concurrent use.
type Checker struct{ c Config }

// New returns a Checker.
func New(c Config) *Checker {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Log = mlog.New("msgauth", c.Log)
	return &Checker{c}
}

// Check is the checks of one message. It belongs to one goroutine.
type Check struct {
	c      *Checker
	peer   smtp.Peer
	args   spf.Args
	cancel context.CancelFunc
	wg     sync.WaitGroup

	iprev  *pending[reverse]
	spf    *pending[spf.Result] // of MAIL FROM
	hello  *pending[spf.Result]
	sender *pending[error]
	dnsbl  *pending[[]dnsbl.Listing] // nil: not asked yet

	assumed []dns.Domain // have valid signatures
}

// reverse is the name of the client's address, if it is confirmed.
type reverse struct {
	Status    iprev.Status
	Name      string
	Authentic bool
	Err       error
}

// pending is the result of a check that is under way.
type pending[T any] struct {
	done chan struct{}
	v    T
}

// wait returns the result. It is bounded by the deadline of the check.
func (p *pending[T]) wait() T {
	<-p.done
	return p.v
}

// done is a result that is there already.
func done[T any](v T) *pending[T] {
	p := &pending[T]{make(chan struct{}), v}
	close(p.done)
	return p
}

// start runs a check. If it panics its result is failed.
func start[T any](ctx context.Context, k *Check, name string, failed T, f func(ctx context.Context) T) *pending[T] {
	p := &pending[T]{done: make(chan struct{})}
	k.wg.Go(func() {
		defer close(p.done)
		defer func() {
			if v := recover(); v != nil {
				k.c.c.Log.ErrorContext(ctx, "panic in check", "check", name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
				if m := k.c.c.Metrics.Panic; m != nil {
					m(name)
				}
				p.v = failed
			}
		}()
		part := otlp.Start(ctx, name)
		p.v = f(ctx)
		part.End("")
	})
	return p
}

// Begin begins the checks of a transaction, for its client and reverse-path. End must be
// called.
func (c *Checker) Begin(ctx context.Context, peer smtp.Peer, from smtp.Path) *Check {
	k := &Check{c: c, peer: peer}
	ctx, k.cancel = context.WithTimeout(ctx, c.c.Timeout)
	ip := peer.Remote.Addr().Unmap().WithZone("")
	k.args = spf.Args{IP: ip, MailFrom: from, Hello: peer.Hello, LocalHostname: c.c.Hostname, Timeout: c.c.Timeout, Now: c.c.Now()}
	k.iprev = start(ctx, k, "iprev", reverse{Status: iprev.StatusTemperror}, func(ctx context.Context) (r reverse) {
		begin := time.Now()
		r.Status, r.Name, _, r.Authentic, r.Err = iprev.Lookup(ctx, c.c.Resolver, ip)
		if m := c.c.Metrics.IPRev; m != nil {
			m(string(r.Status), time.Since(begin))
		}
		return r
	})
	failed := spf.Result{Status: spf.StatusTemperror}
	check := func(f func(context.Context, *slog.Logger, dns.Resolver, spf.Args) spf.Result) func(context.Context) spf.Result {
		return func(ctx context.Context) spf.Result {
			begin := time.Now()
			r := f(ctx, c.c.Log, c.c.Resolver, k.args)
			if m := c.c.Metrics.SPF; m != nil {
				m(string(r.Status), time.Since(begin))
			}
			return r
		}
	}
	k.hello = start(ctx, k, "spfverify", failed, check(spf.CheckHello))
	if from.IsZero() {
		// RFC 7208 2.4: what is checked is EHLO.
		return k
	}
	k.spf = start(ctx, k, "spfverify", failed, check(spf.CheckMailFrom))
	// The author's domain likely is that of the reverse-path: its policy is then known when
	// the message comes.
	start(ctx, k, "dmarc", struct{}{}, func(ctx context.Context) struct{} {
		if d := from.IPDomain.Domain; !d.IsZero() {
			dmarc.Lookup(ctx, c.c.Log, c.c.Resolver, d)
		}
		return struct{}{}
	})
	k.sender = start(ctx, k, "sender", nil, func(ctx context.Context) error { return c.senderDomain(ctx, from.IPDomain.Domain) })
	return k
}

// senderDomain checks that a reverse-path can be replied to: an [*smtp.Error] if not.
func (c *Checker) senderDomain(ctx context.Context, d dns.Domain) error {
	if d.IsZero() {
		return nil // an address literal
	}
	later := func(err error) error {
		// Not wrapped: a failure of the sender's servers is not one of ours.
		return smtp.Errorf(451, "4.4.3", "domain of MAIL FROM, %s, could not be looked up for now: %v", d.ASCII, err)
	}
	mx, _, err := c.c.Resolver.LookupMX(ctx, d.ASCII)
	switch {
	case err == nil && len(mx) == 1 && (mx[0].Host == "." || mx[0].Host == ""):
		// RFC 7505 4.2.
		return smtp.Errorf(550, "5.7.27", "domain of MAIL FROM, %s, takes no mail (null MX), so nothing can be returned to it", d.ASCII)
	case err == nil:
		return nil
	case !dns.IsNotFound(err):
		return later(err)
	}
	// RFC 5321 5.1: without MX the addresses count.
	_, _, err = c.c.Resolver.LookupIP(ctx, "ip", d.ASCII)
	switch {
	case err == nil:
		return nil
	case !dns.IsNotFound(err):
		return later(err)
	}
	return smtp.Errorf(550, "5.1.8", "domain of MAIL FROM, %s, has neither MX nor address records in DNS, so nothing can be returned to it", d.ASCII)
}

// Assume makes Message take it that signatures of these domains are valid: for trying out
// what would happen.
func (k *Check) Assume(dkim []dns.Domain) { k.assumed = dkim }

// SenderDomain returns an [*smtp.Error] when the domain of the reverse-path cannot have
// mail.
func (k *Check) SenderDomain() error {
	if k.sender == nil {
		return nil
	}
	return k.sender.wait()
}

// Reverse returns the confirmed name of the client's address, empty if there is none.
func (k *Check) Reverse() string {
	r := k.iprev.wait()
	if r.Status != iprev.StatusPass {
		return ""
	}
	return r.Name
}

// startDNSBL begins to ask block lists, if that is not done yet.
func (k *Check) startDNSBL(ctx context.Context, zones []dns.Domain) {
	if k.dnsbl != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, k.c.c.Timeout)
	ip := k.args.IP
	k.dnsbl = start(ctx, k, "dnsbl", nil, func(ctx context.Context) []dnsbl.Listing {
		defer cancel()
		return k.c.c.DNSBL.Check(ctx, zones, ip)
	})
}

// End stops what is under way and waits for it.
func (k *Check) End() {
	k.cancel()
	k.wg.Wait()
}
