package serve

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mox/config"
)

// TestHandoverSignal has SIGUSR2 replace the worker: by the same program, which reads mox.conf anew.
// A signal to stop ends all of it, also while the new one is watched.
func TestHandoverSignal(t *testing.T) {
	for name, root := range map[string]bool{"root": true, "unprivileged": false} {
		t.Run(name, func(t *testing.T) {
			ip, prepare, as := "127.0.77.31", installUser, asUser
			if root {
				needRoot(t)
				ip, prepare, as = "127.0.77.32", install, func(*exec.Cmd) {}
			}
			var static *config.Static
			var dynamic *config.Dynamic
			in := prepare(t, ip, func(s *config.Static, d *config.Dynamic) { static, dynamic = s, d })
			// A program where its user can execute it, unlike that of the test.
			b, err := os.ReadFile(selfExe)
			if err == nil {
				err = os.WriteFile(filepath.Join(in.dir, "mox"), b, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			r := in.start(func(cmd *exec.Cmd) {
				as(cmd)
				cmd.Path = filepath.Join(in.dir, "mox")
			})
			r.waitLog("mox is serving")
			first := r.worker()
			client, err := net.Dial("tcp", in.addr("imap"))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()

			// One port less, one more.
			l := static.Listeners["local"]
			l.Submission.Enabled = false
			l.PprofHTTP = config.PlainService{Enabled: true, Port: 28011}
			static.Listeners["local"] = l
			in.port["pprof"] = 28011
			in.write(static, dynamic)
			r.signal(syscall.SIGUSR2)
			r.waitLog("state=watching")
			second := r.worker()
			if second == first {
				t.Error("the worker is the same")
			}
			r.waitGone(first)
			if line := in.greeting("imap", false); !strings.HasPrefix(line, "* OK ") {
				t.Errorf("greeting %q", line)
			}
			client.SetReadDeadline(time.Now().Add(5 * time.Second))
			text := readAll(client)
			if !strings.Contains(text, "* BYE ") {
				t.Errorf("session of the first worker got %q", text)
			}
			if conn, err := net.DialTimeout("tcp", in.addr("pprof"), time.Second); err != nil {
				t.Errorf("new port: %v", err)
			} else {
				conn.Close()
			}
			if conn, err := net.DialTimeout("tcp", in.addr("submission"), time.Second); err == nil {
				t.Error("a port that is not configured any more is open")
				conn.Close()
			}
			if os.Getuid() == 0 {
				for _, st := range processStatus(t, second) {
					if st["CapEff"] != "0000000000000000" || st["NoNewPrivs"] != "1" || st["Seccomp"] != "2" {
						t.Errorf("thread of the second worker: %v", st)
					}
				}
			}
			r.signal(syscall.SIGTERM)
			r.wantExit(15, "mox has stopped")
		})
	}
}

// readAll reads all that a connection gives.
func readAll(conn net.Conn) string {
	var b strings.Builder
	buf := make([]byte, 1000)
	for {
		n, err := conn.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// TestInheritedPacket takes a socket for UDP.
func TestInheritedPacket(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := c.LocalAddr().String()
	f, err := c.(*net.UDPConn).File()
	c.Close()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(f.Fd()))
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	h := &Inherited{packets: map[string]*os.File{}}
	if !isPacket(uintptr(fd)) {
		t.Fatal("not taken for UDP")
	}
	if err := h.addPacket(uintptr(fd)); err != nil {
		t.Fatal(err)
	}
	got, err := h.ListenPacket(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	out, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	out.Write([]byte("hello"))
	got.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 10)
	if n, _, err := got.ReadFrom(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}
