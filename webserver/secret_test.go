package webserver

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mox/mlog"
	"mox/ratelimit"
)

// TestSecret: what follows a path with secrets is not logged, whoever answers.
func TestSecret(t *testing.T) {
	got := ""
	invite := Service{Name: "invite", Path: "/invite/", Host: func(h string) bool { return h == "mx.example" }, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.Path })}
	services := []Service{invite}
	none := ratelimit.NewLimiter(0, ratelimit.Window{Span: time.Hour, Limits: [3]int64{1, 1, 1}})
	none.Add(netip.MustParseAddr("192.0.2.1"), time.Now(), 1)
	levels := mlog.NewLevels(slog.LevelDebug, nil)
	for _, tc := range []struct {
		name, url, handler string
		router             Router
	}{
		{"service", "http://mx.example/invite/token", "invite", Router{Systems: services}},
		{"other host", "http://other.example/invite/token", "(nohandler)", Router{Systems: services}},
		{"other port", "http://mx.example/invite/token", "(nohandler)", Router{}},
		{"fallback", "http://mx.example/invite/token", "(default)", Router{Fallback: http.NotFoundHandler()}},
		{"mistyped", "http://mx.example//Invite/token", "(nohandler)", Router{Systems: services}},
		{"escaped", "http://other.example/%69nvite/token", "(nohandler)", Router{Systems: services}},
		{"banned", "http://mx.example/invite/token", "(banned)", Router{Systems: services, Banned: func(netip.Addr) bool { return true }}},
		{"limited", "http://mx.example/invite/token", "(ratelimited)", Router{Systems: services, Limiter: none}},
	} {
		var lines bytes.Buffer
		tc.router.Secrets = []string{"/invite/"}
		tc.router.Log = slog.New(mlog.NewHandler(&lines, mlog.Options{Levels: levels}))
		got = ""
		NewRouter(tc.router).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", tc.url, nil))
		if s := lines.String(); strings.Contains(s, "token") || !strings.Contains(s, "path=/invite/...") || !strings.Contains(s, tc.handler) || (got == "/token") != (tc.handler == "invite") {
			t.Errorf("%s: path %q, log %s", tc.name, got, s)
		}
	}
	var lines bytes.Buffer
	NewRouter(Router{Secrets: []string{"/invite/"}, Log: slog.New(mlog.NewHandler(&lines, mlog.Options{}))}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/invites", nil))
	if !strings.Contains(lines.String(), "path=/invites") {
		t.Error(lines.String())
	}
}
