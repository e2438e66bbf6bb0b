package webserver

import (
	"net/http/httptest"
	"strings"
	"testing"

	"mox/metrics"
)

func TestHealthPages(t *testing.T) {
	var problems []string
	h := Metrics(metrics.New(), func() []string { return problems })
	for _, tc := range []struct {
		method, path string
		problems     []string
		status       int
		body         string
	}{
		{"GET", "/health/live", nil, 200, "live\n"},
		{"GET", "/health/ready", nil, 200, "ready\n"},
		{"GET", "/health/live", []string{"queue: gone"}, 200, "live\n"},
		{"GET", "/health/ready", []string{"queue: gone", "imap at 127.0.0.1:143: refused"}, 503, "queue: gone\nimap at 127.0.0.1:143: refused\n"},
		{"GET", "/health/ready", []string{"greeting\r\nis\x1b[2J odd"}, 503, "greeting  is [2J odd\n"},
		{"GET", "/health/ready", []string{strings.Repeat("x", 199) + "é" + "y"}, 503, strings.Repeat("x", 199) + "...\n"},
		{"HEAD", "/health/ready", []string{"queue: gone"}, 503, ""},
		{"POST", "/health/ready", nil, 405, "405 - only GET and HEAD\n"},
		{"GET", "/health", nil, 404, "404 page not found\n"},
		{"GET", "/health/ready/", nil, 404, "404 page not found\n"},
	} {
		problems = tc.problems
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		body := w.Body.String()
		if tc.method == "HEAD" {
			body = "" // net/http drops it
		}
		if w.Code != tc.status || body != tc.body {
			t.Errorf("%s %s: %d %q, want %d %q", tc.method, tc.path, w.Code, body, tc.status, tc.body)
		}
		if w.Code/100 != 4 && (w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s %s: header %v", tc.method, tc.path, w.Header())
		}
	}
}
