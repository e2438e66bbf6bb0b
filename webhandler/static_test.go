package webhandler

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/config"
)

func staticHandler(root string, change func(h *config.WebHandler)) config.WebHandler {
	h := config.WebHandler{Domain: "w.example", PathRegexp: "^/", DontRedirectPlainHTTP: true, WebStatic: &config.WebStatic{Root: root}}
	if change != nil {
		change(&h)
	}
	return h
}

func TestStatic(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	write(t, root, map[string]string{
		"a.txt": "A", "sub/index.html": "<p>I", "sub/x y.css": "C", "list/b": "B", "sub/deep/index.html/x": "odd", "noext": "text", ".hidden": "H",
	})
	write(t, other, map[string]string{"secret": "S", "d/s": "S"})
	for from, to := range map[string]string{"out": filepath.Join(other, "secret"), "outdir": other, "up": "../" + filepath.Base(other) + "/secret", "in": "a.txt", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(root, from)); err != nil {
			t.Fatal(err)
		}
	}
	s := newSites(t, Config{},
		staticHandler(root, func(h *config.WebHandler) {
			h.PathRegexp = "^/files(/|$)"
			h.WebStatic.StripPrefix = "/files"
			h.WebStatic.ResponseHeaders = map[string]string{"X-Site": "yes", "Content-Security-Policy": "default-src 'self'"}
		}),
		staticHandler(root, func(h *config.WebHandler) {
			h.PathRegexp = "^/next/"
			h.WebStatic.StripPrefix, h.WebStatic.ContinueNotFound = "/next/", true
		}),
		staticHandler(other, func(h *config.WebHandler) { h.PathRegexp = "^/next/"; h.WebStatic.StripPrefix = "/next" }),
		staticHandler(root, func(h *config.WebHandler) { h.PathRegexp = "^/list"; h.WebStatic.ListFiles = true }),
		staticHandler(filepath.Join(root, "missing"), func(h *config.WebHandler) { h.PathRegexp = "^/missing" }),
	)
	for _, tc := range []struct {
		method, path string
		code         int
		body, where  string
	}{
		{"GET", "/files/a.txt", 200, "A", ""},
		{"HEAD", "/files/a.txt", 200, "", ""},
		{"POST", "/files/a.txt", 405, "405 - only GET and HEAD\n", ""},
		{"GET", "/files/a.txt/", 404, "", ""},
		{"GET", "/files/a.txt/b", 404, "", ""},
		{"GET", "/files//a.txt", 200, "A", ""},
		{"GET", "/files/none", 404, "404 - there is no such file\n", ""},
		{"GET", "/files/in", 200, "A", ""},
		{"GET", "/files/out", 404, "", ""},
		{"GET", "/files/outdir/secret", 404, "", ""},
		{"GET", "/files/up", 404, "", ""},
		{"GET", "/files/loop", 404, "", ""},
		{"GET", "/files/../../etc/passwd", 400, "", ""},
		{"GET", "/files/%2e%2e/%2e%2e/etc/passwd", 400, "", ""},
		{"GET", "/files/..%2f..%2fetc/passwd", 400, "", ""},
		{"GET", "/files/..%5c..%5cetc", 400, "", ""},
		{"GET", "/files/..;/x", 400, "", ""},
		{"GET", "/files/a.txt%00.html", 404, "", ""},
		{"GET", "/files/" + strings.Repeat("a", 300), 404, "", ""},
		{"GET", "/files/.hidden", 200, "H", ""},
		{"GET", "/files/sub", 307, "", "./sub/"},
		{"GET", "/files/sub?a=b", 307, "", "./sub/?a=b"},
		{"GET", "/files/sub/", 200, "<p>I", ""},
		{"GET", "/files/sub/x%20y.css", 200, "C", ""},
		{"GET", "/files/sub/deep/", 403, "", ""},
		{"GET", "/files", 307, "", "./files/"},
		{"GET", "/files/", 403, "403 - files of this directory are not listed\n", ""},
		{"GET", "/next/a.txt", 200, "A", ""},
		{"GET", "/next/secret", 200, "S", ""},
		{"GET", "/next/d", 307, "", "./d/"},
		{"POST", "/next/a.txt", 405, "", ""},
		{"GET", "/missing/a", 500, "", ""},
		{"GET", "/none", 404, "none\n", ""},
	} {
		got := ask(s, tc.method, "https://w.example"+tc.path)
		if got.code != tc.code || tc.body != "" && got.body != tc.body || got.header.Get("Location") != tc.where {
			t.Errorf("%s %s: %d %q to %q", tc.method, tc.path, got.code, got.body, got.header.Get("Location"))
		}
		if strings.HasPrefix(tc.path, "/files") && tc.code != 405 && tc.code != 400 && got.header.Get("X-Site") != "yes" {
			t.Errorf("%s: header %v", tc.path, got.header)
		}
	}
	for path, want := range map[string]string{"/files/a.txt": "text/plain; charset=utf-8", "/files/sub/": "text/html; charset=utf-8", "/files/noext": "text/plain; charset=utf-8", "/files/sub/x%20y.css": "text/css; charset=utf-8"} {
		if got := ask(s, "GET", "https://w.example"+path).header.Get("Content-Type"); got != want {
			t.Errorf("%s: type %q", path, got)
		}
	}
	if got := ask(s, "GET", "https://other.example/files/a.txt"); got.code != 404 {
		t.Errorf("other host: %d", got.code)
	}
}

