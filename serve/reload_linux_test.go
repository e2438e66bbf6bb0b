package serve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mox/config"
)

// startUser starts a server without root.
func (in *installation) startUser() *run {
	in.t.Helper()
	r := in.start(asUser)
	r.waitLog("mox is serving")
	return r
}

// send delivers a message to an address over SMTP.
func (in *installation) send(to string, size int) error {
	conn, err := net.DialTimeout("tcp", in.addr("smtp"), time.Minute)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.Mail("x@remote.example"), c.Rcpt(to)); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "From: <x@remote.example>\r\nSubject: test\r\n\r\n")
	// Not to be compressed.
	random, err := os.Open("/dev/urandom")
	if err != nil {
		return err
	}
	defer random.Close()
	for line := make([]byte, 30); size > 0; size -= 62 {
		io.ReadFull(random, line)
		fmt.Fprintf(w, "%x\r\n", line)
	}
	return w.Close()
}

// TestReload edits domains.conf by hand: a new account gets its data and mail; a broken
// file is refused with its place while the old configuration stays.
func TestReload(t *testing.T) {
	t.Parallel()
	in := installUser(t, "127.0.77.5", nil)
	r := in.startUser()
	good, err := os.ReadFile(in.config("domains.conf"))
	if err != nil {
		t.Fatal(err)
	}
	added := strings.Replace(string(good), "Accounts:\n", "Accounts:\n\t# By hand.\n\tnew:\n\t\tDomain: mox.example\n\t\tDestinations:\n\t\t\tnew@mox.example: nil\n", 1)
	in.writeFile("domains.conf", added)
	r.waitLog("configuration changed")
	if err := in.send("new@mox.example", 100); err != nil {
		t.Fatal(err)
	}
	in.writeFile("domains.conf", added+"Acounts: x\n")
	r.waitLog("keeping the previous one")
	r.waitLog(fmt.Sprintf("domains.conf:%d", strings.Count(added, "\n")+1))
	if err := in.send("new@mox.example", 100); err != nil {
		t.Error(err)
	}
	if _, err := r.control("addressadd", "more@mox.example", "new"); err == nil || !strings.Contains(err.Error(), "changed by someone else") {
		t.Errorf("edit of a broken file: %v", err)
	}
	in.writeFile("domains.conf", added)
	r.signal(syscall.SIGHUP)
	r.waitLog("as before again")
	for _, c := range []string{"addressadd more@mox.example new", "setaccountpassword new newnewnew", "setloglevels info", "domainadd two.example new", "accountdisabled new later", "accountenable new"} {
		f := strings.Fields(c)
		if _, err := r.control(f[0], f[1:]...); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
	if out, err := r.control("accountaddresses", "new"); err != nil || out != "more@mox.example\nnew@mox.example\npostmaster@two.example\n" {
		t.Errorf("addresses: %q, %v", out, err)
	}
	if b, err := os.ReadFile(in.config("domains.conf")); err != nil || !strings.Contains(string(b), "# By hand.") {
		t.Errorf("the comment is gone: %v\n%s", err, b)
	}
	in.wantMetrics(`mox_smtpserver_delivery_total{reason="`, `mox_smtpserver_connection_total{kind="deliver"} 2`, `mox_panic_total{pkg="imapserver"} 0`, "mox_logging_level_error_total", "process_open_fds ")
	if _, err := r.control("stop"); err != nil {
		t.Error(err)
	}
	r.wantExit(0, "mox has stopped")
}

func (in *installation) wantMetrics(lines ...string) {
	in.t.Helper()
	res, err := http.Get("http://" + in.addr("metrics") + "/metrics")
	if err != nil {
		in.t.Error(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Error(err)
	}
	for _, line := range lines {
		if !strings.Contains(string(body), line) {
			in.t.Errorf("metrics lack %q", line)
		}
	}
}

// TestBadStart ends with status 1 and an error that says what to mend.
func TestBadStart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(in *installation) error
		want  string
	}{
		"unknown field": {func(in *installation) error { return appendTo(in.config("mox.conf"), "Hosntame: x\n") }, "mox.conf:"},
		"wrong type": {func(in *installation) error {
			return replaceIn(in.config("mox.conf"), "Enabled: true", "Enabled: maybe")
		}, "Enabled"},
		"bad address": {func(in *installation) error { return replaceIn(in.config("domains.conf"), "mox@mox.example", "@@") }, "domains.conf:"},
		"unreadable key": {func(in *installation) error {
			return errors.Join(os.Chown(in.config("key.pem"), os.Getuid(), -1), os.Chmod(in.config("key.pem"), 0))
		}, "key.pem: permission denied"},
		"no key":          {func(in *installation) error { return os.Remove(in.config("key.pem")) }, "key.pem: no such file"},
		"receivedid.key":  {func(in *installation) error { return in.dataFile("receivedid.key", "short") }, "receivedid.key has 5 bytes instead of 24"},
		"data dir a file": {func(in *installation) error { return os.WriteFile(in.data(""), nil, 0o644) }, "data"},
	} {
		t.Run(name, func(t *testing.T) {
			in := installUser(t, "127.0.77.6", nil)
			if name == "unreadable key" && os.Getuid() != 0 {
				t.Skip("needs a file of another user")
			}
			if err := tc.spoil(in); err != nil {
				t.Fatal(err)
			}
			in.start(asUser).wantExit(1, tc.want)
		})
	}
}

