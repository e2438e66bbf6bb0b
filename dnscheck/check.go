package dnscheck

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/config"
	"mox/dns"
	"mox/dnsrecords"
)

// Defaults of Options.
const (
	DefaultTimeout     = 30 * time.Second
	DefaultDialTimeout = 10 * time.Second
	DefaultConnections = 16
)

// Options say how to check.
type Options struct {
	Resolver dns.Resolver
	// Dial makes connections, over network "tcp"; nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots are the authorities whose certificates count; nil: those of the configuration,
	// or else of the system.
	Roots *x509.CertPool
	// InterfaceIPs returns the addresses of this machine, for listeners with unspecified
	// addresses; nil: those of the system's interfaces.
	InterfaceIPs func() ([]netip.Addr, error)
	Timeout      time.Duration // of the whole; 0: DefaultTimeout
	DialTimeout  time.Duration // of a connection with its handshake; 0: DefaultDialTimeout
	Connections  int           // at the same time; 0: DefaultConnections
}

// Section is what was found about one subject. All texts are sentences without full stop.
type Section struct {
	Name     string
	Errors   []string `json:",omitempty"` // what does not work, or makes others distrust the domain
	Warnings []string `json:",omitempty"` // what could be better
	// Instructions tell what to do about errors and warnings. They can have several lines:
	// records as in a zone file follow a line of text.
	Instructions []string `json:",omitempty"`
}

// Clean tells whether nothing was found.
func (s *Section) Clean() bool { return len(s.Errors) == 0 && len(s.Warnings) == 0 }

// Result is the outcome of a check, with all sections that were checked in their order.
type Result struct {
	Domain   string // with U-labels
	Sections []*Section
}

