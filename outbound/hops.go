package outbound

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"

	"mox/dns"
)

// hop is a host to connect to.
type hop struct {
	host  dns.Domain // zero for an address literal
	name  string     // for people and reports
	port  int
	ips   []netip.Addr
	smart *smarthost // nil: a host of the recipient's domain

	facts    tlsFacts
	decision tlsDecision
	policies policies
}

// hops are the hosts of a transaction, looked up one by one as they are needed.
type hops struct {
	o *Outbound
	t *transaction

	started bool
	list    []dns.MXHost
	x       dns.Exchanges
	sts     policies // of the domain
	tried   int
}

func (o *Outbound) hops(_ context.Context, t *transaction) *hops { return &hops{o: o, t: t} }

// next returns the next host; nil, nil: there are no more. With a failure the host cannot
// be used, but another may.
func (h *hops) next(ctx context.Context) (*hop, *failure) {
	if !h.started {
		h.started = true
		if s := h.t.b.route.smarthost(); s != nil {
			return h.smarthost(ctx, s)
		}
		d := h.t.msgs[0].Recipient.IPDomain
		if d.IsIP() {
			return h.literal(d.IP)
		}
		if f := h.begin(ctx, d.Domain); f != nil {
			return nil, f
		}
	}
	if len(h.list) == 0 || h.tried >= h.o.c.Limits.Hosts {
		return nil, nil
	}
	mx := h.list[0]
	h.list = h.list[1:]
	h.tried++
	return h.host(ctx, mx)
}

// smarthost is the only host there is.
func (h *hops) smarthost(ctx context.Context, s *smarthost) (*hop, *failure) {
	host, err := s.hostDomain()
	if err != nil {
		return nil, local(451, "4.3.5", "transport %q has a bad host name", h.t.b.route.name).ours().because(err)
	}
	a, err := dns.GatherIPs(ctx, h.o.c.Resolver, host)
	if err != nil {
		f := lookupFailure("address", host, err).ours()
		// It is us who named it: the message need not suffer from a passing error in DNS.
		f.code, f.enhanced, f.permanent, f.unreachable = 451, "4.4.3", false, true
		return nil, f
	}
	p := &hop{host: host, name: host.ASCII, port: s.port, smart: s, decision: s.decision(h.t.wish)}
	p.ips = h.order(a.IPs)
	if p.decision.Refused != "" {
		return nil, refusedTLS(p)
	}
	return p, nil
}

// literal is a recipient at an address literal (RFC 5321 4.1.3).
func (h *hops) literal(ip netip.Addr) (*hop, *failure) {
	if h.own(ip) {
		return nil, loop("the address " + ip.String())
	}
	p := &hop{name: "[" + ip.String() + "]", port: h.o.c.SMTPPort, ips: []netip.Addr{ip}}
	p.facts = tlsFacts{Wish: h.t.wish, Report: isReport(&h.t.msgs[0])}
	p.decision = decide(p.facts)
	if p.decision.Refused != "" {
		return nil, refusedTLS(p)
	}
	return p, nil
}

// begin looks up the hosts of a domain (RFC 5321 5.1).
func (h *hops) begin(ctx context.Context, domain dns.Domain) *failure {
	x, err := dns.GatherMX(ctx, h.o.c.Resolver, domain)
	if err != nil {
		f := lookupFailure("mail servers", domain, err)
		f.unreachable = !f.permanent
		return f
	}
	if x.DropSelf(h.t.snapshot.IsHostname) && len(x.Hosts) == 0 {
		return loop("the domain " + domain.Name())
	}
	h.o.withRandom(func(r *rand.Rand) { shuffle(x.Hosts, r) })
	h.x, h.list = x, x.Hosts
	h.sts = h.o.domainPolicies(ctx, h.t, domain)
	return nil
}

// shuffle puts hosts of equal preference in a random order (RFC 5321 5.1).
func shuffle(l []dns.MXHost, r *rand.Rand) {
	r.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
	slices.SortStableFunc(l, func(a, b dns.MXHost) int { return int(a.Preference) - int(b.Preference) })
}

