package moxtest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"mox/moxtest"
)

// TestHealthPages asks a server for the health pages: while it is well, when its queue is gone,
// and when it has been asked to stop.
func TestHealthPages(t *testing.T) {
	s := moxtest.New(t)
	page := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + s.Addr("metrics") + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	want := func(path string, status int, prefix string) {
		t.Helper()
		if code, text := page(path); code != status || !strings.HasPrefix(text, prefix) {
			t.Errorf("%s: %d %q, want %d %q", path, code, text, status, prefix)
		}
	}
	want("/health/live", 200, "live\n")
	want("/health/ready", 200, "ready\n")
	s.Queue.Close()
	time.Sleep(1100 * time.Millisecond) // the last answer is kept for a second
	want("/health/ready", 503, "queue: ")
	want("/health/live", 200, "live\n")
	s.AskStop()
	want("/health/ready", 503, "the server is stopping\n")
}