// Section returns a section by its name, or nil.
func (r *Result) Section(name string) *Section {
	for _, s := range r.Sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Errors returns the number of errors in all sections, and that of warnings.
func (r *Result) Errors() (errs, warnings int) {
	for _, s := range r.Sections {
		errs += len(s.Errors)
		warnings += len(s.Warnings)
	}
	return errs, warnings
}

// Names of sections.
const (
	DNSSEC       = "DNSSEC"
	IPRev        = "IPRev"
	MX           = "MX"
	TLS          = "TLS"
	DANE         = "DANE"
	SPF          = "SPF"
	DKIM         = "DKIM"
	DMARC        = "DMARC"
	HostTLSRPT   = "Host TLSRPT"
	DomainTLSRPT = "Domain TLSRPT"
	MTASTS       = "MTASTS"
	SRVConf      = "SRV conf"
	Autoconf     = "Autoconf"
	Autodiscover = "Autodiscover"
)

// checks are the sections in the order of a result.
var checks = []struct {
	name  string
	check func(c *checker, ctx context.Context, s *Section)
	// reports tells that the section also matters for a domain whose mail is elsewhere.
	reports bool
}{
	{DNSSEC, (*checker).dnssec, true},
	{IPRev, (*checker).iprev, false},
	{MX, (*checker).mxRecords, false},
	{TLS, (*checker).tls, false},
	{DANE, (*checker).dane, false},
	{SPF, (*checker).spf, false},
	{DKIM, (*checker).dkim, false},
	{DMARC, (*checker).dmarc, true},
	{HostTLSRPT, (*checker).hostTLSRPT, false},
	{DomainTLSRPT, (*checker).domainTLSRPT, true},
	{MTASTS, (*checker).mtasts, false},
	{SRVConf, (*checker).srv, false},
	{Autoconf, (*checker).autoconf, false},
	{Autodiscover, (*checker).autodiscover, false},
}

// Check checks a configured domain. What is wrong with it is in the result; an error is that
// the domain is not configured, or that keys were not read, as of [dnsrecords.For].
func Check(ctx context.Context, snap *config.Snapshot, domain string, o Options) (*Result, error) {
	d, err := dns.ParseDomain(domain)
	if err != nil {
		return nil, fmt.Errorf("domain %q: %w", domain, err)
	}
	// Records of DANE are wanted if DNSSEC vouches for them, which is seen later.
	records, err := dnsrecords.For(snap, domain, dnsrecords.Options{Authentic: true})
	if err != nil {
		return nil, err
	}
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.DialTimeout = cmp.Or(o.DialTimeout, DefaultDialTimeout)
	o.Connections = cmp.Or(o.Connections, DefaultConnections)
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.InterfaceIPs == nil {
		o.InterfaceIPs = interfaceIPs
	}
	if o.Roots == nil {
		o.Roots = snap.RootCAs
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	c := &checker{Options: o, snap: snap, d: snap.Domain(d), records: records, dials: make(chan struct{}, o.Connections)}
	c.own = findOwn(snap, o.InterfaceIPs)
	return c.run(ctx), nil
}

// checker is one check.
type checker struct {
	Options
	snap    *config.Snapshot
	d       *config.DomainInfo
	records []dnsrecords.Record // what should be in DNS
	own     own
	dials   chan struct{} // a place for each connection

	// What several sections need is done beside them; these wait for it.
	exchanges func() (exchanges, error)
	greetings func() []greeting
}

func (c *checker) run(ctx context.Context) *Result {
	r := &Result{Domain: c.d.Domain.Name()}
	var wg sync.WaitGroup
	hosts := begin(&wg, func() mxOutcome { return c.lookupExchanges(ctx) })
	c.exchanges = func() (exchanges, error) { o := hosts(); return o.exchanges, o.err }
	c.greetings = begin(&wg, func() []greeting { return c.greetAll(ctx) })
	for _, check := range checks {
		if c.d.ReportsOnly && !check.reports {
			continue
		}
		s := &Section{Name: check.name}
		r.Sections = append(r.Sections, s)
		wg.Go(func() { check.check(c, ctx, s) })
	}
	wg.Wait()
	return r
}

// begin runs fn in a goroutine of wg, and returns a function that waits for its result.
func begin[T any](wg *sync.WaitGroup, fn func() T) func() T {
	done := make(chan struct{})
	var v T
	wg.Go(func() {
		defer close(done)
		v = fn()
	})
	return func() T {
		<-done
		return v
	}
}

// fail adds an error and what to do about it.
func (s *Section) fail(instruction, format string, args ...any) {
	s.Errors = append(s.Errors, fmt.Sprintf(format, args...))
	s.instruct(instruction)
}

// warn adds a warning and what to do about it.
func (s *Section) warn(instruction, format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
	s.instruct(instruction)
}

func (s *Section) instruct(text string) {
	if text == "" || slices.Contains(s.Instructions, text) {
		return
	}
	records, ok := strings.CutPrefix(text, publishThese)
	if !ok {
		s.Instructions = append(s.Instructions, text)
		return
	}
	for i, have := range s.Instructions {
		if strings.HasPrefix(have, publishThese) {
			if !strings.Contains(have, records) {
				s.Instructions[i] = have + "\n" + records
			}
			return
		}
	}
	s.Instructions = append(s.Instructions, text)
}

// publishThese is the line before records to publish.
const publishThese = "Publish in DNS, in place of those that are wrong:\n"

// later is what to do about lookups that fail.
const later = "Check that the name servers of the domain, and the resolver of this machine, answer, and run the check again"

// publish is the instruction to have exactly those of the expected records in DNS that have
// this name, without final dot, and type.
func (c *checker) publish(name, typ string) string {
	var l []string
	for _, r := range c.records {
		if r.Name == name+"." && r.Type == typ && r.Value != "" {
			l = append(l, r.String())
		}
	}
	if len(l) == 0 {
		return ""
	}
	return publishThese + strings.Join(l, "\n")
}

// publishOf is publish with only those records whose text begins so.
func (c *checker) publishOf(name, typ, prefix string) string {
	for _, r := range c.records {
		if r.Name == name+"." && r.Type == typ && strings.HasPrefix(r.Value, prefix) {
			return publishThese + r.String()
		}
	}
	return ""
}

// dial connects to an address, when there is a place.
func (c *checker) dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	select {
	case c.dials <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-c.dials }()
	return c.Dial(ctx, "tcp", addr.String())
}

// own is what is known about the addresses of this server.
type own struct {
	ips []netip.Addr // those that mail servers connect to and are connected from
	// explicit: ips are those of the configuration. Otherwise they are what the interfaces of
	// this machine have.
	explicit bool
	// known: any other address is not of this server.
	known bool
	all   map[netip.Addr]bool // of all listeners
}

// findOwn returns the addresses of the server.
func findOwn(snap *config.Snapshot, interfaces func() ([]netip.Addr, error)) own {
	o := own{all: map[netip.Addr]bool{}, known: true}
	add := func(ip netip.Addr) {
		if !slices.Contains(o.ips, ip) {
			o.ips = append(o.ips, ip)
		}
	}
	unspecified := false
	pub := dnsrecords.PublicListener(snap)
	for _, l := range snap.Listeners {
		for _, ip := range dnsrecords.PublicIPs(l) {
			o.all[ip] = true
		}
		if l.IPsNATed && len(l.NATIPs) == 0 {
			o.known = false
		}
		unspecified = unspecified || len(l.NATIPs) == 0 && slices.ContainsFunc(l.IPs, netip.Addr.IsUnspecified)
	}
	if pub != nil {
		for _, ip := range dnsrecords.PublicIPs(pub) {
			add(ip)
		}
	}
	o.explicit = len(o.ips) > 0
	if !unspecified {
		return o
	}
	ips, err := interfaces()
	o.known = o.known && err == nil
	public := false
	for _, ip := range ips {
		if ip = ip.Unmap().WithZone(""); ip.IsGlobalUnicast() && !ip.IsPrivate() {
			public = true
			o.all[ip] = true
			if !o.explicit {
				add(ip)
			}
		}
	}
	// Only private ones: the public ones are those of a router.
	o.known = o.known && (public || o.explicit)
	return o
}

func interfaceIPs() ([]netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var ips []netip.Addr
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				ips = append(ips, ip.Unmap())
			}
		}
	}
	return ips, nil
}

