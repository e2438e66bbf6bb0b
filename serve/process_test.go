//go:build unix

package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mox/config"
	"mox/ctl"
	"mox/dns"
	"mox/dns/dnstest"
	"mox/mlog/mlogtest"
)

// TestMain lets the test binary be "mox serve": tests start it with envTestServe set to
// the path of mox.conf.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == documentReaderArg {
		if err := DocumentReader(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "mox doctext:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if path := os.Getenv(envTestServe); path != "" {
		drain, _ := time.ParseDuration(os.Getenv(envTestDrain)) // empty: 0
		status, err := Main(context.Background(), MainOptions{ConfigPath: path, CheckConsistency: true, Drain: drain, Log: os.Stderr, Version: "test"})
		if err != nil {
			fmt.Fprintln(os.Stderr, "mox serve:", err)
		}
		os.Exit(status)
	}
	os.Exit(m.Run())
}

const (
	envTestServe = "MOX_TEST_SERVE"
	envTestDrain = "MOX_TEST_DRAIN" // MainOptions.Drain
)

// testUID is who the worker runs as when tests run as root.
const testUID = 65534

// ports of the services in tests of processes, on an address of their own.
var testPorts = map[string]int{"smtp": 25, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993, "metrics": 8010, "lmtp": 24}

// installation is a configuration directory for "mox serve".
type installation struct {
	t    *testing.T
	dir  string
	path string // of mox.conf
	ip   string
	port map[string]int
}