// TestConditional: RFC 9110 13, 14.
func TestConditional(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"f.txt": "0123456789"})
	modified := time.Date(2026, 11, 22, 12, 0, 0, 5e8, time.UTC)
	if err := os.Chtimes(filepath.Join(root, "f.txt"), modified, modified); err != nil {
		t.Fatal(err)
	}
	s := newSites(t, Config{}, staticHandler(root, nil))
	first := ask(s, "GET", "https://w.example/f.txt")
	tag, date := first.header.Get("ETag"), first.header.Get("Last-Modified")
	if !strings.HasPrefix(tag, `"`) || date != "Sun, 22 Nov 2026 12:00:00 GMT" || first.header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("header %v", first.header)
	}
	const earlier = "Sun, 22 Nov 2026 11:59:59 GMT"
	for _, tc := range []struct {
		fields       string
		code         int
		body, range_ string
	}{
		{"If-None-Match: " + tag, 304, "", ""},
		{"If-None-Match: W/" + tag, 304, "", ""},
		{"If-None-Match: \"x\", " + tag, 304, "", ""},
		{"If-None-Match: *", 304, "", ""},
		{"If-None-Match: \"x\"", 200, "0123456789", ""},
		// RFC 9110 13.1.3: ignored with If-None-Match.
		{"If-None-Match: \"x\"|If-Modified-Since: " + date, 200, "0123456789", ""},
		{"If-Modified-Since: " + date, 304, "", ""},
		{"If-Modified-Since: " + earlier, 200, "0123456789", ""},
		{"If-Modified-Since: yesterday", 200, "0123456789", ""},
		{"If-Match: \"x\"", 412, "", ""},
		{"If-Match: " + tag, 200, "0123456789", ""},
		{"If-Match: W/" + tag, 412, "", ""}, // RFC 9110 13.1.1: strong comparison
		{"If-Unmodified-Since: " + earlier, 412, "", ""},
		{"Range: bytes=0-3", 206, "0123", "bytes 0-3/10"},
		{"Range: bytes=4-", 206, "456789", "bytes 4-9/10"},
		{"Range: bytes=-3", 206, "789", "bytes 7-9/10"},
		{"Range: bytes=8-100", 206, "89", "bytes 8-9/10"},
		{"Range: bytes=10-", 416, "", "bytes */10"},
		{"Range: bytes=5-2", 416, "", ""},
		{"Range: lines=1-2", 416, "", ""},
		{"Range: bytes=0-3|If-Range: " + tag, 206, "0123", "bytes 0-3/10"},
		{"Range: bytes=0-3|If-Range: \"x\"", 200, "0123456789", ""},
		{"Range: bytes=0-3|If-Range: W/" + tag, 200, "0123456789", ""},
		{"Range: bytes=0-3|If-Range: " + earlier, 200, "0123456789", ""},
		{"Range: bytes=0-3|If-None-Match: " + tag, 304, "", ""},
	} {
		got := ask(s, "GET", "https://w.example/f.txt", strings.Split(tc.fields, "|")...)
		if got.code != tc.code || tc.code < 300 && got.body != tc.body || tc.range_ != "" && got.header.Get("Content-Range") != tc.range_ {
			t.Errorf("%s: %d %q %v", tc.fields, got.code, got.body, got.header)
		}
		if tc.code == 304 && (got.header.Get("ETag") != tag || got.header.Get("Content-Length") != "" || got.body != "") {
			t.Errorf("%s: %q %v", tc.fields, got.body, got.header)
		}
	}
	several := ask(s, "GET", "https://w.example/f.txt", "Range: bytes=0-1,8-9")
	if several.code != 206 || !strings.HasPrefix(several.header.Get("Content-Type"), "multipart/byteranges; boundary=") || !strings.Contains(several.body, "bytes 8-9/10") {
		t.Errorf("%d %v %q", several.code, several.header, several.body)
	}
	// RFC 9110 14.2: many that overlap are refused by sending all.
	if got := ask(s, "GET", "https://w.example/f.txt", "Range: bytes="+strings.Repeat("0-,", 1000)+"0-"); got.code != 200 || got.body != "0123456789" {
		t.Errorf("%d %d octets", got.code, len(got.body))
	}
	// Another content, another validator, also within the same second.
	write(t, root, map[string]string{"f.txt": "abcdefghij"})
	if err := os.Chtimes(filepath.Join(root, "f.txt"), modified, modified.Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if got := ask(s, "GET", "https://w.example/f.txt", "If-None-Match: "+tag); got.code != 200 {
		t.Errorf("changed file: %d", got.code)
	}
}

