package moxtest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/config"
	"mox/moxtest"
)

// TestWebSites: web sites of domains.conf, with and without TLS, are live after a change.
func TestWebSites(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.txt"), []byte("file"), 0o600); err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Forwarded-Proto"), " ", r.Header.Get("X-Forwarded-Host"), " ", r.URL.Path)
	}))
	defer backend.Close()
	const host = moxtest.Hostname
	s := moxtest.New(t, moxtest.WithConfig(func(static *config.Static, dynamic *config.Dynamic) {
		l := static.Listeners["test"]
		l.WebserverHTTP = config.WebserverService{Enabled: true}
		l.WebserverHTTPS = config.WebserverService{Enabled: true}
		l.WebAPIHTTPS = config.WebService{Enabled: true}
		static.Listeners["test"] = l
		dynamic.WebDomainRedirects = map[string]string{"old.example": host}
		dynamic.WebHandlers = []config.WebHandler{
			{LogName: "files", Domain: host, PathRegexp: "^/files/", WebStatic: &config.WebStatic{StripPrefix: "/files/", Root: root}},
			{LogName: "app", Domain: host, PathRegexp: "^/app/", DontRedirectPlainHTTP: true, WebForward: &config.WebForward{URL: backend.URL, StripPath: true}},
			{LogName: "api", Domain: host, PathRegexp: "^/api/", WebInternal: &config.WebInternal{BasePath: "/api/", Service: "webapi"}},
			{LogName: "over", Domain: host, PathRegexp: "^/webapi/taken$", WebRedirect: &config.WebRedirect{BaseURL: "https://elsewhere.example"}},
		}
	}))
	dial := func(service string) *http.Client {
		return &http.Client{
			Transport: &http.Transport{
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "tcp", s.Addr(service))
				},
				TLSClientConfig: &tls.Config{RootCAs: s.RootCAs}, ForceAttemptHTTP2: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	plain, secure := dial("web"), dial("webhttps")
	check := func(client *http.Client, url string, code int, want string) {
		t.Helper()
		resp, err := client.Get(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		got := string(body)
		if to := resp.Header.Get("Location"); to != "" {
			got = to
		}
		if resp.StatusCode != code || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %d %q, want %d %q", url, resp.StatusCode, got, code, want)
		}
		if strings.HasPrefix(url, "https") && resp.ProtoMajor != 2 {
			t.Errorf("%s: %s", url, resp.Proto)
		}
	}
	https, http1 := "https://"+host, "http://"+host
	check(secure, https+"/files/a.txt", 200, "file")
	check(plain, http1+"/files/a.txt", 308, https+"/files/a.txt")
	check(secure, https+"/app/x", 200, "https "+host+" /x")
	check(plain, http1+"/app/x", 200, "http "+host+" /x")
	check(secure, https+"/api/", 303, "v0/")
	check(secure, https+"/webapi/", 303, "v0/")
	check(secure, https+"/webapi/taken", 308, "https://elsewhere.example/webapi/taken")
	check(plain, "http://old.example/x?y", 308, https+"/x?y")
	check(secure, https+"/.well-known/security.txt", 200, "Contact: mailto:postmaster@"+host+"\r\n")
	check(secure, https+"/.well-known/change-password", 404, "404")
	check(secure, https+"/favicon.ico", 200, "\x00\x00\x01\x00")
	check(secure, https+"/", 404, "404")
	if err := s.Config.Edit(func(d *config.Dynamic) error {
		d.WebHandlers = d.WebHandlers[1:]
		d.WebHandlers[0].PathRegexp = "^/new/"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	check(secure, https+"/files/a.txt", 404, "404")
	check(secure, https+"/new/x", 200, "https "+host+" /x")
	seen, err := s.Registry.Gather("mox_httpserver_request_duration_seconds")
	if err != nil {
		t.Fatal(err)
	}
	if seen["code=200,handler=files,method=get,proto=https"] != 1 || seen["code=308,handler=(domainredirect),method=get,proto=http"] != 1 || seen["code=200,handler=app,method=get,proto=http"] != 1 {
		t.Errorf("metrics %v", seen)
	}
}
