package dns

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mdns "github.com/miekg/dns"
)

// Options of a Client. The zero value asks the servers of /etc/resolv.conf.
type Options struct {
	// Servers are the resolvers to ask, as [ParseServer] takes them, in place of those
	// of ResolvConf.
	Servers []string
	// TrustServers: Servers validate DNSSEC and the way to them is safe, so that what
	// they say about it is believed. A server on a loopback address is trusted anyway.
	TrustServers bool
	// ResolvConf is the file to read servers from, and again after it changed; empty:
	// /etc/resolv.conf. Its servers are trusted to have validated DNSSEC when on a
	// loopback address or with "options trust-ad".
	ResolvConf string

	// Timeout bounds a lookup as a whole; 0: 30 seconds.
	Timeout time.Duration
	// TryTimeout bounds one try with one of Servers; 0: 5 seconds.
	TryTimeout time.Duration
	// Attempts is how often each of Servers is tried at most; 0: 2.
	Attempts int
	// MaxQueries bounds the queries under way, and so the sockets; 0: 256. More wait.
	MaxQueries int

	// CacheEntries and CacheBytes bound the cache; 0: 20,000 and 16 MiB.
	CacheEntries, CacheBytes int
	// MaxTTL bounds how long an answer is kept; 0: 1 hour. MaxNegativeTTL is that for
	// the lack of a record; 0: 15 minutes.
	MaxTTL, MaxNegativeTTL time.Duration
	// FailureTTL is how long it is remembered that servers failed (RFC 9520); 0: 5
	// seconds.
	FailureTTL time.Duration

	// Observe, if not nil, is told about every lookup: the record type in lower case,
	// the result (ok, nxdomain for any lack of records, temporary, timeout, canceled,
	// error) and how long it took, which is 0 for an answer from the cache. It must be
	// quick and safe for concurrent use.
	Observe func(typ, result string, d time.Duration)
	// Log gets failures of servers at debug level; nil: nowhere.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Rand is where ids of queries come from; nil: crypto/rand. Safe for concurrent use.
	Rand io.Reader
	// Dial makes connections, with network "udp" and "tcp"; nil: a net.Dialer. Source
	// ports must be unpredictable, as those that the system chooses are.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// ErrClosed: the Client was closed.
var ErrClosed = errors.New("resolver is closed")

// Client is a Resolver that asks recursive resolvers over UDP and TCP, and keeps their
// answers for as long as they may be kept. Make it with [NewClient]. Safe for concurrent
// use.
type Client struct {
	o     Options
	cache cache
	slots chan struct{} // One for each query under way.
	reuse bool          // Sockets are those of the system, and may be used again.
	turn  atomic.Uint32 // Which server is first with option rotate.

	ctx  context.Context // Of all flights: ends at Close.
	stop context.CancelFunc
	wg   sync.WaitGroup // Flights.

	mu      sync.Mutex // guards flights, and each one's waiters
	flights map[question]*flight

	confMu      sync.Mutex // guards what follows, when read from a file
	conf        *conf
	confChecked time.Time
	confModTime time.Time
	confSize    int64
}

var _ Resolver = (*Client)(nil)

func orDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// NewClient returns a client. An error is about an address in Servers.
func NewClient(o Options) (*Client, error) {
	orDefault(&o.Timeout, 30*time.Second)
	orDefault(&o.TryTimeout, 5*time.Second)
	orDefault(&o.Attempts, 2)
	orDefault(&o.MaxQueries, 256)
	orDefault(&o.CacheEntries, 20_000)
	orDefault(&o.CacheBytes, 16<<20)
	orDefault(&o.MaxTTL, time.Hour)
	orDefault(&o.MaxNegativeTTL, 15*time.Minute)
	orDefault(&o.FailureTTL, 5*time.Second)
	orDefault(&o.Rand, io.Reader(rand.Reader))
	orDefault(&o.Log, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	reuse := o.Dial == nil
	if reuse {
		o.Dial = new(net.Dialer).DialContext
	}
	c := &Client{o: o, reuse: reuse, slots: make(chan struct{}, o.MaxQueries), flights: map[question]*flight{}}
	c.cache.maxEntries, c.cache.maxBytes = o.CacheEntries, o.CacheBytes
	c.cache.init()
	if len(o.Servers) > 0 {
		c.o.ResolvConf = ""
		c.conf = &conf{try: o.TryTimeout, attempts: o.Attempts}
		for _, s := range o.Servers {
			ap, err := ParseServer(s)
			if err != nil {
				return nil, err
			}
			c.conf.servers = append(c.conf.servers, newServer(ap, o.TrustServers || ap.Addr().Unmap().IsLoopback()))
		}
	} else if o.ResolvConf == "" {
		c.o.ResolvConf = "/etc/resolv.conf"
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the lookups under way and waits for their end. Later ones fail.
func (c *Client) Close() error {
	c.mu.Lock()
	c.stop()
	c.mu.Unlock()
	c.wg.Wait()
	c.confMu.Lock()
	defer c.confMu.Unlock()
	if c.conf != nil {
		c.conf.close()
	}
	return nil
}

// Flush forgets all answers.
func (c *Client) Flush() { c.cache.clear() }

// answer looks up one type of one name.
func (c *Client) answer(ctx context.Context, typ uint16, name string) *answer {
	q := question{canonical(name), typ}
	if a := c.quick(ctx, q); a != nil {
		return a
	}
	begin := c.o.Now()
	a := c.wait(ctx, q)
	c.observe(q, a, c.o.Now().Sub(begin))
	return a
}

// quick returns an answer that needs no query, or nil.
func (c *Client) quick(ctx context.Context, q question) *answer {
	if err := ctx.Err(); err != nil {
		a := failure(q, err)
		c.observe(q, a, 0)
		return a
	}
	a := c.cache.get(q, c.o.Now())
	if a == nil {
		a = special(q)
	}
	if a != nil {
		c.observe(q, a, 0)
	}
	return a
}

func (c *Client) observe(q question, a *answer, d time.Duration) {
	if c.o.Observe == nil {
		return
	}
	result := "ok"
	switch e := a.err; {
	case e == nil:
	case e.NotFound:
		result = "nxdomain"
	case errors.Is(e.Err, context.Canceled):
		result = "canceled"
	case e.Timeout:
		result = "timeout"
	case e.RCode != "":
		result = "temporary"
	default:
		result = "error"
	}
	c.o.Observe(q.typeName(), result, d)
}

// failure is the answer that there is none.
func failure(q question, err error) *answer {
	e := &Error{Name: q.name, Type: q.typeName(), Err: err}
	var timeout interface{ Timeout() bool }
	e.Timeout = errors.As(err, &timeout) && timeout.Timeout()
	return &answer{err: e, size: 2*len(q.name) + 300}
}

// special answers what is not for DNS.
func special(q question) *answer {
	last := q.name[strings.LastIndexByte(q.name, '.')+1:]
	switch last {
	case "localhost":
		// RFC 6761 6.3: resolvers answer this themselves, with loopback addresses.
		switch q.typ {
		case mdns.TypeA:
			return &answer{records: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}}
		case mdns.TypeAAAA:
			return &answer{records: []netip.Addr{netip.IPv6Loopback()}}
		}
		return &answer{err: &Error{Name: q.name, Type: q.typeName(), NotFound: true}}
	case "invalid":
		// RFC 6761 6.4.
		return &answer{err: &Error{Name: q.name, Type: q.typeName(), NotFound: true, NXDomain: true}}
	}
	if q.name == "." {
		return nil
	}
	if _, ok := presentation(q.name); !ok {
		return &answer{err: &Error{Name: q.name, Type: q.typeName(), NotFound: true, NXDomain: true, Err: fmt.Errorf("%w for DNS", ErrDomain)}}
	}
	return nil
}

func get[T any](ctx context.Context, c *Client, typ uint16, name string) ([]T, Result, error) {
	return result[T](c.answer(ctx, typ, name))
}

// result hands an answer out. Records are copied, as callers may sort them.
func result[T any](a *answer) ([]T, Result, error) {
	if a.err != nil {
		return nil, a.result(), a.err
	}
	return slices.Clone(a.records.([]T)), a.result(), nil
}

func (a *answer) result() Result { return Result{Authentic: a.authentic, Name: a.end} }

// LookupAddr implements [Resolver].
func (c *Client) LookupAddr(ctx context.Context, ip netip.Addr) ([]string, Result, error) {
	return get[string](ctx, c, mdns.TypePTR, ReverseName(ip))
}

// LookupIP implements [Resolver]. The names of /etc/hosts are not known to it;
// "localhost" is.
func (c *Client) LookupIP(ctx context.Context, network, host string) ([]netip.Addr, Result, error) {
	switch network {
	case "ip4":
		return get[netip.Addr](ctx, c, mdns.TypeA, host)
	case "ip6":
		return get[netip.Addr](ctx, c, mdns.TypeAAAA, host)
	}
	a, aaaa := c.both(ctx, host)
	res := Result{Authentic: a.authentic && aaaa.authentic, Name: a.end}
	if a.err != nil && aaaa.err != nil {
		// That one type does not exist says nothing when the other failed.
		if a.err.NotFound {
			return nil, res, aaaa.err
		}
		return nil, res, a.err
	}
	var ips []netip.Addr
	for _, one := range []*answer{a, aaaa} {
		if one.err == nil {
			ips = append(ips, one.records.([]netip.Addr)...)
		}
	}
	return ips, res, nil
}

// both looks up IPv4 and IPv6 addresses at once.
func (c *Client) both(ctx context.Context, host string) (a, aaaa *answer) {
	qa, qaaaa := question{canonical(host), mdns.TypeA}, question{canonical(host), mdns.TypeAAAA}
	if aaaa = c.quick(ctx, qaaaa); aaaa != nil {
		return c.answer(ctx, qa.typ, qa.name), aaaa
	}
	done := make(chan *answer, 1)
	go func() { done <- c.answer(ctx, qaaaa.typ, qaaaa.name) }()
	a = c.answer(ctx, qa.typ, qa.name)
	return a, <-done
}

// LookupTXT implements [Resolver].
func (c *Client) LookupTXT(ctx context.Context, name string) ([]string, Result, error) {
	return get[string](ctx, c, mdns.TypeTXT, name)
}

// LookupMX implements [Resolver].
func (c *Client) LookupMX(ctx context.Context, name string) ([]MX, Result, error) {
	l, res, err := get[MX](ctx, c, mdns.TypeMX, name)
	slices.SortStableFunc(l, func(a, b MX) int { return int(a.Preference) - int(b.Preference) })
	return l, res, err
}

// LookupNS implements [Resolver].
func (c *Client) LookupNS(ctx context.Context, name string) ([]string, Result, error) {
	return get[string](ctx, c, mdns.TypeNS, name)
}

// LookupSRV implements [Resolver].
func (c *Client) LookupSRV(ctx context.Context, name string) ([]SRV, Result, error) {
	return get[SRV](ctx, c, mdns.TypeSRV, name)
}

// LookupTLSA implements [Resolver].
func (c *Client) LookupTLSA(ctx context.Context, name string) ([]TLSA, Result, error) {
	return get[TLSA](ctx, c, mdns.TypeTLSA, name)
}

// LookupCNAME implements [Resolver]. Each alias is asked for, so that what is authentic
// are the aliases and not also the records at their end.
func (c *Client) LookupCNAME(ctx context.Context, name string) (string, Result, error) {
	end, res := canonical(name), Result{Authentic: true}
	for range maxChain + 1 {
		a := c.answer(ctx, mdns.TypeCNAME, end)
		if a.err != nil && a.err.NotFound && !a.err.NXDomain {
			// The last answer is that there is no alias.
			if end == canonical(name) {
				return end, Result{Authentic: a.authentic}, nil
			}
			res.Name = end
			return end, res, nil
		}
		if a.err != nil {
			res.Authentic = res.Authentic && a.authentic
			return "", res, a.err
		}
		if end == canonical(name) {
			res.AliasAuthentic = a.authentic
		}
		res.Authentic = res.Authentic && a.authentic
		end = a.records.([]string)[0]
	}
	return "", Result{}, failure(question{canonical(name), mdns.TypeCNAME}, errChain).err
}

// ReverseName returns the name at which the names of an address are (RFC 1035 3.5, RFC
// 3596 2.5), without final dot.
func ReverseName(ip netip.Addr) string {
	const suffix4, suffix6 = "in-addr.arpa", "ip6.arpa"
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ReverseIP(ip) + "." + suffix4
	}
	return ReverseIP(ip) + "." + suffix6
}

// ReverseIP returns the octets of an IPv4 address, or the nibbles of an IPv6 address,
// last one first and with dots between: as in the names of reverse zones and blocklists.
func ReverseIP(ip netip.Addr) string {
	const hexDigits = "0123456789abcdef"
	if ip.Is4() {
		b := ip.As4()
		return fmt.Sprintf("%d.%d.%d.%d", b[3], b[2], b[1], b[0])
	}
	b := ip.As16()
	s := make([]byte, 0, 63)
	for i := 15; i >= 0; i-- {
		s = append(s, hexDigits[b[i]&15], '.', hexDigits[b[i]>>4], '.')
	}
	return string(s[:63])
}
