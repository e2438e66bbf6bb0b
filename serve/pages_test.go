package serve

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/accountapi"
	"mox/admin"
	"mox/adminapi"
	"mox/config"
	"mox/dns"
	"mox/jsoncall"
	"mox/metrics"
	"mox/mlog"
	"mox/webserver"
)

// pages is a server with the account and admin pages, of which only the ports of HTTP are there.
type pages struct {
	*Server
	t       *testing.T
	dir     string
	manager *config.Manager
	plain   *httptest.Server
	secure  *httptest.Server

	mu      sync.Mutex // guards elapsed
	elapsed time.Duration
}

const pagesConf = `DataDir: data
LogLevel: error
Hostname: mail.mox.example
AdminPasswordFile: adminpasswd
Listeners:
	test:
		IPs:
			- 127.0.0.1
		TLS:
			KeyCerts:
				-
					CertFile: cert.pem
					KeyFile: key.pem
		AccountHTTP:
			Enabled: true
		AccountHTTPS:
			Enabled: true
		AdminHTTP:
			Enabled: true
		AdminHTTPS:
			Enabled: true
		WebmailHTTP:
			Enabled: true
		JMAPHTTP:
			Enabled: true
		AutoconfigHTTPS:
			Enabled: true
		WebserverHTTP:
			Enabled: true
		IMAPS:
			Enabled: true
		Submissions:
			Enabled: true
Postmaster:
	Account: one
	Mailbox: Postmaster
`

const pagesDomains = `Domains:
	mox.example:
		ClientSettingsDomain: settings.mox.example
Accounts:
	one:
		Domain: mox.example
		FullName: One
		Destinations:
			one@mox.example: nil
			uno@mox.example: nil
	two:
		Domain: mox.example
		Destinations:
			two@mox.example: nil
`

const (
	pagesPassword      = "moxmoxmox"
	pagesAdminPassword = "admin password"
)

// newPages makes a server. change edits mox.conf.
func newPages(t *testing.T, change ...func(string) string) *pages {
	t.Helper()
	p := &pages{t: t, dir: t.TempDir()}
	conf := pagesConf
	for _, f := range change {
		conf = f(conf)
	}
	p.must(writeLocalCertificate(filepath.Join(p.dir, "cert.pem"), filepath.Join(p.dir, "key.pem"), ""))
	p.must(admin.SetAdminPassword(filepath.Join(p.dir, "adminpasswd"), pagesAdminPassword))
	p.must(os.WriteFile(filepath.Join(p.dir, "mox.conf"), []byte(conf), 0o600))
	p.must(os.WriteFile(filepath.Join(p.dir, "domains.conf"), []byte(pagesDomains), 0o600))
	p.start()
	for _, name := range []string{"one", "two"} {
		p.must(p.Auth.SetPassword(t.Context(), name, pagesPassword))
	}
	t.Cleanup(p.stop)
	return p
}

func (p *pages) must(err error) {
	if err != nil {
		p.t.Helper()
		p.t.Fatal(err)
	}
}

func (p *pages) start() {
	p.t.Helper()
	log := mlog.NewTest(p.t, mlog.LevelError)
	var err error
	p.manager, err = config.Open(filepath.Join(p.dir, "mox.conf"), log, config.Options{})
	p.must(err)
	p.Server, err = New(Options{Config: p.manager, Log: log, Levels: mlog.NewLevels(mlog.LevelError, nil), Registry: metrics.New(), Resolver: &dns.MockResolver{}, Version: "(test)", Listen: NoListen, Now: p.now})
	p.must(err)
	router := func(port string) http.Handler {
		return webserver.NewRouter(p.webRouter(openSocket{endpoint: endpoint{"test", serviceWeb, p.manager.Snapshot().Listeners["test"], "127.0.0.1:" + port}}))
	}
	p.plain, p.secure = httptest.NewServer(router("80")), httptest.NewTLSServer(router("443"))
}

func (p *pages) stop() {
	p.plain.Close()
	p.secure.Close()
	p.must(p.Server.Close())
	p.manager.Close()
}

// now is the time of the server.
func (p *pages) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.elapsed)
}

func (p *pages) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.elapsed += d
}

// browser is one, with its cookies.
type browser struct {
	p      *pages
	client *http.Client
	base   string // URL of the pages
	header http.Header
	csrf   string
}

func (p *pages) browser(base string) *browser {
	jar, err := cookiejar.New(nil)
	p.must(err)
	return &browser{p: p, base: base, header: http.Header{}, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			to := p.plain
			if strings.HasSuffix(addr, ":443") {
				to = p.secure
			}
			return new(net.Dialer).DialContext(ctx, "tcp", to.Listener.Addr().String())
		},
	}}}
}

