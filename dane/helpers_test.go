package dane

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"mox/dns"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var serial atomic.Int64

// issue makes a certificate, valid for a day around now; parent nil: self-signed.
func issue(t testing.TB, parent *authority, name string, ca bool, change func(*x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-12 * time.Hour), NotAfter: now.Add(12 * time.Hour),
		BasicConstraintsValid: true, IsCA: ca,
	}
	if ca {
		c.KeyUsage = x509.KeyUsageCertSign
	} else {
		c.DNSNames = []string{name}
	}
	if change != nil {
		change(c)
	}
	if parent == nil {
		parent = &authority{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent.cert, key.Public(), parent.key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &authority{c, key}
}

func record(t testing.TB, u dns.TLSAUsage, s dns.TLSASelector, m dns.TLSAMatchType, a *authority) dns.TLSA {
	t.Helper()
	r, err := MakeRecord(u, s, m, a.cert)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func domain(t testing.TB, s string) dns.Domain {
	t.Helper()
	d, err := dns.ParseDomainLax(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
