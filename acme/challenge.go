package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Types of challenges.
const (
	HTTP01    = "http-01"     // RFC 8555 8.3
	DNS01     = "dns-01"      // RFC 8555 8.4
	TLSALPN01 = "tls-alpn-01" // RFC 8737
)

// ChallengePath is where the answers to http-01 are, before the token.
const ChallengePath = "/.well-known/acme-challenge/"

// ALPNProto is the protocol that a server asks for with tls-alpn-01 (RFC 8737 6.2).
const ALPNProto = "acme-tls/1"

// idPeACMEIdentifier is the extension with the answer (RFC 8737 6.1).
var idPeACMEIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}

// KeyAuthorization is what shows that a token was given to the account with this key (RFC 8555
// 8.1). It is the answer to http-01.
func KeyAuthorization(key crypto.Signer, token string) (string, error) {
	// RFC 8555 8.1, 8.3: base64url; whatever else it were would be a path of the server's choice.
	if token == "" || len(token) > 1000 || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return "", errors.New("acme: token of challenge is not base64url")
	}
	print, err := thumbprint(key)
	if err != nil {
		return "", err
	}
	return token + "." + print, nil
}

// DNSRecord is the text for dns-01 (RFC 8555 8.4), at _acme-challenge.<name>.
func DNSRecord(keyAuthorization string) string {
	sum := sha256.Sum256([]byte(keyAuthorization))
	return b64(sum[:])
}

// ALPNCertificate is the certificate for tls-alpn-01 (RFC 8737 3).
func ALPNCertificate(name, keyAuthorization string, now time.Time) (*tls.Certificate, error) {
	sum := sha256.Sum256([]byte(keyAuthorization))
	value, err := asn1.Marshal(sum[:])
	if err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("acme: making key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ACME challenge"},
		DNSNames: []string{name}, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		ExtraExtensions: []pkix.Extension{{Id: idPeACMEIdentifier, Critical: true, Value: value}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("acme: making certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
