package serve

import (
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mox/admin"
	"mox/config"
	"mox/mlog/mlogtest"
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
			program := in.program()
			r := in.start(func(cmd *exec.Cmd) {
				as(cmd)
				cmd.Path = program
			})
			r.waitLog("mox is serving")
			first := r.worker()
			client, err := net.Dial("tcp", in.addr("imap"))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client.SetReadDeadline(time.Now().Add(time.Minute))
			if b := make([]byte, 5); !strings.HasPrefix(readSome(client, b), "* OK ") {
				t.Errorf("greeting %q", b)
			}

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
			client.SetReadDeadline(time.Now().Add(time.Minute))
			text := readAll(client)
			if !strings.Contains(text, "* BYE ") {
				t.Errorf("session of the first worker got %q", text)
			}
			if conn, err := net.DialTimeout("tcp", in.addr("pprof"), time.Minute); err != nil {
				t.Errorf("new port: %v", err)
			} else {
				conn.Close()
			}
			if conn, err := net.DialTimeout("tcp", in.addr("submission"), time.Minute); err == nil {
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

// program makes a program where its user can execute it, unlike that of the test.
func (in *installation) program() string {
	in.t.Helper()
	path := filepath.Join(in.dir, "mox")
	b, err := os.ReadFile(selfExe)
	if err == nil {
		syscall.ForkLock.RLock() // a process forked meanwhile would have it open for writing
		err = os.WriteFile(path, b, 0o755)
		syscall.ForkLock.RUnlock()
	}
	if err != nil {
		in.t.Fatal(err)
	}
	return path
}

// TestHandoverDualStack hands over a socket of a service manager that serves IPv4 and IPv6, and
// goes on doing so when the configuration names only one of them.
func TestHandoverDualStack(t *testing.T) {
	for name, root := range map[string]bool{"root": true, "unprivileged": false} {
		t.Run(name, func(t *testing.T) {
			ip, as := "127.0.77.34", asUser
			if root {
				needRoot(t)
				ip, as = "127.0.77.35", func(*exec.Cmd) {}
			}
			const port = 28012
			in := installUser(t, ip, func(s *config.Static, _ *config.Dynamic) {
				all := config.Listener{IPs: []string{"0.0.0.0", "::"}}
				all.MetricsHTTP = config.PlainService{Enabled: true, Port: port}
				s.Listeners["all"] = all
			})
			if root {
				in.rootsDir()
			}
			program, socket := in.program(), dualStackSocket(t, port)
			r := in.start(func(cmd *exec.Cmd) {
				as(cmd)
				cmd.Path = program
				activate(cmd, []*os.File{socket})
			})
			socket.Close()
			r.waitLog("mox is serving")
			first := r.worker()
			r.signal(syscall.SIGUSR2)
			r.waitLog("state=watching")
			if r.worker() == first {
				t.Error("the worker is the same")
			}
			for _, addr := range []string{"127.0.0.1:28012", "[::1]:28012"} {
				conn, err := net.DialTimeout("tcp", addr, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				conn.Write([]byte("GET /metrics HTTP/1.0\r\n\r\n"))
				conn.SetReadDeadline(time.Now().Add(time.Minute))
				if text := readAll(conn); !strings.HasPrefix(text, "HTTP/1.0 200 ") {
					t.Errorf("%s: %.100q", addr, text)
				}
				conn.Close()
			}
			r.signal(syscall.SIGTERM)
			r.wantExit(15, "mox has stopped")
		})
	}
}

// TestShares gives a socket for both protocols the name that is configured.
func TestShares(t *testing.T) {
	h := &handover{addrs: []string{"0.0.0.0:28013"}, sockets: []*os.File{dualStackSocket(t, 28013)}}
	t.Cleanup(func() { h.sockets[0].Close() })
	both := []string{"0.0.0.0:28013", "[::]:28013"}
	for _, tc := range []struct {
		addr   string
		wanted []string
		want   bool
		name   string
	}{
		{"[::]:28013", both, true, "0.0.0.0:28013"},
		{"[::]:28014", both, false, "0.0.0.0:28013"},
		{"127.0.0.1:28013", both, false, "0.0.0.0:28013"},
		{"[::]:28013", both[1:], true, "[::]:28013"},
		{"0.0.0.0:28013", both, true, "[::]:28013"},
		{"0.0.0.0:28013", both[:1], true, "0.0.0.0:28013"},
	} {
		if got := h.shares(tc.addr, tc.wanted); got != tc.want || h.addrs[0] != tc.name {
			t.Errorf("%s of %v: %v, socket is %s", tc.addr, tc.wanted, got, h.addrs[0])
		}
	}
	// One for IPv6 alone.
	l, err := bind("[::]:28015")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h = &handover{addrs: []string{"[::]:28015"}, sockets: []*os.File{f}}
	if h.shares("0.0.0.0:28015", []string{"0.0.0.0:28015"}) {
		t.Error("a socket for IPv6 is taken for IPv4")
	}
}

// TestHangupWhileWatched has SIGHUP count also in a handover.
func TestHangupWhileWatched(t *testing.T) {
	in := installUser(t, "127.0.77.36", nil)
	sock := in.notifySocket()
	program := in.program()
	r := in.start(func(cmd *exec.Cmd) {
		asUser(cmd)
		cmd.Path = program
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+sock.path)
	})
	sock.want("READY=1\n")
	r.waitLog("mox is serving")
	r.signal(syscall.SIGUSR2)
	sock.want("STATUS=upgrade: watching")
	r.signal(syscall.SIGHUP)
	sock.want("RELOADING=1\n")
	sock.want("READY=1")
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
}

// TestHangupWhileStarting keeps SIGHUP for a worker that could not bear it yet, and does not give it
// to one that is to stop.
func TestHangupWhileStarting(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)
	got := func() bool {
		select {
		case <-signals:
			return true
		case <-time.After(100 * time.Millisecond):
			return false
		}
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{process: self}
	p := &parent{worker: w, handover: &handover{log: slog.New(slog.DiscardHandler)}}
	p.reload()
	if got() {
		t.Error("the signal is passed to a worker that is not ready")
	}
	p.got(w, linkMessage{Kind: linkReady})
	if !got() {
		t.Error("the signal is lost")
	}
	p.reload()
	if !got() {
		t.Error("the signal is not passed on")
	}
	w.stopping = true
	p.reload()
	if got() {
		t.Error("the signal is passed to a worker that stops")
	}
}

// readSome fills b as far as a connection does.
func readSome(conn net.Conn, b []byte) string {
	n, _ := io.ReadFull(conn, b)
	return string(b[:n])
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
	got.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 10)
	if n, _, err := got.ReadFrom(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

// TestSignalWhileStarting: SIGUSR2 that comes before the worker has said that it is ready counts once it has.
func TestSignalWhileStarting(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	w := &worker{link: &link{conn: ours}, messages: make(chan linkMessage, 1), end: make(chan error, 1)}
	var log mlogtest.Buffer
	signals := make(chan os.Signal, 1)
	p := &parent{worker: w, signals: signals, configPath: filepath.Join(t.TempDir(), "none"), handover: &handover{log: slog.New(slog.NewTextHandler(&log, nil))}}
	told := make(chan linkMessage, 10)
	go (&link{conn: theirs}).receive(func(m linkMessage) { told <- m })
	done := make(chan error, 1)
	go func() {
		_, err := p.run()
		done <- err
	}()
	signals <- syscall.SIGUSR2
	for end := time.Now().Add(time.Minute); !strings.Contains(log.String(), "once the worker is ready"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the signal is not seen:\n%s", log.String())
		}
	}
	w.messages <- linkMessage{Kind: linkReady}
	// It is tried, and comes to nothing without a configuration.
	select {
	case m := <-told:
		if m.Status == nil || m.Status.State != admin.UpgradeRolledBack || m.Status.ID != "signal" {
			t.Errorf("told %+v", m)
		}
	case <-time.After(time.Minute):
		t.Fatalf("no handover:\n%s", log.String())
	}
	w.end <- nil
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "state="+admin.UpgradeRolledBack); n != 1 {
		t.Errorf("%d handovers:\n%s", n, log.String())
	}
}