// answer is one to a request.
type answer struct {
	status int
	header http.Header
	text   string
	fields map[string]any
	code   string
}

func (b *browser) do(method, path, body string) answer {
	b.p.t.Helper()
	req, err := http.NewRequest(method, b.base+path, strings.NewReader(body))
	b.p.must(err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if b.csrf != "" {
		req.Header.Set(jsoncall.HeaderCSRF, b.csrf)
	}
	for name, values := range b.header {
		req.Header[name] = values
	}
	resp, err := b.client.Do(req)
	b.p.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	b.p.must(err)
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if json.Unmarshal(text, &a.fields) == nil {
		a.code, _ = a.fields["Code"].(string)
	}
	return a
}

// call calls a function with a request, a value that is encoded.
func (b *browser) call(name string, request any) answer {
	b.p.t.Helper()
	var body bytes.Buffer
	b.p.must(json.NewEncoder(&body).Encode(request))
	return b.do("POST", "api/"+name, body.String())
}

// ok is a call that works.
func (b *browser) ok(name string, request any) map[string]any {
	b.p.t.Helper()
	a := b.call(name, request)
	if a.status != 200 {
		b.p.t.Fatalf("%s: %d %s", name, a.status, a.text)
	}
	return a.fields
}

// bad is a call that does not.
func (b *browser) bad(name string, request any, status int, code string) answer {
	b.p.t.Helper()
	a := b.call(name, request)
	if a.status != status || a.code != code {
		b.p.t.Errorf("%s: %d %s, want %d %s", name, a.status, a.text, status, code)
	}
	return a
}

type fields = map[string]any

// login logs in to the account pages; name "" to the admin pages.
func (b *browser) login(name, password string) answer {
	b.p.t.Helper()
	b.csrf = ""
	request := fields{"Token": b.ok("LoginPrep", fields{})["Token"], "Password": password}
	if name != "" {
		request["Username"] = name
	}
	a := b.call("Login", request)
	if a.status == 200 {
		b.csrf = a.fields["CSRFToken"].(string)
	}
	return a
}

// loggedIn is a browser with a session.
func (p *pages) loggedIn(base, name, password string) *browser {
	p.t.Helper()
	b := p.browser(base)
	if a := b.login(name, password); a.status != 200 {
		p.t.Fatalf("login of %q: %d %s", name, a.status, a.text)
	}
	return b
}

const (
	accountURL = "http://mail.mox.example/"
	adminURL   = "http://mail.mox.example/admin/"
)

func (p *pages) account(name string) *browser {
	p.t.Helper()
	return p.loggedIn(accountURL, name+"@mox.example", pagesPassword)
}

func (p *pages) admin() *browser {
	p.t.Helper()
	return p.loggedIn(adminURL, "", pagesAdminPassword)
}

// TestPagesLogin logs in as a browser does, and in ways that do not work.
func TestPagesLogin(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	b := p.browser(accountURL)
	a := b.login(" One+x@MOX.example ", pagesPassword) // no separator is configured
	if a.code != "user:loginFailed" {
		t.Errorf("%d %s", a.status, a.text)
	}
	a = b.login(" One@MOX.example ", pagesPassword)
	if a.status != 200 || a.fields["Account"] != "one" || a.fields["LoginAddress"] != "One@mox.example" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", a.status, a.text)
	}
	var session *http.Cookie
	for _, line := range a.header["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == "webaccountsession" {
			session = c
		}
	}
	if session == nil || !session.HttpOnly || session.SameSite != http.SameSiteStrictMode || session.Path != "/" || session.Secure || session.MaxAge != 0 {
		t.Errorf("cookie %+v", session)
	}
	if r := b.ok("Account", fields{}); r["CSRFToken"] != b.csrf || r["FullName"] != "One" || len(r["Addresses"].([]any)) != 2 || r["PasswordChanged"] == nil {
		t.Errorf("account: %v", r)
	}
	if r := b.ok("Version", fields{}); r["Version"] != "(test)" {
		t.Errorf("version: %v", r)
	}

	// A login that is not prepared, by another browser, or too long ago.
	other := p.browser(accountURL)
	token := other.ok("LoginPrep", fields{})["Token"]
	request := fields{"Token": token, "Username": "one@mox.example", "Password": pagesPassword}
	p.browser(accountURL).bad("Login", request, 400, "user:error")
	other.bad("Login", fields{"Token": "", "Username": "one@mox.example", "Password": pagesPassword}, 400, "user:error")
	p.pass(40 * time.Second)
	other.bad("Login", request, 400, "user:error")

	b.ok("Logout", fields{})
	b.bad("Version", fields{}, 401, "user:noAuth")
	if a := b.login("two@mox.example", "wrong password"); a.status != 400 || a.code != "user:loginFailed" || strings.Contains(a.text, "two@") {
		t.Errorf("wrong password: %d %s", a.status, a.text)
	}
}

