package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mox/config"
	"mox/dns"
	"mox/dns/dnstest"
	"mox/mlog/mlogtest"
)

// isUpgradeProgram tells whether this is one of the copies of the test program that tests of
// upgrades make: they are at a path of that kind, whatever they are called.
func isUpgradeProgram() bool { return os.Getenv("MOX_TEST_UPGRADE") != "" }

func upgradeProgram() int { return faultyStatus() }

// upgradeUser is who serves when tests run as root.
const upgradeUser = 65534

// installed is a mox in a directory of its own, with a running server.
type installed struct {
	t      *testing.T
	dir    string
	ip     string
	server *exec.Cmd
	exited chan struct{}
	user   bool // without root
	log    mlogtest.Buffer
}

// Ports of services in tests of upgrades.
const (
	upgradeSMTP = "28125"
	upgradeLMTP = "28124"
	upgradeIMAP = "28143"
)

// installMox makes a directory with program, configuration and data, and starts the server.
func installMox(t *testing.T, ip string, user bool) *installed {
	t.Helper()
	in := prepareMox(t, ip, user)
	in.start()
	in.mox("password1\n", "setaccountpassword", "mox")
	return in
}

// prepareMox is installMox without a server.
func prepareMox(t *testing.T, ip string, user bool) *installed {
	t.Helper()
	dir, err := os.MkdirTemp("", "moxupgrade")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	in := &installed{t: t, dir: dir, ip: ip, user: user}
	for _, err := range []error{os.Chmod(dir, 0o755), os.Mkdir(in.path("config"), 0o755), os.Mkdir(in.path("coverage"), 0o755), appendFault("/proc/self/exe", in.path("mox"), "")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	records := dns.MockResolver{A: map[string][]string{"remote.example": sources(ip)}, PTR: map[string][]string{}, TXT: map[string][]string{"_updates." + feedDomain: {"v=UPDATES0; l=v2.0.0"}}}
	for _, source := range sources(ip) {
		records.PTR[source] = []string{"remote.example"}
	}
	names, err := dnstest.Start(records)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { names.Close() })
	port := func(s string) int { n, _ := strconv.Atoi(s); return n }
	l := config.Listener{IPs: []string{ip}, Hostname: "localhost"}
	l.SMTP = config.SMTP{Enabled: true, NoSTARTTLS: true, Port: port(upgradeSMTP), FirstTimeSenderDelay: new(time.Duration)}
	l.LMTP = config.LMTP{Enabled: true, Port: port(upgradeLMTP)}
	l.IMAP = config.IMAP{Enabled: true, Port: port(upgradeIMAP), NoRequireSTARTTLS: true}
	static := &config.Static{DataDir: "../data", LogLevel: "info", Hostname: "localhost", User: strconv.Itoa(upgradeUser), DNSResolvers: []string{names.Addr}, Listeners: map[string]config.Listener{"local": l}, Postmaster: config.Postmaster{Account: "mox", Mailbox: "Inbox"}}
	dynamic := &config.Dynamic{
		Domains:  map[string]config.Domain{"mox.example": {}},
		Accounts: map[string]config.Account{"mox": {Domain: "mox.example", Destinations: map[string]config.Destination{"mox@mox.example": {}}}},
	}
	var b, d bytes.Buffer
	for _, err := range []error{config.WriteStatic(&b, static), config.WriteDynamic(&d, dynamic), os.WriteFile(in.conf(), b.Bytes(), 0o644), os.WriteFile(in.path("config/domains.conf"), d.Bytes(), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if user && os.Getuid() == 0 {
		filepath.Walk(dir, func(path string, _ os.FileInfo, _ error) error { return os.Chown(path, upgradeUser, upgradeUser) })
	}
	return in
}

// start starts the server; before may be a program that runs it.
func (in *installed) start(before ...string) {
	t := in.t
	t.Helper()
	in.log.Take()
	exited := make(chan struct{})
	server := in.command("serve")
	if len(before) > 0 {
		path, err := exec.LookPath(before[0])
		if err != nil {
			t.Fatal(err)
		}
		server.Args = append(before[:len(before):len(before)], server.Args...)
		server.Path = path
	}
	server.Stdout, server.Stderr = &in.log, &in.log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	in.server, in.exited = server, exited
	go func() { server.Wait(); close(exited) }()
	t.Cleanup(func() {
		server.Process.Kill()
		<-exited
		if t.Failed() {
			t.Logf("log of the server:\n%s", in.log.String())
		}
	})
	for range 3000 {
		if strings.Contains(in.log.String(), "mox is serving") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("server does not start")
}

func (in *installed) path(name string) string { return filepath.Join(in.dir, name) }
func (in *installed) conf() string            { return in.path("config/mox.conf") }

// command is the installed program, as the user that the server was started as.
func (in *installed) command(args ...string) *exec.Cmd {
	cmd := exec.Command(in.path("mox"), append([]string{"-config", in.conf()}, args...)...)
	cmd.Env = append(os.Environ(), "MOX_TEST_UPGRADE=1")
	if testing.CoverMode() != "" {
		// Otherwise it says that it may not write into the directory for figures, which is ours.
		cmd.Env = append(cmd.Env, "GOCOVERDIR="+in.path("coverage"))
	}
	if in.user && os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: upgradeUser, Gid: upgradeUser}}
		cmd.Dir = "/"
	}
	return cmd
}

