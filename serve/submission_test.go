package serve

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSRSKey: the key stays what it was, or there is an error.
func TestSRSKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), srsKeyFile)
	first, err := loadSRSKey(path)
	if err != nil || len(first) != 32 || bytes.Equal(first, make([]byte, 32)) {
		t.Fatal(first, err)
	}
	if again, err := loadSRSKey(path); err != nil || !bytes.Equal(again, first) {
		t.Error(again, err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSRSKey(path); err == nil || !strings.Contains(err.Error(), "has 5 bytes instead of 32") {
		t.Error(err)
	}
}