// TestPagesThrottled: too many wrong passwords, in account and admin pages together.
func TestPagesThrottled(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	// Failures are counted by minutes of the clock: all of these are to be in one.
	p.pass(p.now().Truncate(time.Minute).Add(time.Minute + time.Second).Sub(p.now()))
	var wg sync.WaitGroup
	start := time.Now()
	for i := range 10 {
		wg.Go(func() {
			b, name := p.browser(accountURL), "one@mox.example"
			if i%2 == 0 {
				b, name = p.browser(adminURL), ""
			}
			if a := b.login(name, "wrong password "+string(rune('a'+i))); a.code != "user:loginFailed" {
				t.Errorf("%d %s", a.status, a.text)
			}
		})
	}
	wg.Wait()
	if time.Since(start) < time.Second {
		t.Error("wrong passwords were answered at once")
	}
	for url, name := range map[string]string{accountURL: "one@mox.example", adminURL: ""} {
		a := p.browser(url).login(name, pagesPassword)
		if a.status != 429 || a.code != "user:tooMany" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", url, a.status, a.text)
		}
	}
	p.pass(2 * time.Minute)
	p.account("one")
	p.admin()
}

// TestPagesWithout: every function that needs them refuses calls without session, without CSRF token, with another
// one, and of other sites.
func TestPagesWithout(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for _, api := range []struct {
		jsoncall.API
		url   string
		login func() *browser
	}{{accountapi.Describe(), accountURL, func() *browser { return p.account("one") }}, {adminapi.Describe(), adminURL, p.admin}} {
		anybody, somebody := p.browser(api.url), api.login()
		csrf := somebody.csrf
		ended := api.login()
		copied := *ended // the cookie stays, as if it was stolen
		copied.client = &http.Client{Transport: ended.client.Transport, Jar: frozen{ended.client.Jar}}
		ended.client.Jar = copied.client.Jar
		ended.ok("Logout", fields{})
		for _, f := range api.Functions {
			if f.Access != jsoncall.NeedsNothing {
				anybody.bad(f.Name, fields{}, 401, "user:noAuth")
				copied.bad(f.Name, fields{}, 401, "user:badAuth")
			}
			if f.Access == jsoncall.NeedsCSRF {
				for _, token := range []string{"", "wrong", csrf + "x", copied.csrf} {
					somebody.csrf = token
					somebody.bad(f.Name, fields{}, 403, "user:badCSRF")
				}
			}
			somebody.csrf = csrf
			for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}}} {
				somebody.header = header
				somebody.bad(f.Name, fields{}, 403, "user:badCSRF")
			}
			somebody.header = http.Header{}
			if a := somebody.do("GET", "api/"+f.Name, ""); a.status != 405 || a.header.Get("Allow") != "POST" {
				t.Errorf("GET %s: %d", f.Name, a.status)
			}
			somebody.bad(f.Name, fields{"Unknown": 1}, 400, "user:error")
		}
		somebody.bad("Nothing", fields{}, 404, "user:error")
		somebody.bad("LoginPrep", strings.Repeat("x", 1<<20), 413, "user:error") // with quotes that is more, and has been sent when it is refused
		somebody.header.Set("Content-Type", "text/plain")
		somebody.bad("Version", fields{}, 415, "user:error")
		if a := anybody.do("GET", "api/openapi.json", ""); a.status != 200 || a.fields["openapi"] != "3.1.0" {
			t.Errorf("openapi.json: %d %.100s", a.status, a.text)
		}
	}
	// Sessions of users are of no use for administration.
	user, adm := p.account("one"), p.browser(adminURL)
	adm.client.Jar, adm.csrf = user.client.Jar, user.csrf
	adm.bad("Accounts", fields{}, 401, "user:noAuth")
	for _, value := range []string{"x", `"x y"`, `"../../x one"`, `"x ..%2F..%2Fone"`, `"` + strings.Repeat("x", 4000) + ` one"`, `"a (admin)"`} {
		for _, name := range []string{"webaccountsession", "webadminsession"} {
			b := p.browser(map[bool]string{true: accountURL, false: adminURL}[name == "webaccountsession"])
			b.header.Set("Cookie", name+"="+value)
			b.bad("Version", fields{}, 401, "user:badAuth")
		}
	}
}

// frozen is a cookie jar that nothing is put into.
type frozen struct{ http.CookieJar }

func (frozen) SetCookies(*url.URL, []*http.Cookie) {}

