package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mox/config"
)

// child returns the process that a process started.
func child(t *testing.T, pid int) int {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && len(b) > 0 {
			n, err := strconv.Atoi(strings.Fields(string(b))[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}

// processStatus returns the lines of /proc/PID/status of all threads of a process.
func processStatus(t *testing.T, pid int) []map[string]string {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	var all []map[string]string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		m := map[string]string{}
		for line := range strings.Lines(string(b)) {
			k, v, _ := strings.Cut(line, ":")
			m[k] = strings.Join(strings.Fields(v), " ")
		}
		all = append(all, m)
	}
	return all
}

// TestRoot starts as root: the parent binds the ports and opens the key; the worker has
// no rights.
func TestRoot(t *testing.T) {
	needRoot(t)
	in := install(t, "127.0.77.1", nil)
	for _, name := range []string{"key.pem", "cert.pem"} {
		if err := os.Chmod(in.config(name), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(in.config("domains.conf"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := in.serving()

	uid := strconv.Itoa(testUID)
	threads := processStatus(t, child(t, r.cmd.Process.Pid))
	if len(threads) < 2 {
		t.Errorf("worker has %d threads", len(threads))
	}
	for _, st := range threads {
		for key, want := range map[string]string{
			"Uid": strings.Join([]string{uid, uid, uid, uid}, " "), "Gid": strings.Join([]string{uid, uid, uid, uid}, " "), "Groups": "",
			"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapInh": "0000000000000000",
			"CapAmb": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2",
		} {
			if st[key] != want {
				t.Errorf("thread of the worker has %s %q, want %q", key, st[key], want)
			}
		}
	}
	for service, useTLS := range map[string]bool{"smtp": false, "submission": false, "submissions": true, "imap": false, "imaps": true} {
		if line := in.greeting(service, useTLS); !strings.HasPrefix(line, "220 ") && !strings.HasPrefix(line, "* OK ") {
			t.Errorf("greeting of %s: %q", service, line)
		}
	}
	in.wantFile("config/domains.conf", 0o640, testUID)
	in.wantFile("config/mox.conf", 0o640, 0)
	in.wantFile("config", os.ModeDir|os.ModeSetgid|os.ModeSticky|0o770, 0)
	in.wantFile("data", os.ModeDir|os.ModeSetgid|0o750, testUID)
	in.wantFile("config/key.pem", 0o400, 0)
	r.waitLog("fixing mode")
	// An account made now needs a rename across directories, which the confinement allows.
	if _, err := r.control("accountadd", "late", "late@mox.example"); err != nil {
		t.Error(err)
	}
	if _, err := r.control("accountrm", "late"); err != nil {
		t.Error(err)
	}
	if _, err := r.control("stop"); err != nil {
		t.Error(err)
	}
	r.wantExit(0, "mox has stopped")

	// Nothing to repair a second time.
	r = in.serving()
	if strings.Contains(r.log.String(), "fixing") {
		t.Errorf("permissions are repaired again:\n%s", r.log.String())
	}
	r.wantStatus("") // also of one that is confined
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
}

func (in *installation) wantFile(name string, mode os.FileMode, uid uint32) {
	in.t.Helper()
	info, err := os.Stat(filepath.Join(in.dir, name))
	if err != nil {
		in.t.Error(err)
		return
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; info.Mode() != mode || got != uid {
		in.t.Errorf("%s has mode %v and owner %d, want %v and %d", name, info.Mode(), got, mode, uid)
	}
}

// TestRootNoFixPermissions leaves a file that others may read.
func TestRootNoFixPermissions(t *testing.T) {
	needRoot(t)
	in := install(t, "127.0.77.1", func(s *config.Static, _ *config.Dynamic) { s.NoFixPermissions = true })
	if err := os.Mkdir(in.data(""), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(in.data(""), testUID, testUID); err != nil {
		t.Fatal(err)
	}
	r := in.serving()
	in.wantFile("config/domains.conf", 0o644, 0)
	if strings.Contains(r.log.String(), "fixing") {
		t.Error("permissions were repaired")
	}
	r.signal(syscall.SIGINT)
	r.wantExit(2, "mox has stopped")
}

// TestRootWorkerKilled ends the parent with the worker, and the worker with the parent.
func TestRootWorkerKilled(t *testing.T) {
	needRoot(t)
	in := install(t, "127.0.77.1", nil)
	r := in.serving()
	if err := syscall.Kill(child(t, r.cmd.Process.Pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.wantExit(1, "worker was killed: killed")

	r = in.serving()
	worker := child(t, r.cmd.Process.Pid)
	r.signal(syscall.SIGKILL)
	<-r.exited
	r.waitGone(worker)
	in.serving() // the ports are free
}

func (r *run) waitGone(pid int) {
	r.t.Helper()
	for range 6000 {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Errorf("process %d is still there", pid)
}

// TestRootRefused has clear errors before anything is served.
func TestRootRefused(t *testing.T) {
	needRoot(t)
	for _, tc := range []struct {
		user, want string
	}{
		{"no-such-user", `unknown user no-such-user`},
		{"0", "must not be root"},
		{"root", "must not be root"},
	} {
		in := install(t, "127.0.77.1", func(s *config.Static, _ *config.Dynamic) { s.User = tc.user })
		in.start(nil).wantExit(1, tc.want)
	}
}
