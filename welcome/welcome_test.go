package welcome

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mox/auth"
	"mox/clientconf"
	"mox/dns"
	"mox/invite"
	"mox/ratelimit"
)

// rig is a server with one invitation, "good".
type rig struct {
	*Server
	used     bool
	password string
	err      error // of Accept
}

func newRig() *rig {
	r := &rig{}
	inv := invite.Invite{ID: 1, Account: "jo", Address: `jo"<b>@example.org`, Expires: time.Now().Add(time.Hour)}
	look := func(token string) (invite.Invite, error) {
		if token != "good" || r.used {
			return invite.Invite{}, invite.ErrInvalid
		}
		return inv, nil
	}
	host, _ := dns.ParseDomain("mail.example.org")
	r.Server = New(Config{
		Look: look,
		Accept: func(_ context.Context, token, password string) (invite.Invite, error) {
			i, err := look(token)
			if err == nil {
				err = r.err
			}
			if err == nil {
				r.used, r.password = true, password
			}
			return i, err
		},
		Settings: func(string) (*clientconf.Settings, error) {
			return &clientconf.Settings{Username: "jo@example.org", Entries: []clientconf.Entry{
				{Protocol: clientconf.IMAP, Host: host, Port: 993, TLS: clientconf.ImplicitTLS, Public: true},
				{Protocol: clientconf.Submission, Host: host, Port: 465, TLS: clientconf.ImplicitTLS, Public: true},
			}}, nil
		},
		QR:  func(string) ([]byte, error) { return []byte("png"), nil },
		Bad: ratelimit.NewLimiter(0, ratelimit.Window{Span: time.Minute, Limits: [3]int64{3, 9, 27}}), Now: time.Now,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	return r
}

func (r *rig) do(method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "https://mail.example.org/", strings.NewReader(form.Encode()))
	req.URL.Path = path
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func pair(a, b string) url.Values { return url.Values{"password": {a}, "again": {b}} }

// TestInvitation: the way of a person, with mistakes on it.
func TestInvitation(t *testing.T) {
	r := newRig()
	const good = "correct horse"
	steps := []struct {
		name   string
		method string
		form   url.Values
		err    error
		status int
		text   string
	}{
		{"look", "GET", nil, nil, 200, "Choose a password"},
		{"looking changes nothing", "GET", nil, nil, 200, "At least 8 characters"},
		{"head", "HEAD", nil, nil, 200, ""},
		{"other method", "PUT", nil, nil, 405, "only GET"},
		{"nothing", "POST", url.Values{}, nil, 422, "at least 8 characters"},
		{"short", "POST", pair("1234567", "1234567"), nil, 422, "at least 8 characters"},
		{"different", "POST", pair(good, good+"x"), nil, 422, "two passwords differ"},
		{"large", "POST", pair(strings.Repeat("x", 20000), good), nil, 400, "could not be read"},
		{"characters", "POST", pair(good+"\x00", good+"\x00"), auth.ErrBadPassword, 422, "cannot be used"},
		{"our fault", "POST", pair(good, good), errors.New("disk"), 500, "Try again"},
		{"good", "POST", pair(good, good), nil, 200, "Your account is ready"},
		{"again", "POST", pair(good, good), nil, 404, "not valid"},
		{"looked at again", "GET", nil, nil, 404, "not valid"},
	}
	for _, s := range steps {
		r.err = s.err
		w := r.do(s.method, "/good", s.form)
		body := w.Body.String()
		if w.Code != s.status || !strings.Contains(body, s.text) {
			t.Errorf("%s: status %d, want %d with %q:\n%s", s.name, w.Code, s.status, s.text, body)
		}
		if strings.Contains(body, "<b>") || strings.Contains(body, "disk") || strings.Contains(body, good) {
			t.Errorf("%s: page has what it must not have:\n%s", s.name, body)
		}
		h := w.Header()
		if s.status != 405 && (!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'")) ||
			h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: header %v", s.name, h)
		}
		if s.name == "good" {
			for _, want := range []string{"mail.example.org", "993", "465", "SSL/TLS", "/profile.mobileconfig?addresses=jo%40example.org", "data:image/png;base64,cG5n"} {
				if !strings.Contains(body, want) {
					t.Errorf("settings lack %q:\n%s", want, body)
				}
			}
		}
	}
	if r.password != good {
		t.Errorf("password is %q", r.password)
	}
}

// TestCrossSite: forms of other sites are refused.
func TestCrossSite(t *testing.T) {
	for _, h := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		r := newRig()
		if w := r.do("POST", "/good", pair("correct horse", "correct horse"), h[0], h[1]); w.Code != http.StatusForbidden || r.used {
			t.Errorf("%v: status %d", h, w.Code)
		}
	}
}

// TestGuessing: all bad tokens have one answer, and networks that bring many are refused, the right one too.
func TestGuessing(t *testing.T) {
	r := newRig()
	var first string
	for i, path := range []string{"/", "/goo", "/good/x", ""} {
		w := r.do("GET", path, nil)
		body := w.Body.String()
		body = body[strings.Index(body, "<body>"):]
		if i == 0 {
			first = body
		}
		if i < 3 && (w.Code != 404 || body != first) {
			t.Errorf("%q: status %d, %s", path, w.Code, body)
		}
		if i == 3 && w.Code != http.StatusTooManyRequests {
			t.Errorf("not limited: %d", w.Code)
		}
	}
	if w := r.do("GET", "/good", nil); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("not limited: %d", w.Code)
	}
}
