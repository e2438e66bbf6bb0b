package webserver

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"mox/ratelimit"
)

func TestPort(t *testing.T) {
	show := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s %s %s", name, r.URL.Path, r.URL.Scheme, r.RemoteAddr)
		})
	}
	var seen Observation
	p := Router{
		Services: []Service{
			{Name: "account", Path: "/", Handler: show("account"), Host: func(h string) bool { return h == "mx.example" || h == "::1" }},
			{Name: "webapi", Path: "/webapi/", Handler: show("webapi"), Host: func(h string) bool { return h != "other.example" }},
		},
		Observe: func(o Observation) { seen = o },
	}
	plain := NewRouter(p)
	p.Forwarded, p.Fallback = true, show("fallback")
	proxied := NewRouter(p)
	for _, tc := range []struct {
		h            http.Handler
		method, host string
		path, want   string
		code         int
		handler      string
	}{
		{plain, "GET", "mx.example", "/webapi/v0/Send", "webapi /v0/Send http 192.0.2.1:1234", 200, "webapi"},
		{plain, "GET", "MX.example.:443", "/webapi/", "webapi / http 192.0.2.1:1234", 200, "webapi"},
		{plain, "GET", "mx.example", "/webapi?x=y", "", 303, "webapi"},
		{plain, "GET", "mx.example", "/x", "account /x http 192.0.2.1:1234", 200, "account"},
		{plain, "GET", "[::1]:80", "/x", "account /x http 192.0.2.1:1234", 200, "account"},
		{plain, "BREW", "other.example", "/webapi/", "", 404, "(nohandler)"},
		{plain, "GET", "other.example", "/webapix", "", 404, "(nohandler)"},
		{proxied, "GET", "mx.example", "/webapi/", "webapi / https 198.51.100.7:0", 200, "webapi"},
		{proxied, "GET", "other.example", "/y", "fallback /y https 198.51.100.7:0", 200, "(default)"},
	} {
		r := httptest.NewRequest(tc.method, "http://"+tc.host+tc.path, nil)
		r.Host = tc.host
		r.Header.Set("X-Forwarded-For", "198.51.100.7, 10.0.0.1")
		r.Header.Set("X-Forwarded-Proto", "https")
		w := httptest.NewRecorder()
		tc.h.ServeHTTP(w, r)
		if w.Code != tc.code || tc.want != "" && w.Body.String() != tc.want || seen.Handler != tc.handler || seen.Code != tc.code {
			t.Errorf("%s %s: %d %q, %+v; want %d %q %s", tc.host, tc.path, w.Code, w.Body, seen, tc.code, tc.want, tc.handler)
		}
		if tc.code == 303 && w.Header().Get("Location") != "/webapi/?x=y" {
			t.Errorf("redirect to %q", w.Header().Get("Location"))
		}
		if tc.method == "BREW" && seen.Method != "(unknown)" {
			t.Errorf("method %q", seen.Method)
		}
	}
	limited := NewRouter(Router{Fallback: show("x"), Limiter: ratelimit.NewLimiter(0, ratelimit.Window{Span: time.Minute, Limits: [3]int64{2, 6, 18}}), Now: func() time.Time { return time.Unix(60, 0) }})
	for i := range 3 {
		w := httptest.NewRecorder()
		limited.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if want := map[bool]int{true: 200, false: 429}[i < 2]; w.Code != want {
			t.Errorf("request %d: %d, want %d", i, w.Code, want)
		}
	}
}
