package updates

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
)

func sign64(k ed25519.PrivateKey, s string) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(k, []byte(s)))
}

// roundTrip is a transport of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// handled is a transport to a handler, without a network.
func handled(h http.HandlerFunc) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h(w, r)
		resp := w.Result()
		resp.Request = r
		return resp, nil
	}
}

func testFeed(t testing.TB) Feed {
	t.Helper()
	_, pub := testKey(1)
	f, err := NewFeed("mox.example", "", []string{FormatPublicKey(pub)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLookup(t *testing.T) {
	var results []string
	for _, tt := range []struct {
		texts []string
		want  string
		err   error
	}{
		{[]string{"v=UPDATES0; l=v1.2.3"}, "v1.2.3", nil},
		{[]string{"v=spf1 -all", "v=UPDATES0; l=0.0.2", "v=UPDATES1; l=9.9.9"}, "v0.0.2", nil},
		{[]string{"v=UPDATES0; l=v1.2.3", "v=UPDATES0; l=v1.2.4"}, "", ErrRecord},
		{[]string{"v=UPDATES0; l=x"}, "", ErrRecord},
		{[]string{"x"}, "", ErrNoRecord},
		{nil, "", ErrNoRecord},
	} {
		zone := dns.MockResolver{TXT: map[string][]string{}}
		if tt.texts != nil {
			zone.TXT["_updates.mox.example"] = tt.texts
		}
		c := Client{Feed: testFeed(t), Resolver: zone, Observe: func(fetch bool, result string, _ time.Duration) { results = append(results, fmt.Sprint(fetch, result)) }}
		if v, err := c.Lookup(t.Context()); v.String() != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%q: %v %v", tt.texts, v, err)
		}
	}
	c := Client{Feed: testFeed(t), Resolver: dns.MockResolver{Fail: map[string]error{"txt _updates.mox.example": nil}}}
	if v, err := c.Lookup(t.Context()); !dns.IsTemporary(err) || errors.Is(err, ErrNoRecord) || errors.Is(err, ErrRecord) {
		t.Error(v, err)
	}
	if got := strings.Join(results, " "); got != "falseok falseok falsebadrecord falsebadrecord falsenotfound falsenotfound" {
		t.Error(got)
	}
}

// feedDir is a directory with a changelog and its programs.
func feedDir(t *testing.T, data []byte, versions ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ChangelogName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		if err := os.Mkdir(filepath.Join(dir, v), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, v, "mox-linux-amd64"), []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// servedFeed is a directory with a changelog, served over TLS, and a client of it.
func servedFeed(t *testing.T) (path string, s *httptest.Server, c *Client, logged *bytes.Buffer) {
	t.Helper()
	dir := feedDir(t, testChangelog(t, 1, "v1.2.3", "v1.2.2"), "v1.2.3")
	path, logged = filepath.Join(dir, ChangelogName), new(bytes.Buffer)
	h, err := NewHandler(path, slog.New(slog.NewTextHandler(logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s = httptest.NewTLSServer(h)
	t.Cleanup(func() { s.Close(); h.Close() })
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	feed := testFeed(t)
	feed.URL = s.URL + "/" + ChangelogName
	return path, s, &Client{Feed: feed, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}, logged
}

// TestServed is a client at a server.
func TestServed(t *testing.T) {
	path, _, c, logged := servedFeed(t)
	f, err := c.Changelog(t.Context(), "")
	if err != nil || len(f.Releases) != 2 || f.ETag == "" || f.Skipped != 0 {
		t.Fatal(f, err)
	}
	if f, err := c.Changelog(t.Context(), f.ETag); !errors.Is(err, ErrNotModified) {
		t.Error(f, err)
	}
	file, _ := f.Releases[0].File("linux", "amd64")
	var b bytes.Buffer
	if err := c.Download(t.Context(), file, &b); err != nil || b.String() != program {
		t.Error(err, b.String())
	}
	// Its file is missing, and says so.
	gone, _ := f.Releases[1].File("linux", "amd64")
	if err := c.Download(t.Context(), gone, io.Discard); err == nil || !strings.Contains(err.Error(), "404") || !strings.Contains(logged.String(), "v1.2.2/mox-linux-amd64") {
		t.Error(err, logged.String())
	}
	// A changelog that is broken is not served, one that is not is at once.
	for _, data := range [][]byte{[]byte("{"), testChangelog(t, 1, "v1.2.4")} {
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		again, err := c.Changelog(t.Context(), f.ETag)
		if broken := len(data) == 1; broken && !errors.Is(err, ErrNotModified) || !broken && (err != nil || again.Releases[0].Version != "v1.2.4") {
			t.Error(string(data[:1]), again, err)
		}
	}
	if !strings.Contains(logged.String(), "cannot be used") {
		t.Error(logged.String())
	}
	// Another authority.
	c.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}
	if _, err := c.Changelog(t.Context(), ""); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Error(err)
	}
}

// TestRequests are those of other clients.
func TestRequests(t *testing.T) {
	_, s, c, _ := servedFeed(t)
	for method, status := range map[string]int{"POST": 405, "HEAD": 200} {
		req, _ := http.NewRequest(method, c.Feed.URL, nil)
		resp, err := s.Client().Do(req)
		if err != nil || resp.StatusCode != status {
			t.Error(method, resp, err)
		}
		resp.Body.Close()
	}
	for p, status := range map[string]int{"/": 404, "/v1.2.3/": 404, "/v1.2.3/other": 404, "/../x": 404, "/v1.2.3/mox-linux-amd64": 200} {
		resp, err := s.Client().Get(s.URL + p)
		if err != nil || resp.StatusCode != status {
			t.Error(p, resp, err)
		}
		resp.Body.Close()
	}
	// Ranges.
	req, _ := http.NewRequest("GET", s.URL+"/v1.2.3/mox-linux-amd64", nil)
	req.Header.Set("Range", "bytes=2-5")
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if part, _ := io.ReadAll(resp.Body); resp.StatusCode != 206 || string(part) != program[2:6] {
		t.Error(resp.Status, string(part))
	}
	resp.Body.Close()
}

// TestHandlerBad: a changelog that cannot be used is read once, and the one before served until there is another.
func TestHandlerBad(t *testing.T) {
	path := filepath.Join(feedDir(t, testChangelog(t, 1, "v1.2.3")), ChangelogName)
	h, err := NewHandler(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	get := func() string {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/"+ChangelogName, nil))
		return rec.Body.String()
	}
	for i, data := range []string{"{", "[]", string(testChangelog(t, 1, "v1.2.4"))} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		stamp := time.Unix(1_800_000_000+int64(i), 0)
		if err := os.Chtimes(path, stamp, stamp); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			want := "v1.2.3"
			if len(data) > 2 {
				want = "v1.2.4"
			}
			if got := get(); !strings.Contains(got, want) || h.reads != i+1 {
				t.Errorf("%d reads of %.20q: %.200s", h.reads, data, got)
			}
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := get(); !strings.Contains(got, "v1.2.4") {
		t.Errorf("without a file: %.200s", got)
	}
}

func TestHandlerRefuses(t *testing.T) {
	entry := testEntry(t, "v1.2.3", 1)
	entry.Release = strings.Replace(entry.Release, "v1.2.3", "v1.2.4", 1)
	for _, data := range [][]byte{nil, []byte("[]"), []byte(fmt.Sprintf(`{"Entries":[{"Release":%q,"Signatures":[{"PublicKey":%q,"Signature":%q}]}]}`, entry.Release, entry.Signatures[0].PublicKey, entry.Signatures[0].Signature))} {
		if h, err := NewHandler(filepath.Join(feedDir(t, data), ChangelogName), slog.New(slog.DiscardHandler)); err == nil {
			h.Close()
			t.Errorf("%q is served", data)
		}
	}
	if _, err := NewHandler(filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestChangelogErrors(t *testing.T) {
	for what, tt := range map[string]struct {
		h   http.HandlerFunc
		err error
		say string
	}{
		"missing": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, nil, "404"},
		"unasked": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304) }, nil, "304"},
		"other":   {func(w http.ResponseWriter, r *http.Request) { w.Write(testChangelog(t, 2, "v1.2.3")) }, ErrUnsigned, ""},
		"empty":   {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") }, ErrUnsigned, ""},
		"no json": {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }, ErrChangelog, ""},
		"long":    {func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, MaxChangelog+1)) }, ErrChangelog, "larger"},
		"many": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"Entries":[{}`+strings.Repeat(",{}", maxEntries)+"]}")
		}, ErrChangelog, "more than"},
		"to http": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://updates.mox.example/x", http.StatusFound)
		}, nil, "refusing a redirect"},
		"for ever": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, nil, "redirects"},
	} {
		c := Client{Feed: testFeed(t), Transport: handled(tt.h)}
		if f, err := c.Changelog(t.Context(), ""); err == nil || tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: %v %v", what, f, err)
		}
	}
	// A redirect to another place of HTTPS is followed.
	c := Client{Feed: testFeed(t), Transport: handled(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "elsewhere.example" {
			w.Write(testChangelog(t, 1, "v1.2.3"))
			return
		}
		http.Redirect(w, r, "https://elsewhere.example/x", http.StatusFound)
	})}
	if f, err := c.Changelog(t.Context(), ""); err != nil || len(f.Releases) != 1 {
		t.Error(f, err)
	}
}

func TestDownloadErrors(t *testing.T) {
	file := testFile("v1.2.3/mox")
	for what, h := range map[string]http.HandlerFunc{
		"other content": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.ToUpper(program)) },
		"truncated":     func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, program[1:]) },
		"longer":        func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, program+"x") },
		"length": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, program[:5])
		},
	} {
		var b bytes.Buffer
		transport := handled(h)
		c := Client{Feed: testFeed(t), Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := transport(r)
			if resp.Header.Get("Content-Length") == "" {
				resp.ContentLength = -1
			}
			return resp, err
		})}
		if err := c.Download(t.Context(), file, &b); !errors.Is(err, ErrFile) || b.Len() > len(program) {
			t.Errorf("%s: %v, %d bytes", what, err, b.Len())
		}
	}
	for what, h := range map[string]http.HandlerFunc{
		"missing": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"to http": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://updates.mox.example/x", http.StatusFound)
		},
		"partial": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(206); io.WriteString(w, program) },
	} {
		c := Client{Feed: testFeed(t), Transport: handled(h)}
		if err := c.Download(t.Context(), file, io.Discard); err == nil {
			t.Error(what)
		}
	}
	// A disk that is full.
	c := Client{Feed: testFeed(t), Transport: handled(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, program) })}
	full := errors.New("no space")
	if err := c.Download(t.Context(), file, failingWriter{full}); !errors.Is(err, full) {
		t.Error(err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// slowBody gives a byte whenever it likes.
type slowBody struct {
	ctx   context.Context
	every time.Duration
}

func (s slowBody) Read(b []byte) (int, error) {
	select {
	case <-time.After(s.every):
		b[0] = 'x'
		return 1, nil
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
}

func (slowBody) Close() error { return nil }

// Deadlines: of all, and of a server that sends nothing.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		every := time.Second
		c := Client{Feed: testFeed(t), Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: slowBody{r.Context(), every}, ContentLength: -1, Request: r, Header: http.Header{}}, nil
		})}
		file := testFile("mox")
		file.Size = MaxProgram
		for _, tt := range []struct {
			every, want time.Duration
			say         string
		}{{time.Second, time.Hour, "too long"}, {2 * time.Minute, time.Minute, "nothing came"}} {
			every = tt.every
			start := time.Now()
			if err := c.Download(t.Context(), file, io.Discard); err == nil || !strings.Contains(err.Error(), tt.say) || time.Since(start) != tt.want {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		}
		start := time.Now()
		if _, err := c.Changelog(t.Context(), ""); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
