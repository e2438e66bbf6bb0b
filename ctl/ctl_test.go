package ctl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/admin"
	"mox/mlog"
)

// startServer runs a server whose admin knows log levels only, which needs no state.
func startServer(t *testing.T) (path string, levels *mlog.Levels, stopped chan struct{}) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ctl")
	levels = mlog.NewLevels(mlog.LevelInfo, nil)
	stopped = make(chan struct{})
	s := &Server{Admin: &admin.Admin{Levels: levels, Log: mlog.Discard(), Stop: func() { close(stopped) }}, Log: mlog.Discard()}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s.Start(l)
	t.Cleanup(func() { s.Close() })
	return path, levels, stopped
}

func do(t *testing.T, c *Client, command string, params ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := c.Do(Request{Command: command, Params: params}, &out)
	return out.String(), err
}

func TestRequests(t *testing.T) {
	path, levels, stopped := startServer(t)
	c, err := Dial(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := do(t, c, "setloglevels", "debug", "imapserver"); err != nil {
		t.Fatal(err)
	}
	if out, err := do(t, c, "loglevels"); err != nil || out != "(default): info\nimapserver: debug\n" {
		t.Errorf("got %q, %v", out, err)
	}
	for _, tc := range []struct {
		command, want string
		params        []string
	}{
		{"xyzzy", "unknown control command", nil},
		{"setloglevels", "takes 1 to 2 parameters", nil},
		{"setloglevels", "loud", []string{"loud"}},
	} {
		if _, err := do(t, c, tc.command, tc.params...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want %q", tc.command, err, tc.want)
		}
	}
	// After errors the connection still works.
	if _, err := do(t, c, "setloglevels", "", "imapserver"); err != nil || len(levels.Packages()) != 0 {
		t.Errorf("clearing a level: %v, %v", err, levels.Packages())
	}
	if _, err := do(t, c, "stop"); err != nil {
		t.Fatal(err)
	}
	<-stopped
}

func TestNotRunning(t *testing.T) {
	dir := t.TempDir()
	if _, err := Dial(context.Background(), filepath.Join(dir, "ctl")); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	// A socket that a killed server left behind.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "stale"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := Dial(context.Background(), filepath.Join(dir, "stale")); !errors.Is(err, ErrNotRunning) {
		t.Errorf("stale socket: %v", err)
	}
	if l, err := Listen(filepath.Join(dir, "stale")); err != nil {
		t.Errorf("listening over a stale socket: %v", err)
	} else {
		if _, err := Listen(filepath.Join(dir, "stale")); err == nil {
			t.Error("two servers on one socket")
		}
		l.Close()
	}
}

// Hostile input ends its own connection only.
func TestHostile(t *testing.T) {
	path, _, _ := startServer(t)
	for _, input := range []string{
		"\n", "garbage\n", "{}\n", `{"command":"loglevels","extra":1}` + "\n", `{"command":"loglevels"}{}` + "\n",
		strings.Repeat("x", 200_000), "\x00\x00\n", `{"command":["a"]}` + "\n",
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		r := bufio.NewReader(conn)
		if line, err := r.ReadString('\n'); err != nil || line != greeting+"\n" {
			t.Fatalf("greeting: %q, %v", line, err)
		}
		conn.Write([]byte(input))
		if line, err := r.ReadString('\n'); err == nil && !strings.HasPrefix(line, "error ") {
			t.Errorf("%.30q is answered %q", input, line)
		}
		conn.Close()
	}
	c, err := Dial(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := do(t, c, "loglevels"); err != nil {
		t.Error(err)
	}
}

func TestChunks(t *testing.T) {
	for _, size := range []int{0, 1, maxChunk, maxChunk + 1, 3*maxChunk + 17} {
		want := bytes.Repeat([]byte("x"), size)
		var wire, got bytes.Buffer
		w := bufio.NewWriter(&wire)
		cw := chunkWriter{w}
		if n, err := cw.Write(want); n != size || err != nil {
			t.Fatal(n, err)
		}
		if err := cw.end(); err != nil {
			t.Fatal(err)
		}
		if err := readChunks(bufio.NewReaderSize(&wire, maxLine), &got); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d bytes: %d came back, %v", size, got.Len(), err)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"command":"loglevels"}`))
	f.Add([]byte(`{"command":"accountadd","params":["a","a@example.org"]}`))
	f.Add([]byte(`{"command":"","params":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRequest(b)
		if (err == nil) != (r.Command != "") {
			t.Errorf("%q: %v, %v", b, r, err)
		}
	})
}

func FuzzChunks(f *testing.F) {
	f.Add([]byte("3\nabc0\n"))
	f.Add([]byte("99999999999\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		readChunks(bufio.NewReaderSize(bytes.NewReader(b), maxLine), io.Discard)
	})
}