// TestPrecompressed: files beside a file, each with its own validator.
func TestPrecompressed(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"a.js": "identity", "a.js.br": "brotli", "a.js.gz": "gzipped", "a.js.zst": "zstd", "b.js": "new", "b.js.gz": "old", "c.png": "P", "c.png.gz": "gz"})
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(root, "b.js.gz"), old, old); err != nil {
		t.Fatal(err)
	}
	s := newSites(t, Config{}, staticHandler(root, nil))
	tags := map[string]bool{}
	for _, tc := range []struct{ path, accept, body, coding, vary string }{
		{"a.js", "", "identity", "", "Accept-Encoding"},
		{"a.js", "gzip", "gzipped", "gzip", "Accept-Encoding"},
		{"a.js", "gzip, deflate, br, zstd", "brotli", "br", "Accept-Encoding"},
		{"a.js", "gzip, zstd", "zstd", "zstd", "Accept-Encoding"},
		{"a.js", "br;q=0.5, gzip", "gzipped", "gzip", "Accept-Encoding"},
		{"a.js", "br;q=0, *", "zstd", "zstd", "Accept-Encoding"},
		{"b.js", "gzip", "new", "", ""},
		{"c.png", "gzip", "P", "", ""},
		{"a.js.gz", "gzip", "gzipped", "", ""},
	} {
		got := ask(s, "GET", "https://w.example/"+tc.path, "Accept-Encoding: "+tc.accept)
		h := got.header
		if got.code != 200 || got.body != tc.body || h.Get("Content-Encoding") != tc.coding || h.Get("Vary") != tc.vary {
			t.Errorf("%s %q: %d %q %v", tc.path, tc.accept, got.code, got.body, h)
		}
		if tc.coding != "" && (h.Get("Content-Length") != fmt.Sprint(len(tc.body)) || h.Get("Content-Type") != "text/javascript; charset=utf-8") {
			t.Errorf("%s %q: %v", tc.path, tc.accept, h)
		}
		if tc.path == "a.js" {
			tags[h.Get("ETag")] = true
		}
	}
	if len(tags) != 4 {
		t.Errorf("validators %v", tags)
	}
	got := ask(s, "GET", "https://w.example/a.js", "Accept-Encoding: br", "Range: bytes=1-3")
	if got.code != 206 || got.body != "rot" || got.header.Get("Content-Encoding") != "br" || got.header.Get("Content-Range") != "bytes 1-3/6" {
		t.Errorf("range: %d %q %v", got.code, got.body, got.header)
	}
	for tag := range tags {
		got := ask(s, "GET", "https://w.example/a.js", "Accept-Encoding: br", "If-None-Match: "+tag)
		if brotli := strings.Contains(tag, "-br"); (got.code == 304) != brotli {
			t.Errorf("%s: %d", tag, got.code)
		}
	}
}

