package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// Generate makes the key, PKCS 8 in PEM.
func (k NewKey) Generate() ([]byte, error) {
	key, err := k.generate()
	if err != nil {
		return nil, fmt.Errorf("generating %s key: %w", k.Algorithm, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding %s key: %w", k.Algorithm, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func (k NewKey) generate() (crypto.Signer, error) {
	switch k.Algorithm {
	case "rsa2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "ecdsap256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("unknown algorithm %q", k.Algorithm)
}
