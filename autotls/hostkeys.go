package autotls

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"mox/dns"
)

// HostKeys are the keys for certificates of a host; nil where there is none, so that each
// certificate has its own. The next ones are to replace the others.
type HostKeys struct {
	ECDSA, RSA         crypto.Signer
	NextECDSA, NextRSA crypto.Signer
}

// of is the key to have now, or nil.
func (k HostKeys) of(kind Kind) crypto.Signer {
	if kind == RSA {
		return k.RSA
	}
	return k.ECDSA
}

func (k HostKeys) next(kind Kind) crypto.Signer {
	if kind == RSA {
		return k.NextRSA
	}
	return k.NextECDSA
}

// target is the key to have in the end, or nil.
func (k HostKeys) target(kind Kind) crypto.Signer {
	if next := k.next(kind); next != nil {
		return next
	}
	return k.of(kind)
}

// publishedFor is how long DNS must have had a TLSA record for a key before the key is used: longer
// than any resolver may keep the records without it. RFC 7671 8.1, RFC 7671 8.4: twice the time to
// live, which is a day at the most where people are sensible, and some time for all servers
// of the zone to have it.
const publishedFor = 72 * time.Hour

// checkKey looks whether the key that a certificate is to have in the end may be used now. If so
// the certificate is due.
func (p *provider) checkKey(ctx context.Context, h *host, kind Kind) {
	m := p.m
	k := h.key(kind)
	if p.keysChecked == nil {
		p.keysChecked = map[certKey]time.Time{}
	}
	p.keysChecked[k] = m.o.Now()
	m.mu.RLock()
	keys, cert := h.Keys, h.certs[kind].cert
	m.mu.RUnlock()
	if cert == nil || keys.target(kind) == nil {
		return
	}
	key := p.chooseKey(ctx, k, keys, cert.Leaf)
	if ctx.Err() != nil {
		return
	}
	change := key != nil && !samePublic(key.Public(), cert.Leaf.PublicKey)
	m.mu.Lock()
	h.certs[kind].rekey = change
	m.mu.Unlock()
	if change {
		p.log.Info("host key changes: the new one may be used, getting a certificate for it", "name", h.Name, "kind", kind.String(), "key", keyHash(key.Public()))
	}
	if err := p.save(); err != nil {
		p.log.Error("saving state", "err", err)
	}
}

// chooseKey returns the key for a certificate of a host that has keys; nil for that of the
// certificate there is, if any. serving is that, or nil.
func (p *provider) chooseKey(ctx context.Context, k certKey, keys HostKeys, serving *x509.Certificate) crypto.Signer {
	current, next := keys.of(k.Kind), keys.next(k.Kind)
	if serving == nil {
		// Whatever DNS has, it was made for the current one.
		if current == nil {
			return next
		}
		return current
	}
	for _, key := range []crypto.Signer{next, current} {
		if key == nil {
			continue
		}
		if samePublic(key.Public(), serving.PublicKey) {
			return key
		}
		if p.published(ctx, k, key.Public(), serving) {
			return key
		}
	}
	return nil
}

// published tells whether a key may be used in place of that of the certificate there is: there
// are no TLSA records for the host that count, or one for the key has been there long enough.
func (p *provider) published(ctx context.Context, k certKey, key crypto.PublicKey, serving *x509.Certificate) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	records, result, err := p.m.o.Resolver.LookupTLSA(ctx, "_25._tcp."+k.Name)
	hash := keyHash(key)
	now := p.m.o.Now()
	if dns.IsTemporary(err) {
		p.log.Debug("looking up TLSA records", "err", err, "name", k.Name)
		return false
	}
	// RFC 6698 4.1: those that DNSSEC does not vouch for do not count.
	if err != nil || !result.Authentic || len(records) == 0 {
		return true
	}
	found, anchored := false, false
	for _, r := range records {
		found = found || matchesKey(r, key)
		anchored = anchored || matchesKey(r, serving.PublicKey)
	}
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	st := p.state.of(k)
	if !found {
		delete(st.Published, hash)
		return false
	}
	since, ok := st.Published[hash]
	if !ok || since.After(now) {
		if st.Published == nil {
			st.Published = map[string]time.Time{}
		}
		st.Published[hash], since = now, now
		p.log.Info("TLSA record of another host key is in DNS, it will be used in three days", "name", k.Name, "kind", k.Kind.String(), "key", hash)
	}
	// Without a record for the key in use, waiting makes nothing better.
	return !anchored || now.Sub(since) >= publishedFor
}

// matchesKey tells whether a TLSA record is for a key: DANE-EE with the key or its hash.
func matchesKey(r dns.TLSA, key crypto.PublicKey) bool {
	if r.Usage != dns.DANEEE || r.Selector != dns.SelectorSPKI {
		return false
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return false
	}
	switch r.MatchType {
	case dns.MatchFull:
		return bytes.Equal(r.Data, spki)
	case dns.MatchSHA256:
		sum := sha256.Sum256(spki)
		return bytes.Equal(r.Data, sum[:])
	case dns.MatchSHA512:
		sum := sha512.Sum512(spki)
		return bytes.Equal(r.Data, sum[:])
	}
	return false
}

// keyHash is the SHA-256 of a public key in hex, as in a TLSA record "3 1 1".
func keyHash(key crypto.PublicKey) string {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Sprintf("%T", key)
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// leafKeyHash is keyHash of the key of a certificate.
func leafKeyHash(leaf *x509.Certificate) string {
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}
