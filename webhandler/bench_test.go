package webhandler

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkStatic is one small file, without a network.
func BenchmarkStatic(b *testing.B) {
	root := b.TempDir()
	write(b, root, map[string]string{"sub/small.css": strings.Repeat("x", 1000)})
	s := newSites(b, Config{}, staticHandler(root, nil))
	h := handle(s)
	for b.Loop() {
		r := httptest.NewRequest("GET", "https://w.example/sub/small.css", nil)
		r.Header.Set("Accept-Encoding", "gzip, br")
		w := &sink{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.code != 200 {
			b.Fatal(w.code)
		}
	}
}