// TestPagesSessions: how long they last, over restarts too, and what ends them.
func TestPagesSessions(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	a, b := p.account("one"), p.loggedIn(accountURL, "uno@mox.example", pagesPassword)
	for range 3 {
		p.pass(20 * time.Hour)
		a.ok("Version", fields{}) // extends it
	}
	b.bad("Version", fields{}, 401, "user:badAuth")
	if l := a.ok("Sessions", fields{})["Sessions"].([]any); len(l) != 1 || l[0].(fields)["Current"] != true {
		t.Errorf("sessions %v", l)
	}
	p.stop()
	p.start()
	a.ok("Version", fields{})

	// Ends by pages.
	b, c := p.account("one"), p.account("one")
	var ids []string
	for _, s := range b.ok("Sessions", fields{})["Sessions"].([]any) {
		if s.(fields)["Current"] == false {
			ids = append(ids, s.(fields)["ID"].(string))
		}
	}
	if len(ids) != 2 {
		t.Fatalf("others: %v", ids)
	}
	two := p.account("two")
	two.bad("SessionEnd", fields{"ID": ids[0]}, 400, "user:error")
	a.ok("Version", fields{})
	c.ok("Version", fields{})
	b.ok("SessionEnd", fields{"ID": ids[0]})
	b.ok("SessionEnd", fields{"ID": ids[1]})
	a.bad("Version", fields{}, 401, "user:badAuth")
	c.bad("Version", fields{}, 401, "user:badAuth")
	a = p.account("one")
	if n := b.ok("SessionsEndOthers", fields{})["Ended"]; n != 1.0 {
		t.Errorf("%v ended", n)
	}
	a.bad("Version", fields{}, 401, "user:badAuth")

	// A new password, by the page and by a command.
	a = p.account("one")
	a.bad("SetPassword", fields{"CurrentPassword": "wrong", "Password": "another one"}, 400, "user:loginFailed")
	a.bad("SetPassword", fields{"CurrentPassword": pagesPassword, "Password": "short"}, 400, "user:error")
	b.ok("Version", fields{})
	a.ok("SetPassword", fields{"CurrentPassword": pagesPassword, "Password": "another one"})
	a.ok("Version", fields{})
	b.bad("Version", fields{}, 401, "user:badAuth")
	if r := p.browser(accountURL).login("one@mox.example", pagesPassword); r.code != "user:loginFailed" {
		t.Errorf("old password: %s", r.text)
	}
	p.must(p.Admin.SetAccountPassword(t.Context(), "test", "one", pagesPassword))
	a.bad("Version", fields{}, 401, "user:badAuth")
	two.ok("Version", fields{})

	// Logins are disabled, and allowed again.
	a = p.account("one")
	p.must(p.Admin.AccountDisable(t.Context(), "test", "one", "gone fishing"))
	p.must(p.Admin.AccountDisable(t.Context(), "test", "one", ""))
	a.bad("Version", fields{}, 401, "user:badAuth")
	p.must(p.Admin.AccountDisable(t.Context(), "test", "one", "gone fishing"))
	if r := p.browser(accountURL).login("one@mox.example", pagesPassword); r.code != "user:loginFailed" || !strings.Contains(r.text, "gone fishing") {
		t.Errorf("disabled: %s", r.text)
	}
}

// TestPagesMany: the oldest session goes.
func TestPagesMany(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	first := p.account("one")
	mark, err := p.AccountSessions.Keep.Mark(t.Context(), "one", "one@mox.example")
	p.must(err)
	for range accountapi.MaxSessions {
		p.pass(time.Millisecond)
		if _, err := p.AccountSessions.Make(t.Context(), "one", "one@mox.example", mark, "192.0.2.1", "test"); err != nil {
			t.Fatal(err)
		}
	}
	first.bad("Version", fields{}, 401, "user:badAuth")
	if l := p.account("one").ok("Sessions", fields{})["Sessions"].([]any); len(l) != accountapi.MaxSessions {
		t.Errorf("%d sessions", len(l))
	}
	a := p.admin()
	for range adminapi.MaxSessions {
		p.admin()
	}
	a.bad("Version", fields{}, 401, "user:badAuth")
}

