package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mox/config"
)

// installUser is install for a server that is started without root.
func installUser(t *testing.T, ip string, change func(*config.Static, *config.Dynamic)) *installation {
	t.Helper()
	in := install(t, ip, func(s *config.Static, d *config.Dynamic) {
		l := s.Listeners["local"]
		for _, p := range []*int{&l.SMTP.Port, &l.Submission.Port, &l.Submissions.Port, &l.IMAP.Port, &l.IMAPS.Port} {
			if *p < 1024 {
				*p += 20000
			}
		}
		s.Listeners["local"] = l
		if change != nil {
			change(s, d)
		}
	})
	for name, port := range in.port {
		if port < 1024 {
			in.port[name] += 20000
		}
	}
	if os.Getuid() == 0 {
		for _, name := range []string{"", "config", "config/mox.conf", "config/domains.conf", "config/cert.pem", "config/key.pem"} {
			if err := os.Chown(filepath.Join(in.dir, name), testUID, testUID); err != nil {
				t.Fatal(err)
			}
		}
	}
	return in
}

// TestUnprivileged starts as another user than root, on high ports, with a relative path
// of the configuration.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	in := installUser(t, "127.0.77.2", nil)
	r := in.start(func(cmd *exec.Cmd) {
		asUser(cmd)
		cmd.Dir = in.dir
		cmd.Env = append(cmd.Env, envTestServe+"=config/mox.conf")
	})
	r.waitLog("mox is serving")
	for _, st := range processStatus(t, r.worker()) {
		if st["NoNewPrivs"] != "1" {
			t.Errorf("thread without no_new_privs: %v", st)
		}
	}
	if line := in.greeting("imaps", true); !strings.HasPrefix(line, "* OK ") {
		t.Errorf("greeting %q", line)
	}
	// A second server on the same data is refused, by name of the first one.
	second := installUser(t, "127.0.77.25", func(s *config.Static, _ *config.Dynamic) { s.DataDir = in.data("") }).start(asUser)
	second.wantExit(1, "data directory is in use")
	second.wantExit(1, "process "+stringPid(r))
	// The same ports with other data.
	other := installUser(t, "127.0.77.2", nil).start(asUser)
	other.wantExit(1, "another program uses this port")
	other.wantExit(1, "listener local, service smtp: listening on 127.0.77.2:20025")
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
}

func stringPid(r *run) string { b, _ := json.Marshal(r.worker()); return string(b) }

// TestNotify speaks to a service manager.
func TestNotify(t *testing.T) {
	t.Parallel()
	in := installUser(t, "127.0.77.3", nil)
	sock := in.notifySocket()
	r := in.start(func(cmd *exec.Cmd) {
		asUser(cmd)
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+sock.path, "WATCHDOG_USEC=100000")
	})
	want := sock.want
	want("READY=1\n")
	want("WATCHDOG=1")
	r.waitLog("mox is serving")
	r.signal(syscall.SIGHUP)
	if got := want("RELOADING=1\n"); !strings.Contains(got, "MONOTONIC_USEC=") {
		t.Errorf("got %q", got)
	}
	want("READY=1")
	r.signal(syscall.SIGTERM)
	want("STOPPING=1")
	r.wantExit(15, "mox has stopped")
}

// notifySocket is that of a service manager.
type notifySocket struct {
	t    *testing.T
	path string
	conn *net.UnixConn
}

func (in *installation) notifySocket() *notifySocket {
	in.t.Helper()
	path := filepath.Join(in.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		in.t.Cleanup(func() { conn.Close() })
		err = os.Chmod(path, 0o666)
	}
	if err != nil {
		in.t.Fatal(err)
	}
	return &notifySocket{in.t, path, conn}
}

// want waits for a message that begins with text.
func (s *notifySocket) want(text string) string {
	s.t.Helper()
	s.conn.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 4096)
	for {
		n, err := s.conn.Read(buf)
		if err != nil {
			s.t.Fatalf("waiting for %s: %v", text, err)
		}
		if strings.HasPrefix(string(buf[:n]), text) {
			return string(buf[:n])
		}
	}
}

