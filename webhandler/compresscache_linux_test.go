package webhandler

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/config"
)

// TestCompressCacheReplaced: a file in the place of another, with the same time and size (as copies
// that keep the time have), is not served from the cache as the other one.
func TestCompressCacheReplaced(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	s := newSites(t, Config{CacheDir: dir, Limits: Limits{CacheBytes: 1 << 20}}, staticHandler(root, func(h *config.WebHandler) { h.Compress = true }))
	at := time.Unix(1700000000, 0)
	path := filepath.Join(root, "a.txt")
	put := func(text string) {
		t.Helper()
		write(t, root, map[string]string{"new": text})
		for _, err := range []error{os.Chtimes(filepath.Join(root, "new"), at, at), os.Rename(filepath.Join(root, "new"), path)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(text string) {
		t.Helper()
		if got := ask(s, "GET", "https://w.example/a.txt", "Accept-Encoding: gzip"); got.header.Get("Content-Encoding") != "gzip" || gunzip(t, got.body) != text {
			t.Errorf("old content for %.10s", text)
		}
	}
	for _, text := range []string{strings.Repeat("one ", 1000), strings.Repeat("two ", 1000), strings.Repeat("three ", 1000)} {
		put(text)
		check(text)
	}
	// In place.
	text := strings.Repeat("four ", 1200)
	time.Sleep(20 * time.Millisecond) // the clock of the file system is not that fine
	write(t, root, map[string]string{"a.txt": text})
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
	check(text)
}