// TestPagesSecure: cookies for https only, by TLS and by what a proxy says, and hosts.
func TestPagesSecure(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	isSecure := func(a answer) bool {
		t.Helper()
		all := a.header["Set-Cookie"]
		n := 0
		for _, c := range all {
			if strings.Contains(c, "; Secure") {
				n++
			}
		}
		if a.status != 200 || len(all) == 0 || n != 0 && n != len(all) {
			t.Errorf("%d %s: %q", a.status, a.text, all)
		}
		return n > 0
	}
	b := p.browser("https://mail.mox.example/admin/")
	if a := b.login("", pagesAdminPassword); !isSecure(a) || !strings.Contains(a.header.Get("Set-Cookie"), "Path=/admin/") {
		t.Errorf("cookies of https: %q", a.header["Set-Cookie"])
	}
	b.ok("Version", fields{})
	// Without Forwarded, nobody can say so.
	b = p.browser(accountURL)
	b.header.Set("X-Forwarded-Proto", "https")
	if isSecure(b.login("one@mox.example", pagesPassword)) {
		t.Error("X-Forwarded-Proto is believed")
	}
	for host, want := range map[string][2]int{"mail.mox.example": {200, 200}, "settings.mox.example": {200, 404}, "127.0.0.1": {200, 200}, "localhost": {200, 200}, "else.example": {404, 404}} {
		for i, path := range []string{"/", "/admin/"} {
			if a := p.browser("http://"+host+path).do("GET", "", ""); a.status != want[i] {
				t.Errorf("%s%s: %d, want %d", host, path, a.status, want[i])
			}
		}
	}
	if a := p.browser("http://mail.mox.example").do("GET", "/.well-known/change-password", ""); a.status != 303 || a.header.Get("Location") != "/#/password" {
		t.Errorf("change-password: %d %q", a.status, a.header.Get("Location"))
	}
	if a := p.browser("http://mail.mox.example").do("GET", "/admin", ""); a.status != 303 || a.header.Get("Location") != "/admin/" {
		t.Errorf("without slash: %d %q", a.status, a.header.Get("Location"))
	}

	p = newPages(t, func(conf string) string {
		return strings.Replace(conf, "AccountHTTP:\n\t\t\tEnabled: true\n", "AccountHTTP:\n\t\t\tEnabled: true\n\t\t\tForwarded: true\n\t\t\tPath: /mail/account/\n", 1)
	})
	b = p.browser("http://mail.mox.example/mail/account/")
	b.client.Jar = behindProxy{b.client.Jar} // which speaks https to the browser
	b.header = http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"198.51.100.9"}}
	a := b.login("one@mox.example", pagesPassword)
	if !isSecure(a) || !strings.Contains(a.header.Get("Set-Cookie"), "Path=/mail/account/") {
		t.Errorf("cookies behind proxy: %q", a.header["Set-Cookie"])
	}
	l, err := p.Logins.List(t.Context(), "one", 10)
	if err != nil || len(l) != 1 || l[0].RemoteIP != "198.51.100.9" || l[0].Protocol != "webaccount" || l[0].AuthMech != "weblogin" || l[0].Result != "ok" {
		t.Errorf("%v: %+v", err, l)
	}
}

// behindProxy is a cookie jar that sends cookies for https to a server that is asked without.
type behindProxy struct{ http.CookieJar }

func (j behindProxy) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		c.Secure = false
	}
	j.CookieJar.SetCookies(u, cookies)
}

// TestPagesFiles: the pages themselves, and their policy.
func TestPagesFiles(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for _, url := range []string{accountURL, adminURL} {
		b := p.browser(url)
		a := b.do("GET", "", "")
		csp := a.header.Get("Content-Security-Policy")
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(csp, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(csp, "unsafe") || a.header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %d %v", url, a.status, a.header)
		}
		b.header.Set("If-None-Match", a.header.Get("ETag"))
		if a := b.do("GET", "", ""); a.status != 304 {
			t.Errorf("%s again: %d", url, a.status)
		}
		b.header = http.Header{}
		for _, part := range strings.Split(a.text, `"`) {
			if !strings.HasPrefix(part, "./assets/") {
				continue
			}
			if f := b.do("GET", strings.TrimPrefix(part, "./"), ""); f.status != 200 || !strings.Contains(f.header.Get("Cache-Control"), "immutable") || f.header.Get("Content-Type") == "" {
				t.Errorf("%s%s: %d %v", url, part, f.status, f.header)
			}
		}
		if a := b.do("GET", "licenses.txt", ""); a.status != 200 || !strings.Contains(a.text, "modernc.org/sqlite") {
			t.Errorf("%slicenses.txt: %d", url, a.status)
		}
		if a := b.do("POST", "", "{}"); a.status != 405 {
			t.Errorf("POST %s: %d", url, a.status)
		}
		if a := b.do("GET", "../x/../assets/nothing", ""); a.status != 404 {
			t.Errorf("%d", a.status)
		}
	}
}

