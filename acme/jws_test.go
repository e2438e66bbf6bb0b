package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"

	"mox/acme/acmetest"
)

// publicOnly is a key that cannot sign.
type publicOnly struct {
	crypto.Signer
	pub crypto.PublicKey
}

func (p publicOnly) Public() crypto.PublicKey { return p.pub }

// TestThumbprint: RFC 7638 3.1, its example.
func TestThumbprint(t *testing.T) {
	n, err := base64.RawURLEncoding.DecodeString("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")
	if err != nil {
		t.Fatal(err)
	}
	key := publicOnly{pub: &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}}
	got, err := thumbprint(key)
	if err != nil || got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("%q, %v", got, err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwk(other); err == nil {
		t.Error("P-384")
	}
}

// TestKeyWithLeadingZero: RFC 7518 6.2.1.2: coordinates have their full length.
func TestKeyWithLeadingZero(t *testing.T) {
	for range 2000 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := key.PublicKey.Bytes(); err != nil || b[1] != 0 {
			continue
		}
		var v struct{ X, Y string }
		text, err := jwk(key)
		if err != nil || json.Unmarshal(text, &v) != nil || len(v.X) != 43 || len(v.Y) != 43 {
			t.Errorf("%s, %v", text, err)
		}
		return
	}
	t.Skip("no such key came")
}

// TestBinding: RFC 8555 7.3.4: the payload is the account's key, and there is no nonce.
func TestBinding(t *testing.T) {
	s, err := bind(&ExternalAccount{"kid-1", []byte("key")}, "https://ca.example/acct", json.RawMessage(`{"kty":"EC"}`))
	if err != nil {
		t.Fatal(err)
	}
	header, err := base64.RawURLEncoding.DecodeString(s.Protected)
	if err != nil || string(header) != `{"alg":"HS256","kid":"kid-1","url":"https://ca.example/acct"}` {
		t.Errorf("%s, %v", header, err)
	}
}

func FuzzChain(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	chain, err := acmetest.New().Issue(key.Public(), "d.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(chain))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		chain, err := parseChain(data)
		if err == nil && (len(chain) == 0 || len(chain) > maxChain) {
			t.Errorf("%d certificates", len(chain))
		}
	})
}

// TestSignature: RFC 7518 3.4: two numbers of 32 octets.
func TestSignature(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign(key, protected{KID: "x", Nonce: "n", URL: "u"}, nil)
	if err != nil || s.Payload != "" {
		t.Fatal(s, err)
	}
	sig, err := base64.RawURLEncoding.DecodeString(s.Signature)
	sum := sha256.Sum256([]byte(s.Protected + "."))
	if err != nil || len(sig) != 64 || !ecdsa.Verify(&key.PublicKey, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Errorf("%v", err)
	}
}
