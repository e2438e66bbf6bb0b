package setup

import (
	"context"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mox/dns"
	"mox/quickstart"
)

var testNow = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func testOptions(t *testing.T) quickstart.Options {
	return quickstart.Options{
		Dir: t.TempDir(), Now: func() time.Time { return testNow }, SkipDial: true,
		Resolver: dns.MockResolver{
			NS: map[string][]string{"com": {"ns.example"}}, A: map[string][]string{"mail.example.org": {"192.0.2.1"}, "mta-sts.example.org": {"192.0.2.1"}},
			MX: map[string][]dns.MX{"example.org": {{Preference: 10, Host: "mx.old.example"}}}, TXT: map[string][]string{"mail.example.org": {"v=spf1 a -all"}}, AllAuthentic: true,
		},
		Machine: quickstart.Machine{
			Hostname: func() (string, error) { return "mail.example.org", nil },
			Interfaces: func() ([]quickstart.Interface, error) {
				return []quickstart.Interface{{Name: "eth0", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}}, nil
			},
			Listening:    func() ([]quickstart.Socket, error) { return nil, nil },
			Dial:         func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF },
			Synchronised: func() (bool, bool) { return true, true },
			HasUser:      func(string) bool { return true }, OS: "linux",
		},
	}
}

// person is a browser.
type person struct {
	t      *testing.T
	base   string
	client *http.Client
	page   string
	status int
}

func newPerson(t *testing.T, base string) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t: t, base: base, client: &http.Client{Jar: jar}}
}

func (p *person) get(path string) {
	p.t.Helper()
	p.took(p.client.Get(p.base + path))
}

func (p *person) took(r *http.Response, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.page, p.status = html.UnescapeString(string(b)), r.StatusCode
}

var formToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

// press sends a form of the page that is shown.
func (p *person) press(path string, fields ...string) {
	p.t.Helper()
	v := url.Values{}
	if m := formToken.FindStringSubmatch(p.page); m != nil {
		v.Set("form", m[1])
	}
	for i := 0; i < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	p.took(p.client.PostForm(p.base+path, v))
}

func (p *person) wants(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.page, text) {
			p.t.Errorf("page lacks %q:\n%s", text, p.page[strings.Index(p.page, "<body"):])
		}
	}
}

// waits loads the page until it is no longer about the looking.
func (p *person) waits() {
	p.t.Helper()
	for range 3000 {
		if !strings.Contains(p.page, "Looking at this machine") {
			return
		}
		time.Sleep(20 * time.Millisecond)
		p.get("/")
	}
	p.t.Fatal("still looking")
}

func start(t *testing.T, o quickstart.Options) (*Server, *httptest.Server) {
	s := New(Config{Options: o, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return testNow }})
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.Close()
		s.Close()
	})
	return s, web
}

