package auth

import (
	"crypto/rand"
	"strings"
	"testing"
)

// TestGeneratePassword: all characters occur, and first and last are letters or digits.
func TestGeneratePassword(t *testing.T) {
	if len(alphabet) != 79 {
		t.Errorf("%d characters", len(alphabet))
	}
	seen := map[byte]bool{}
	for range 500 {
		pw, err := GeneratePassword(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if len(pw) != 12 || !strings.Contains(letters, pw[:1]) || !strings.Contains(letters, pw[11:]) {
			t.Fatalf("password %q", pw)
		}
		for i := range pw {
			seen[pw[i]] = true
		}
	}
	if len(seen) != len(alphabet) {
		t.Errorf("%d of %d characters occur", len(seen), len(alphabet))
	}
	if _, err := GeneratePassword(strings.NewReader("short")); err == nil {
		t.Error("password without randomness")
	}
}
