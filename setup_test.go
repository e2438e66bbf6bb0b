package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"mox/dns"
	"mox/mlog/mlogtest"
	"mox/quickstart"
)

// TestSetup: the link works, on loopback, and elsewhere with TLS and the fingerprint that was
// printed.
func TestSetup(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		t.Run(listen, func(t *testing.T) {
			p, _, stderr := testProgram()
			var out mlogtest.Buffer
			p.stdout = &out
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				done <- p.serveSetup(ctx, quickstart.Options{Dir: t.TempDir(), Offline: true}, netip.MustParseAddrPort(listen), dns.MockResolver{})
			}()
			link := regexp.MustCompile(`https?://[^ \n]+`)
			for end := time.Now().Add(time.Minute); !link.MatchString(out.String()) && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			url := strings.NewReplacer("0.0.0.0", "127.0.0.1", "[::]", "127.0.0.1").Replace(link.FindString(out.String()))
			var seen string
			client := http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(cs tls.ConnectionState) error {
				seen = fmt.Sprintf("% X", sha256.Sum256(cs.PeerCertificates[0].Raw))
				return nil
			}}}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			cookie := resp.Header.Get("Set-Cookie")
			if resp.StatusCode != http.StatusSeeOther || !strings.Contains(cookie, "HttpOnly; ") || !strings.Contains(cookie, "SameSite=Strict") {
				t.Errorf("status %d, cookie %s", resp.StatusCode, cookie)
			}
			secure := strings.HasPrefix(listen, "0.0.0.0")
			if secure != strings.Contains(cookie, "Secure") || secure && !strings.Contains(out.String(), seen) || secure == (seen == "") {
				t.Errorf("TLS: cookie %s, fingerprint %s, printed:\n%s", cookie, seen, out.String())
			}
			cancel()
			if err := <-done; err == nil || err.Error() != "interrupted" {
				t.Errorf("error %v", err)
			}
			if stderr.Len() > 0 {
				t.Errorf("standard error: %s", stderr)
			}
		})
	}
}

func TestParseListen(t *testing.T) {
	for s, want := range map[string]string{"": "127.0.0.1:0", "192.0.2.1": "192.0.2.1:0", "::1": "[::1]:0", "192.0.2.1:8443": "192.0.2.1:8443", "localhost": "", "192.0.2.1:x": ""} {
		at, err := parseListen(s)
		if err == nil && at.String() != want || (err != nil) != (want == "") {
			t.Errorf("%q: %v, %v", s, at, err)
		}
	}
}
