package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// Mail programs pipe messages to /dev/stdin, and parts are read in any order.
func TestReportFromPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		io.WriteString(w, strings.Repeat("0123456789", 10_000))
		w.Close()
	}()
	s, err := seekable(r)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 3)
	if _, err := s.ReadAt(buf, 99_997); err != nil || string(buf) != "789" {
		t.Errorf("%q %v", buf, err)
	}
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(s); err != nil || len(b) != 100_000 {
		t.Error(len(b), err)
	}
}
