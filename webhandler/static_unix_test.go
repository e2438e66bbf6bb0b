//go:build unix

package webhandler

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mox/config"
)

// TestPipe: what would block is not there.
func TestPipe(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o666); err != nil {
		t.Skip(err)
	}
	s := newSites(t, Config{}, staticHandler(root, func(h *config.WebHandler) { h.WebStatic.ListFiles = true }))
	if got := ask(s, "GET", "https://w.example/pipe"); got.code != 404 {
		t.Errorf("%d", got.code)
	}
	if got := ask(s, "GET", "https://w.example/"); got.code != 200 || strings.Contains(got.body, "pipe") {
		t.Errorf("%d %s", got.code, got.body)
	}
}
