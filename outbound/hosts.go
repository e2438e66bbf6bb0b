package outbound

import (
	"context"
	"sync"

	"mox/dns"
	"mox/smtpclient"
)

// HostTLS is what was seen of a host of a recipient's domain, for showing to who writes to
// it.
type HostTLS struct {
	Domain     dns.Domain
	Host       dns.Domain
	STARTTLS   bool
	RequireTLS bool
	MTASTS     bool // the domain has a policy
	DANE       bool // the host has TLSA records that count
}

// hostMemory remembers which hosts had STARTTLS. It is safe for concurrent use.
type hostMemory struct {
	most int
	mu   sync.Mutex // guards seen
	seen map[dns.Domain]bool
}

func newHostMemory(most int) *hostMemory {
	return &hostMemory{most: most, seen: map[dns.Domain]bool{}}
}

// saw notes whether a host has STARTTLS, and tells whether it has lost it.
func (m *hostMemory) saw(host dns.Domain, starttls bool) (lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	had := m.seen[host]
	if starttls && !had {
		for h := range m.seen { // any: it is not needed for anything to be right
			if len(m.seen) < m.most {
				break
			}
			delete(m.seen, h)
		}
		m.seen[host] = true
	}
	return had && !starttls
}

// learnHost notes what a host offers, and tells whether it has lost STARTTLS.
func (o *Outbound) learnHost(ctx context.Context, h *hop, e smtpclient.Extensions, tls bool) bool {
	if h.host.IsZero() || h.smart != nil {
		return false
	}
	lost := o.hosts.saw(h.host, tls)
	if lost {
		o.log.WarnContext(ctx, "host that had STARTTLS does not offer it any more", "host", h.host.ASCII, "domain", h.policies.domain.ASCII)
	}
	if o.c.Learned != nil {
		o.c.Learned(ctx, HostTLS{
			Domain: h.policies.domain, Host: h.host, STARTTLS: tls, RequireTLS: tls && e.RequireTLS,
			MTASTS: h.policies.sts != nil, DANE: h.policies.dane == daneUsable || h.policies.dane == daneUnusable,
		})
	}
	return lost
}