// host looks up what is to be known of a host.
func (h *hops) host(ctx context.Context, mx dns.MXHost) (*hop, *failure) {
	a, err := dns.GatherIPs(ctx, h.o.c.Resolver, mx.Host)
	if err != nil {
		f := lookupFailure("address", mx.Host, err)
		f.host, f.unreachable = mx.Host.ASCII, !f.permanent
		return nil, f
	}
	if slices.ContainsFunc(a.IPs, h.own) {
		// RFC 5321 5.1: it is us, and those that are not preferred over us send it to us.
		better := h.t.preferred(h.x.Hosts, mx)
		h.list = nil
		if better {
			return nil, nil
		}
		return nil, loop("the mail server " + mx.Host.Name())
	}
	count(h.o.c.Metrics.Destination, h.x.Authentic)
	p := &hop{host: mx.Host, name: mx.Host.ASCII, port: h.o.c.SMTPPort, ips: h.order(a.IPs)}
	p.policies = h.o.hostPolicies(ctx, h.t, h.sts, hostInfo{mx.Host, h.x, a, p.port})
	p.facts = p.policies.facts(h.t, h.x.Authentic, mx.Host)
	p.decision = decide(p.facts)
	h.o.countDecision(p)
	if len(p.ips) == 0 {
		return nil, local(554, "5.4.4", "the mail server %s has only addresses of a kind that is not used here", mx.Host.Name()).ours()
	}
	if p.decision.Refused != "" {
		h.o.reportRefused(ctx, h.t, p)
		return nil, refusedTLS(p)
	}
	return p, nil
}

// preferred tells whether there are hosts with a preference better than that of mx.
func (t *transaction) preferred(l []dns.MXHost, mx dns.MXHost) bool {
	return slices.ContainsFunc(l, func(x dns.MXHost) bool { return x.Preference < mx.Preference })
}

// loop is RFC 5321 5.1: the message must be returned.
func loop(what string) *failure {
	return local(554, "5.4.6", "%s leads back to this server, which does not take mail for it", what)
}

// own tells whether an address is this server's.
func (h *hops) own(ip netip.Addr) bool {
	if h.o.c.Loopback {
		return false
	}
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsUnspecified() || h.t.snapshot.IsOwnIP(ip)
}

// order puts addresses in the order in which they are tried: kinds in turn, and the other
// kind first at every other attempt, so that one that does not work does not delay all.
func (h *hops) order(l []netip.Addr) []netip.Addr {
	var v4, v6 []netip.Addr
	d := h.t.b.route.transport.Direct
	for _, ip := range l {
		switch ip = ip.Unmap(); {
		case ip.Is4() && (d == nil || !d.DisableIPv4):
			v4 = append(v4, ip)
		case ip.Is6() && (d == nil || !d.DisableIPv6):
			v6 = append(v6, ip)
		}
	}
	h.o.withRandom(func(r *rand.Rand) {
		r.Shuffle(len(v4), func(i, j int) { v4[i], v4[j] = v4[j], v4[i] })
		r.Shuffle(len(v6), func(i, j int) { v6[i], v6[j] = v6[j], v6[i] })
	})
	if h.t.msgs[0].Attempts%2 == 1 {
		v4, v6 = v6, v4
	}
	var ordered []netip.Addr
	for len(v4)+len(v6) > 0 && len(ordered) < h.o.c.Limits.Addresses {
		if len(v6) > 0 {
			ordered, v6 = append(ordered, v6[0]), v6[1:]
		}
		if len(v4) > 0 && len(ordered) < h.o.c.Limits.Addresses {
			ordered, v4 = append(ordered, v4[0]), v4[1:]
		}
	}
	return ordered
}

// refusedTLS is the failure for a host whose TLS policies cannot be satisfied.
func refusedTLS(p *hop) *failure {
	f := local(451, "4.7.5", "%s: %s", p.name, p.decision.Refused)
	if p.decision.Permanent {
		// RFC 8689 4.2.1.
		f = local(554, "5.7.10", "%s: %s", p.name, p.decision.Refused).ours()
	}
	f.host = p.name
	return f
}