// mox runs a command, which must succeed.
func (in *installed) mox(stdin string, args ...string) string {
	in.t.Helper()
	cmd := in.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		in.t.Errorf("mox %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// sources are addresses that clients of a server connect from. They are many, and in networks of
// their own, since the server takes 300 connections a minute from one: a stream that goes on for longer
// than usual, as on a machine that is busy, must not come to that.
func sources(ip string) []string {
	var all []string
	for i := range 16 {
		all = append(all, strings.Replace(ip, "127.0.", fmt.Sprintf("127.%d.", 100+i), 1))
	}
	return all
}

// traffic is a steady stream of connections.
type traffic struct {
	in    *installed
	crash bool // the program may end in the middle of anything
	dials atomic.Int64
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu       sync.Mutex // guards the below
	accepted []string   // subjects of messages that were answered by 250
	unsure   map[string]bool
	sessions int
	refused  []string
	broken   int           // connections whose program ended before its greeting
	waited   time.Duration // the longest wait for a greeting
}

// begin starts clients that deliver by SMTP and LMTP, and look into the inbox by IMAP.
func (in *installed) begin() *traffic {
	ctx, stop := context.WithCancel(context.Background())
	tr := &traffic{in: in, stop: stop, unsure: map[string]bool{}}
	for i, client := range []func(id string){func(id string) { tr.deliver(upgradeSMTP, "EHLO remote.example", id) }, func(id string) { tr.deliver(upgradeLMTP, "LHLO remote.example", id) }, tr.look} {
		tr.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				client(fmt.Sprintf("stream-%d-%d", i, n))
				time.Sleep(15 * time.Millisecond)
			}
		})
	}
	return tr
}

func (tr *traffic) end() {
	tr.stop()
	tr.wg.Wait()
}

// dial connects and reads the greeting; failing to is what must not happen.
func (tr *traffic) dial(port, greeting string) (net.Conn, *bufio.Reader) {
	start := time.Now()
	from := sources(tr.in.ip)
	dialer := net.Dialer{Timeout: 60 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from[int(tr.dials.Add(1))%len(from)])}}
	conn, err := dialer.Dial("tcp", net.JoinHostPort(tr.in.ip, port))
	line := ""
	if err == nil {
		conn.SetDeadline(time.Now().Add(60 * time.Second))
		r := bufio.NewReader(conn)
		if line, err = r.ReadString('\n'); err == nil && strings.HasPrefix(line, greeting) {
			tr.mu.Lock()
			defer tr.mu.Unlock()
			tr.sessions++
			tr.waited = max(tr.waited, time.Since(start))
			return conn, r
		}
		conn.Close()
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if err != nil && conn != nil && time.Since(start) < 50*time.Second {
		tr.broken++
		return nil, nil
	}
	tr.refused = append(tr.refused, fmt.Sprintf("%s after %v: %v %q", port, time.Since(start), err, line))
	return nil, nil
}