// install writes a configuration for ip; change may be nil. Ports are the usual ones when
// root binds them, else ones above 1023.
func install(t *testing.T, ip string, change func(*config.Static, *config.Dynamic)) *installation {
	t.Helper()
	// Not t.TempDir: the worker must be able to enter it.
	dir, err := os.MkdirTemp("", "moxserve")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	in := &installation{t, dir, filepath.Join(dir, "config", "mox.conf"), ip, map[string]int{}}
	for name, port := range testPorts {
		if os.Getuid() != 0 && port < 1024 {
			port += 20000
		}
		in.port[name] = port
	}
	if err := os.Mkdir(filepath.Join(dir, "config"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeLocalCertificate(in.config("cert.pem"), in.config("key.pem"), ip); err != nil {
		t.Fatal(err)
	}
	static, dynamic := in.conf()
	if change != nil {
		change(static, dynamic)
	}
	in.write(static, dynamic)
	return in
}

func (in *installation) conf() (*config.Static, *config.Dynamic) {
	l := config.Listener{IPs: []string{in.ip}, Hostname: "localhost"}
	l.TLS = &config.TLS{KeyCerts: []config.KeyCert{{CertFile: "cert.pem", KeyFile: "key.pem"}}}
	l.SMTP = config.SMTP{Enabled: true, Port: in.port["smtp"], FirstTimeSenderDelay: new(time.Duration)}
	l.Submission = config.Submission{Enabled: true, Port: in.port["submission"]}
	l.Submissions = config.Submissions{Enabled: true, Port: in.port["submissions"]}
	l.IMAP = config.IMAP{Enabled: true, Port: in.port["imap"]}
	l.IMAPS = config.IMAPS{Enabled: true, Port: in.port["imaps"]}
	l.MetricsHTTP = config.PlainService{Enabled: true, Port: in.port["metrics"]}
	static := &config.Static{
		DataDir: "../data", LogLevel: "debug", Hostname: "localhost", User: strconv.Itoa(testUID), DNSResolvers: []string{testDNS(in.t)},
		Listeners:  map[string]config.Listener{"local": l},
		Postmaster: config.Postmaster{Account: "mox", Mailbox: "Inbox"},
	}
	dynamic := &config.Dynamic{
		Domains:  map[string]config.Domain{"mox.example": {}},
		Accounts: map[string]config.Account{"mox": {Domain: "mox.example", Destinations: map[string]config.Destination{"mox@mox.example": {}}}},
	}
	return static, dynamic
}

// testDNS starts a DNS server that knows the domain that tests send from.
func testDNS(t *testing.T) string {
	t.Helper()
	s, err := dnstest.Start(dns.MockResolver{
		A:   map[string][]string{"remote.example": {"127.0.0.1"}, "localhost": {"127.0.0.1"}},
		PTR: map[string][]string{"127.0.0.1": {"localhost"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.Addr
}

func (in *installation) config(name string) string { return filepath.Join(in.dir, "config", name) }
func (in *installation) data(name string) string   { return filepath.Join(in.dir, "data", name) }

func (in *installation) write(static *config.Static, dynamic *config.Dynamic) {
	in.t.Helper()
	var s, d bytes.Buffer
	if err := config.WriteStatic(&s, static); err != nil {
		in.t.Fatal(err)
	}
	if err := config.WriteDynamic(&d, dynamic); err != nil {
		in.t.Fatal(err)
	}
	in.writeFile("mox.conf", s.String())
	in.writeFile("domains.conf", d.String())
}

func (in *installation) writeFile(name, content string) {
	in.t.Helper()
	if err := os.WriteFile(in.config(name), []byte(content), 0o644); err != nil {
		in.t.Fatal(err)
	}
}

// run is a started "mox serve".
type run struct {
	t      *testing.T
	in     *installation
	cmd    *exec.Cmd
	exited chan struct{}
	status int
	log    mlogtest.Buffer
}

// start runs "mox serve"; before may change the command.
func (in *installation) start(before func(*exec.Cmd)) *run {
	in.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		in.t.Fatal(err)
	}
	r := &run{t: in.t, in: in, exited: make(chan struct{}), cmd: exec.Command(exe)}
	r.cmd.Env = append(os.Environ(), envTestServe+"="+in.path)
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	if before != nil {
		before(r.cmd)
	}
	if err := r.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	go func() {
		defer close(r.exited)
		if err := r.cmd.Wait(); err != nil && r.cmd.ProcessState == nil {
			return
		}
		r.status = r.cmd.ProcessState.ExitCode()
	}()
	in.t.Cleanup(func() {
		r.cmd.Process.Kill()
		<-r.exited
		if in.t.Failed() {
			in.t.Logf("log of the server:\n%s", r.log.String())
		}
	})
	return r
}

// waitLog waits for a text in the log.
func (r *run) waitLog(text string) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(r.log.String(), text) {
			return
		}
		select {
		case <-r.exited:
			if !strings.Contains(r.log.String(), text) {
				r.t.Fatalf("server ended with status %d before it logged %q:\n%s", r.status, text, r.log.String())
			}
		default:
		}
	}
	r.t.Fatalf("log lacks %q:\n%s", text, r.log.String())
}

// serving starts "mox serve" and waits until it serves.
func (in *installation) serving() *run {
	in.t.Helper()
	r := in.start(nil)
	r.waitLog("mox is serving")
	return r
}

// wantExit waits for the end.
func (r *run) wantExit(status int, text string) {
	r.t.Helper()
	select {
	case <-r.exited:
	case <-time.After(time.Minute):
		r.t.Fatalf("server did not end:\n%s", r.log.String())
	}
	if r.status != status || !strings.Contains(r.log.String(), text) {
		r.t.Fatalf("exit status %d, want %d and a log with %q:\n%s", r.status, status, text, r.log.String())
	}
}

func (r *run) signal(sig os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// control sends a command through the control socket.
func (r *run) control(command string, params ...string) (string, error) {
	r.t.Helper()
	c, err := ctl.Dial(context.Background(), r.in.data("ctl"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	var out bytes.Buffer
	err = c.Do(ctl.Request{Command: command, Params: params}, &out)
	if err == nil && command == "stop" {
		err = c.WaitClosed(time.Minute)
	}
	return out.String(), err
}

// addr is where a service listens.
func (in *installation) addr(service string) string {
	return net.JoinHostPort(in.ip, strconv.Itoa(in.port[service]))
}

// greeting connects to a service and returns the first line.
func (in *installation) greeting(service string, useTLS bool) string {
	in.t.Helper()
	conn, err := net.DialTimeout("tcp", in.addr(service), time.Minute)
	if err != nil {
		in.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if useTLS {
		pem, err := os.ReadFile(in.config("cert.pem"))
		if err != nil {
			in.t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		conn = tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		in.t.Fatalf("greeting of %s: %v", service, err)
	}
	return line
}

// needRoot skips a test that cannot do without.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

// asUser has a command run as the unprivileged user when tests run as root.
func asUser(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testUID, Gid: testUID}}
		cmd.Path = selfExe // the directory of the test binary is root's
	}
}
