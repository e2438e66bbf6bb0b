package websession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/mlog"
)

// kept is a Keep in memory, which counts how often it is written.
type kept struct {
	Memory
	saves  int
	failed error // of Save
}

func (k *kept) Save(ctx context.Context, account string, b []byte) error {
	if k.failed != nil {
		return k.failed
	}
	k.saves++
	return k.Memory.Save(ctx, account, b)
}

func newSessions(password *string) (*Sessions, *kept) {
	k := &kept{Memory: Memory{Password: func(context.Context) ([]byte, error) {
		if *password == "" {
			return nil, fmt.Errorf("%w: disabled", ErrRefused)
		}
		return []byte(*password), nil
	}}}
	return New(Config{Name: "webtest", Life: 24 * time.Hour, Max: 3, Keep: k, Log: mlog.Discard(), Now: time.Now}), k
}

// request is one for a function, with cookies.
func request(path string, cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("POST", path, nil)
	r.URL.Path = "/Function" // the rest is stripped
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// begin logs in and returns the session's cookie.
func begin(t *testing.T, s *Sessions, path string) (*http.Cookie, string) {
	t.Helper()
	w := httptest.NewRecorder()
	mark, err := s.Keep.Mark(t.Context(), "an account/ü", "me@mox.example")
	if err != nil {
		t.Fatal(err)
	}
	csrf, err := s.Begin(t.Context(), w, request(path), "an account/ü", "me@mox.example", mark)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range w.Result().Cookies() {
		if c.Name == "webtestsession" {
			return c, csrf
		}
	}
	t.Fatal("no cookie")
	return nil, ""
}

// TestLife: a session that is used goes on, and is written every five minutes at most.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		password := "one"
		s, k := newSessions(&password)
		cookie, csrf := begin(t, s, "/api/Function")
		find := func() error {
			r := request("/api/Function", cookie)
			r.Header.Set("x-csrf", csrf)
			_, err := s.Find(r, "x-csrf")
			return err
		}
		for range 100 {
			time.Sleep(time.Minute)
			if err := find(); err != nil {
				t.Fatal(err)
			}
		}
		if k.saves < 20 || k.saves > 21 {
			t.Errorf("written %d times", k.saves)
		}
		time.Sleep(24*time.Hour - time.Second)
		if err := find(); err != nil {
			t.Error(err)
		}
		// It cannot be noted that it is used, which keeps nobody out.
		k.failed = errors.New("disk full")
		time.Sleep(time.Hour)
		if err := find(); err != nil {
			t.Error(err)
		}
		time.Sleep(24 * time.Hour)
		if err := find(); err != ErrEnded {
			t.Error(err)
		}
	})
}

// TestEnds: by the password, by logins being disabled, for good; and what cannot be read.
func TestEnds(t *testing.T) {
	password := "one"
	s, k := newSessions(&password)
	a, _ := begin(t, s, "/api/Function")
	b, _ := begin(t, s, "/api/Function")
	find := func(c *http.Cookie) (Current, error) { return s.Find(request("/api/Function", c), "") }
	current, err := find(a)
	if err != nil || current.Account != "an account/ü" || current.Login != "me@mox.example" {
		t.Fatalf("%+v, %v", current, err)
	}
	mark, err := s.Keep.Mark(t.Context(), current.Account, current.Login)
	if err != nil {
		t.Fatal(err)
	}
	change := func() error { password = "two"; return nil }
	if err := s.ChangePassword(t.Context(), current, mark, change); err != nil {
		t.Fatal(err)
	}
	if l, err := s.List(t.Context(), current); err != nil || len(l) != 1 || !l[0].Current {
		t.Errorf("%v, %v", l, err)
	}
	// Whoever has shown the password of before is too late.
	password = "three"
	change = func() error { t.Error("changed over another password"); return nil }
	if err := s.ChangePassword(t.Context(), current, mark, change); err != ErrChanged {
		t.Error(err)
	}
	if _, err := s.Make(t.Context(), current.Account, current.Login, mark, "192.0.2.1", "agent"); err != ErrChanged {
		t.Error(err)
	}
	password = "two"
	if _, err := find(a); err != nil {
		t.Error(err)
	}
	if _, err := find(b); err != ErrEnded {
		t.Error(err)
	}
	password = ""
	if _, err := find(a); err != ErrEnded {
		t.Error(err)
	}
	password = "two"
	if _, err := find(a); err != ErrEnded {
		t.Error("a session of before logins were disabled:", err)
	}
	a, _ = begin(t, s, "/api/Function")
	if text, _ := k.Load(t.Context(), "an account/ü"); len(text) == 0 || strings.Contains(string(text), strings.Fields(a.Value)[0]) {
		t.Errorf("the token is kept: %s", text)
	}
	if err := k.Save(t.Context(), "an account/ü", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := find(a); err != ErrEnded {
		t.Error(err)
	}
	if err := s.End(t.Context(), "an account/ü", "x"); err != ErrNotFound {
		t.Error(err)
	}
	begin(t, s, "/api/Function") // works again
}

// TestPath: cookies are for the path of the pages.
func TestPath(t *testing.T) {
	password := "one"
	s, _ := newSessions(&password)
	for path, want := range map[string]string{
		"/api/Function": "/", "/admin/api/Function": "/admin/", "/a/b/api/Function?x=/api/": "/a/b/", "http://mox.example/admin/api/Function": "/admin/",
		"/a%3Bb/api/Function": "/a%3Bb/", "/else": "/", "/%E4%B8%80/api/Function": "/%E4%B8%80/", "/api/%46unction": "/",
	} {
		cookie, _ := begin(t, s, path)
		if cookie.Path != want {
			t.Errorf("%s: %q, want %q", path, cookie.Path, want)
		}
	}
}

// TestPrepared: tokens of another process, and made up ones.
func TestPrepared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		password := "one"
		s, _ := newSessions(&password)
		other, _ := newSessions(&password)
		check := func(s *Sessions, token string) error {
			return s.CheckPrepared(request("/api/Function", &http.Cookie{Name: "webtestlogin", Value: token}), token)
		}
		token := s.Prepare(httptest.NewRecorder(), request("/api/Function"))
		if err := check(s, token); err != nil {
			t.Error(err)
		}
		for _, bad := range []string{"", "x", ".", "a.b.c", token + "x", "x" + token, strings.ToUpper(token)} {
			if err := check(s, bad); err != ErrPrepared {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if err := check(other, token); err != ErrPrepared {
			t.Error(err)
		}
		time.Sleep(31 * time.Second)
		if err := check(s, token); err != ErrPrepared {
			t.Error(err)
		}
	})
}

// FuzzCookies: whatever a browser sends, it finds no session of somebody else, and prepares no login.
func FuzzCookies(f *testing.F) {
	password := "one"
	s, _ := newSessions(&password)
	mark, err := s.Keep.Mark(f.Context(), "a", "a@mox.example")
	if err != nil {
		f.Fatal(err)
	}
	token, err := s.Make(f.Context(), "a", "a@mox.example", mark, "192.0.2.1", "agent")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", "x", `"x a"`, `" a"`, `"x %zz"`, "1.2.3", "..", token} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := request("/api/Function")
		r.Header.Set("Cookie", "webtestsession="+text+"; webtestlogin="+text)
		if c, err := s.Find(r, ""); err != ErrNone && err != ErrEnded && (err != nil || !strings.Contains(text, token)) {
			t.Errorf("%+v, %v", c, err)
		}
		if err := s.CheckPrepared(r, text); err != ErrPrepared {
			t.Errorf("%q prepares a login: %v", text, err)
		}
	})
}
