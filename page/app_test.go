package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// TestApp: what is served, how it is kept, and compressed where that makes it smaller.
func TestApp(t *testing.T) {
	script := strings.Repeat("console.log('hello')\n", 1000)
	a, err := NewApp(fstest.MapFS{"index.html": {Data: []byte("<p>hello")}, "assets/a-1.js": {Data: []byte(script)}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "api "+r.URL.Path) }))
	if err != nil {
		t.Fatal(err)
	}
	get := func(method, path string, header ...string) *http.Response {
		r := httptest.NewRequest(method, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Result()
	}
	body := func(r *http.Response) string {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, tc := range []struct {
		method, path string
		status       int
		typ, caching string
		body         string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "no-cache", "<p>hello"},
		{"HEAD", "/", 200, "text/html; charset=utf-8", "no-cache", ""},
		{"POST", "/", 405, "text/plain; charset=utf-8", "", "405 - only GET and HEAD\n"},
		{"GET", "/index.html", 404, "text/plain; charset=utf-8", "", "404 - nothing is here\n"},
		{"GET", "/assets/", 404, "text/plain; charset=utf-8", "", "404 - nothing is here\n"},
		{"GET", "/assets/a-1.js", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", script},
		{"GET", "/api/x", 200, "text/plain; charset=utf-8", "", "api /x"},
	} {
		r := get(tc.method, tc.path)
		if b := body(r); r.StatusCode != tc.status || r.Header.Get("Cache-Control") != tc.caching || r.Header.Get("Content-Type") != tc.typ || b != tc.body {
			t.Errorf("%s %s: %d %v %.100s", tc.method, tc.path, r.StatusCode, r.Header, b)
		}
	}
	r := get("GET", "/assets/a-1.js", "Accept-Encoding", "br, gzip")
	b := body(r)
	z, err := gzip.NewReader(bytes.NewReader([]byte(b)))
	if err != nil || r.Header.Get("Content-Encoding") != "gzip" || len(b) > 1000 {
		t.Fatalf("%v: %v", err, r.Header)
	}
	if text, err := io.ReadAll(z); err != nil || string(text) != script {
		t.Errorf("%v: %.100s", err, text)
	}
	if again := get("GET", "/assets/a-1.js", "Accept-Encoding", "gzip", "If-None-Match", r.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("%d", again.StatusCode)
	}
	// Smaller as it is.
	if r := get("GET", "/", "Accept-Encoding", "gzip"); r.Header.Get("Content-Encoding") != "" || body(r) != "<p>hello" {
		t.Errorf("%v", r.Header)
	}
	if _, err := NewApp(fstest.MapFS{"a.html": {}}, nil); err == nil {
		t.Error("an App without index.html")
	}
}
