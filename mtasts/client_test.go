package mtasts

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
)

func TestLookup(t *testing.T) {
	r := dns.MockResolver{TXT: map[string][]string{
		"_mta-sts.one.example":           {"v=STSv1; id=1;"},
		"_mta-sts.others.example":        {"v=spf1 -all", "v=STSv1; id=2;", "v=STSv2; id=3"},
		"_mta-sts.two.example":           {"v=STSv1; id=1;", "v=STSv1; id=1;"},
		"_mta-sts.broken.example":        {"v=STSv1; id=1;", "v=STSv1; id=;"},
		"_mta-sts.bad.example":           {"v=STSv1; id=;"},
		"_mta-sts.none.example":          {"v=spf1 -all"},
		"_mta-sts.xn--bcher-kva.example": {"v=STSv1; id=4"},
	}, CNAME: map[string]string{"_mta-sts.alias.example": "_mta-sts.one.example"}, Fail: map[string]error{"txt _mta-sts.fail.example": nil}}
	c := Client{Resolver: r}
	for _, tt := range []struct {
		domain, id string
		err        error
	}{
		{"one.example", "1", nil}, {"others.example", "2", nil}, {"alias.example", "1", nil}, {"bücher.example", "4", nil},
		{"two.example", "", ErrMultipleRecords}, {"broken.example", "", ErrMultipleRecords}, {"bad.example", "", ErrRecord},
		{"none.example", "", ErrNoRecord}, {"missing.example", "", ErrNoRecord},
	} {
		if rec, err := c.Lookup(t.Context(), domain(t, tt.domain)); rec.ID != tt.id || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v %v", tt.domain, rec, err)
		}
	}
	if _, err := c.Lookup(t.Context(), domain(t, "fail.example")); !dns.IsTemporary(err) || errors.Is(err, ErrNoRecord) || errors.Is(err, ErrRecord) {
		t.Error(err)
	}
}

// The policy comes over HTTPS from the right host with a valid certificate.
func TestFetch(t *testing.T) {
	const text = "version: STSv1\nmode: testing\nmx: mail.example.com\nmax_age: 86400\n"
	redirected := false
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/mta-sts.txt" || r.Method != "GET" {
			redirected = true
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		switch name, _, _ := strings.Cut(strings.TrimPrefix(r.Host, "mta-sts."), "."); name {
		case "redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		case "missing":
			http.NotFound(w, r)
		case "created":
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, text)
		case "long":
			io.WriteString(w, text+"x: "+strings.Repeat("y", 2*MaxPolicySize))
		case "empty":
		case "html":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>")
		case "type":
			w.Header().Set("Content-Type", "application/octet-stream")
			fmt.Fprint(w, text)
		case "short":
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, text)
		default:
			fmt.Fprint(w, text)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	r := dns.MockResolver{A: map[string][]string{"mta-sts.example.com": {"192.0.2.1", "192.0.2.2"}, "mta-sts.example.org": {"192.0.2.2"}, "mta-sts.xn--bcher-kva.example": {"192.0.2.2"}}}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "192.0.2.2:443" {
			return nil, errors.New("connection refused")
		}
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}
	// The certificate of httptest is for example.com itself: other names are made to go there.
	ours := NewTransport(r, roots, dial)
	ours.TLSClientConfig.ServerName = "example.com"
	for _, name := range []string{"ok", "type", "redirect", "missing", "created", "long", "empty", "html", "short"} {
		r.A["mta-sts."+name+".example"] = []string{"192.0.2.2"}
	}
	c := Client{Resolver: r, Transport: ours}
	for _, tt := range []struct {
		name   string
		reason Reason
		status int
	}{
		{"ok.example", "", 0}, {"type.example", "", 0}, {"example.com", "", 0}, {"bücher.example", "", 0},
		{"redirect.example", ReasonPolicyFetch, 301}, {"missing.example", ReasonPolicyFetch, 404}, {"created.example", ReasonPolicyFetch, 201},
		{"long.example", ReasonPolicyInvalid, 0}, {"empty.example", ReasonPolicyInvalid, 0}, {"html.example", ReasonPolicyInvalid, 0},
		{"short.example", ReasonPolicyFetch, 0}, {"gone.example", ReasonPolicyFetch, 0},
	} {
		f, err := c.Fetch(t.Context(), domain(t, tt.name))
		var e *Error
		if tt.reason == "" {
			if err != nil || f.Policy.Mode != ModeTesting || f.Text != text {
				t.Errorf("%s: %v %v", tt.name, f, err)
			}
		} else if !errors.As(err, &e) || e.Reason != tt.reason || e.Status != tt.status || f.Policy.Mode != "" {
			t.Errorf("%s: %v %v", tt.name, f, err)
		}
	}
	if redirected {
		t.Error("followed a redirect")
	}
	// A certificate for another name, and one of an unknown authority.
	for _, transport := range []*http.Transport{NewTransport(r, roots, dial), NewTransport(r, x509.NewCertPool(), dial)} {
		c := Client{Resolver: r, Transport: transport}
		var e *Error
		if _, err := c.Fetch(t.Context(), domain(t, "example.org")); !errors.As(err, &e) || e.Reason != ReasonWebPKI {
			t.Error(err)
		}
	}
}

// roundTrip is a transport of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFetchTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		start := time.Now()
		var e *Error
		_, err := c.Fetch(context.Background(), domain(t, "example.org"))
		if !errors.As(err, &e) || e.Reason != ReasonPolicyFetch || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Error(err, time.Since(start))
		}
	})
}

func TestGet(t *testing.T) {
	var results []string
	c := Client{
		Resolver: dns.MockResolver{TXT: map[string][]string{"_mta-sts.a.example": {"v=STSv1; id=1"}, "_mta-sts.b.example": {"v=STSv1; id=2"}, "_mta-sts.d.example": {"v=STSv1; id=;"}}},
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() != "https://mta-sts.a.example/.well-known/mta-sts.txt" {
				return nil, errors.New("no such host")
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(example))}, nil
		}),
		Observe: func(result string, d time.Duration) { results = append(results, result) },
	}
	if r, f, err := c.Get(t.Context(), domain(t, "a.example")); err != nil || r.ID != "1" || f.Policy.Mode != ModeEnforce {
		t.Error(r, f, err)
	}
	if r, f, err := c.Get(t.Context(), domain(t, "b.example")); !errors.As(err, new(*Error)) || r.ID != "2" {
		t.Error(r, f, err)
	}
	if r, f, err := c.Get(t.Context(), domain(t, "c.example")); !errors.Is(err, ErrNoRecord) {
		t.Error(r, f, err)
	}
	if r, f, err := c.Get(t.Context(), domain(t, "d.example")); !errors.Is(err, ErrRecord) {
		t.Error(r, f, err)
	}
	if fmt.Sprint(results) != "[ok fetcherror lookuperror]" {
		t.Error(results)
	}
}

// A host that is an address is not looked up.
func TestTransportAddress(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "yes") }))
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	client := http.Client{Transport: NewTransport(dns.MockResolver{}, roots, nil)}
	resp, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "yes" {
		t.Error(string(b), err)
	}
}
