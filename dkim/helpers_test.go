package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mox/dns"
)

var discard = slog.New(slog.DiscardHandler)

// now is the clock of tests, later than the examples of the RFCs.
func now() time.Time { return time.Unix(1700000000, 0) }

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func domain(t testing.TB, s string) dns.Domain {
	t.Helper()
	d, err := dns.ParseDomainLax(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ed25519Key is the key of RFC 8463 A.1.
func ed25519Key(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

// rsaKey1024 is the key of RFC 8463 A.1.
func rsaKey1024(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode([]byte(rsaPEM))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const rsaPEM = `-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
`

// recordText is the key record of a signer.
func recordText(t testing.TB, key crypto.Signer) string {
	t.Helper()
	r, err := NewRecord(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return r.String()
}

// mustSign signs for example.org with selector "sel".
func mustSign(t testing.TB, s Selector, msg string) string {
	t.Helper()
	s.Name = domain(t, "sel")
	fields, err := Sign(t.Context(), discard, SignOptions{Domain: domain(t, "example.org"), Now: now}, []Selector{s}, strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// verifyOne verifies a message with one signature, its key record being txt.
func verifyOne(t testing.TB, msg string, txt ...string) Result {
	t.Helper()
	r := dns.MockResolver{TXT: map[string][]string{"sel._domainkey.example.org": txt}}
	results, err := Verify(t.Context(), discard, r, Options{Now: now}, strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 1 {
		t.Fatalf("%d results", len(results))
	}
	return results[0]
}