// TestWay goes from the link to the end, and finds the same files as "mox quickstart" makes.
func TestWay(t *testing.T) {
	o := testOptions(t)
	s, web := start(t, o)
	p := newPerson(t, web.URL)
	p.get(s.Path())
	p.wants("A mail server of your own")
	p.press("/look", "address", "you@localhost")
	p.wants("need a domain that can be registered")
	p.press("/look", "address", "you@example.org", "publicips", "here")
	p.wants(`"here" is not an IP address`)
	p.press("/look", "address", "you@example.org", "skipdial", "on", "hostname", "mail.local")
	p.waits()
	p.wants("mail.local is not a full name", "problems to remedy", "192.0.2.1", "Write it")
	p.press("/look", "address", "you@example.org", "skipdial", "on", "user", "mox")
	p.waits()
	p.wants("mail.example.org, the name that the system has", "has no name in reverse DNS")
	if l, _ := os.ReadDir(o.Dir); len(l) > 0 {
		t.Errorf("%v was written too early", l)
	}
	p.press("/write")
	p.wants("Your passwords", "For administration", "IMAP")
	log, err := os.ReadFile(filepath.Join(o.Dir, quickstart.LogFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"account", "admin"} {
		m := regexp.MustCompile(`id="` + id + `">([^ ]{12})</code>`).FindStringSubmatch(p.page)
		if m == nil || !strings.Contains(string(log), "    "+m[1]+"\n") {
			t.Errorf("password %s: %q is not in the log", id, m)
		}
	}
	p.get("/")
	p.wants("Your passwords")
	p.press("/kept")
	p.wants("DNS records", "example.org.", "10 mail.example.org.", "systemctl enable --now")
	p.press("/record", "index", "all")
	p.wants("✗ Something else is there:", "10 mx.old.example.", "✓ Is there", "✗ Not there yet", " are there.")
	p.press("/record", "index", "0")
	p.get("/write")
	if p.status != http.StatusMethodNotAllowed {
		t.Errorf("GET of an action: status %d", p.status)
	}
	p.get("/")
	p.press("/finish")
	p.wants("That is all")
	<-s.Done()

	// Again, by the command.
	other := testOptions(t)
	other.Address, other.User = "you@example.org", "mox"
	r, err := quickstart.Run(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteLog(nil); err != nil {
		t.Fatal(err)
	}
	if a, b := files(t, o.Dir), files(t, other.Dir); !slices.Equal(a, b) {
		t.Errorf("by pages:\n%s\nby the command:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// files lists names and modes, with the contents of configuration.
func files(t *testing.T, dir string) []string {
	var l []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, text := strings.TrimPrefix(path, dir), ""
		if strings.HasSuffix(name, ".conf") {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(b)
		}
		l = append(l, name+" "+info.Mode().String()+" "+text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestWho: who gets pages, and who does not.
func TestWho(t *testing.T) {
	s, web := start(t, testOptions(t))
	stranger := newPerson(t, web.URL)
	for _, path := range []string{"/", "/?token=", "/?token=guess", "/nothing"} {
		stranger.get(path)
		if stranger.status != http.StatusForbidden {
			t.Errorf("%s: status %d", path, stranger.status)
		}
	}
	stranger.press("/look", "address", "you@example.org")
	if stranger.status != http.StatusForbidden {
		t.Errorf("status %d", stranger.status)
	}
	p := newPerson(t, web.URL)
	p.get(s.Path())
	p.wants("A mail server of your own")
	p.get(s.Path()) // a second time by the same browser
	p.wants("A mail server of your own")
	stranger.get(s.Path())
	if stranger.status != http.StatusForbidden {
		t.Errorf("second browser: status %d", stranger.status)
	}

	// Without the token of the form, from another site, too large, not there.
	for _, tc := range []struct {
		name, origin, body string
		status             int
	}{
		{"no token", "", "address=you%40example.org", http.StatusForbidden},
		{"other site", "https://evil.example", "form=" + url.QueryEscape(s.form), http.StatusForbidden},
		{"too large", "", "form=" + url.QueryEscape(s.form) + "&x=" + strings.Repeat("x", maxForm), http.StatusForbidden},
	} {
		req, err := http.NewRequest("POST", web.URL+"/look", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if tc.origin != "" {
			req.Header.Set("Origin", tc.origin)
		}
		p.took(p.client.Do(req))
		if p.status != tc.status {
			t.Errorf("%s: status %d", tc.name, p.status)
		}
	}
	if s.phase != asking || len(s.found) > 0 {
		t.Error("something was done")
	}
}

// TestExpired: after half an hour there is nothing any more.
func TestExpired(t *testing.T) {
	var later atomic.Bool
	s := New(Config{Options: testOptions(t), Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
		if later.Load() {
			return testNow.Add(Lifetime)
		}
		return testNow
	}})
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	p := newPerson(t, web.URL)
	p.get(s.Path())
	later.Store(true)
	p.get("/")
	if p.status != http.StatusGone {
		t.Errorf("status %d", p.status)
	}
}

// TestNoDNS: a resolver that does not answer leads back to the form.
func TestNoDNS(t *testing.T) {
	o := testOptions(t)
	o.Resolver = dns.MockResolver{Fail: map[string]error{"ns com": nil}}
	s, web := start(t, o)
	p := newPerson(t, web.URL)
	p.get(s.Path())
	p.press("/look", "address", "you@example.org", "skipdial", "on")
	p.waits()
	p.wants("DNS does not work", "ask nobody")
	p.press("/look", "address", "you@example.org", "offline", "on", "existing", "on")
	p.waits()
	p.wants("Nothing was looked up")
	p.press("/write")
	p.press("/kept")
	p.wants("The other web server", "HAProxy", "send-proxy-v2")
}
