package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"mox/auth"
)

const (
	webmailURL  = "http://mail.mox.example/webmail/"
	programsURL = "http://mail.mox.example/jmap/"
)

// jmap makes one call of JMAP, below a path.
func (b *browser) jmap(path, method string, args fields) (string, fields) {
	b.p.t.Helper()
	body, err := json.Marshal(fields{"using": []string{"urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail", "urn:ietf:params:jmap:submission"}, "methodCalls": []any{[]any{method, args, "c"}}})
	b.p.must(err)
	a := b.do("POST", path+"api", string(body))
	if a.status != 200 {
		b.p.t.Fatalf("%s: %d %s", method, a.status, a.text)
	}
	first := a.fields["methodResponses"].([]any)[0].([]any)
	return first[0].(string), first[1].(fields)
}

// attack is a message that tries to get out of its frame, with a picture in it.
var attack = strings.ReplaceAll(`From: eve@elsewhere.example
To: one@mox.example
Subject: attack
Message-ID: <attack@elsewhere.example>
MIME-Version: 1.0
Content-Type: multipart/related; boundary=x

--x
Content-Type: text/html; charset=utf-8

<p onclick="x()">Grüße<script>x()</script><img src="cid:p@x"><img src="https://t.example/track.gif"></p>
--x
Content-Type: image/gif
Content-ID: <p@x>
Content-Transfer-Encoding: base64

R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7
--x--
`, "\n", "\r\n")