// TestAccountPages: what users do with their account, and cannot do with another's.
func TestAccountPages(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	one, two := p.account("one"), p.account("two")

	one.ok("AccountSaveFullName", fields{"FullName": "Ünö"})
	one.bad("AccountSaveFullName", fields{"FullName": "a\nb"}, 400, "user:error")
	if r := one.ok("Account", fields{}); r["FullName"] != "Ünö" || two.ok("Account", fields{})["FullName"] != "" {
		t.Errorf("full name: %v", r)
	}
	if pw := one.ok("GeneratePassword", fields{})["Password"].(string); len(pw) != 12 {
		t.Errorf("password %q", pw)
	}

	r := one.ok("ClientConfig", fields{})
	if r["Username"] != "one@mox.example" || r["IMAP"].([]any)[0].(fields)["Host"] != "mail.mox.example" || r["ProfileURL"] != "https://settings.mox.example/profile.mobileconfig?addresses=one%40mox.example&name=%C3%9Cn%C3%B6" || !strings.HasPrefix(r["ProfileQRCode"].(string), "data:image/png;base64,") {
		t.Errorf("settings: %v", r)
	}
	if r := one.ok("ClientConfig", fields{"Address": "uno@mox.example"}); r["Username"] != "uno@mox.example" {
		t.Errorf("settings of another address: %v", r)
	}
	one.bad("ClientConfig", fields{"Address": "two@mox.example"}, 400, "user:error")

	// Tokens.
	for _, request := range []fields{{"Name": "x"}, {"Name": "x", "Scopes": []string{"all"}}, {"Name": "x", "Scopes": []string{"fly"}}, {"Name": "x", "Scopes": []string{"send"}, "LoginAddress": "two@mox.example"},
		{"Name": strings.Repeat("x", 200), "Scopes": []string{"send"}}, {"Name": "x", "Scopes": []string{"send"}, "ExpireDays": -1}} {
		one.bad("TokenAdd", request, 400, "user:error")
	}
	added := one.ok("TokenAdd", fields{"Name": "phone", "Scopes": []string{"send", "read"}, "ExpireDays": 7})
	if token := added["Token"].(fields); !strings.HasPrefix(added["Secret"].(string), "mox_") || token["LoginAddress"] != "one@mox.example" || token["Expires"] == nil || token["LastUsed"] != nil {
		t.Errorf("token: %v", added)
	}
	if l := one.ok("Tokens", fields{})["Tokens"].([]any); len(l) != 1 || strings.Contains(toJSON(t, l), "mox_") {
		t.Errorf("tokens: %v", l)
	}
	two.bad("TokenRemove", fields{"ID": 1}, 400, "user:error")
	if l := two.ok("Tokens", fields{})["Tokens"].([]any); len(l) != 0 {
		t.Errorf("tokens of another: %v", l)
	}
	one.ok("TokenRemove", fields{"ID": 1})
	one.bad("TokenRemove", fields{"ID": 1}, 400, "user:error")

	// TLS public keys.
	cert, private := clientCertificate(t)
	for _, text := range []string{"", "x", private, cert + private, strings.Replace(cert, "M", "A", 3)} {
		one.bad("TLSPublicKeyAdd", fields{"PEM": text}, 400, "user:error")
	}
	one.bad("TLSPublicKeyAdd", fields{"PEM": cert, "LoginAddress": "two@mox.example"}, 400, "user:error")
	key := one.ok("TLSPublicKeyAdd", fields{"PEM": cert, "Name": "laptop"})["TLSPublicKey"].(fields)
	id := key["Fingerprint"]
	if a := two.bad("TLSPublicKeyAdd", fields{"PEM": cert}, 400, "user:error"); strings.Contains(a.text, "one") {
		t.Errorf("tells whose key it is: %s", a.text)
	}
	two.bad("TLSPublicKeyUpdate", fields{"Fingerprint": id, "Name": "mine"}, 400, "user:error")
	two.bad("TLSPublicKeyRemove", fields{"Fingerprint": id}, 400, "user:error")
	one.ok("TLSPublicKeyUpdate", fields{"Fingerprint": id, "Name": "notebook", "NoIMAPPreauth": true})
	if l := one.ok("TLSPublicKeys", fields{})["TLSPublicKeys"].([]any); len(l) != 1 || l[0].(fields)["Name"] != "notebook" || l[0].(fields)["NoIMAPPreauth"] != true {
		t.Errorf("keys: %v", l)
	}
	if l := two.ok("TLSPublicKeys", fields{})["TLSPublicKeys"].([]any); len(l) != 0 {
		t.Errorf("keys of another: %v", l)
	}
	one.ok("TLSPublicKeyRemove", fields{"Fingerprint": id})
	one.bad("TLSPublicKeyRemove", fields{"Fingerprint": id}, 400, "user:error")

	// Logins by all protocols, of this account.
	p.browser(accountURL).login("one@mox.example", "wrong password")
	p.browser(accountURL).login("two@mox.example", "wrong password")
	l := one.ok("LoginAttempts", fields{"Limit": 10})["LoginAttempts"].([]any)
	if len(l) != 2 || l[0].(fields)["Result"] != "badcreds" && l[1].(fields)["Result"] != "badcreds" || strings.Contains(toJSON(t, l), "two") {
		t.Errorf("attempts: %v", l)
	}
	one.bad("LoginAttempts", fields{"Limit": 501}, 400, "user:error")
}

