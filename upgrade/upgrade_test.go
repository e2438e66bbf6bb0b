//go:build unix

package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"mox/admin"
	"mox/db"
)

// script writes a program that answers commands, as a shell script.
func script(t *testing.T, path, version string, commands string) {
	t.Helper()
	text := fmt.Sprintf("#!/bin/sh\ncase $1 in\nversion) echo '%s'; echo %s/%s;;\n%s*) ;;\nesac\n", version, runtime.GOOS, runtime.GOARCH, commands)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// installed is a directory with a program and data.
func installed(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	account := filepath.Join(data, "accounts", "a", "account.db")
	if err := os.MkdirAll(filepath.Dir(account), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{account, filepath.Join(data, "queue.db")} {
		d, err := db.Open(path, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(t.Context(), func(c *db.Conn) error { return c.Script("CREATE TABLE x (y INTEGER); PRAGMA user_version=3") }); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// The program in use copies files as they are: nobody uses them.
	script(t, filepath.Join(dir, "mox"), "v1", "copydata) mkdir -p \"$3\"; cp -r \"$2\"/accounts \"$2\"/queue.db \"$3\";;\n")
	return Options{Source: File(filepath.Join(dir, "next")), Program: filepath.Join(dir, "mox"), Config: filepath.Join(dir, "mox.conf"), Data: data, ID: "id"}
}

// fakeServer ends an upgrade in a state.
type fakeServer struct {
	state, reason string
	refused       error
	got           admin.UpgradeRequest
}

func (s *fakeServer) Upgrade(_ context.Context, r admin.UpgradeRequest) error {
	s.got = r
	return s.refused
}

func (s *fakeServer) Status(context.Context) (admin.UpgradeStatus, error) {
	return admin.UpgradeStatus{ID: s.got.ID, State: s.state, Reason: s.reason}, nil
}

// newSchema has the new program change the version of the account's database: the header's user
// version, at offset 60.
const newSchema = `verifydata) printf '\000\000\000\004' | dd of="$2"/accounts/a/account.db bs=1 seek=60 conv=notrunc 2>/dev/null;;
`

func TestRun(t *testing.T) {
	for name, tc := range map[string]struct {
		next      string // commands of the new program
		old       string // more of the one in use
		server    *fakeServer
		skip      bool
		free      uint64
		err       error
		text      string
		installed bool
		snapshot  string
		revers    bool
	}{
		"good, none runs":   {installed: true, revers: true},
		"good":              {server: &fakeServer{state: admin.UpgradeDone}, installed: true, revers: true},
		"refuses config":    {next: "-config) echo bad field; exit 1;;\n", err: ErrProgram, text: "bad field"},
		"fails on the copy": {next: "verifydata) echo missing message; exit 1;;\n", err: ErrProgram, text: "missing message"},
		"reversible":        {next: newSchema, server: &fakeServer{state: admin.UpgradeDone}, installed: true, revers: true},
		"not reversible":    {next: newSchema, old: "verifydata) exit 1;;\n", server: &fakeServer{state: admin.UpgradeDone}, installed: true, snapshot: "account.db"},
		"not rehearsed":     {next: newSchema, skip: true, server: &fakeServer{state: admin.UpgradeDone}, installed: true, snapshot: admin.AllDatabases},
		"no room":           {free: 1 << 20, text: "1 MB left: make room"},
		"rolled back":       {server: &fakeServer{state: admin.UpgradeRolledBack, reason: "crashed"}, err: ErrRolledBack, text: "crashed", revers: true},
		"forward":           {server: &fakeServer{state: admin.UpgradeForward, reason: "crashed"}, err: ErrForward, installed: true, revers: true},
		"server refuses":    {server: &fakeServer{refused: admin.ErrNoParent}, err: admin.ErrNoParent, revers: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := installed(t)
			script(t, string(o.Source.(File)), "v2", tc.next)
			if tc.old != "" {
				b, _ := os.ReadFile(o.Program)
				text := strings.Replace(string(b), "copydata)", tc.old+"copydata)", 1)
				if err := os.WriteFile(o.Program, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if tc.server != nil {
				o.Server = tc.server
			}
			if tc.free > 0 {
				o.Free = func(string) (uint64, error) { return tc.free, nil }
			}
			o.SkipRehearsal = tc.skip
			result, err := Run(t.Context(), o)
			if tc.err == nil && tc.text == "" && err != nil || tc.err != nil && !errors.Is(err, tc.err) || tc.text != "" && (err == nil || !strings.Contains(err.Error(), tc.text)) {
				t.Errorf("error %v, want %v with %q", err, tc.err, tc.text)
			}
			if result.Installed != tc.installed || result.Reversible != tc.revers {
				t.Errorf("%+v", result)
			}
			now, _ := os.ReadFile(o.Program)
			if strings.Contains(string(now), "echo 'v2'") != tc.installed {
				t.Errorf("program in place is\n%s", now)
			}
			if old, err := os.ReadFile(o.Program + ".old"); tc.installed && (err != nil || !strings.Contains(string(old), "echo 'v1'")) {
				t.Errorf("program from before: %v\n%s", err, old)
			}
			if tc.server != nil && strings.Join(tc.server.got.Snapshot, " ") != tc.snapshot {
				t.Errorf("asked the server for %+v", tc.server.got)
			}
			if left, _ := filepath.Glob(filepath.Join(o.Data, Dir, "*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if _, err := os.Stat(o.Program + ".new"); err == nil {
				t.Error("the staged program is still there")
			}
		})
	}
}

// TestCopyData copies databases while they are written.
func TestCopyData(t *testing.T) {
	o := installed(t)
	for name, size := range map[string]int{"receivedid.key": 24, "accounts/a/search.db": 10, "tmp/x": 1, "upgrade/rehearsal/y": 1, "lock": 1, "large": 2 << 20} {
		path := filepath.Join(o.Data, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, make([]byte, size), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := db.Open(filepath.Join(o.Data, "accounts/a/account.db"), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	done, begun := make(chan int), make(chan struct{})
	go func() {
		n := 0
		for ctx.Err() == nil {
			if d.Write(context.Background(), func(c *db.Conn) error { return c.Script("INSERT INTO x VALUES (1); INSERT INTO x VALUES (2)") }) == nil {
				if n++; n == 3 {
					close(begun)
				}
			}
		}
		done <- n
	}()
	select {
	case <-begun:
	case <-ctx.Done():
		t.Fatal("nothing is written")
	}
	dst := filepath.Join(t.TempDir(), "copy")
	if err := CopyData(ctx, o.Data, dst); err != nil {
		t.Fatal(err)
	}
	stop()
	if n := <-done; n == 0 {
		t.Error("nothing was written")
	}
	var names []string
	filepath.Walk(dst, func(path string, info os.FileInfo, err error) error {
		if rel, _ := filepath.Rel(dst, path); err == nil && !info.IsDir() {
			names = append(names, rel)
		}
		return err
	})
	if got := strings.Join(names, " "); got != "accounts/a/account.db queue.db receivedid.key" {
		t.Errorf("copied %s", got)
	}
	copied, err := db.Open(filepath.Join(dst, "accounts/a/account.db"), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if err := copied.Read(t.Context(), func(c *db.Conn) error {
		n, _, err := c.QueryInt64("SELECT count(*) FROM x")
		if n == 0 || n%2 != 0 {
			t.Errorf("%d rows: not one moment", n)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if lines, err := copied.IntegrityCheck(t.Context(), 10); err != nil || len(lines) > 0 {
		t.Errorf("%v %v", lines, err)
	}
}