// TestSocketActivation takes sockets from a service manager, without root and as root,
// in any order, with one for IPv4 and IPv6.
func TestSocketActivation(t *testing.T) {
	for name, as := range map[string]func(*exec.Cmd){"unprivileged": asUser, "root": func(*exec.Cmd) { needRoot(t) }} {
		t.Run(name, func(t *testing.T) {
			in := installUser(t, "127.0.77.4", func(s *config.Static, _ *config.Dynamic) {
				l := s.Listeners["local"]
				l.SMTP.Port, l.Submission.Enabled, l.Submissions.Enabled, l.IMAPS.Enabled = 25, false, false, false
				if os.Getuid() != 0 {
					l.SMTP.Port += 20000
				}
				l.MetricsHTTP.Enabled = false
				s.Listeners["local"] = l
				all := config.Listener{IPs: []string{"0.0.0.0", "::"}}
				all.MetricsHTTP = config.PlainService{Enabled: true, Port: 28010}
				s.Listeners["all"] = all
			})
			in.port["smtp"] = map[bool]int{true: 25, false: 20025}[os.Getuid() == 0]
			if name == "root" {
				in.rootsDir()
			}
			// The unprivileged server cannot bind port 25 itself.
			files := []*os.File{dualStackSocket(t, 28010), socketFile(t, in.addr("imap")), socketFile(t, in.addr("smtp"))}
			r := in.start(func(cmd *exec.Cmd) {
				as(cmd)
				path := cmd.Path
				cmd.Path = "/bin/sh"
				cmd.Args = []string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=3 exec "$0"`, path}
				if path == selfExe {
					exe, err := os.Open(selfExe)
					if err != nil {
						t.Fatal(err)
					}
					defer t.Cleanup(func() { exe.Close() })
					cmd.ExtraFiles = append(files, exe)
					cmd.Args[3] = "/proc/self/fd/6"
					return
				}
				cmd.ExtraFiles = files
			})
			for _, f := range files {
				defer f.Close()
			}
			r.waitLog("mox is serving")
			for _, service := range []string{"smtp", "imap"} {
				if line := in.greeting(service, false); !strings.HasPrefix(line, "220 ") && !strings.HasPrefix(line, "* OK ") {
					t.Errorf("greeting of %s: %q", service, line)
				}
			}
			for _, addr := range []string{"127.0.0.1:28010", "[::1]:28010"} {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Errorf("metrics: %v", err)
					continue
				}
				conn.Close()
			}
			if st := processStatus(t, r.worker())[0]; strings.HasPrefix(st["Uid"], "0 ") || st["CapEff"] != "0000000000000000" {
				t.Errorf("server has rights: uid %s, capabilities %s", st["Uid"], st["CapEff"])
			}
			r.signal(syscall.SIGTERM)
			r.wantExit(15, "mox has stopped")
		})
	}
}

// rootsDir gives the directory of the installation, not what is in it, to root.
func (in *installation) rootsDir() {
	if err := os.Chown(in.dir, os.Getuid(), os.Getgid()); err != nil {
		in.t.Fatal(err)
	}
}

// activate has a command started as by a service manager that hands over sockets.
func activate(cmd *exec.Cmd, files []*os.File) {
	cmd.Args = []string{"sh", "-c", fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d exec "$0"`, len(files)), cmd.Path}
	cmd.Path, cmd.ExtraFiles = "/bin/sh", files
}

// worker is the serving process, a child of the one that was started.
func (r *run) worker() int { return child(r.t, r.cmd.Process.Pid) }

func socketFile(t *testing.T, addr string) *os.File {
	t.Helper()
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// dualStackSocket listens on [::] for IPv4 as well.
func dualStackSocket(t *testing.T, port int) *os.File {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet6{Port: port})
	}
	if err == nil {
		err = unix.Listen(fd, 10)
	}
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	return os.NewFile(uintptr(fd), "socket")
}

// TestConfine tries what is left to a confined process, in one of its own.
func TestConfine(t *testing.T) {
	dir := os.Getenv("MOX_TEST_CONFINED")
	if dir == "" {
		dir = t.TempDir()
		for _, name := range []string{"in", "out", "site"} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestConfine$", "-test.v")
		cmd.Env = append(os.Environ(), "MOX_TEST_CONFINED="+dir)
		if testing.CoverMode() != "" {
			// Figures go where it may write.
			cmd.Args = append(cmd.Args, "-test.gocoverdir="+filepath.Join(dir, "in"))
			cmd.Env = append(cmd.Env, "GOCOVERDIR="+filepath.Join(dir, "in"))
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if strings.Contains(string(out), "SKIP") {
			t.Skip("no Landlock in this kernel")
		}
		return
	}
	in, out, site := filepath.Join(dir, "in"), filepath.Join(dir, "out"), filepath.Join(dir, "site")
	if abi, _, _ := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1); int(abi) < 2 {
		t.Skip("no Landlock in this kernel")
	}
	file := filepath.Join(dir, "key")
	for _, path := range []string{filepath.Join(site, "page"), file, filepath.Join(dir, "other")} {
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := confine([]string{in}, []string{site, file, filepath.Join(dir, "missing")}); err != nil {
		t.Fatal(err)
	}
	call := func(nr uintptr, args ...uintptr) func() error {
		return func() error {
			args := append(args, 0, 0, 0, 0, 0, 0)
			if _, _, errno := unix.Syscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5]); errno == unix.EPERM {
				return errno
			}
			return nil
		}
	}
	mapped := func(prot int) func() error {
		return func() error { _, err := unix.Mmap(-1, 0, 4096, prot, unix.MAP_PRIVATE|unix.MAP_ANON); return err }
	}
	memory, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		what    string
		allowed bool
		try     func() error
	}{
		{"write inside", true, func() error { return os.WriteFile(filepath.Join(in, "a"), nil, 0o600) }},
		{"directory inside", true, func() error { return os.MkdirAll(filepath.Join(in, "d"), 0o700) }},
		{"rename across directories", true, func() error { return os.Rename(filepath.Join(in, "a"), filepath.Join(in, "d", "a")) }},
		{"remove inside", true, func() error { return os.RemoveAll(filepath.Join(in, "d")) }},
		{"resolver", true, func() error { _, err := net.DefaultResolver.LookupHost(context.Background(), "localhost"); return err }},
		{"list site", true, func() error { _, err := os.ReadDir(site); return err }},
		{"write to site", false, func() error { return os.WriteFile(filepath.Join(site, "a"), nil, 0o600) }},
		{"write outside", false, func() error { return os.WriteFile(filepath.Join(out, "a"), nil, 0o600) }},
		{"list outside", false, func() error { _, err := os.ReadDir("/"); return err }},
		{"read outside", false, func() error { _, err := os.ReadFile("/etc/passwd"); return err }},
		{"execute", false, func() error { return exec.Command("/bin/true").Run() }},
		{"read a site", true, func() error { _, err := os.ReadFile(filepath.Join(site, "page")); return err }},
		{"write a site", false, func() error { return os.WriteFile(filepath.Join(site, "page"), nil, 0o600) }},
		{"read a named file", true, func() error { _, err := os.ReadFile(file); return err }},
		{"write a named file", false, func() error { return os.WriteFile(file, nil, 0o600) }},
		{"read beside it", false, func() error { _, err := os.ReadFile(filepath.Join(dir, "other")); return err }},
		{"listen on a port", false, func() error { _, err := net.Listen("tcp", "127.0.0.1:28925"); return err }},
		{"a connection from a source address", true, func() error {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			conn, err := d.Dial("tcp", ln.Addr().String())
			if err == nil {
				conn.Close()
			}
			return err
		}},
		{"accept", true, func() error { c, err := ln.Accept(); c.Close(); return err }},
		{"threads", true, func() error {
			for range 20 { // that stay locked need new ones
				go func() { runtime.LockOSThread(); time.Sleep(50 * time.Millisecond) }()
			}
			time.Sleep(20 * time.Millisecond)
			runtime.GC()
			return nil
		}},
		{"memory", true, mapped(unix.PROT_READ | unix.PROT_WRITE)},
		{"memory to execute", false, mapped(unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC)},
		{"execute what was written", false, func() error { return unix.Mprotect(memory, unix.PROT_READ|unix.PROT_EXEC) }},
		{"fork", false, call(unix.SYS_CLONE, uintptr(unix.SIGCHLD))},
		{"a namespace", false, call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)},
		{"ptrace", false, call(unix.SYS_PTRACE, unix.PTRACE_TRACEME)},
		{"mount", false, call(unix.SYS_MOUNT)},
		{"bpf", false, call(unix.SYS_BPF)},
		{"keyring", false, call(unix.SYS_KEYCTL)},
		{"userfaultfd", false, call(unix.SYS_USERFAULTFD)},
		{"io_uring", false, call(unix.SYS_IO_URING_SETUP)},
		{"modules", false, call(unix.SYS_INIT_MODULE)},
		{"kexec", false, call(unix.SYS_KEXEC_LOAD)},
		{"signal to others", false, func() error { return unix.Kill(os.Getppid(), 0) }},
		{"signal to itself", true, func() error { return unix.Kill(os.Getpid(), 0) }},
		{"execute inside", false, func() error {
			path := filepath.Join(in, "program")
			if err := os.WriteFile(path, []byte("#!/bin/true\n"), 0o700); err != nil {
				return nil
			}
			return exec.Command(path).Run()
		}},
	} {
		if err := f.try(); (err == nil) != f.allowed {
			t.Errorf("%s: allowed should be %v, got %v", f.what, f.allowed, err)
		}
	}
}