// deliver sends one message.
func (tr *traffic) deliver(port, hello, id string) {
	conn, r := tr.dial(port, "220 ")
	if conn == nil {
		return
	}
	defer conn.Close()
	for _, step := range []struct{ send, want string }{
		{hello, "250"}, {"MAIL FROM:<a@remote.example>", "250"}, {"RCPT TO:<mox@mox.example>", "250"}, {"DATA", "354"},
		{"From: a@remote.example\r\nTo: mox@mox.example\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + id + "@remote.example>\r\nSubject: " + id + "\r\n\r\nhello\r\n.", "250"},
		{"QUIT", "221"},
	} {
		data := strings.HasPrefix(step.send, "From:")
		if data {
			tr.note(id, false)
		}
		fmt.Fprintf(conn, "%s\r\n", step.send)
		line, err := "", error(nil)
		for err == nil && (len(line) < 4 || line[3] == '-') {
			line, err = r.ReadString('\n')
		}
		if err != nil || !strings.HasPrefix(line, step.want) {
			return // a temporary error, or the session ended in its middle: it would be tried again
		}
		if data {
			tr.note(id, true)
		}
	}
}

// note remembers a message, whose content is about to be sent, or was accepted.
func (tr *traffic) note(id string, accepted bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if accepted {
		tr.accepted = append(tr.accepted, id)
		delete(tr.unsure, id)
	} else {
		tr.unsure[id] = true
	}
}

// look logs in and counts.
func (tr *traffic) look(string) {
	conn, r := tr.dial(upgradeIMAP, "* OK")
	if conn == nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "a LOGIN mox@mox.example password1\r\nb STATUS INBOX (MESSAGES)\r\nc LOGOUT\r\n")
	for {
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
	}
}

// subjects are those of all messages, by IMAP.
func (in *installed) subjects() map[string]int {
	in.t.Helper()
	found := map[string]int{}
	for _, box := range []string{"INBOX", "Junk", "Rejects"} {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(in.ip, upgradeIMAP), time.Minute)
		if err != nil {
			in.t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(conn, "a LOGIN mox@mox.example password1\r\nb EXAMINE %s\r\nc FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject)]\r\nd LOGOUT\r\n", box)
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "Subject: "); ok {
				found[id]++
			}
		}
		conn.Close()
	}
	return found
}

// check ends the stream, and compares what was accepted with what is there.
func (tr *traffic) check() {
	t := tr.in.t
	t.Helper()
	tr.end()
	found := tr.in.subjects()
	if len(tr.refused) > 0 {
		t.Errorf("%d connections were refused: %v", len(tr.refused), tr.refused[:min(3, len(tr.refused))])
	}
	if tr.broken > 0 && !tr.crash {
		t.Errorf("%d connections ended before the greeting", tr.broken)
	}
	lost := 0
	for _, id := range tr.accepted {
		if found[id] != 1 {
			if lost++; lost < 4 {
				t.Errorf("message %s was accepted, and is there %d times", id, found[id])
			}
		}
		delete(found, id)
	}
	for id, n := range found {
		if n != 1 || !tr.unsure[id] {
			t.Errorf("message %s, not accepted, is there %d times", id, n)
		}
	}
	if len(tr.accepted) == 0 || tr.sessions < 20 {
		t.Errorf("%d sessions, %d messages: that is no stream", tr.sessions, len(tr.accepted))
	}
	t.Logf("%d sessions, none refused, longest wait for a greeting %v; %d messages accepted, %d unsure", tr.sessions, tr.waited.Round(time.Millisecond), len(tr.accepted), len(tr.unsure))
}

