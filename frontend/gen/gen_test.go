package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGenerated: the clients that are committed are what the Go types give.
func TestGenerated(t *testing.T) {
	for name, want := range files() {
		got, err := os.ReadFile(filepath.Join("../..", directory, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s/%s is not what the types of the API give (%v): run \"go run ./frontend/gen\", then \"make frontend\"", directory, name, err)
		}
	}
}
