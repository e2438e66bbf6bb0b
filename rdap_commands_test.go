package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestDomainAge: the command gets the age of a domain by RDAP.
func TestDomainAge(t *testing.T) {
	answers := map[string]string{
		"/rdap/dns.json":             `{"version":"1.0","services":[[["com"],["https://example.com/reg/"]]]}`,
		"/reg/domain/example.com":    `{"objectClassName":"domain","events":[{"eventAction":"registration","eventDate":"2020-01-02T03:04:05Z"}]}`,
		"/reg/domain/secretive.com":  `{"objectClassName":"domain"}`,
		"/reg/domain/unanswered.com": "",
	}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers[r.URL.Path] == "" {
			http.NotFound(w, r)
		}
		fmt.Fprint(w, answers[r.URL.Path])
	}))
	defer srv.Close()
	p, stdout, stderr := testProgram()
	p.roots = x509.NewCertPool()
	p.roots.AddCert(srv.Certificate())
	p.connect = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	}
	run := func(want int, args ...string) string {
		t.Helper()
		stdout.Reset()
		stderr.Reset()
		if got := p.main(append([]string{"rdap", "domainage", "-bootstrap", "https://example.com/rdap/dns.json"}, args...)); got != want {
			t.Errorf("%v: status %d: %s", args, got, stderr)
		}
		return stdout.String()
	}
	if got := run(0, "mail.example.com"); !strings.HasPrefix(got, "domain: example.com\nregistered: 2020-01-02, ") || !strings.HasSuffix(got, "\nserver: example.com\n") {
		t.Errorf("got %q", got)
	}
	if got := run(0, "-json", "example.com"); !strings.Contains(got, `"Registered": "2020-01-02T03:04:05Z"`) {
		t.Errorf("got %q", got)
	}
	run(1, "unanswered.com")
	if !bytes.Contains(stderr.Bytes(), []byte("domain is not registered")) {
		t.Errorf("got %s", stderr)
	}
	run(1, "secretive.com")
}
