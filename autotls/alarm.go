package autotls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"mox/upkeep"
)

// alarmBefore is how long before its end there is an alarm about a certificate.
const alarmBefore = 14 * 24 * time.Hour

// alarmEvery is how often the log tells of it.
const alarmEvery = 24 * time.Hour

// endsSoon tells whether a certificate that is to be renewed so long before its end should have
// been by now.
func endsSoon(leaf *x509.Certificate, lead time.Duration, now time.Time) bool {
	before := min(alarmBefore, leaf.NotAfter.Sub(leaf.NotBefore)/4)
	if lead > 0 {
		before = min(before, lead/2)
	}
	return now.After(leaf.NotAfter.Add(-before))
}

// fingerprint identifies a certificate.
func fingerprint(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.Raw)
	return hex.EncodeToString(sum[:])
}

// watchExpiry looks each hour which certificates end soon.
func (m *Manager) watchExpiry() {
	logged := map[string]time.Time{} // by fingerprint
	for {
		for _, s := range m.Status() {
			if s.Soon {
				m.alarm(s, logged)
			}
		}
		if !upkeep.Sleep(m.ctx, time.Hour) {
			return
		}
	}
}

// alarm tells of a certificate that ends soon.
func (m *Manager) alarm(s CertStatus, logged map[string]time.Time) {
	now := m.o.Now()
	if now.Sub(logged[s.Fingerprint]) >= alarmEvery {
		logged[s.Fingerprint] = now
		m.log.Error("certificate ends soon and could not be renewed", "err", s.LastError, "name", s.Names[0], "kind", s.Kind, "provider", s.Provider, "notafter", s.NotAfter)
	}
	p := m.providers[s.Provider]
	k := s.Names[0] + " " + s.Kind
	m.mu.RLock()
	st := p.state.Certificates[k]
	told := st == nil || st.Alarmed == s.Fingerprint
	m.mu.RUnlock()
	if told || m.o.Alarm == nil {
		return
	}
	if err := m.o.Alarm(m.ctx, s); err != nil {
		m.log.Error("telling postmaster about a certificate that ends soon", "err", err, "name", s.Names[0])
		return
	}
	m.mu.Lock()
	st.Alarmed = s.Fingerprint
	m.mu.Unlock()
	// The provider's goroutine writes it.
	p.saveSoon.Store(true)
	p.kick()
}

// observe tells metrics when a certificate ends. It needs the lock.
func (m *Manager) observe(h *host, kind Kind) {
	if m.o.Metrics.Expiry == nil {
		return
	}
	var end time.Time
	if cert := h.certs[kind].cert; cert != nil {
		end = cert.Leaf.NotAfter
	}
	m.o.Metrics.Expiry("acme", h.Name, kind.String(), end)
}
