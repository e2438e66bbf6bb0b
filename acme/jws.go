package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// ErrKey is the error for a key of an account that is neither ECDSA P-256 nor RSA.
var ErrKey = errors.New("acme: account key must be ECDSA P-256 or RSA")

// signed is a JWS in flattened JSON serialization (RFC 7515 7.2.2), the one that RFC 8555 6.2
// asks for.
type signed struct {
	Protected string `json:"protected"`
	Payload   string `json:"payload"`
	Signature string `json:"signature"`
}

// protected is the header of a JWS (RFC 8555 6.2).
type protected struct {
	Alg   string          `json:"alg"`
	KID   string          `json:"kid,omitempty"`
	JWK   json.RawMessage `json:"jwk,omitempty"`
	Nonce string          `json:"nonce,omitempty"`
	URL   string          `json:"url"`
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// jwk is the public key in the canonical form of RFC 7638 3: members in lexicographic order,
// no space.
func jwk(key crypto.Signer) (json.RawMessage, error) {
	switch pub := key.Public().(type) {
	case *ecdsa.PublicKey:
		if pub.Curve != elliptic.P256() {
			return nil, ErrKey
		}
		point, err := pub.Bytes() // 4, X, Y
		if err != nil {
			return nil, fmt.Errorf("acme: account key: %w", err)
		}
		return json.RawMessage(fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(point[1:33]), b64(point[33:65]))), nil
	case *rsa.PublicKey:
		return json.RawMessage(fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, b64(big.NewInt(int64(pub.E)).Bytes()), b64(pub.N.Bytes()))), nil
	}
	return nil, ErrKey
}

// thumbprint is that of a key (RFC 7638).
func thumbprint(key crypto.Signer) (string, error) {
	canonical, err := jwk(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return b64(sum[:]), nil
}

// algorithm is that of signatures of a key (RFC 7518 3.1).
func algorithm(key crypto.Signer) (string, error) {
	switch key.Public().(type) {
	case *ecdsa.PublicKey:
		return "ES256", nil
	case *rsa.PublicKey:
		return "RS256", nil
	}
	return "", ErrKey
}

// sign makes a JWS of a payload; an empty one is for POST-as-GET (RFC 8555 6.3).
func sign(key crypto.Signer, h protected, payload []byte) (*signed, error) {
	var err error
	if h.Alg, err = algorithm(key); err != nil {
		return nil, err
	}
	s, digest, err := unsigned(h, payload)
	if err != nil {
		return nil, err
	}
	sig, err := key.Sign(rand.Reader, digest, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("acme: signing: %w", err)
	}
	if h.Alg == "ES256" {
		// RFC 7518 3.4: the two numbers, not ASN.1.
		var n struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(sig, &n); err != nil {
			return nil, fmt.Errorf("acme: signing: %w", err)
		}
		sig = make([]byte, 64)
		n.R.FillBytes(sig[:32])
		n.S.FillBytes(sig[32:])
	}
	s.Signature = b64(sig)
	return s, nil
}

// unsigned is a JWS without its signature, and the hash to be signed.
func unsigned(h protected, payload []byte) (*signed, []byte, error) {
	header, err := json.Marshal(h)
	if err != nil {
		return nil, nil, fmt.Errorf("acme: header: %w", err)
	}
	s := &signed{Protected: b64(header), Payload: b64(payload)}
	sum := sha256.Sum256([]byte(s.Protected + "." + s.Payload))
	return s, sum[:], nil
}

// bind is the external account binding (RFC 8555 7.3.4): the account's key, signed with the
// key that the provider gave out.
func bind(eab *ExternalAccount, url string, accountKey json.RawMessage) (*signed, error) {
	header, err := json.Marshal(protected{Alg: "HS256", KID: eab.KeyID, URL: url})
	if err != nil {
		return nil, fmt.Errorf("acme: header: %w", err)
	}
	s := &signed{Protected: b64(header), Payload: b64(accountKey)}
	mac := hmac.New(sha256.New, eab.Key)
	mac.Write([]byte(s.Protected + "." + s.Payload))
	s.Signature = b64(mac.Sum(nil))
	return s, nil
}