func (in *installation) dataFile(name, content string) error {
	if err := os.MkdirAll(in.data(""), 0o777); err != nil {
		return err
	}
	return os.WriteFile(in.data(name), []byte(content), 0o644)
}

func appendTo(path, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, text...), 0o644)
}

func replaceIn(path, old, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Replace(string(b), old, text, 1)), 0o644)
}

// TestCorruptAccount: what is damaged fails for now, with a line in the log; the rest of
// the server goes on.
func TestCorruptAccount(t *testing.T) {
	t.Parallel()
	in := installUser(t, "127.0.77.7", func(_ *config.Static, d *config.Dynamic) {
		d.Accounts["bad"] = config.Account{Domain: "mox.example", Destinations: map[string]config.Destination{"bad@mox.example": {}}}
	})
	r := in.startUser()
	if _, err := r.control("setaccountpassword", "bad", "moxmoxmox"); err != nil {
		t.Fatal(err)
	}
	if err := in.send("bad@mox.example", 100); err != nil {
		t.Fatal(err)
	}
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "")
	files, _ := filepath.Glob(in.data("accounts/bad/account.db*"))
	for _, f := range files {
		if err := os.WriteFile(f, []byte(strings.Repeat("damage", 10000)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r = in.startUser()
	r.wantStatus("")
	if err := in.send("bad@mox.example", 100); err == nil || !strings.HasPrefix(err.Error(), "4") {
		t.Errorf("delivery to the damaged account: %v", err)
	}
	r.waitLog("account data is damaged")
	r.wantStatus("storing")
	if err := in.send("mox@mox.example", 100); err != nil {
		t.Errorf("delivery to another account: %v", err)
	}
	if got := in.talk("imap", "a starttls\r\n"); !strings.Contains(got, "a OK") {
		t.Errorf("imap: %q", got)
	}
	r.signal(syscall.SIGTERM)
	r.wantExit(1, "1 of 2 accounts are inconsistent")
}

// talk sends text to a service, and returns the greeting and the answer.
func (in *installation) talk(service, text string) string {
	in.t.Helper()
	conn, err := net.DialTimeout("tcp", in.addr(service), time.Minute)
	if err != nil {
		in.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	greeting, _ := r.ReadString('\n')
	io.WriteString(conn, text)
	answer, err := r.ReadString('\n')
	if err != nil {
		in.t.Errorf("%s: %v", service, err)
	}
	return greeting + answer
}

// TestGracefulStop stops with sessions open: they are told, new ones are refused for now,
// and a delivery under way is finished.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	in := installUser(t, "127.0.77.8", func(s *config.Static, _ *config.Dynamic) {
		l := s.Listeners["local"]
		l.IMAP.NoRequireSTARTTLS = true
		s.Listeners["local"] = l
	})
	// There is time to say all of this, on a machine that is busy too, before what drains is cut off.
	const enough = 40 * time.Second
	r := in.start(func(cmd *exec.Cmd) {
		asUser(cmd)
		cmd.Env = append(cmd.Env, envTestDrain+"="+enough.String())
	})
	r.waitLog("mox is serving")
	if _, err := r.control("setaccountpassword", "mox", "moxmoxmox"); err != nil {
		t.Fatal(err)
	}
	idle := in.session("imap", "* OK ")
	idle.say("a login mox@mox.example moxmoxmox", "a OK")
	idle.say("b select inbox", "b OK")
	idle.say("c idle", "+ ")
	adding := in.session("imap", "* OK ")
	adding.say("a login mox@mox.example moxmoxmox", "a OK")
	adding.say("b append Drafts {6}", "+ ")
	waiting := in.session("smtp", "220 ")
	waiting.say("EHLO localhost", "250 ")
	busy := in.session("smtp", "220 ")
	busy.say("EHLO localhost", "250 ")
	busy.say("MAIL FROM:<x@remote.example>", "250 ")
	busy.say("RCPT TO:<mox@mox.example>", "250 ")
	busy.say("DATA", "354 ")

	start := time.Now()
	r.signal(syscall.SIGTERM)
	idle.want("* BYE ")
	waiting.want("421 ")
	in.session("smtp", "421 ")
	in.session("imap", "* BYE ")
	adding.say("a: b\r\n", "b OK", "* BYE ")
	busy.say("Subject: last\r\n\r\nlast words\r\n.", "250 ")
	r.wantExit(15, "mox has stopped")
	if d := time.Since(start); d >= enough {
		t.Errorf("stopping took %v, though all sessions had ended", d)
	}

	r = in.startUser()
	got := in.session("imap", "* OK ")
	got.say("a login mox@mox.example moxmoxmox", "a OK")
	got.say("b status inbox (messages)", "* STATUS \"inbox\" (MESSAGES 1)", "* STATUS inbox (MESSAGES 1)", "* STATUS INBOX (MESSAGES 1)", "* STATUS Inbox (MESSAGES 1)")
	// A session in the middle of a message is cut off after the time for draining.
	stuck := in.session("smtp", "220 ")
	stuck.say("EHLO localhost", "250 ")
	stuck.say("MAIL FROM:<x@remote.example>", "250 ")
	stuck.say("RCPT TO:<mox@mox.example>", "250 ")
	stuck.say("DATA", "354 ")
	start = time.Now()
	if _, err := r.control("stop"); err != nil {
		t.Error(err)
	}
	r.wantExit(0, "mox has stopped")
	if d := time.Since(start); d < Drain-100*time.Millisecond || d > Drain+30*time.Second {
		t.Errorf("stopping with a stuck session took %v", d)
	}
}

