package rdap

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mox/dns"
)

// answer is what the server of a test says for a path.
type answer struct {
	code     int
	body     string
	location string
}

// domainAnswer is the example of RFC 9083 5.3, in short.
const domainAnswer = `{"objectClassName":"domain","handle":"XXXX","ldhName":"0.2.192.in-addr.arpa","nameservers":[],"events":[
	{"eventAction":"last changed","eventDate":"1991-12-31T23:59:59Z"},
	{"eventAction":"registration","eventDate":"1990-12-31T23:59:59Z","eventActor":"joe@example.com"}]}`

// serve starts a server for IANA and registries, and returns a client of it.
func serve(t *testing.T, answers map[string]answer) *Client {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := answers[r.Host+r.URL.EscapedPath()]
		if !ok {
			t.Errorf("request for %s%s", r.Host, r.URL)
		}
		if r.Header.Get("Accept") == "" || r.Header.Get("User-Agent") != "mox" {
			t.Errorf("header: %v", r.Header)
		}
		w.Header().Set("Date", "Sun, 22 Nov 2026 10:00:00 GMT")
		if a.location != "" {
			w.Header().Set("Location", a.location)
		}
		w.WriteHeader(a.code)
		w.Write([]byte(a.body))
	}))
	t.Cleanup(srv.Close)
	return &Client{Bootstrap: "https://example.com/dns.json", Transport: redirect{srv.Client().Transport, srv.Listener.Addr().String()}}
}

// redirect has all requests go to one server, with their host kept.
type redirect struct {
	http.RoundTripper
	addr string
}

func (r redirect) RoundTrip(req *http.Request) (*http.Response, error) {
	clone := req.Clone(req.Context())
	clone.Host, clone.URL.Host = req.URL.Host, r.addr
	resp, err := r.RoundTripper.RoundTrip(clone)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// list is of the form of RFC 9224 4.
const list = `{"version":"1.0","publication":"2024-01-07T10:11:12Z","description":"Some text","services":[
	[["net","com"],["https://registry.example.com/myrdap/"]],
	[["org","mytld"],["http://example.org/","https://rdap.example.org"]],
	[["xn--zckzah"],["https://example.net/rdap/xn--zckzah/","http://example.net/rdap/xn--zckzah/"]],
	[["plain"],["http://example.net/"]], [], [["a"]]]}`

func domain(t testing.TB, s string) dns.Domain {
	t.Helper()
	d, err := dns.ParseDomain(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDomainAge(t *testing.T) {
	c := serve(t, map[string]answer{
		"example.com/dns.json":                            {200, list, ""},
		"rdap.example.org/domain/example.org":             {302, "", "https://registrar.example/x/domain/example.org"},
		"registrar.example/x/domain/example.org":          {200, domainAnswer, ""},
		"registry.example.com/myrdap/domain/xn--1.com":    {404, "", ""},
		"registry.example.com/myrdap/domain/many.com":     {429, "", ""},
		"registry.example.com/myrdap/domain/down.com":     {503, "", ""},
		"registry.example.com/myrdap/domain/gone.com":     {404, `{"errorCode":404}`, ""},
		"registry.example.com/myrdap/domain/html.com":     {200, "<html>", ""},
		"registry.example.com/myrdap/domain/entity.com":   {200, `{"objectClassName":"entity"}`, ""},
		"registry.example.com/myrdap/domain/secret.com":   {200, `{"objectClassName":"domain","events":[{"eventAction":"expiration","eventDate":"2030-01-01T00:00:00Z"}]}`, ""},
		"registry.example.com/myrdap/domain/baddate.com":  {200, `{"objectClassName":"domain","events":[{"eventAction":"registration","eventDate":"yesterday"}]}`, ""},
		"registry.example.com/myrdap/domain/huge.com":     {200, `{"x":"` + strings.Repeat("x", maxAnswer) + `"}`, ""},
		"registry.example.com/myrdap/domain/plainly.com":  {301, "", "http://registry.example.com/"},
		"registry.example.com/myrdap/domain/circular.com": {301, "", "https://registry.example.com/myrdap/domain/circular.com"},
		"example.net/rdap/xn--zckzah/domain/xn--zckzah":   {200, domainAnswer, ""},
	})
	r, err := c.DomainAge(context.Background(), domain(t, "mail.example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Domain.ASCII != "example.org" || r.Server != "registrar.example" || !r.Registered.Equal(time.Date(1990, 12, 31, 23, 59, 59, 0, time.UTC)) || !r.ServerTime.Equal(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", r)
	}
	for name, want := range map[string]error{
		"many.com": ErrTooMany, "gone.com": ErrNotFound, "html.com": ErrSyntax, "entity.com": ErrSyntax, "secret.com": ErrNoDate, "baddate.com": ErrSyntax, "huge.com": ErrSyntax,
		"x.plain": ErrNoServer, "x.example": ErrNoServer, "b.a": ErrNoServer,
	} {
		if _, err := c.DomainAge(context.Background(), domain(t, name)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	for name, want := range map[string]string{"down.com": "HTTP status 503", "plainly.com": "is not followed", "circular.com": "is not followed"} {
		if _, err := c.DomainAge(context.Background(), domain(t, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	// A top-level domain itself, in Unicode.
	if r, err := c.DomainAge(context.Background(), domain(t, "テスト")); err != nil || r.Domain.ASCII != "xn--zckzah" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestBadList(t *testing.T) {
	for _, body := range []string{"", "[]", `{"version":"2.0"}`, `{"version":"1.0","services":[["a"]]}`, strings.Repeat("[", 100000)} {
		c := serve(t, map[string]answer{"example.com/dns.json": {200, body, ""}})
		if _, err := c.DomainAge(context.Background(), domain(t, "example.org")); !errors.Is(err, ErrSyntax) {
			t.Errorf("%.50q: got %v", body, err)
		}
	}
}

// TestNoList: that the list is not there says nothing about the domain.
func TestNoList(t *testing.T) {
	c := serve(t, map[string]answer{"example.com/dns.json": {404, "", ""}})
	if _, err := c.DomainAge(context.Background(), domain(t, "example.org")); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestFind: RFC 9224 4: the longest match of whole labels.
func TestFind(t *testing.T) {
	b, err := parseBootstrap([]byte(`{"version":"1.0","services":[[["uk"],["https://a.example"]],[["co.uk","K"],["https://b.example/"]],[[""],["https://root.example/"]]]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"x.uk": "https://a.example/", "x.co.uk": "https://b.example/", "xco.uk": "https://a.example/", "x.k": "https://b.example/", "x.org": "", "co.uk": "https://b.example/"} {
		if got := b.find(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestTimeout(t *testing.T) {
	block := make(chan struct{})
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	defer srv.Close()
	defer close(block)
	c := Client{Transport: srv.Client().Transport, Bootstrap: srv.URL, Timeout: 50 * time.Millisecond}
	if _, err := c.DomainAge(context.Background(), domain(t, "example.org")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(domainAnswer))
	f.Add([]byte(list))
	f.Fuzz(func(t *testing.T, data []byte) {
		if at, err := parseRegistration(data); err == nil && at.Year() > 9999 {
			t.Errorf("year %d", at.Year())
		}
		b, err := parseBootstrap(data)
		if err != nil {
			return
		}
		if u := b.find("example.com"); u != "" && (!strings.HasPrefix(u, "https:") && !strings.HasPrefix(strings.ToLower(u), "https:") || !strings.HasSuffix(u, "/")) {
			t.Errorf("URL %q", u)
		}
		if _, err := json.Marshal(b); err != nil {
			t.Error(err)
		}
	})
}