func toJSON(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// clientCertificate makes one, with its key, in PEM.
func clientCertificate(t *testing.T) (cert, private string) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now()}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// TestAdminPages: what administrators do.
func TestAdminPages(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	b, other := p.admin(), p.admin()

	if r := b.ok("Admin", fields{}); r["CSRFToken"] != b.csrf || r["Hostname"] != "mail.mox.example" {
		t.Errorf("admin: %v", r)
	}
	if r := b.ok("Status", fields{}); r["Sentences"] == nil || len(r["Certificates"].([]any)) != 1 {
		t.Errorf("status: %v", r)
	}
	if l := b.ok("Domains", fields{})["Domains"].([]any); len(l) != 1 || l[0].(fields)["Name"] != "mox.example" {
		t.Errorf("domains: %v", l)
	}
	if r := b.ok("DomainRecords", fields{"Domain": "mox.example"}); len(r["Records"].([]any)) < 5 || !strings.Contains(r["Zone"].(string), "mox.example. IN MX") {
		t.Errorf("records: %v", r)
	}
	b.bad("DomainRecords", fields{"Domain": "else.example"}, 400, "user:error")
	b.bad("DomainRecords", fields{"Domain": "?"}, 400, "user:error")
	if r := b.ok("ClientConfigsDomain", fields{"Domain": "mox.example"}); r["Domain"] != "mox.example" || len(r["Submission"].([]any)) != 1 {
		t.Errorf("settings: %v", r)
	}
	b.bad("ClientConfigsDomain", fields{"Domain": "else.example"}, 400, "user:error")
	if l := b.ok("Accounts", fields{})["Accounts"].([]any); len(l) != 2 || l[0].(fields)["Name"] != "one" || l[0].(fields)["State"] != "active" || l[0].(fields)["DiskUsage"].(float64) < 1000 {
		t.Errorf("accounts: %v", l)
	}

	b.ok("LogLevelSet", fields{"Package": "imapserver", "Level": "debug"})
	b.bad("LogLevelSet", fields{"Package": "imapserver", "Level": "loud"}, 400, "user:error")
	b.bad("LogLevelSet", fields{"Package": "imapserver", "Level": ""}, 400, "user:error")
	b.bad("LogLevelSet", fields{"Package": "No Such", "Level": "debug"}, 400, "user:error")
	if s := toJSON(t, b.ok("LogLevels", fields{})); s != `{"LogLevels":[{"Level":"error","Package":""},{"Level":"debug","Package":"imapserver"}]}` {
		t.Errorf("levels: %s", s)
	}
	b.ok("LogLevelRemove", fields{"Package": "imapserver"})
	b.bad("LogLevelRemove", fields{"Package": ""}, 400, "user:error")

	p.browser(adminURL).login("", "wrong password")
	p.browser(accountURL).login("nobody@else.example", "wrong password")
	if s := toJSON(t, b.ok("LoginAttempts", fields{})); !strings.Contains(s, `"Account":"(admin)"`) || !strings.Contains(s, `"Account":"-"`) || !strings.Contains(s, "nobody@else.example") || !strings.Contains(s, "badcreds") {
		t.Errorf("attempts: %s", s)
	}

	// The password.
	b.bad("AdminSetPassword", fields{"CurrentPassword": "wrong", "Password": "another one"}, 400, "user:loginFailed")
	b.bad("AdminSetPassword", fields{"CurrentPassword": pagesAdminPassword, "Password": "short"}, 400, "user:error")
	b.ok("AdminSetPassword", fields{"CurrentPassword": pagesAdminPassword, "Password": "another one"})
	b.ok("Version", fields{})
	other.bad("Version", fields{}, 401, "user:badAuth")
	// By the command.
	p.must(admin.SetAdminPassword(filepath.Join(p.dir, "adminpasswd"), pagesAdminPassword))
	b.bad("Version", fields{}, 401, "user:badAuth")
	b = p.admin()
	other = p.admin()
	for _, s := range b.ok("Sessions", fields{})["Sessions"].([]any) {
		if s.(fields)["Current"] == false {
			b.ok("SessionEnd", fields{"ID": s.(fields)["ID"]})
		}
	}
	other.bad("Version", fields{}, 401, "user:badAuth")
	b.bad("SessionEnd", fields{"ID": "x"}, 400, "user:error")
	p.pass(13 * time.Hour)
	b.bad("Version", fields{}, 401, "user:badAuth")
	p.must(os.Remove(filepath.Join(p.dir, "adminpasswd")))
	if a := p.browser(adminURL).login("", pagesAdminPassword); a.code != "user:loginFailed" || !strings.Contains(a.text, "mox setadminpassword") {
		t.Errorf("without password: %d %s", a.status, a.text)
	}
}

