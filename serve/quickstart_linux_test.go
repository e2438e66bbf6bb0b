package serve

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mox/dns"
	"mox/quickstart"
)

// envQuickstart is set in the process that has a network of its own.
const envQuickstart = "MOX_TEST_QUICKSTART"

// TestQuickstart starts what quickstart makes, as it is, in a network of its own: "mox serve"
// as root, the worker as the user; mail comes in on port 25, and its reader logs in with the
// password that was printed.
func TestQuickstart(t *testing.T) {
	needRoot(t)
	if os.Getenv(envQuickstart) == "" {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, selfExe, "-test.run=^TestQuickstart$", "-test.v")
		cmd.Env = append(os.Environ(), envQuickstart+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.EPERM) {
			t.Skip("no namespaces")
		} else if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, existing := range []bool{false, true} {
		t.Run(fmt.Sprintf("existing web server %v", existing), func(t *testing.T) { serveQuickstart(t, existing) })
	}
}

func serveQuickstart(t *testing.T, existing bool) {
	dir, err := os.MkdirTemp("", "moxquickstart")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := quickstart.Run(t.Context(), quickstart.Options{
		Address: "you@example.org", User: strconv.Itoa(testUID), Hostname: "mx.example.org", Dir: dir, ExistingWebserver: existing, SkipDial: true,
		Resolver: dns.MockResolver{NS: map[string][]string{"com": {"ns.example"}}, A: map[string][]string{"mx.example.org": {"10.77.0.1"}}, AllAuthentic: true},
		Machine: quickstart.Machine{Interfaces: func() ([]quickstart.Interface, error) {
			return []quickstart.Interface{{Name: "lo", Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}}, {Name: "eth0", Addrs: []netip.Addr{netip.MustParseAddr("10.77.0.1")}}}, nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ip", "addr", "replace", "10.77.0.1/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if existing {
		fillCertificates(t, r)
	}
	// The tests' own resolver, and no wait for a sender never seen before.
	path := filepath.Join(dir, "config", "mox.conf")
	change(t, path, "User:", "DNSResolvers:\n\t- "+testDNS(t)+"\nUser:")
	change(t, filepath.Join(dir, "config", "domains.conf"), "\t\tNoCustomPassword:", "\t\tNoFirstTimeSenderDelay: true\n\t\tNoCustomPassword:")
	in := &installation{t, dir, path, "10.77.0.1", map[string]int{"smtp": 25, "imaps": 993}}
	p := in.serving()
	deliverTo(t, "10.77.0.1:25", netip.MustParseAddr("127.0.0.1"), "you@example.org")
	in.wantFile("config/domains.conf", 0o660, testUID)
	in.wantFile("data", os.ModeDir|os.ModeSetgid|0o750, testUID)
	if existing {
		readMail(t, "10.77.0.1:993", "you@example.org", r.AccountPassword)
	}
	if out, err := p.control("accountaddresses", "you"); err != nil || !strings.Contains(out, "you@example.org") {
		t.Errorf("%v %q", err, out)
	}
	p.signal(syscall.SIGTERM)
	p.wantExit(15, "mox has stopped")
}

// change replaces text in a file.
func change(t *testing.T, path, old, text string) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, text, 1)), 0o660); err != nil {
		t.Fatal(err)
	}
}

// fillCertificates puts certificates where a person would.
func fillCertificates(t *testing.T, r *quickstart.Result) {
	for _, l := range r.Snapshot.Static.Listeners {
		if l.TLS == nil {
			continue
		}
		for _, kc := range l.TLS.KeyCerts {
			cert, key := r.Snapshot.ConfigPath(kc.CertFile), r.Snapshot.ConfigPath(kc.KeyFile)
			if err := os.MkdirAll(filepath.Dir(cert), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := writeLocalCertificate(cert, key, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// readMail looks for one message in Inbox.
func readMail(t *testing.T, addr, login, password string) {
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "a LOGIN %q %q\r\nb STATUS INBOX (MESSAGES)\r\nc LOGOUT\r\n", login, password)
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "(MESSAGES 1)") {
		t.Errorf("%v, answer %q", err, answer)
	}
}

// deliverTo sends a message from an address of this machine to a server.
func deliverTo(t *testing.T, addr string, from netip.Addr, rcpt string) {
	d := net.Dialer{Timeout: time.Minute, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	for _, step := range []struct{ send, want string }{
		{"", "220"}, {"EHLO localhost", "250"}, {"MAIL FROM:<a@remote.example>", "250"}, {"RCPT TO:<" + rcpt + ">", "250"}, {"DATA", "354"},
		{"From: a@remote.example\r\nSubject: first\r\nDate: Fri, 01 May 2026 12:00:00 +0000\r\nMessage-ID: <1@remote.example>\r\n\r\nhello\r\n.", ""}, {"QUIT", "221"},
	} {
		if step.send != "" {
			fmt.Fprintf(conn, "%s\r\n", step.send)
		}
		for {
			line, err := r.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, step.want) {
				t.Fatalf("%.20q: %v, answer %q", step.send, err, line)
			}
			if len(line) > 3 && line[3] != '-' {
				t.Logf("%.20q: %q", step.send, line)
				break
			}
		}
	}
}