func gunzip(t *testing.T, s string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestCompressCache: files are compressed once, and the cache stays within its bound.
func TestCompressCache(t *testing.T) {
	root, dir := t.TempDir(), filepath.Join(t.TempDir(), "tmp", "cache")
	text := strings.Repeat("all the same, ", 1000)
	write(t, root, map[string]string{"a.txt": text, "small.txt": text[:1000], "b.txt": text + "b", "c.txt": text + "c", "p.png": text, strings.Repeat("n", 240) + ".txt": text})
	handler := staticHandler(root, func(h *config.WebHandler) { h.Compress = true })
	s := newSites(t, Config{CacheDir: dir, Limits: Limits{CacheBytes: 250}}, handler)
	names := func() []string {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, f := range files {
			all = append(all, f.Name())
		}
		return all
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			got := ask(s, "GET", "https://w.example/a.txt", "Accept-Encoding: gzip")
			if got.code != 200 || got.header.Get("Content-Encoding") != "gzip" || gunzip(t, got.body) != text || got.header.Get("Content-Length") != fmt.Sprint(len(got.body)) {
				t.Errorf("%d %v", got.code, got.header)
			}
		})
	}
	wg.Wait()
	if n := names(); len(n) != 1 || !strings.HasSuffix(n[0], ".gz") || !strings.Contains(n[0], "+") {
		t.Errorf("cache has %q", n)
	}
	for path, want := range map[string]string{"small.txt": "", "p.png": "", strings.Repeat("n", 240) + ".txt": "gzip"} {
		if got := ask(s, "GET", "https://w.example/"+path, "Accept-Encoding: gzip"); got.code != 200 || got.header.Get("Content-Encoding") != want {
			t.Errorf("%s: %d %v", path, got.code, got.header)
		}
	}
	if got := ask(s, "GET", "https://w.example/a.txt"); got.body != text || got.header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("not accepted: %v", got.header)
	}
	for _, name := range []string{"b.txt", "c.txt", "a.txt"} {
		ask(s, "GET", "https://w.example/"+name, "Accept-Encoding: gzip")
	}
	if n := names(); len(n) > 3 {
		t.Errorf("cache has %q", n)
	}
	if s.cache.bytes > 250 {
		t.Errorf("cache has %d octets", s.cache.bytes)
	}
	// A change is seen, a cache that someone has emptied is made again, as after a restart.
	write(t, root, map[string]string{"a.txt": "new" + text})
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(filepath.Join(root, "a.txt"), later, later); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if got := ask(s, "GET", "https://w.example/a.txt", "Accept-Encoding: gzip"); gunzip(t, got.body) != "new"+text {
			t.Errorf("%d: old content", i)
		}
		if i == 0 {
			for _, n := range names() {
				if err := os.Remove(filepath.Join(dir, n)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	write(t, dir, map[string]string{"making-1": "half"})
	again := newSites(t, Config{CacheDir: dir, Limits: Limits{CacheBytes: 250}}, handler)
	if n := names(); len(n) != 1 || again.cache.order.Len() != 1 || again.cache.bytes == 0 {
		t.Errorf("after a restart: %q, %d octets", n, again.cache.bytes)
	}
}

// TestListing: names are escaped, in text and in links.
func TestListing(t *testing.T) {
	root := t.TempDir()
	odd := []string{`<script>alert(1)</script>`, `a"b`, `javascript:alert(1)`, `q?x#y`, `100%`, `ümläut`, `a b`}
	files := map[string]string{"Z/x": "x", ".git/config": "x", "big": strings.Repeat("x", 123456)}
	for _, name := range odd[1:] {
		files[name] = name
	}
	write(t, root, files)
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "passwd")); err != nil {
		t.Fatal(err)
	}
	s := newSites(t, Config{Limits: Limits{ListEntries: 100}}, staticHandler(root, func(h *config.WebHandler) { h.WebStatic.ListFiles, h.Compress = true, true }))
	got := ask(s, "GET", "https://w.example/")
	if got.code != 200 || got.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d %v", got.code, got.header)
	}
	for _, bad := range []string{"<script", `href="javascript`, ".git", "passwd", "Parent"} {
		if strings.Contains(got.body, bad) {
			t.Errorf("page has %q:\n%s", bad, got.body)
		}
	}
	for _, want := range []string{`href="./javascript:alert%281%29"`, `href="./q%3Fx%23y"`, `href="./100%25"`, `href="./Z/"`, "a&#34;b", "123 kB", `href="./a%20b"`} {
		if !strings.Contains(got.body, want) && !strings.Contains(got.body, strings.NewReplacer("%28", "(", "%29", ")").Replace(want)) {
			t.Errorf("page has no %q:\n%s", want, got.body)
		}
	}
	if strings.Index(got.body, "Z/") > strings.Index(got.body, "big") {
		t.Error("directories are not first")
	}
	if got := ask(s, "GET", "https://w.example/Z/"); !strings.Contains(got.body, `href="../"`) {
		t.Errorf("no link to parent: %s", got.body)
	}
	if z := ask(s, "GET", "https://w.example/", "Accept-Encoding: gzip"); gunzip(t, z.body) != got.body {
		t.Error("compressed page differs")
	}
	if head := ask(s, "HEAD", "https://w.example/"); head.code != 200 {
		t.Errorf("HEAD: %d", head.code)
	}
	many := newSites(t, Config{Limits: Limits{ListEntries: 2}}, staticHandler(root, func(h *config.WebHandler) { h.WebStatic.ListFiles = true }))
	if got := ask(many, "GET", "https://w.example/"); !strings.Contains(got.body, "There are more files; the first 2") {
		t.Errorf("%s", got.body)
	}
}

