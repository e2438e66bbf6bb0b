package updates

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// FormatPublicKey is a public key as feeds, settings and commands have it: its 32 bytes in base64.
func FormatPublicKey(k ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(k) }

// ParsePublicKey parses what FormatPublicKey made, or a key in PEM ("PUBLIC KEY").
func ParsePublicKey(s string) (ed25519.PublicKey, error) {
	s = strings.TrimSpace(s)
	if block, _ := pem.Decode([]byte(s)); block != nil {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("public key: %w", err)
		}
		if k, ok := key.(ed25519.PublicKey); ok {
			return k, nil
		}
		return nil, fmt.Errorf("public key is %T, not one of Ed25519", key)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%.60q is not a public key: those are %d bytes in base64, as \"mox updates pubkey\" prints", s, ed25519.PublicKeySize)
	}
	return b, nil
}

// ParsePrivateKey parses a private key in PEM (PKCS #8), as "mox updates genkey" and "openssl
// genpkey" make it.
func ParsePrivateKey(data []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("no private key in PEM, which begins with \"-----BEGIN PRIVATE KEY-----\"")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	k, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("private key is %T, not one of Ed25519: \"mox updates genkey\" makes one", key)
	}
	return k, nil
}
