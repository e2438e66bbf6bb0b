package queue

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/db"
)

// A queue that cannot be read is not taken for an empty one, and it is said what to do.
func TestDamaged(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"other file": func([]byte) []byte { return []byte(strings.Repeat("no database ", 1000)) },
		"pages":      func(b []byte) []byte { return append(b[:4096], make([]byte, len(b)-4096)...) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "queue.db")
			q, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(b), 0600); err != nil {
				t.Fatal(err)
			}
			q, err = Open(path, Options{})
			if err == nil {
				q.Close()
			}
			if !errors.Is(err, db.ErrCorrupt) || !strings.Contains(err.Error(), path+" is damaged: restore it") {
				t.Error(err)
			}
		})
	}
}