// TestReplacedRoot: a site that is published by moving a directory is served from the new
// one at once.
func TestReplacedRoot(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"site/a": "old", "next/a": "new"})
	s := newSites(t, Config{}, staticHandler(filepath.Join(dir, "site"), nil))
	if got := ask(s, "GET", "https://w.example/a"); got.body != "old" {
		t.Errorf("%d %q", got.code, got.body)
	}
	if err := os.Rename(filepath.Join(dir, "site"), filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "site")); err != nil {
		t.Fatal(err)
	}
	if got := ask(s, "GET", "https://w.example/a"); got.body != "new" {
		t.Errorf("%d %q", got.code, got.body)
	}
}

// FuzzStatic: no path leads out of the root, nothing panics, and only answers that are
// meant come.
func FuzzStatic(f *testing.F) {
	root, other := f.TempDir(), f.TempDir()
	write(f, root, map[string]string{"a.txt": "inside", "d/index.html": "inside"})
	write(f, other, map[string]string{"secret": "OUTSIDE"})
	for name, to := range map[string]string{"l": other, "d/l": "../../" + filepath.Base(other)} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			f.Fatal(err)
		}
	}
	s := newSites(f, Config{}, staticHandler(root, func(h *config.WebHandler) {
		h.PathRegexp, h.WebStatic.StripPrefix, h.WebStatic.ListFiles = "^/s(/|$)", "/s", true
	}))
	for _, path := range []string{"/s/a.txt", "/s", "/s/d", "/s/l/secret", "/s/../../secret", "/s/d/..\\..\\x", "//s", "/s//" + other + "/secret", "/s/\x00", "/s/d/l/secret", "/s/%2e%2e/x", "/s/./a.txt"} {
		f.Add(path, "")
	}
	f.Add("/s/a.txt", "bytes=0-,1-1")
	f.Fuzz(func(t *testing.T, path, ranges string) {
		r, err := http.NewRequest("GET", "https://w.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path, r.RemoteAddr = path, "192.0.2.1:1"
		r.Header["Range"] = []string{ranges}
		w := &sink{header: http.Header{}}
		if s.Serve(w, r, "w.example", 0) == "" {
			return
		}
		switch w.code {
		case 200, 206, 307, 400, 403, 404, 416:
		default:
			t.Errorf("%q: %d", path, w.code)
		}
		if bytes.Contains(w.body.Bytes(), []byte("OUTSIDE")) {
			t.Errorf("%q leads out of the root", path)
		}
		if to := w.header.Get("Location"); to != "" && !strings.HasPrefix(to, "./") {
			t.Errorf("%q: sent to %q", path, to)
		}
	})
}

// sink keeps an answer.
type sink struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(code int) {
	if s.code == 0 {
		s.code = code
	}
}
func (s *sink) Write(b []byte) (int, error) {
	s.WriteHeader(200)
	return s.body.Write(b)
}
