package acme_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/acme"
	"mox/acme/acmetest"
)

func ecdsaKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func client(t *testing.T, s *acmetest.Server) *acme.Client {
	return &acme.Client{DirectoryURL: s.DirectoryURL(), Key: ecdsaKey(t), HTTP: s.Client()}
}

// TestOrder: RFC 8555 7: a whole order, with keys of both types, and with nonces that are refused.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := acmetest.New()
		s.EAB = map[string][]byte{"kid": []byte("secret")}
		s.Delay = 2 * time.Second
		ctx := context.Background()
		rsaKey, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []*acme.Client{client(t, s), {DirectoryURL: s.DirectoryURL(), Key: rsaKey, HTTP: s.Client()}} {
			if _, err := c.NewOrder(ctx, []string{"d.example"}, ""); err == nil {
				t.Error("order without account")
			}
			if _, err := c.Register(ctx, "x@d.example", nil); !errors.Is(err, acme.ErrExternalAccount) {
				t.Error(err)
			}
			if _, err := c.Register(ctx, "x@d.example", &acme.ExternalAccount{KeyID: "kid", Key: []byte("wrong")}); err == nil || !strings.Contains(err.Error(), "unauthorized: signature") {
				t.Error(err)
			}
			s.BadNonces = 2
			url, err := c.Register(ctx, "x@d.example", &acme.ExternalAccount{KeyID: "kid", Key: []byte("secret")})
			if err != nil || url == "" || url != c.Account() {
				t.Fatal(url, err)
			}
			// The account that there is needs no binding.
			if again, err := c.Register(ctx, "", nil); err != nil || again != url || s.Accounts != i+1 {
				t.Error(again, err)
			}
			chain := order(t, c, "d.example")
			leaf, err := x509.ParseCertificate(chain[0])
			if err != nil || len(chain) != 2 || leaf.VerifyHostname("d.example") != nil {
				t.Errorf("%d certificates, %v", len(chain), err)
			}
			if err := c.SetContact(ctx, "y@d.example"); err != nil || s.Contacts[0] != "mailto:y@d.example" {
				t.Error(err, s.Contacts)
			}
		}
	})
}

func order(t *testing.T, c *acme.Client, name string) [][]byte {
	t.Helper()
	ctx := context.Background()
	o, err := c.NewOrder(ctx, []string{name}, "")
	if err != nil {
		t.Fatal(err)
	}
	z, err := c.Authorization(ctx, o.Authorizations[0])
	if err != nil || z.Identifier.Value != name {
		t.Fatal(z, err)
	}
	if err := c.Accept(ctx, z.Challenges[0]); err != nil {
		t.Fatal(err)
	}
	for n := 0; z.Status == acme.Pending; n++ {
		if err := c.Wait(ctx, n, z.RetryAfter); err != nil {
			t.Fatal(err)
		}
		if z, err = c.Authorization(ctx, o.Authorizations[0]); err != nil {
			t.Fatal(err)
		}
	}
	if o, err = c.Order(ctx, o.URL); err != nil || o.Status != acme.Ready {
		t.Fatal(o, err)
	}
	if o, err = c.Finalize(ctx, o, []string{name}, ecdsaKey(t)); err != nil {
		t.Fatal(err)
	}
	for n := 0; o.Status == acme.Processing; n++ {
		if err := c.Wait(ctx, n, o.RetryAfter); err != nil {
			t.Fatal(err)
		}
		if o, err = c.Order(ctx, o.URL); err != nil {
			t.Fatal(err)
		}
	}
	chain, err := c.Certificate(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// TestErrors: RFC 8555 6.7, and what is no ACME at all.
func TestErrors(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		status       int
		header, body string
		unavailable  bool
		want         string
		retry        time.Time
	}{
		{403, "", `{"type":"urn:ietf:params:acme:error:malformed","detail":"Some of the identifiers requested were rejected","subproblems":[{"type":"urn:ietf:params:acme:error:malformed","detail":"Invalid underscore in DNS name \"_example.org\"","identifier":{"type":"dns","value":"_example.org"}}]}`,
			false, `malformed: Some of the identifiers requested were rejected; _example.org: malformed: Invalid underscore in DNS name "_example.org"`, time.Time{}},
		{429, "120", `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"slow"}`, false, "rateLimited: slow", now.Add(2 * time.Minute)},
		{503, "Sun, 22 Nov 2026 13:00:00 GMT", "busy", true, "certificate authority is not available: status 503: https://ca.example/dir answered 503 Service Unavailable", now.Add(time.Hour)},
		{500, "x", `{"type":"urn:ietf:params:acme:error:serverInternal"}`, true, "certificate authority is not available: serverInternal", time.Time{}},
		{200, "", "<html>", true, "certificate authority is not available: answer of https://ca.example/dir: ", time.Time{}},
		{200, "", "{}", true, "certificate authority is not available: https://ca.example/dir is not an ACME directory", time.Time{}},
		{200, "", strings.Repeat("x", 2<<20), true, "certificate authority is not available: reading answer of https://ca.example/dir: answer is too long", time.Time{}},
	} {
		c := &acme.Client{DirectoryURL: "https://ca.example/dir", Now: func() time.Time { return now }, HTTP: &http.Client{Transport: handler(func(w http.ResponseWriter, r *http.Request) {
			if tc.header != "" {
				w.Header().Set("Retry-After", tc.header)
			}
			w.WriteHeader(tc.status)
			w.Write([]byte(tc.body))
		})}}
		_, err := c.Directory(context.Background())
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%d: %v", tc.status, err)
			continue
		}
		_, unavailable := errors.AsType[*acme.UnavailableError](err)
		e, _ := errors.AsType[*acme.Error](err)
		if unavailable != tc.unavailable || e != nil && !e.RetryAfter.Equal(tc.retry) {
			t.Errorf("%d: unavailable %v, %+v", tc.status, unavailable, e)
		}
	}
}

