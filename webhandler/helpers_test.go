package webhandler

import (
	"bytes"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/config"
)

// load makes a configuration with handlers and domain redirects.
func load(t testing.TB, handlers []config.WebHandler, redirects map[string]string) *config.Snapshot {
	t.Helper()
	dir := t.TempDir()
	static := &config.Static{
		DataDir: "data", LogLevel: "error", Hostname: "mx.example", User: "mox",
		Listeners: map[string]config.Listener{"l": {
			IPs: []string{"127.0.0.1"}, WebserverHTTP: config.WebserverService{Enabled: true},
		}},
		Postmaster: config.Postmaster{Account: "a", Mailbox: "P"},
	}
	dynamic := &config.Dynamic{
		Domains:     map[string]config.Domain{"example.org": {}},
		Accounts:    map[string]config.Account{"a": {Domain: "example.org"}},
		WebHandlers: handlers, WebDomainRedirects: redirects,
	}
	var s, d bytes.Buffer
	if err := config.WriteStatic(&s, static); err != nil {
		t.Fatal(err)
	}
	if err := config.WriteDynamic(&d, dynamic); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mox.conf"), s.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "domains.conf"), d.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	snap, err := config.Load(filepath.Join(dir, "mox.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// newSites makes Sites with handlers.
func newSites(t testing.TB, c Config, handlers ...config.WebHandler) *Sites {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Prepare(load(t, handlers, nil))()
	return s
}

// handle serves as the router does.
func handle(s *Sites) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme = "http"
		if r.TLS != nil {
			r.URL.Scheme = "https"
		}
		if s.Serve(w, r, strings.ToLower(strings.Split(r.Host, ":")[0]), 0) == "" {
			http.Error(w, "none", http.StatusNotFound)
		}
	})
}

// answer is what came for a request.
type answer struct {
	code   int
	header http.Header
	body   string
}

// ask makes a request to https://HOST/PATH. fields are "Name: value".
func ask(s *Sites, method, url string, fields ...string) answer {
	r := httptest.NewRequest(method, url, nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	handle(s).ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// write makes files below a directory.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// serve serves sites on loopback.
func serve(t testing.TB, s *Sites) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(handle(s))
	t.Cleanup(srv.Close)
	return srv
}

func poolOf(srv *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return pool
}

func readAll(t testing.TB, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}
