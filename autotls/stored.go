package autotls

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mox/atomicfile"
)

// maxStored bounds files with keys and certificates.
const maxStored = 1 << 20

func (m *Manager) certPath(k certKey) string {
	name := k.Name
	if k.Kind == RSA {
		name += "+rsa"
	}
	return filepath.Join(m.dir, "keycerts", k.Provider, name)
}

// loadCertificate reads a certificate from disk; nil if there is none. One that is damaged is
// put aside.
func (m *Manager) loadCertificate(k certKey) (*tls.Certificate, error) {
	path := m.certPath(k)
	data, err := readFile(path, maxStored)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	cert, err := parseStored(data, k)
	if err != nil {
		return nil, m.setAside(path, err)
	}
	return cert, nil
}

// parseStored parses a key and its certificates in PEM.
func parseStored(data []byte, k certKey) (*tls.Certificate, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no key in PEM")
	}
	key, err := parseKey(block)
	if err != nil {
		return nil, err
	}
	var chain [][]byte
	for len(bytes.TrimSpace(rest)) > 0 {
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("something other than certificates after the key")
		}
		chain = append(chain, block.Bytes)
	}
	return newCertificate(key, chain, k)
}

// parseKey parses a private key: PKCS8, or as others write them.
func parseKey(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%q is no private key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("private key of type %T cannot sign", key)
	}
	return signer, nil
}

// publicKey is what all public keys of the standard library are.
type publicKey interface{ Equal(crypto.PublicKey) bool }

// samePublic tells whether two keys are one.
func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(publicKey)
	return ok && k.Equal(b)
}

// newCertificate checks that a certificate is for the key and name.
func newCertificate(key crypto.Signer, chain [][]byte, k certKey) (*tls.Certificate, error) {
	if len(chain) == 0 {
		return nil, errors.New("no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if !samePublic(leaf.PublicKey, key.Public()) {
		return nil, errors.New("certificate is for another key")
	}
	if kind, ok := kindOf(key); !ok || kind != k.Kind {
		return nil, fmt.Errorf("certificate has a key of another type than %s", k.Kind)
	}
	if err := leaf.VerifyHostname(k.Name); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

// kindOf is the kind of certificate that a key is for.
func kindOf(key crypto.Signer) (Kind, bool) {
	switch pub := key.Public().(type) {
	case *ecdsa.PublicKey:
		return ECDSA, pub.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return RSA, true
	}
	return 0, false
}

// storeCertificate writes a certificate to disk.
func (m *Manager) storeCertificate(k certKey, cert *tls.Certificate) error {
	data, err := encodeKey(cert.PrivateKey)
	if err != nil {
		return err
	}
	for _, der := range cert.Certificate {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	path := m.certPath(k)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("storing certificate: %w", err)
	}
	return atomicfile.Write(path, data, 0o600)
}

// encodeKey makes PKCS8 in PEM of a key.
func encodeKey(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// accountKey reads the key of the account with a provider, or makes one.
func (p *provider) accountKey() (crypto.Signer, error) {
	path := filepath.Join(p.m.dir, p.Name+".key")
	data, err := readFile(path, maxStored)
	switch {
	case err == nil:
		block, _ := pem.Decode(data)
		if block == nil {
			err = errors.New("no key in PEM")
		} else {
			var key crypto.Signer
			if key, err = parseKey(block); err == nil {
				return key, nil
			}
		}
		if err := p.m.setAside(path, err); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	key, err := p.m.o.NewKey(ECDSA)
	if err != nil {
		return nil, fmt.Errorf("making account key: %w", err)
	}
	if data, err = encodeKey(key); err != nil {
		return nil, err
	}
	return key, atomicfile.Write(path, data, 0o600)
}

// NewHostKey makes a private key of a host, PKCS8 in PEM.
func NewHostKey(kind Kind) ([]byte, error) {
	key, err := newKey(kind)
	if err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	return encodeKey(key)
}
