package autotls

import (
	"cmp"
	"crypto/tls"
	"strings"
)

// Kind is a kind of certificate, by its key.
type Kind int

// Kinds.
const (
	ECDSA Kind = iota // P-256
	RSA               // 2048 bits

	kinds = 2
)

// String returns "ecdsa" or "rsa".
func (k Kind) String() string {
	if k == RSA {
		return "rsa"
	}
	return "ecdsa"
}

// certHost is a name at a provider.
type certHost struct{ Provider, Name string }

func compareHosts(a, b certHost) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Provider, b.Provider))
}

// certKey is a certificate that may be.
type certKey struct {
	certHost
	Kind Kind
}

// String is the key in a state: the provider has a file of its own.
func (k certKey) String() string { return k.Name + " " + k.Kind.String() }

// host is a name with its certificates. Manager.mu guards it.
type host struct {
	Host
	certs [kinds]slot
}

// slot is a certificate that is there, wanted, or neither.
type slot struct {
	cert   *tls.Certificate // nil: none. Never changed, but replaced.
	wanted bool             // to be gotten and renewed
	forced bool             // someone wants it anew now
	rekey  bool             // another key is to be used now
	// done is closed at the end of the attempt that is to come or under way; nil: nobody waits.
	done     chan struct{}
	fallback *tls.Certificate // signed by itself
}

func (h *host) key(kind Kind) certKey { return certKey{certHost{h.Provider, h.Name}, kind} }

// wantAtStart marks what is to be gotten without a client: the certificate that nearly all can
// use, and the other one where its key was made for it.
func (h *host) wantAtStart() {
	if h.AtStart {
		h.certs[ECDSA].wanted = true
		h.certs[RSA].wanted = h.certs[RSA].wanted || h.Keys.RSA != nil
	}
}

// loadHost makes what there is for a name, with certificates from disk.
func (m *Manager) loadHost(conf Host) *host {
	h := &host{Host: conf}
	for kind := range Kind(kinds) {
		cert, err := m.loadCertificate(h.key(kind))
		if err != nil {
			m.log.Error("reading certificate", "err", err, "name", h.Name, "kind", kind.String())
		}
		if cert != nil {
			h.certs[kind].cert, h.certs[kind].wanted = cert, true
		}
	}
	h.wantAtStart()
	return h
}

// adopt takes in a host. It needs the lock.
func (m *Manager) adopt(h *host) {
	k := certHost{h.Provider, h.Name}
	m.hosts[k] = h
	m.byName[h.Name] = append(m.byName[h.Name], h)
	p := m.providers[h.Provider]
	for kind := range Kind(kinds) {
		p.configured[h.key(kind).String()] = h
		m.observe(h, kind)
	}
}

// drop forgets a host; files stay. It needs the lock.
func (m *Manager) drop(h *host) {
	k := certHost{h.Provider, h.Name}
	delete(m.hosts, k)
	rest := m.byName[h.Name][:0:0]
	for _, other := range m.byName[h.Name] {
		if other != h {
			rest = append(rest, other)
		}
	}
	if m.byName[h.Name] = rest; len(rest) == 0 {
		delete(m.byName, h.Name)
	}
	p := m.providers[h.Provider]
	for kind := range Kind(kinds) {
		delete(p.configured, h.key(kind).String())
		h.certs[kind].finish()
		h.certs[kind].cert = nil
		m.observe(h, kind)
	}
}

// finish tells those who wait that an attempt is over. It needs the lock.
func (s *slot) finish() {
	if s.done != nil {
		close(s.done)
		s.done = nil
	}
}

// find returns what there is for a name, at this provider rather than another. It needs the
// lock for reading.
func (m *Manager) find(provider, name string) *host {
	if h := m.hosts[certHost{provider, name}]; h != nil {
		return h
	}
	if l := m.byName[name]; len(l) > 0 {
		return l[0]
	}
	return nil
}
