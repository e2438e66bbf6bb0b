package quickstart

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"mox/dns"
)

// Check is one of the things that are looked at.
type Check struct {
	Name  string // as in [Finding.Check]
	Title string
}

// step is a check with what does it. Those that need the plan run when it is made.
type step struct {
	Check
	needsPlan bool
	online    bool // not in Offline
	run       func(ctx context.Context, s *survey) []Finding
}

// steps are all checks in the order in which findings are told.
var steps = []step{
	{Check{"address", "First address"}, false, false, checkAddress},
	{Check{"resolver", "DNS resolver"}, false, true, checkResolver},
	{Check{"hostname", "Host name"}, true, false, checkHostname},
	{Check{"addresses", "Addresses of this machine"}, true, false, checkAddresses},
	{Check{"host-dns", "DNS of the host name"}, true, true, checkHostDNS},
	{Check{"reverse-dns", "Reverse DNS"}, true, true, checkReverse},
	{Check{"ipv6", "IPv6"}, true, false, checkIPv6},
	{Check{"ports", "Ports"}, true, false, checkPorts},
	{Check{"port25", "Outgoing mail"}, false, true, checkPort25},
	{Check{"blocklists", "Block lists"}, true, true, checkBlocklists},
	{Check{"domain", "Mail of the domain until now"}, true, true, checkDomainMX},
	{Check{"domain-age", "Age of the domain"}, false, true, checkDomainAge},
	{Check{"clock", "Clock"}, false, false, checkClock},
	{Check{"memory", "Memory"}, false, false, checkMemory},
	{Check{"disk", "Disk"}, false, false, checkDisk},
	{Check{"files", "Open files"}, false, false, checkOpenFiles},
	{Check{"user", "User of the server"}, false, false, checkUser},
}

// Checks lists all checks in the order in which their findings are told.
func Checks() []Check {
	var all []Check
	for _, s := range steps {
		all = append(all, s.Check)
	}
	return all
}

// survey is a Check under way: the plan, and what was found out for it.
type survey struct {
	*Plan
	o Options

	installed bool // there is an installation: this is for Examine

	planned  chan struct{} // closed when the plan is made
	resolved chan struct{} // closed when resolver is known
	resolver error         // DNS gives no answers

	osHostname   string
	interfaces   []Interface
	hostFrom     string // how the host name was found
	hostAddrs    []netip.Addr
	hostErr      error
	elsewhere    []netip.Addr   // of hostAddrs, those that do not lead here
	unused       []netip.Addr   // public ones of this machine without DNS
	dateReceived chan ageAnswer // of the RDAP server, for two checks
}

// Installed is what an installation has: the questions to the machine are about that.
type Installed struct {
	Config   string // directory of mox.conf
	Hostname dns.Domain
	Domain   dns.Domain       // for its age
	IPs      []netip.Addr     // by which the world reaches it; none: not known
	Listen   []netip.AddrPort // what it is to listen on; none: it listens already
	Lists    []dns.Domain     // block lists that it asks, besides those that all ask
}

// examined are the checks of [Examine].
var examined = []string{"resolver", "host-dns", "reverse-dns", "ports", "port25", "blocklists", "clock", "memory", "disk", "files", "user"}

// Examine looks at a machine that has an installation, and returns what it finds in the order of
// [Checks]. Of the options, User, SkipDial, Offline, Dir (of the data), Resolver, Machine, Timeout and Now count.
func Examine(ctx context.Context, o Options, in Installed) []Finding {
	o.setDefaults()
	o.wanted, o.lists, o.config = in.Listen, in.Lists, in.Config
	s := &survey{Plan: &Plan{Options: o, Hostname: in.Hostname, IPs: in.IPs}, o: o, installed: true, planned: make(chan struct{}), resolved: make(chan struct{}), dateReceived: make(chan ageAnswer, 1)}
	s.Address.Domain = in.Domain
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var run []step
	for _, st := range steps {
		// The age of the domain is no fault of an installation; its registry also tells the time.
		if slices.Contains(examined, st.Name) || st.Name == "domain-age" {
			run = append(run, st)
		}
	}
	found := make([]chan []Finding, len(run))
	for i, st := range run {
		found[i] = make(chan []Finding, 1)
		go func() { found[i] <- s.one(ctx, st) }()
	}
	go func() {
		defer close(s.planned)
		<-s.resolved
		s.lookUpHost(ctx)
	}()
	var all []Finding
	for i, st := range run {
		for _, f := range <-found[i] {
			f.Check = st.Name
			if st.Name != "domain-age" {
				all = append(all, f)
			}
		}
	}
	return all
}

