package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Record is a key record (RFC 6376 3.6.1).
type Record struct {
	Hashes   []string // h=, hash algorithms the key is for; none: all
	KeyType  string   // k=, "rsa" (the default) or "ed25519", or one that is not known
	Notes    string   // n=, decoded
	Services []string // s=, services the key is for; none: all
	Flags    []string // t=
	// KeyData is p=, empty for a key that is revoked.
	KeyData []byte
	// PublicKey is KeyData parsed, an *rsa.PublicKey or ed25519.PublicKey. It is nil for a
	// revoked key and for an unknown KeyType.
	PublicKey crypto.PublicKey
}

// Testing tells that the domain only tries DKIM out (t=y).
//
// RFC 6376 3.6.1: mail is not to be treated differently from unsigned mail.
func (r *Record) Testing() bool { return slices.Contains(r.Flags, "y") }

// Strict tells that identities must be of the domain itself, not below it (t=s).
func (r *Record) Strict() bool { return slices.Contains(r.Flags, "s") }

// ParseRecord parses the text of a key record. The error wraps ErrKeySyntax.
func ParseRecord(txt string) (*Record, error) {
	r, err := parseRecord(txt)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeySyntax, err)
	}
	return r, nil
}

func parseRecord(txt string) (*Record, error) {
	tags, err := ParseTags(txt)
	if err != nil {
		return nil, err
	}
	r := &Record{KeyType: "rsa"}
	for i, tag := range tags {
		switch tag.Name {
		case "v":
			// RFC 6376 3.6.1: first, and exactly this.
			if i > 0 || tag.Value != "DKIM1" {
				return nil, fmt.Errorf("version %.20q, must be DKIM1 and first", tag.Value)
			}
		case "h":
			r.Hashes = list(tag.Value)
		case "k":
			r.KeyType = tag.Value
		case "n":
			if r.Notes, err = decodeQPSection(tag.Value); err != nil {
				r.Notes = tag.Value // for people only
			}
		case "s":
			r.Services = list(tag.Value)
		case "t":
			r.Flags = list(tag.Value)
		case "p":
			if r.KeyData, err = decodeBase64(tag.Value); err != nil {
				return nil, fmt.Errorf("key: %w", err)
			}
		}
	}
	if _, ok := tags.Get("p"); !ok {
		return nil, errors.New("no tag p")
	}
	if len(r.KeyData) > 0 {
		r.PublicKey, err = parsePublicKey(r.KeyType, r.KeyData)
	}
	return r, err
}

// decodeQPSection is decodeQP for text that may have spaces.
func decodeQPSection(s string) (string, error) {
	words := strings.Fields(s)
	for i, w := range words {
		var err error
		if words[i], err = decodeQP(w); err != nil {
			return "", err
		}
	}
	return strings.Join(words, " "), nil
}

// parsePublicKey returns nil for an unknown type.
func parsePublicKey(keyType string, data []byte) (crypto.PublicKey, error) {
	switch keyType {
	case "rsa":
		// RFC 6376 3.6.1 says RSAPublicKey, its examples and everybody have it in a
		// SubjectPublicKeyInfo (erratum 3017).
		if key, err := x509.ParsePKIXPublicKey(data); err == nil {
			if rsaKey, ok := key.(*rsa.PublicKey); ok {
				return rsaKey, nil
			}
			return nil, fmt.Errorf("key of type %T in a record for rsa", key)
		}
		key, err := x509.ParsePKCS1PublicKey(data)
		if err != nil {
			return nil, fmt.Errorf("RSA key: %w", err)
		}
		return key, nil
	case "ed25519":
		// RFC 8463 4.2: the key as it is.
		if len(data) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("ed25519 key has %d bytes, must have %d", len(data), ed25519.PublicKeySize)
		}
		return ed25519.PublicKey(data), nil
	}
	return nil, nil
}

// NewRecord returns the record for a public key, RSA or Ed25519, to be used with
// SHA-256 only.
func NewRecord(key crypto.PublicKey) (*Record, error) {
	r := &Record{Hashes: []string{"sha256"}, PublicKey: key}
	switch k := key.(type) {
	case *rsa.PublicKey:
		data, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			return nil, fmt.Errorf("marshalling key: %w", err)
		}
		r.KeyType, r.KeyData = "rsa", data
	case ed25519.PublicKey:
		r.KeyType, r.KeyData = "ed25519", k
	default:
		return nil, fmt.Errorf("%w: key of type %T, need RSA or Ed25519", ErrAlgorithm, key)
	}
	return r, nil
}

// String returns the text of the record, as "v=DKIM1;h=sha256;p=...".
func (r *Record) String() string {
	var b strings.Builder
	b.WriteString("v=DKIM1")
	tag := func(name, value string) {
		if value != "" {
			b.WriteString(";" + name + "=" + value)
		}
	}
	tag("h", strings.Join(r.Hashes, ":"))
	if r.KeyType != "rsa" {
		tag("k", r.KeyType)
	}
	words := strings.Fields(r.Notes)
	for i, w := range words {
		words[i] = encodeQP(w, false)
	}
	tag("n", strings.Join(words, " "))
	tag("s", strings.Join(r.Services, ":"))
	tag("t", strings.Join(r.Flags, ":"))
	b.WriteString(";p=" + base64.StdEncoding.EncodeToString(r.KeyData))
	return b.String()
}

// maxString is how long a string of a TXT record is made. RFC 1035 3.3.14 allows 255;
// shorter ones stay readable in a zone file.
const maxString = 100

// Strings splits the text of a TXT record into strings of at most 100 bytes.
func Strings(txt string) []string {
	var l []string
	for len(txt) > maxString {
		l = append(l, txt[:maxString])
		txt = txt[maxString:]
	}
	return append(l, txt)
}

// ZoneText returns the text of a TXT record as it is written in a zone file (RFC 1035
// 5.1): strings in quotes, several in parentheses with a line each.
func ZoneText(txt string) string {
	l := Strings(txt)
	for i, s := range l {
		l[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	if len(l) == 1 {
		return l[0]
	}
	return "(\n\t" + strings.Join(l, "\n\t") + "\n)"
}