type handler func(w http.ResponseWriter, r *http.Request)

func (h handler) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h(w, r)
	return w.Result(), nil
}

// TestCertID: RFC 9773 4.1, its example.
func TestCertID(t *testing.T) {
	cert := &x509.Certificate{
		AuthorityKeyId: []byte{0x69, 0x88, 0x5B, 0x6B, 0x87, 0x46, 0x40, 0x41, 0xE1, 0xB3, 0x7B, 0x84, 0x7B, 0xA0, 0xAE, 0x2C, 0xDE, 0x01, 0xC8, 0xD4},
		SerialNumber:   big.NewInt(0x87654321),
	}
	id, err := acme.CertID(cert)
	if err != nil || id != "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE" {
		t.Errorf("%q, %v", id, err)
	}
	if _, err := acme.CertID(&x509.Certificate{SerialNumber: cert.SerialNumber}); err == nil {
		t.Error("without authority")
	}
}

// TestChallenges: RFC 8555 8.1, 8.4; RFC 8737 3.
func TestChallenges(t *testing.T) {
	key := ecdsaKey(t)
	auth, err := acme.KeyAuthorization(key, "DGyRejmCefe7v4NfDGDKfA")
	if err != nil || !strings.HasPrefix(auth, "DGyRejmCefe7v4NfDGDKfA.") || len(auth) != 22+1+43 {
		t.Errorf("%q, %v", auth, err)
	}
	for _, bad := range []string{"", "../x", "a b", strings.Repeat("x", 2000)} {
		if _, err := acme.KeyAuthorization(key, bad); err == nil {
			t.Errorf("token %q", bad)
		}
	}
	if text := acme.DNSRecord(auth); len(text) != 43 {
		t.Errorf("%q", text)
	}
	cert, err := acme.ALPNCertificate("d.example", auth, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != "d.example" {
		t.Fatal(err)
	}
	found := false
	for _, e := range leaf.Extensions {
		// An OCTET STRING of 32 octets.
		found = found || e.Id.String() == "1.3.6.1.5.5.7.1.31" && e.Critical && len(e.Value) == 34 && e.Value[0] == 4
	}
	if !found {
		t.Error("no extension")
	}
}

func FuzzRenewalInfo(f *testing.F) {
	// RFC 9773 4.2.
	f.Add([]byte(`{"suggestedWindow":{"start":"2025-01-02T04:00:00Z","end":"2025-01-03T04:00:00Z"},"explanationURL":"https://acme.example.com/docs/ari"}`))
	f.Add([]byte(`{"suggestedWindow":{"start":"2025-01-03T04:00:00Z","end":"2025-01-02T04:00:00Z"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := acme.ParseRenewalInfo(data)
		if err == nil && (!info.End.After(info.Start) || strings.ContainsAny(info.ExplanationURL, " \r\n")) {
			t.Errorf("%+v", info)
		}
	})
}