// Survey looks at the machine and proposes what to write. Nothing is written. Errors are
// about the address and names given ([ErrAddress]), and a resolver that does not answer
// ([ErrResolver]).
func Survey(ctx context.Context, o Options) (*Plan, error) {
	o.setDefaults()
	s := &survey{Plan: &Plan{Options: o}, o: o, planned: make(chan struct{}), resolved: make(chan struct{}), dateReceived: make(chan ageAnswer, 1)}
	var err error
	if s.Address, s.Account, err = parseAddress(o.Address); err != nil {
		return nil, err
	}
	if o.Hostname != "" {
		if s.Hostname, err = dns.ParseDomain(o.Hostname); err != nil {
			return nil, fmt.Errorf("%w: host name %q: %w", ErrAddress, o.Hostname, err)
		}
	}
	if o.User == "root" || o.User == "0" {
		return nil, fmt.Errorf("%w: the server starts as root and continues as another user, give one", ErrAddress)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	return s.run(ctx)
}

// run runs the steps side by side and makes the plan meanwhile.
func (s *survey) run(ctx context.Context) (*Plan, error) {
	found := make([]chan []Finding, len(steps))
	for i, st := range steps {
		found[i] = make(chan []Finding, 1)
		go func() { found[i] <- s.one(ctx, st) }()
	}
	go func() {
		defer close(s.planned)
		s.plan(ctx)
	}()
	for i, st := range steps {
		l := <-found[i]
		for j := range l {
			l[j].Check = st.Name
		}
		s.Findings = append(s.Findings, l...)
		if s.o.Found != nil && len(l) > 0 {
			s.o.Found(st.Check, l)
		}
	}
	if errors.Is(s.resolver, context.Canceled) {
		return nil, context.Canceled
	}
	if s.resolver != nil {
		return nil, fmt.Errorf("%w: %w. Make the resolver of /etc/resolv.conf answer, or install one: apt install unbound. With -offline nothing is asked", ErrResolver, s.resolver)
	}
	return s.Plan, nil
}

// one runs a step when it may.
func (s *survey) one(ctx context.Context, st step) []Finding {
	if st.online && s.o.Offline {
		if st.Name == "resolver" {
			close(s.resolved)
			return []Finding{note("Run \"mox config dnscheck\" when there is DNS.", "Nothing was looked up, as -offline says.")}
		}
		return nil
	}
	if st.Name != "resolver" && st.online {
		<-s.resolved
		if s.resolver != nil {
			return nil
		}
	}
	if st.needsPlan {
		<-s.planned
	}
	return st.run(ctx, s)
}

// plan finds host name and addresses.
func (s *survey) plan(ctx context.Context) {
	s.osHostname, _ = s.o.Machine.Hostname()
	s.interfaces, _ = s.o.Machine.Interfaces()
	<-s.resolved
	hctx, cancel := context.WithTimeout(ctx, resolverTimeout)
	defer cancel()
	s.chooseHostname(hctx, s.online())
	s.lookUpHost(hctx)
	s.chooseAddresses()
}

// online tells whether DNS may be asked, and answers. It needs resolved.
func (s *survey) online() bool { return !s.o.Offline && s.resolver == nil }

// lookUpHost finds the addresses of the host name.
func (s *survey) lookUpHost(ctx context.Context) {
	if !s.online() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, resolverTimeout)
	defer cancel()
	ips, res, err := s.o.Resolver.LookupIP(ctx, "ip", s.Hostname.ASCII)
	s.hostErr, s.Authentic = err, res.Authentic
	for _, ip := range ips {
		s.hostAddrs = append(s.hostAddrs, ip.Unmap().WithZone(""))
	}
}

// chooseHostname: cli reference, section 3, step 4.
func (s *survey) chooseHostname(ctx context.Context, online bool) {
	if !s.Hostname.IsZero() {
		s.hostFrom = "as given"
		return
	}
	if d, err := dns.ParseDomain(s.osHostname); err == nil && isPublicName(d) {
		s.Hostname, s.hostFrom = d, "the name that the system has"
		return
	}
	if online {
		var names []dns.Domain
		for _, ip := range s.publicAddrs() {
			l, _, _ := s.o.Resolver.LookupAddr(ctx, ip)
			for _, name := range l {
				if d, err := dns.ParseDomain(name); err == nil && isPublicName(d) {
					names = append(names, d)
				}
			}
		}
		slices.SortFunc(names, func(a, b dns.Domain) int { return cmp.Compare(a.ASCII, b.ASCII) })
		if len(names) > 0 {
			s.Hostname, s.hostFrom = names[0], "from reverse DNS"
			return
		}
	}
	label := firstLabel(s.osHostname)
	d, err := dns.ParseDomain(label + "." + s.Address.Domain.ASCII)
	if err != nil || label == "" || label == "localhost" {
		d, _ = dns.ParseDomain("mail." + s.Address.Domain.ASCII)
	}
	s.Hostname, s.hostFrom = d, "made up"
}