// wire is a connection for a session by hand.
type wire struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (in *installation) session(service, greeting string) *wire {
	in.t.Helper()
	conn, err := net.DialTimeout("tcp", in.addr(service), time.Minute)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { conn.Close() })
	w := &wire{in.t, conn, bufio.NewReader(conn)}
	w.want(greeting)
	return w
}

// want reads lines until one begins in one of these ways.
func (w *wire) want(prefixes ...string) {
	w.t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(time.Minute))
	var all strings.Builder
	for {
		line, err := w.r.ReadString('\n')
		all.WriteString(line)
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				return
			}
		}
		if err != nil {
			w.t.Fatalf("want a line with %q, got %v after %q", prefixes, err, all.String())
		}
	}
}

func (w *wire) say(line string, prefixes ...string) {
	w.t.Helper()
	io.WriteString(w.conn, line+"\r\n")
	w.want(prefixes...)
}

// TestFullDisk fills the file system of the data directory: deliveries are refused for
// now, nothing half is stored, and all works again when there is space.
func TestFullDisk(t *testing.T) {
	needRoot(t)
	t.Parallel()
	in := installUser(t, "127.0.77.9", nil)
	if err := os.Mkdir(in.data(""), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", in.data(""), "tmpfs", 0, fmt.Sprintf("size=6m,uid=%d,gid=%d", testUID, testUID)); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(in.data(""), syscall.MNT_DETACH) })
	r := in.startUser()
	accepted := 0
	var err error
	for range 50 {
		if err = in.send("mox@mox.example", 600_000); err != nil {
			break
		}
		accepted++
	}
	if err == nil || !strings.HasPrefix(err.Error(), "452 ") || accepted == 0 {
		t.Fatalf("after %d messages: %v", accepted, err)
	}
	r.waitLog("disk is full")
	filler := in.data("filler")
	if f, err := os.Create(filler); err == nil {
		io.Copy(f, io.LimitReader(zeros{}, 10<<20)) // until nothing is left
		f.Close()
	}
	// What a failed commit left allocated in the log may still hold a message or two.
	for range 20 {
		if err = in.send("mox@mox.example", 600_000); err != nil {
			break
		}
	}
	if err == nil || !strings.HasPrefix(err.Error(), "452 ") {
		t.Errorf("delivery to a full disk: %v", err)
	}
	r.wantStatus("disk")
	if out, err := exec.Command("mount", "-o", "remount,size=20m", in.data("")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := in.send("mox@mox.example", 600_000); err != nil {
		t.Errorf("delivery when there is space again: %v", err)
	}
	if _, err := r.control("setaccountpassword", "mox", "moxmoxmox"); err != nil {
		t.Error(err)
	}
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "bad=0")
}

// zeros reads as zero octets without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestTrace: content of messages is not logged below tracedata, passwords are at traceauth.
func TestTrace(t *testing.T) {
	t.Parallel()
	in := installUser(t, "127.0.77.10", func(s *config.Static, _ *config.Dynamic) {
		s.LogLevel = "traceauth"
		l := s.Listeners["local"]
		l.IMAP.NoRequireSTARTTLS = true
		s.Listeners["local"] = l
	})
	r := in.startUser()
	if _, err := r.control("setaccountpassword", "mox", "moxmoxmox"); err != nil {
		t.Fatal(err)
	}
	if err := in.send("mox@mox.example", 100); err != nil {
		t.Fatal(err)
	}
	w := in.session("imap", "* OK ")
	w.say("a login mox@mox.example moxmoxmox", "a OK")
	w.say("b append Inbox {14+}\r\nSubject: test\n", "b OK")
	w.say("c select inbox", "c OK")
	w.say("d fetch 1:* (envelope)", "d OK")
	w.say("e fetch 1:* (body.peek[])", "e OK")
	w.say("f fetch 1:* (flags body[header.fields (subject)])", "f OK")
	w.say("g logout", "g OK")
	r.waitLog("g OK")
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(strings.ToLower(line), "test\\r") || strings.Contains(line, `\"test\"`) {
			t.Errorf("content is logged: %s", line)
		}
	}
	r.waitLog("a login mox@mox.example moxmoxmox")
}
