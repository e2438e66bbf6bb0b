package autotls

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mox/config"
)

// CertStatus is a certificate, or the lack of one that is to be.
type CertStatus struct {
	Source   string   // "acme" or "file"
	Provider string   // of ACME
	File     string   // of the certificate, from files
	Names    []string // the first is the one it was gotten for
	Kind     string   // "ecdsa", "rsa" or another type of key

	Issuer      string    `json:",omitzero"` // of the certificate, as all that follows; empty: none yet
	Fingerprint string    `json:",omitzero"` // SHA-256 in hex
	KeyHash     string    `json:",omitzero"` // SHA-256 of the public key in hex, as in a TLSA record 3 1 1
	HostKey     string    `json:",omitzero"` // which of the host's keys it has: "current", "next", "other"; empty: it has none
	NotBefore   time.Time `json:",omitzero"`
	NotAfter    time.Time `json:",omitzero"`

	NextRenewal time.Time `json:",omitzero"` // zero: not known, or not by us
	RenewalURL  string    `json:",omitzero"` // why the authority wants it renewed early
	Soon        bool      // ends soon, and should have been renewed
	// NextKey is the hash of a key that is to replace the one in use, and NextKeySince since when
	// DNS has a TLSA record for it.
	NextKey      string    `json:",omitzero"`
	NextKeySince time.Time `json:",omitzero"`

	LastError     string    `json:",omitzero"` // of the last attempt, empty if that worked
	LastErrorTime time.Time `json:",omitzero"`
	Failures      int       `json:",omitzero"` // in a row
	NextAttempt   time.Time `json:",omitzero"` // after failures
}

// Status returns what there is, and what is to be, by name, provider and kind.
func (m *Manager) Status() []CertStatus {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var all []CertStatus
	for _, h := range m.hosts {
		for kind := range Kind(kinds) {
			if s := &h.certs[kind]; s.wanted || s.cert != nil {
				all = append(all, m.status(h, kind))
			}
		}
	}
	slices.SortFunc(all, func(a, b CertStatus) int {
		if n := compareHosts(certHost{a.Provider, a.Names[0]}, certHost{b.Provider, b.Names[0]}); n != 0 {
			return n
		}
		return strings.Compare(a.Kind, b.Kind)
	})
	return all
}

// StoredStatus returns what a server that does not run has in its directory of certificates, and
// the certificates from files of a configuration. It does what a start does with files that are damaged.
func StoredStatus(dir string, snap *config.Snapshot, now func() time.Time) ([]CertStatus, error) {
	files := NewFiles(FilesOptions{Now: now})
	o := Options{Now: now}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(snap.Listeners)) {
		l := snap.Listeners[name]
		for i := range l.Certificates {
			kc := l.TLS.KeyCerts[i]
			files.Add(FilePair{Cert: snap.ConfigPath(kc.CertFile), Key: snap.ConfigPath(kc.KeyFile)}, &l.Certificates[i])
		}
		if l.TLS != nil && l.TLS.ACME != "" && !seen[l.TLS.ACME] {
			seen[l.TLS.ACME] = true
			o.Providers = append(o.Providers, Provider{Name: l.TLS.ACME, RenewBefore: snap.ACME[l.TLS.ACME].RenewBefore})
		}
	}
	all := files.Status()
	if err := files.Close(); err != nil || len(o.Providers) == 0 {
		return all, err
	}
	m, err := Open(dir, o)
	if err != nil {
		return all, err
	}
	m.SetNames(NamesOf(snap))
	return append(m.Status(), all...), m.Close()
}

// status needs the lock for reading.
func (m *Manager) status(h *host, kind Kind) CertStatus {
	p := m.providers[h.Provider]
	s := &h.certs[kind]
	st := p.state.Certificates[h.key(kind).String()]
	if st == nil {
		st = &certState{}
	}
	c := CertStatus{
		Source: "acme", Provider: h.Provider, Names: []string{h.Name}, Kind: kind.String(),
		LastError: st.LastError, LastErrorTime: st.LastErrorTime, Failures: max(st.Failures, st.Checks),
	}
	if c.LastError != "" {
		c.NextAttempt = maxTime(maxTime(st.NotBefore, st.RetryAfter), p.state.NotBefore)
	}
	if s.cert == nil {
		return c
	}
	leaf := s.cert.Leaf
	c.Issuer, c.NotBefore, c.NotAfter = issuer(leaf), leaf.NotBefore, leaf.NotAfter
	c.Fingerprint, c.KeyHash = fingerprint(leaf), leafKeyHash(leaf)
	c.NextRenewal = p.renewAt(s, st)
	if r := st.Renewal; r != nil {
		c.RenewalURL = r.URL
	}
	c.Soon = endsSoon(leaf, p.lead(leaf), m.o.Now())
	if target := h.Keys.target(kind); target != nil {
		c.HostKey = "other"
		switch {
		case h.Keys.of(kind) != nil && samePublic(h.Keys.of(kind).Public(), leaf.PublicKey):
			c.HostKey = "current"
		case samePublic(target.Public(), leaf.PublicKey):
			c.HostKey = "next"
		}
		if !samePublic(target.Public(), leaf.PublicKey) {
			c.NextKey = keyHash(target.Public())
			c.NextKeySince = st.Published[c.NextKey]
		}
	}
	return c
}

// maxRenewals is how many certificates for one name may be gotten in a week before someone has to
// insist: Let's Encrypt gives five.
const maxRenewals = 3

// ErrNoName is for a name that no certificate is gotten for.
var ErrNoName = errors.New("no certificate is gotten for that name")

// Renew asks for certificates of a name anew, whether due or not, and waits for nothing. What the
// authority said about when it may be asked again counts nevertheless. Force is for more than
// three times a week.
func (m *Manager) Renew(name string, force bool) error {
	now := m.o.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	hosts := m.byName[strings.ToLower(strings.TrimSuffix(name, "."))]
	if len(hosts) == 0 {
		return fmt.Errorf("%q: %w", name, ErrNoName)
	}
	for _, h := range hosts {
		for kind := range Kind(kinds) {
			st := m.providers[h.Provider].state.of(h.key(kind))
			if n := recent(st.Issued, now); n >= maxRenewals && !force {
				return fmt.Errorf("%d certificates with an %s key were gotten for %s within a week, which authorities limit", n, kind, name)
			}
			if until := maxTime(st.RetryAfter, m.providers[h.Provider].state.NotBefore); until.After(now) {
				return fmt.Errorf("provider %s is not to be asked for %s before %s", h.Provider, name, until.UTC().Format(time.RFC3339))
			}
		}
	}
	for _, h := range hosts {
		h.certs[ECDSA].wanted = true
		for kind := range Kind(kinds) {
			h.certs[kind].forced = h.certs[kind].wanted
		}
		m.providers[h.Provider].kick()
	}
	return nil
}

// mayAskNow tells whether a certificate for a client may be asked for at once. It needs the lock.
func (m *Manager) mayAskNow(h *host, kind Kind) bool {
	p := m.providers[h.Provider]
	st := p.state.of(h.key(kind))
	now := m.o.Now()
	return !now.Before(st.NotBefore) && !now.Before(st.RetryAfter) && !now.Before(p.state.NotBefore)
}