// publicAddrs are the addresses of this machine that the world may reach.
func (s *survey) publicAddrs() []netip.Addr { return s.local(isPublic) }

// local returns the addresses of interfaces for which keep holds, sorted, IPv4 first.
func (s *survey) local(keep func(netip.Addr) bool) []netip.Addr {
	var l []netip.Addr
	for _, i := range s.interfaces {
		if isVirtual(i.Name) {
			continue
		}
		for _, ip := range i.Addrs {
			if keep(ip) && !slices.Contains(l, ip) {
				l = append(l, ip)
			}
		}
	}
	slices.SortFunc(l, netip.Addr.Compare)
	return l
}

// chooseAddresses: cli reference, section 3, step 5. Each address of the host name is looked
// for on this machine; one that it does not have reaches it by translation (NAT), if there
// is a private address of that family for that.
func (s *survey) chooseAddresses() {
	public, private := s.publicAddrs(), s.local(isPrivate)
	wanted := s.o.PublicIPs
	if len(wanted) == 0 {
		wanted = slices.DeleteFunc(slices.Clone(s.hostAddrs), netip.Addr.IsLoopback)
	}
	var translated bool
	for _, ip := range wanted {
		inside := ofFamily(private, ip)
		switch {
		case slices.Contains(public, ip) || slices.Contains(private, ip):
			s.IPs = append(s.IPs, ip)
		case len(inside) > 0 && len(ofFamily(public, ip)) == 0:
			translated = true
			s.NATIPs = append(s.NATIPs, ip)
			s.IPs = append(s.IPs, inside...)
		default:
			s.elsewhere = append(s.elsewhere, ip)
			s.IPs = append(s.IPs, ofFamily(public, ip)...) // for when DNS is corrected
		}
	}
	if translated {
		for _, ip := range s.IPs {
			if isPublic(ip) {
				s.NATIPs = append(s.NATIPs, ip) // then these are all that count
			}
		}
	}
	if len(s.IPs) == 0 {
		s.IPs = public
	}
	if len(s.IPs) == 0 {
		s.IPs = private
	}
	ipv6 := len(s.localAll(func(ip netip.Addr) bool { return ip.Is6() && ip.IsLoopback() })) > 0
	if len(s.IPs) == 0 || s.o.Docker && len(public) == 0 {
		// The address of a container changes from start to start.
		s.IPs = unspecified(ipv6)
	}
	s.IPs, s.NATIPs = tidy(s.IPs), tidy(s.NATIPs)
	for _, ip := range public {
		if !slices.Contains(s.IPs, ip) {
			s.unused = append(s.unused, ip)
		}
	}
	s.InternalIPs = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	if ipv6 {
		s.InternalIPs = append(s.InternalIPs, netip.IPv6Loopback())
	}
}

// localAll is local with interfaces of other programs.
func (s *survey) localAll(keep func(netip.Addr) bool) (l []netip.Addr) {
	for _, i := range s.interfaces {
		for _, ip := range i.Addrs {
			if keep(ip) {
				l = append(l, ip)
			}
		}
	}
	return l
}

func unspecified(ipv6 bool) []netip.Addr {
	l := []netip.Addr{netip.IPv4Unspecified()}
	if ipv6 {
		l = append(l, netip.IPv6Unspecified())
	}
	return l
}

// tidy sorts addresses and leaves each once.
func tidy(l []netip.Addr) []netip.Addr {
	l = slices.Clone(l)
	slices.SortFunc(l, netip.Addr.Compare)
	return slices.Compact(l)
}

func ofFamily(l []netip.Addr, like netip.Addr) (same []netip.Addr) {
	for _, ip := range l {
		if ip.Is4() == like.Is4() {
			same = append(same, ip)
		}
	}
	return same
}

// sharedSpace is between customers of a provider and its translation (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func isPrivate(ip netip.Addr) bool { return ip.IsPrivate() || sharedSpace.Contains(ip) }

func isPublic(ip netip.Addr) bool { return ip.IsGlobalUnicast() && !isPrivate(ip) }

// WorldIPs are the addresses by which the world reaches the server, as far as known.
func (p *Plan) WorldIPs() []netip.Addr {
	l := p.NATIPs
	if len(l) == 0 {
		l = p.IPs
	}
	return slices.DeleteFunc(slices.Clone(l), func(ip netip.Addr) bool { return ip.IsUnspecified() || ip.IsLoopback() })
}
