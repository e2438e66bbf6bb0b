package autotls

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRunCommands: a program for DNS records gets what to do as arguments; what it says when it
// fails is the error.
func TestRunCommands(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("no shell")
	}
	out := filepath.Join(t.TempDir(), "out")
	argv := []string{"/bin/sh", "-c", `echo "$@" >>` + out + `; [ "$2" != _acme-challenge.bad.example ] || { echo no such zone >&2; exit 3; }`, "sh"}
	in, requests := io.Pipe()
	answers, to := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := RunCommands(context.Background(), argv, in, to)
		to.Close()
		done <- err
	}()
	c := &Commands{in: requests, out: bufio.NewReader(answers)}
	ctx := context.Background()
	if err := c.Set(ctx, "_acme-challenge.d.example", "a b"); err != nil {
		t.Error(err)
	}
	if err := c.Set(ctx, "_acme-challenge.bad.example", "x"); err == nil || !strings.HasSuffix(err.Error(), "exit status 3: no such zone") {
		t.Error(err)
	}
	if err := c.Unset(ctx, "_acme-challenge.d.example", "a b"); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(out)
	if err != nil || string(data) != "set _acme-challenge.d.example a b\nset _acme-challenge.bad.example x\nunset _acme-challenge.d.example a b\n" {
		t.Errorf("%q, %v", data, err)
	}
	requests.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := c.Set(ctx, "x", "y"); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	c.err = nil
	if err := c.Set(canceled, "x", "y"); err != context.Canceled {
		t.Error(err)
	}
}

func FuzzRunCommands(f *testing.F) {
	f.Add([]byte(`{"Args":["set","x","y"]}` + "\n"))
	f.Add([]byte("{}\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		// Whatever comes: lines of JSON, or an end.
		_ = RunCommands(context.Background(), []string{"/does/not/exist"}, bytes.NewReader(data), &out)
		for line := range bytes.Lines(out.Bytes()) {
			var r commandResult
			if err := json.Unmarshal(line, &r); err != nil || r.Error == "" {
				t.Errorf("%q", line)
			}
		}
	})
}