// TestAdminWebserver edits web sites, which are served then.
func TestAdminWebserver(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	b := p.admin()
	root := t.TempDir()
	p.must(os.WriteFile(filepath.Join(root, "index.html"), []byte("a site"), 0o600))
	old := b.ok("WebserverConfig", fields{})
	if old["Enabled"] != true {
		t.Errorf("%v", old)
	}
	handlers := []any{
		fields{"Domain": "www.mox.example", "PathRegexp": "^/old/", "DontRedirectPlainHTTP": true, "WebRedirect": fields{"BaseURL": "https://else.example"}},
		fields{"Domain": "www.mox.example", "PathRegexp": "^/", "DontRedirectPlainHTTP": true, "WebStatic": fields{"Root": root, "ResponseHeaders": fields{"X-Site": "1"}}},
	}
	changed := fields{"WebDomainRedirects": []any{fields{"From": "a.example", "To": "www.mox.example"}}, "WebHandlers": handlers}
	saved := b.ok("WebserverConfigSave", fields{"Old": old["Config"], "New": changed})
	if s, now := toJSON(t, saved["Config"]), toJSON(t, b.ok("WebserverConfig", fields{})["Config"]); s != now || !strings.Contains(s, "a.example") {
		t.Errorf("saved %s\nnow %s", s, now)
	}
	if a := p.browser("http://www.mox.example/").do("GET", "", ""); a.status != 200 || a.text != "a site" || a.header.Get("X-Site") != "1" {
		t.Errorf("site: %d %s", a.status, a.text)
	}
	b.bad("WebserverConfigSave", fields{"Old": old["Config"], "New": changed}, 400, "user:changed")
	for _, bad := range []struct{ config, text string }{
		{`{"WebHandlers":[{"Domain":"a.example","PathRegexp":"^/"}]}`, "WebHandlers[0]: exactly one of"},
		{`{"WebHandlers":[{"Domain":"a.example","PathRegexp":"^/","WebStatic":{}}]}`, "WebHandlers[0].WebStatic.Root: is empty"},
		{`{"WebHandlers":[{"Domain":"a.example","PathRegexp":"(","WebForward":{"URL":"ftp://x"}}]}`, "WebHandlers[0].PathRegexp"},
		{`{"WebDomainRedirects":[{"From":"a.example","To":"a.example"}]}`, "WebDomainRedirects.a.example: redirects to itself"},
		{`{"WebDomainRedirects":[{"From":"a.example","To":"b.example"},{"From":"a.example","To":"c.example"}]}`, "is there twice"},
	} {
		if a := b.bad("WebserverConfigSave", fields{"Old": saved["Config"], "New": json.RawMessage(bad.config)}, 400, "user:error"); !strings.Contains(a.text, bad.text) {
			t.Errorf("%s: %s", bad.config, a.text)
		}
	}
	// The pages themselves below a path of a site.
	internal := fields{"WebHandlers": []any{fields{"Domain": "www.mox.example", "PathRegexp": "^/manage/", "DontRedirectPlainHTTP": true, "WebInternal": fields{"BasePath": "/manage/", "Service": "admin"}}}}
	saved = b.ok("WebserverConfigSave", fields{"Old": saved["Config"], "New": internal})
	m := p.browser("http://www.mox.example/manage/")
	if a := m.login("", pagesAdminPassword); a.status != 200 || !strings.Contains(a.header.Get("Set-Cookie"), "Path=/manage/") {
		t.Errorf("below a path: %d %s %v", a.status, a.text, a.header)
	}
	m.ok("Version", fields{})
	// Back to what was.
	b.ok("WebserverConfigSave", fields{"Old": saved["Config"], "New": old["Config"]})
	if b, err := os.ReadFile(filepath.Join(p.dir, "domains.conf")); err != nil || string(b) != pagesDomains {
		t.Errorf("%v, domains.conf:\n%s", err, b)
	}
	if a := p.browser("http://www.mox.example/").do("GET", "", ""); a.status != 404 {
		t.Errorf("site that was: %d %s", a.status, a.text)
	}
}
