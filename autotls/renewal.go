package autotls

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"time"

	"mox/acme"
	"mox/config"
)

// Times of asking for renewal information (RFC 9773 4.3).
const (
	renewalEvery    = 6 * time.Hour
	minRenewalEvery = time.Minute
	maxRenewalEvery = 24 * time.Hour
	noRenewalEvery  = 24 * time.Hour // with an authority that has none
)

// certID is that of RFC 9773 4.1, or the serial number where there is none.
func certID(leaf *x509.Certificate) string {
	id, err := acme.CertID(leaf)
	if err != nil {
		return leaf.SerialNumber.Text(16)
	}
	return id
}

// lead is how long before its end a certificate is renewed by itself.
func (p *provider) lead(leaf *x509.Certificate) time.Duration {
	return min(cmp.Or(p.RenewBefore, config.DefaultRenewBefore), leaf.NotAfter.Sub(leaf.NotBefore)/3)
}

// renewAt is when to renew a certificate that is there. It needs the lock for reading.
func (p *provider) renewAt(s *slot, st *certState) time.Time {
	leaf := s.cert.Leaf
	if s.rekey || st.Directory != "" && st.Directory != p.DirectoryURL {
		return leaf.NotBefore
	}
	lead := p.lead(leaf)
	id := certID(leaf)
	// Not all at once, and a little earlier.
	at := leaf.NotAfter.Add(-lead - time.Duration(fraction(id, 0)*float64(lead/20)))
	r := st.Renewal
	if r == nil || r.ID != id || r.At.IsZero() {
		return at
	}
	if p.RenewBefore != 0 {
		return minTime(at, r.At)
	}
	// RFC 9773 4.2: the time of the window counts, whatever else one would do; but it has to
	// leave time for failures.
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return minTime(r.At, leaf.NotAfter.Add(-life/8))
}

// askRenewal asks the authority when to renew a certificate.
func (p *provider) askRenewal(ctx context.Context, h *host, kind Kind) {
	m := p.m
	m.mu.RLock()
	cert := h.certs[kind].cert
	m.mu.RUnlock()
	if cert == nil {
		return
	}
	var info *acme.RenewalInfo
	client, err := p.getClient()
	if err == nil {
		info, err = client.RenewalInfo(ctx, cert.Leaf)
	}
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, acme.ErrNoRenewalInfo) {
		p.noRenewal = m.o.Now().Add(noRenewalEvery)
		client.Forget() // the directory, so that it is seen when there is one
		return
	}
	now := m.o.Now()
	m.mu.Lock()
	st := p.state.of(h.key(kind))
	r := st.Renewal
	if id := certID(cert.Leaf); r == nil || r.ID != id {
		r = &renewalState{ID: id}
		st.Renewal = r
	}
	if err != nil {
		r.Failures++
		r.Next = now.Add(backoff(r.Failures, renewalEvery/12, maxRenewalEvery, r.ID))
		if _, ok := errors.AsType[*acme.UnavailableError](err); !ok {
			r.Next = now.Add(renewalEvery) // the certificate is not known there, or so
		}
	} else {
		r.Failures = 0
		r.take(info, now)
	}
	m.mu.Unlock()
	switch {
	case err != nil:
		// What it would have said is not needed.
		p.log.Debug("asking for renewal information", "err", err, "name", h.Name, "kind", kind.String())
	case !r.At.After(now):
		p.log.Info("authority wants a certificate renewed now", "name", h.Name, "kind", kind.String(), "url", r.URL)
	}
	if err := p.save(); err != nil {
		p.log.Error("saving state", "err", err)
	}
}

// take takes over what the authority says. The time chosen stays as long as the window does.
func (r *renewalState) take(info *acme.RenewalInfo, now time.Time) {
	if !r.Start.Equal(info.Start) || !r.End.Equal(info.End) || r.At.IsZero() {
		// RFC 9773 4.2: a random time within the window.
		r.Start, r.End = info.Start, info.End
		r.At = info.Start.Add(time.Duration(fraction(r.ID, 1) * float64(info.End.Sub(info.Start))))
	}
	r.URL = info.ExplanationURL
	every := renewalEvery
	if !info.RetryAfter.IsZero() {
		every = min(max(info.RetryAfter.Sub(now), minRenewalEvery), maxRenewalEvery)
	}
	r.Next = now.Add(every)
}
