package autotls

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"mox/acme"
)

// NamePolicy says which certificate clients get that ask for no name, or for one that is not
// ours.
type NamePolicy struct {
	Provider string // of the listener; its certificates are preferred
	Host     string // name of the listener, in ASCII
	// Missing and Unknown: such clients get the certificate of Host; otherwise their
	// connection is refused.
	Missing, Unknown bool
	// SelfSigned: rather than none, a certificate signed by itself. For SMTP between servers:
	// TLS that is not verified is better than none, and DANE needs but the right key
	// (RFC 7671 5.1).
	SelfSigned bool
}

// Errors of [Manager.GetCertificate].
var (
	ErrMissingName   = errors.New("client asks for no server name")
	ErrUnknownName   = errors.New("client asks for a server name that is not ours")
	ErrNoCertificate = errors.New("there is no certificate yet")
)

// HTTPChallenge answers a request of an authority (http-01, RFC 8555 8.3), and tells whether it
// was one. The path of others is not ours to answer.
func (m *Manager) HTTPChallenge(w http.ResponseWriter, r *http.Request) bool {
	token, ok := strings.CutPrefix(r.URL.Path, acme.ChallengePath)
	if !ok {
		return false
	}
	m.mu.RLock()
	text := m.tokens[token]
	m.mu.RUnlock()
	if text == "" {
		return false
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	// The client is gone if this fails.
	_, _ = w.Write([]byte(text))
	return true
}

// GetCertificate chooses the certificate for a connection (RFC 6066 3). It may wait, as long as
// the handshake may take, for one that is gotten first.
func (m *Manager) GetCertificate(hello *tls.ClientHelloInfo, policy NamePolicy) (*tls.Certificate, error) {
	// Some clients send the name with a trailing dot, which RFC 6066 does not allow.
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		return m.challengeCertificate(name)
	}
	h, err := m.choose(name, policy)
	if err != nil {
		return nil, err
	}
	kind := ECDSA
	if !supportsECDSA(hello) {
		kind = RSA
	}
	for {
		m.mu.Lock()
		cert, done, err := m.certificate(h, kind)
		if cert == nil && policy.SelfSigned {
			cert, err = m.selfSigned(h, kind)
			done = nil
		}
		m.mu.Unlock()
		if done == nil {
			return cert, err
		}
		m.providers[h.Provider].kick()
		if err := m.wait(hello, done); err != nil {
			return nil, err
		}
	}
}

// challengeCertificate answers tls-alpn-01 (RFC 8737 3).
func (m *Manager) challengeCertificate(name string) (*tls.Certificate, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if cert := m.alpn[name]; cert != nil {
		return cert, nil
	}
	return nil, fmt.Errorf("validation of %q was not asked for", name)
}

// choose finds the host for a name.
func (m *Manager) choose(name string, policy NamePolicy) (*host, error) {
	m.mu.RLock()
	h, own := m.find(policy.Provider, name), m.find(policy.Provider, policy.Host)
	m.mu.RUnlock()
	switch {
	case name == "" && policy.Missing && own != nil, name != "" && h == nil && policy.Unknown && own != nil:
		return own, nil
	case name == "":
		call(m.o.Metrics.Missing)
		return nil, ErrMissingName
	case h == nil:
		call(m.o.Metrics.Unknown)
		return nil, ErrUnknownName
	}
	return h, nil
}

func call(fn func()) {
	if fn != nil {
		fn()
	}
}

// certificate returns one that there is. If there is none yet and it can be gotten now, that is
// asked for, and done is closed when it has been tried. It needs the lock.
func (m *Manager) certificate(h *host, kind Kind) (cert *tls.Certificate, done chan struct{}, err error) {
	now := m.o.Now()
	s := &h.certs[kind]
	other := &h.certs[1-kind]
	switch {
	case s.cert != nil && now.Before(s.cert.Leaf.NotAfter):
		return s.cert, nil, nil
	case kind == ECDSA && other.cert != nil && now.Before(other.cert.Leaf.NotAfter):
		// Who can do ECDSA can do RSA.
		return other.cert, nil, nil
	case s.cert != nil:
		return s.cert, nil, nil // at its end, and it is renewed as soon as can be
	}
	st := m.providers[h.Provider].state.of(h.key(kind))
	if m.hosts[certHost{h.Provider, h.Name}] != h || s.done == nil && !m.mayAskNow(h, kind) {
		return nil, nil, fmt.Errorf("%w for %s: %s", ErrNoCertificate, h.Name, st.LastError)
	}
	s.wanted = true
	if s.done == nil {
		s.done = make(chan struct{})
	}
	return nil, s.done, nil
}

// wait waits for the end of an attempt.
func (m *Manager) wait(hello *tls.ClientHelloInfo, done chan struct{}) error {
	if hello.Context() == nil {
		return fmt.Errorf("%w, and no client waits for it", ErrNoCertificate) // not from a handshake
	}
	select {
	case m.waiting <- struct{}{}:
		defer func() { <-m.waiting }()
	default:
		return fmt.Errorf("%w, and too many clients wait for one", ErrNoCertificate)
	}
	t := time.NewTimer(m.o.HandshakeWait)
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-t.C:
		return fmt.Errorf("%w: it is being asked for", ErrNoCertificate)
	case <-hello.Context().Done():
		return hello.Context().Err()
	case <-m.ctx.Done():
		return m.ctx.Err()
	}
}

// selfSigned makes a certificate of the host's key, kept for a day. It needs the lock.
func (m *Manager) selfSigned(h *host, kind Kind) (*tls.Certificate, error) {
	s := &h.certs[kind]
	now := m.o.Now()
	if s.fallback != nil && now.Before(s.fallback.Leaf.NotAfter.Add(-time.Hour)) {
		return s.fallback, nil
	}
	key := h.Keys.of(kind)
	if key == nil {
		var err error
		if key, err = m.o.NewKey(kind); err != nil {
			return nil, fmt.Errorf("making key: %w", err)
		}
	}
	cert, err := selfSigned(h.Name, key, now)
	s.fallback = cert
	return cert, err
}

func selfSigned(name string, key crypto.Signer, now time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// supportsECDSA tells whether a client can do with a certificate with an ECDSA P-256 key.
func supportsECDSA(hello *tls.ClientHelloInfo) bool {
	// RFC 8446 4.2.3, RFC 5246 7.4.1.4.1: without the extension, which is for TLS 1.2, it can
	// do SHA-1 only.
	if len(hello.SignatureSchemes) > 0 && !slices.Contains(hello.SignatureSchemes, tls.ECDSAWithP256AndSHA256) && !slices.Contains(hello.SignatureSchemes, tls.ECDSAWithSHA1) {
		return false
	}
	if len(hello.SupportedCurves) > 0 && !slices.Contains(hello.SupportedCurves, tls.CurveP256) {
		return false
	}
	if slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		return slices.Contains(hello.SignatureSchemes, tls.ECDSAWithP256AndSHA256)
	}
	for _, id := range hello.CipherSuites {
		switch id {
		case tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
			return true
		}
	}
	return false
}