// TestWebmail: a session of the webmail has its own mail by JMAP, and in frames; nobody else has, and nothing without the CSRF token.
func TestWebmail(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	p.must(p.Admin.Deliver(t.Context(), "test", "one@mox.example", strings.NewReader(attack)))
	b := p.browser(webmailURL)
	if a := b.do("GET", "", ""); a.status != 200 || !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-src 'self'") {
		t.Errorf("page: %d %v", a.status, a.header)
	}
	if a := b.do("GET", "api/jmap/session", ""); a.status != 401 || a.code != "user:noAuth" {
		t.Errorf("without a session: %d %s", a.status, a.text)
	}
	a := b.login("one@mox.example", pagesPassword)
	if a.status != 200 || !strings.Contains(strings.Join(a.header["Set-Cookie"], " "), "webmailsession=") {
		t.Fatalf("login: %d %s %v", a.status, a.text, a.header["Set-Cookie"])
	}
	if s := b.ok("Session", fields{}); s["LoginAddress"] != "one@mox.example" || s["CSRFToken"] != b.csrf {
		t.Errorf("session %v", s)
	}
	session := b.do("GET", "api/jmap/session", "").fields
	account := session["primaryAccounts"].(fields)["urn:ietf:params:jmap:mail"].(string)
	if session["apiUrl"] != "/webmail/api/jmap/api" || session["username"] != "one@mox.example" {
		t.Errorf("session resource %v", session)
	}
	_, found := b.jmap("api/jmap/", "Email/query", fields{"accountId": account, "filter": fields{"subject": "attack"}})
	ids := found["ids"].([]any)
	if len(ids) != 1 {
		t.Fatalf("found %v", found)
	}
	frame := b.do("GET", fmt.Sprintf("api/html?email=%s&images=0", ids[0]), "")
	csp := frame.header.Get("Content-Security-Policy")
	if frame.status != 200 || !strings.Contains(frame.text, "Grüße") || !strings.Contains(frame.text, `src="data:image/gif;base64,R0lG`) || !strings.Contains(frame.text, `content="1"`) ||
		strings.Contains(frame.text, "x()") || strings.Contains(frame.text, "t.example") || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "http") || frame.header.Get("X-Frame-Options") != "SAMEORIGIN" {
		t.Errorf("frame: %d %v %s", frame.status, frame.header, frame.text)
	}
	if a := b.do("GET", fmt.Sprintf("api/html?email=%s&images=1", ids[0]), ""); !strings.Contains(a.text, "https://t.example/track.gif") || !strings.Contains(a.header.Get("Content-Security-Policy"), "https:") {
		t.Errorf("with images: %v %s", a.header, a.text)
	}
	for path, want := range map[string]int{"api/html?email=E999": 404, "api/html": 404, "api/html?email=x/../y": 404, "api/jmap/nothing": 404} {
		if a := b.do("GET", path, ""); a.status != want {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := b.do("POST", "api/html?email=E1", "{}"); a.status != 405 {
		t.Errorf("POST of a frame: %d", a.status)
	}

	// Another account sees nothing of it.
	other := p.browser(webmailURL)
	other.login("two@mox.example", pagesPassword)
	if a := other.do("GET", fmt.Sprintf("api/html?email=%s", ids[0]), ""); a.status != 404 {
		t.Errorf("frame of another account: %d", a.status)
	}
	if name, e := other.jmap("api/jmap/", "Email/get", fields{"accountId": account, "ids": ids}); name != "error" || e["type"] != "accountNotFound" {
		t.Errorf("account of another: %s %v", name, e)
	}

	// The cookie alone is not enough; with the session all ends.
	csrf := b.csrf
	b.csrf = ""
	if a := b.do("GET", "api/jmap/session", ""); a.status != 403 || a.code != "user:badCSRF" {
		t.Errorf("without token: %d %s", a.status, a.text)
	}
	b.csrf = csrf
	b.header.Set("Sec-Fetch-Site", "cross-site")
	if a := b.do("POST", "api/jmap/api", "{}"); a.status != 403 {
		t.Errorf("another site: %d %s", a.status, a.text)
	}
	b.header.Del("Sec-Fetch-Site")
	p.must(p.Admin.SetAccountPassword(t.Context(), "test", "one", "another password"))
	for _, path := range []string{"api/jmap/session", fmt.Sprintf("api/html?email=%s", ids[0])} {
		if a := b.do("GET", path, ""); a.status != 401 || a.code != "user:badAuth" {
			t.Errorf("%s after a change of the password: %d %s", path, a.status, a.text)
		}
	}
}

// TestJMAPLogin: programs log in by password or token, which must allow all.
func TestJMAPLogin(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	token := func(scopes ...auth.Scope) string {
		s, _, err := p.Auth.AddToken(t.Context(), auth.Token{Login: "one@mox.example", Name: "x", Scopes: scopes})
		p.must(err)
		return s
	}
	all := token(auth.ScopeRead, auth.ScopeWrite, auth.ScopeSend)
	request := func(set func(r *http.Request)) answer {
		b := p.browser(programsURL)
		r, err := http.NewRequest("GET", programsURL, nil)
		p.must(err)
		set(r)
		b.header = r.Header
		return b.do("GET", "session", "")
	}
	for name, tc := range map[string]struct {
		set    func(r *http.Request)
		status int
	}{
		"nothing":      {func(*http.Request) {}, 401},
		"password":     {func(r *http.Request) { r.SetBasicAuth("one@mox.example", pagesPassword) }, 200},
		"bad password": {func(r *http.Request) { r.SetBasicAuth("one@mox.example", "wrong") }, 401},
		"token":        {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+all) }, 200},
		"bad token":    {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x"+all) }, 401},
		"weak token":   {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token(auth.ScopeRead)) }, 403},
	} {
		a := request(tc.set)
		if a.status != tc.status {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
		if a.status == 200 && a.fields["apiUrl"] != programsURL+"api" {
			t.Errorf("%s: %v", name, a.fields)
		}
		if a.status == 401 && len(a.header["Www-Authenticate"]) != 2 {
			t.Errorf("%s: %v", name, a.header)
		}
	}
	b := p.browser("http://mail.mox.example/")
	if a := b.do("GET", ".well-known/jmap", ""); a.status != 303 || a.header.Get("Location") != "/jmap/session" {
		t.Errorf("well-known: %d %v", a.status, a.header)
	}
	p.must(p.Admin.AccountDisable(t.Context(), "test", "one", "gone fishing"))
	if a := request(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+all) }); a.status != 403 && a.status != 401 {
		t.Errorf("disabled: %d %s", a.status, a.text)
	}
}