// upgrade runs "mox upgrade" to a program with a fault.
func (in *installed) upgrade(fault string, args ...string) (string, error) {
	in.t.Helper()
	next := in.path("next")
	os.Remove(next)
	if err := appendFault(in.path("mox"), next, fault); err != nil {
		in.t.Fatal(err)
	}
	cmd := in.command(append([]string{"upgrade", "-binary", next, "-watch", "4s", "-start", "1m"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	limit := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer limit.Stop()
	err := cmd.Wait()
	return out.String(), err
}

// program is the fault of the installed program.
func (in *installed) program() string {
	in.t.Helper()
	b, err := os.ReadFile(in.path("mox"))
	if err != nil {
		in.t.Fatal(err)
	}
	_, name, _ := bytes.Cut(b[len(b)-64:], []byte(faultMark))
	return string(name)
}

// TestUpgrade goes over to another program, as root and without, under a stream of connections.
func TestUpgrade(t *testing.T) {
	for i, user := range []bool{false, true} {
		t.Run(map[bool]string{false: "root", true: "unprivileged"}[user], func(t *testing.T) {
			if !user && os.Getuid() != 0 {
				t.Skip("needs root")
			}
			t.Parallel()
			in := installMox(t, fmt.Sprintf("127.0.81.%d", i+1), user)
			tr := in.begin()
			time.Sleep(300 * time.Millisecond)
			out, err := in.upgrade("good")
			if err != nil || !strings.Contains(out, "upgraded from") {
				t.Errorf("%v\n%s", err, out)
			}
			if got := in.program(); got != "good" {
				t.Errorf("installed program is %q", got)
			}
			// The parent is the new program now, with the same process id, and can do it again.
			exe, err := os.ReadFile(fmt.Sprintf("/proc/%d/exe", in.server.Process.Pid))
			if err != nil || !bytes.HasSuffix(exe, []byte(faultMark+"good")) {
				t.Errorf("parent is another program: %v", err)
			}
			if out, err := in.upgrade("better"); err != nil {
				t.Errorf("a second time: %v\n%s", err, out)
			}
			if st := in.mox("", "upgrade", "-status"); !strings.Contains(st, ": done") {
				t.Errorf("status %q", st)
			}
			if h := in.mox("", "health"); !strings.HasPrefix(h, "healthy") {
				t.Errorf("health %q", h)
			}
			tr.check()
			in.server.Process.Signal(syscall.SIGTERM)
			select {
			case <-in.exited:
			case <-time.After(time.Minute):
				t.Fatal("server does not stop")
			}
			if got := in.server.ProcessState.ExitCode(); got != 15 {
				t.Errorf("exit status %d", got)
			}
			in.user = true
			in.mox("", "verifydata", in.path("data"))
		})
	}
}

// TestUpgradeCapability: a server without root whose program may bind ports by its file (setcap) is upgraded by
// root, and the parent has that capability still.
func TestUpgradeCapability(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	in := prepareMox(t, "127.0.81.4", true)
	data := make([]byte, 20)
	binary.LittleEndian.PutUint32(data, 0x02000001) // vfs_cap_data, version 2, in effect
	binary.LittleEndian.PutUint32(data[4:], 1<<unix.CAP_NET_BIND_SERVICE)
	for _, err := range []error{os.Mkdir(in.path("data"), 0o750), os.Chown(in.path("data"), upgradeUser, upgradeUser), os.Chown(in.dir, 0, 0), os.Chown(in.path("mox"), 0, 0)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setxattr(in.path("mox"), "security.capability", data, 0); err != nil {
		t.Skipf("capabilities of files cannot be set here: %v", err)
	}
	in.start()
	capable := func() {
		t.Helper()
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", in.server.Process.Pid))
		for _, f := range files {
			if b, _ := os.ReadFile(f); bytes.Contains(b, []byte("\nCapEff:\t0000000000000400\n")) {
				return
			}
		}
		t.Error("the parent has lost its capability")
	}
	capable()
	in.user = false
	for _, fault := range []string{"good", "better"} {
		if out, err := in.upgrade(fault); err != nil || !strings.Contains(out, "upgraded from") {
			t.Fatalf("%v\n%s", err, out)
		}
		if exe, err := os.ReadFile(fmt.Sprintf("/proc/%d/exe", in.server.Process.Pid)); err != nil || !bytes.HasSuffix(exe, []byte(faultMark+fault)) {
			t.Errorf("parent is another program: %v", err)
		}
		capable()
	}
}

// TestUpgradeFaults goes over to programs that fail at each stage: users keep their mail, and the
// program from before serves, but where only the new one can use the data.
func TestUpgradeFaults(t *testing.T) {
	if os.Getenv("MOX_UPGRADE_MESSAGES") == "" {
		t.Skip("takes more than a minute: make upgrade")
	}
	for i, tc := range []struct {
		fault   string
		output  string // of mox upgrade
		state   string // of the server; "": it was not asked
		forward bool
		args    []string
	}{
		{fault: "version", output: "for its version"},
		{fault: "platform", output: "plan9/mips"},
		{fault: "verifydata", output: "it is not what was expected"},
		{fault: "start", output: "ended with exit status 3", state: "rolledback"},
		{fault: "hangstart", output: "did not get ready: not in time", state: "rolledback", args: []string{"-start", "4s"}},
		{fault: "crash", output: "ended with exit status 3", state: "rolledback"},
		{fault: "hang", output: "does not answer", state: "rolledback"},
		{fault: "own-start", output: "no way back", state: "rolledback"},
		{fault: "own-start", output: "ended with exit status 3", state: "rolledback", args: []string{"-skip-rehearsal"}},
		{fault: "shared-crash", output: "can use it as well", state: "rolledback"},
		{fault: "own-crash", output: "it stays, as only it can use the data", state: "forward", forward: true},
	} {
		t.Run(tc.fault+strings.Join(tc.args, ""), func(t *testing.T) {
			in := installMox(t, fmt.Sprintf("127.0.81.%d", 11+i), i%2 == 1)
			tr := in.begin()
			tr.crash = strings.HasSuffix(tc.fault, "crash") || tc.fault == "hang"
			time.Sleep(200 * time.Millisecond)
			out, err := in.upgrade(tc.fault, tc.args...)
			if err == nil || !strings.Contains(out, tc.output) {
				t.Errorf("%v, output lacks %q:\n%s", err, tc.output, out)
			}
			t.Log(out)
			want := map[bool]string{true: tc.fault}[tc.forward]
			if got := in.program(); got != want {
				t.Errorf("installed program is %q, want %q", got, want)
			}
			state := tc.state
			if state == "" {
				state = "no upgrade since the start"
			}
			if st := in.mox("", "upgrade", "-status"); !strings.Contains(st, ": "+state) {
				t.Errorf("status %q, want %q", st, state)
			}
			time.Sleep(300 * time.Millisecond) // more comes in
			tr.check()
			if left, _ := filepath.Glob(in.path("data/upgrade/*")); len(left) > 0 && !tc.forward {
				t.Errorf("left behind: %v", left)
			}
			if aside, _ := filepath.Glob(in.path("data/*.aside")); len(aside) > 0 {
				t.Errorf("databases were given up: %v", aside)
			}
			// The next one that is good is taken.
			if !tc.forward {
				if out, err := in.upgrade("good"); err != nil {
					t.Errorf("afterwards: %v\n%s", err, out)
				}
			}
			in.mox("", "check")
			in.server.Process.Signal(syscall.SIGTERM)
			<-in.exited
		})
	}
}