// ours tells about addresses of a name: whether it has any of this server, and those that
// are not. If the addresses of the server are not known, all count as its own.
func (o own) ours(ips []netip.Addr) (some bool, others []netip.Addr) {
	for _, ip := range ips {
		if !o.known || o.all[ip.Unmap()] {
			some = true
		} else {
			others = append(others, ip)
		}
	}
	return some, others
}

// resolve looks up a host that should be this server, adds what is wrong to the section, and
// returns its addresses.
func (c *checker) resolve(ctx context.Context, s *Section, what string, host dns.Domain) []netip.Addr {
	a, err := dns.GatherIPs(ctx, c.Resolver, host)
	if dns.IsNotFound(err) {
		s.fail(c.publishHost(host), "%s %s has no address in DNS", what, host)
		return nil
	} else if err != nil {
		s.fail(later, "the addresses of %s %s cannot be looked up: %v", what, host, err)
		return nil
	}
	switch some, others := c.own.ours(a.IPs); {
	case len(others) == 0:
	case !some:
		s.fail(c.publishHost(host), "%s %s is not this server: its addresses are %s", what, host, join(others))
	default:
		s.fail(c.publishHost(host), "%s %s has addresses that are not of this server: %s", what, host, join(others))
	}
	return a.IPs
}

// publishHost is the instruction to have a name lead to this server.
func (c *checker) publishHost(host dns.Domain) string {
	for _, typ := range []string{"CNAME", "A", "AAAA"} {
		if p := c.publish(host.ASCII, typ); p != "" {
			if v6 := c.publish(host.ASCII, "AAAA"); typ == "A" && v6 != "" {
				p += "\n" + v6[strings.IndexByte(v6, '\n')+1:]
			}
			return p
		}
	}
	return fmt.Sprintf("Publish records A and AAAA of %s with the addresses of this server. If they are right, list them in IPs, or with address translation in NATIPs, of the listener in mox.conf", host)
}

func join[T fmt.Stringer](l []T) string {
	var s []string
	for _, v := range l {
		s = append(s, v.String())
	}
	return strings.Join(s, ", ")
}

// shown is a text of others, safe to print and not too long.
func shown(text string) string { return fmt.Sprintf("%.300q", text) }

// reason is an error in the words of a person who waits for it.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}
