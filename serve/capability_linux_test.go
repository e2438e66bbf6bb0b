package serve

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mox/config"
)

// capableProgram is a copy of this program that may bind ports below 1024, as by
// "setcap cap_net_bind_service=+ep".
func (in *installation) capableProgram() string {
	in.t.Helper()
	path := filepath.Join(in.dir, "mox")
	src, err := os.Open(selfExe)
	if err != nil {
		in.t.Fatal(err)
	}
	defer src.Close()
	// A process forked meanwhile would hold it open for writing: it could not be executed.
	syscall.ForkLock.RLock()
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o755)
	if err == nil {
		_, err = io.Copy(dst, src)
		dst.Close()
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		in.t.Fatal(err)
	}
	data := make([]byte, 20)
	binary.LittleEndian.PutUint32(data, 0x02000001) // version 2, in effect
	binary.LittleEndian.PutUint32(data[4:], 1<<unix.CAP_NET_BIND_SERVICE)
	if err := unix.Setxattr(path, "security.capability", data, 0); err != nil {
		in.t.Skipf("capabilities of files cannot be set here: %v", err)
	}
	return path
}

// noCapabilities looks at all threads of a worker.
func noCapabilities(t *testing.T, pid int) {
	t.Helper()
	for _, st := range processStatus(t, pid) {
		for _, key := range []string{"CapEff", "CapPrm", "CapInh", "CapAmb"} {
			if st[key] != "0000000000000000" {
				t.Errorf("worker has %s %s", key, st[key])
			}
		}
		if st["NoNewPrivs"] != "1" {
			t.Error("worker may get new privileges")
		}
	}
}

// TestFileCapability starts a program that has CAP_NET_BIND_SERVICE by its file, without root and as root:
// the parent binds ports, again after a handover, the worker has no capability.
func TestFileCapability(t *testing.T) {
	needRoot(t)
	for name, credential := range map[string]*syscall.Credential{"unprivileged": {Uid: testUID, Gid: testUID}, "root": nil} {
		t.Run(name, func(t *testing.T) {
			usualPorts := func(s *config.Static, _ *config.Dynamic) {
				l := s.Listeners["local"]
				l.SMTP.Port, l.IMAP.Port = 25, 143
				s.Listeners["local"] = l
			}
			in := installUser(t, "127.0.77.46", usualPorts)
			in.port["smtp"], in.port["imap"] = 25, 143
			if credential == nil {
				in.rootsDir()
			}
			program := in.capableProgram()
			r := in.start(func(cmd *exec.Cmd) {
				cmd.Path, cmd.Dir = program, "/"
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
			})
			r.waitLog("mox is serving")
			first := r.worker()
			noCapabilities(t, first)
			if line := in.greeting("smtp", false); !strings.HasPrefix(line, "220 ") {
				t.Errorf("greeting %q", line)
			}
			// Another privileged port, which is bound by the parent at the handover.
			static, dynamic := in.conf()
			usualPorts(static, dynamic)
			l := static.Listeners["local"]
			l.Submission.Port = 587
			static.Listeners["local"] = l
			in.port["submission"] = 587
			in.write(static, dynamic)
			r.signal(syscall.SIGUSR2)
			r.waitLog("state=watching")
			if second := r.worker(); second == first {
				t.Error("there was no handover")
			} else {
				noCapabilities(t, second)
			}
			if line := in.greeting("submission", false); !strings.HasPrefix(line, "220 ") {
				t.Errorf("greeting %q", line)
			}
			r.signal(syscall.SIGTERM)
			r.wantExit(15, "mox has stopped")
		})
	}
}
