package moxtest_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/ban"
	"mox/config"
	"mox/moxtest"
)

// bans is a server behind a proxy that says who connects.
type bans struct {
	*moxtest.Server
	t *testing.T
}

func newBans(t *testing.T, o ...moxtest.Option) bans {
	o = append(o, moxtest.WithConfig(func(static *config.Static, _ *config.Dynamic) {
		l := static.Listeners["test"]
		l.ProxyProtocol = []string{"127.0.0.0/8", "::1"}
		static.Listeners["test"] = l
		static.AutoBan.LoginFailures = 8
		static.AutoBan.Allow = []string{"203.0.113.200"}
		static.AutoBan.ExportFile = "bans.nft"
	}))
	return bans{moxtest.New(t, o...), t}
}

// dial connects as if from an address.
func (s bans) dial(service, from string) net.Conn {
	conn := s.Dial(s.t, service)
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(conn, "PROXY TCP4 %s 127.0.0.1 1234 25\r\n", from); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// greeting is the first line of a service; empty when the connection is closed.
func (s bans) greeting(service, from string) string {
	s.t.Helper()
	conn := s.dial(service, from)
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		s.t.Fatalf("%s from %s: %v", service, from, err)
	}
	return strings.TrimSpace(line)
}

func (s bans) wantGreeting(service, from, want string) {
	s.t.Helper()
	if got := s.greeting(service, from); !strings.HasPrefix(got, want) || want == "" && got != "" {
		s.t.Errorf("%s from %s: %q, want %q", service, from, got, want)
	}
}

// login tries a password with IMAP and returns the tagged reply, or the greeting of who is refused.
func (s bans) login(from, password string) string {
	s.t.Helper()
	conn := s.dial("imap", from)
	defer conn.Close()
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "* OK") {
		return strings.TrimSpace(line)
	}
	fmt.Fprintf(conn, "x LOGIN mox@%s %q\r\n", moxtest.Domain, password)
	for !strings.HasPrefix(line, "x ") {
		if line, err = r.ReadString('\n'); err != nil {
			s.t.Fatal(err)
		}
	}
	return strings.TrimSpace(line)
}

// get asks the port of HTTP for a path; 0 when there is no answer.
func (s bans) get(from, path string) int {
	s.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return s.dial("web", from), nil }}
	resp, err := (&http.Client{Transport: transport}).Get("http://" + moxtest.Hostname + path)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestBanLogins has somebody guess passwords, beside users.
func TestBanLogins(t *testing.T) {
	dir := t.TempDir() // so that it outlives the server
	data := filepath.Join(dir, "bans")
	var path string
	t.Cleanup(func() {
		// After the end of the server, the next one knows.
		file, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(data, file, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := ban.Open(data, ban.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if x, ok := b.Lookup(netip.MustParseAddr("203.0.113.5"), ban.Logins); !ok || x.Times != 1 || x.Events != 8 {
			t.Errorf("after a restart: %v %+v", ok, x)
		}
	})
	s := newBans(t)
	path = s.Config.Snapshot().DataPath(ban.FileName)
	const attacker, other, nat, allowed = "203.0.113.5", "198.51.100.9", "192.0.2.50", "203.0.113.200"

	// A user logs in now and then from where somebody guesses.
	if got := s.login(nat, moxtest.Password); !strings.HasPrefix(got, "x OK") {
		t.Fatal(got)
	}
	for i := range 9 {
		for _, from := range []string{nat, allowed} {
			if got := s.login(from, fmt.Sprint("wrong password ", i)); !strings.HasPrefix(got, "x NO [AUTHENTICATIONFAILED]") {
				t.Fatalf("guess %d from %s: %s", i, from, got)
			}
		}
	}
	if got := s.login(nat, moxtest.Password); !strings.HasPrefix(got, "x OK") {
		t.Error(got)
	}
	// An old password, again and again, is one guess.
	for range 9 {
		s.login(other, "the password of last year")
	}
	if got := s.login(other, moxtest.Password); !strings.HasPrefix(got, "x OK") {
		t.Error(got)
	}

	open := s.dial("submission", attacker) // before the ban
	for i := range 8 {
		s.wantGreeting("imap", attacker, "* OK")
		if got := s.login(attacker, fmt.Sprint("wrong password ", i)); !strings.HasPrefix(got, "x NO [AUTHENTICATIONFAILED]") {
			t.Fatalf("guess %d: %s", i, got)
		}
	}
	s.wantGreeting("imap", attacker, "* BYE [CONTACTADMIN] your network 203.0.113.5/32 is banned for failed logins until ")
	s.wantGreeting("submission", attacker, "421 4.7.0 your network 203.0.113.5/32 is banned for failed logins until ")
	s.wantGreeting("imaps", attacker, "")
	s.wantGreeting("submissions", attacker, "")
	if code := s.get(attacker, "/"); code != 0 {
		t.Errorf("HTTP %d", code)
	}
	// Its mail server sends mail as before.
	s.wantGreeting("smtp", attacker, "220 ")
	// What was open cannot go on guessing, not even right.
	r := bufio.NewReader(open)
	fmt.Fprintf(open, "EHLO x\r\nAUTH PLAIN %s\r\n", base64.StdEncoding.EncodeToString([]byte("\x00mox@"+moxtest.Domain+"\x00"+moxtest.Password)))
	for line := ""; ; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "250") || strings.HasPrefix(line, "220") {
			continue
		}
		if !strings.HasPrefix(line, "454 4.7.0") {
			t.Error(line)
		}
		break
	}
	for _, from := range []string{other, nat, allowed, "203.0.113.6"} {
		if got := s.login(from, moxtest.Password); !strings.HasPrefix(got, "x OK") {
			t.Errorf("%s: %s", from, got)
		}
	}
	s.wantMetric("mox_ban_total", "door=logins,reason=authentication", 1)
	s.wantMetric("mox_ban_networks", "door=logins", 1)
	s.wantMetric("mox_ban_refused_total", "protocol=imap", 2)
	s.wantMetric("mox_ban_refused_total", "protocol=submission", 2)
	s.wantExport("203.0.113.5/32 timeout 3", "203.0.113.200/32,")
}

func (s bans) wantMetric(name, labels string, want float64) {
	s.t.Helper()
	seen, err := s.Registry.Gather(name)
	if err != nil || seen[labels] != want {
		s.t.Errorf("%s %v, %v", name, seen, err)
	}
}

// wantExport waits until the file for the packet filter has texts.
func (s bans) wantExport(texts ...string) {
	s.t.Helper()
	var data []byte
	for range 600 {
		data, _ = os.ReadFile(s.Config.Snapshot().DataPath("bans.nft"))
		all := true
		for _, text := range texts {
			all = all && strings.Contains(string(data), text)
		}
		if all {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Errorf("no %q in\n%s", texts, data)
}

// TestBanMail has programs on port 25 that do not talk SMTP, and a ban by hand.
func TestBanMail(t *testing.T) {
	s := newBans(t)
	const attacker = "203.0.113.5"
	for range 10 {
		conn := s.dial("smtp", attacker)
		fmt.Fprint(conn, "GET / HTTP/1.1\r\n\r\n")
		if b, err := io.ReadAll(conn); err != nil || !strings.Contains(string(b), "\r\n500 5.5.1") {
			t.Fatalf("%q %v", b, err)
		}
	}
	s.wantGreeting("smtp", attacker, "421 4.7.0 your network 203.0.113.5/32 is banned for sessions full of errors until ")
	s.wantGreeting("imap", attacker, "* OK")
	for range 10 {
		conn := s.dial("imap", "203.0.113.6")
		fmt.Fprint(conn, "GET / HTTP/1.1\r\n\r\n")
		if b, err := io.ReadAll(conn); err != nil || !strings.Contains(string(b), "* BYE this is an IMAP server") {
			t.Fatalf("%q %v", b, err)
		}
	}
	s.wantGreeting("imap", "203.0.113.6", "* BYE [CONTACTADMIN] ")
	s.wantGreeting("smtp", "203.0.113.6", "220 ")

	// Somebody who looks for addresses, and a list with many that are dead.
	for i := range 40 {
		for from, to := range map[string]string{"192.0.2.1": "nobody", "192.0.2.65": "mox"} {
			s.rcpt(from, fmt.Sprint("nobody", i), to, fmt.Sprint("nobody", i, "x"))
		}
	}
	s.wantGreeting("smtp", "192.0.2.1", "421 4.7.0 your network 192.0.2.1/32 is banned for too many unknown recipients until ")
	s.wantGreeting("smtp", "192.0.2.65", "220 ")

	network := "198.51.100.0/24"
	if _, err := s.Admin.BanAdd(t.Context(), "test", network, []ban.Door{ban.Mail}, 0, "spam"); err != nil {
		t.Fatal(err)
	}
	s.wantGreeting("smtp", "198.51.100.77", "554 5.7.1 no service for your network 198.51.100.0/24, which the administrator has banned")
	s.wantGreeting("imap", "198.51.100.77", "* OK")
	if _, err := s.Admin.BanRemove(t.Context(), "test", "198.51.100.77"); err != nil {
		t.Fatal(err)
	}
	s.wantGreeting("smtp", "198.51.100.77", "220 ")
	if _, err := s.Admin.BanRemove(t.Context(), "test", network); err == nil {
		t.Error("a ban that is not there was removed")
	}
	// Somebody who reads mail there would not be able to: status tells how to help.
	if got := s.login("198.51.100.77", moxtest.Password); !strings.HasPrefix(got, "x OK") {
		t.Fatal(got)
	}
	if _, err := s.Admin.BanAdd(t.Context(), "test", network, []ban.Door{ban.Logins}, 0, ""); err != nil {
		t.Fatal(err)
	}
	s.wantGreeting("imap", "198.51.100.77", "* BYE [CONTACTADMIN] your network 198.51.100.0/24 is banned by the administrator: ask")
	r, err := s.Admin.Status(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, sentence := range r.Sentences {
		found = found || sentence.Kind == "ban" && sentence.Command == "mox ban remove "+network
	}
	if !found {
		t.Errorf("%+v", r)
	}
}

// TestBanSenders has a server return forged mail to addresses that are not there, and one that sends
// verified mail.
func TestBanSenders(t *testing.T) {
	s := newBans(t)
	const returner, sender, forger = "192.0.2.1", "192.0.2.65", "192.0.2.129"
	s.DNS.TXT["remote.example"] = []string{"v=spf1 ip4:" + sender + " -all"}
	for from, code := range map[string]string{sender: "250 ", forger: "451 "} {
		conn := s.dial("smtp", from)
		fmt.Fprintf(conn, "HELO remote.example\r\nMAIL FROM:<a@remote.example>\r\nRCPT TO:<mox@%s>\r\nDATA\r\nFrom: a@remote.example\r\nSubject: hello\r\n\r\nhello\r\n.\r\nQUIT\r\n", moxtest.Domain)
		b, err := io.ReadAll(conn)
		lines := strings.Split(string(b), "\r\n")
		if err != nil || len(lines) < 4 || !strings.HasPrefix(lines[len(lines)-3], code) {
			t.Fatalf("%s: %q %v", from, b, err)
		}
	}
	for range 40 {
		s.rcptFrom(returner, "", "nobody", "nobody1", "nobody2")
		s.rcpt(sender, "nobody", "nobody1", "nobody2")
		s.rcpt(forger, "nobody", "nobody1", "nobody2")
	}
	s.wantGreeting("smtp", returner, "220 ")
	s.wantGreeting("smtp", sender, "220 ")
	s.wantGreeting("smtp", forger, "421 4.7.0 your network "+forger+"/32 is banned for too many unknown recipients until ")
	for from, known := range map[string]bool{returner: false, sender: true, forger: false} {
		if v, err := s.Admin.BanTest(from); err != nil || v.Mail.IsZero() == known || len(v.Counts) > 0 && v.Counts[0].Network.Bits() == 32 {
			t.Errorf("%s: %+v %v", from, v, err)
		}
	}
}

// rcpt gives recipients to port 25, and leaves; it does nothing when it is refused.
func (s bans) rcpt(from string, to ...string) {
	s.t.Helper()
	s.rcptFrom(from, "a@remote.example", to...)
}

// rcptFrom is rcpt with a reverse-path.
func (s bans) rcptFrom(from, reversePath string, to ...string) {
	s.t.Helper()
	conn := s.dial("smtp", from)
	defer conn.Close()
	r := bufio.NewReader(conn)
	if line, _ := r.ReadString('\n'); !strings.HasPrefix(line, "220") {
		return
	}
	fmt.Fprintf(conn, "HELO remote.example\r\nMAIL FROM:<%s>\r\n", reversePath)
	for _, localpart := range to {
		fmt.Fprintf(conn, "RCPT TO:<%s@%s>\r\n", localpart, moxtest.Domain)
	}
	fmt.Fprint(conn, "QUIT\r\n")
	b, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(b), "550 5.1.1") {
		s.t.Fatalf("%q %v", b, err)
	}
}

// TestBanWeb has somebody look for holes of programs that are not here.
func TestBanWeb(t *testing.T) {
	s := newBans(t)
	const attacker = "203.0.113.5"
	for i := range 30 {
		if code := s.get("198.51.100.9", fmt.Sprint("/not/here/", i)); code != 404 {
			t.Fatalf("HTTP %d", code)
		}
	}
	for range 10 {
		if code := s.get(attacker, "/.env"); code != 404 {
			t.Fatalf("HTTP %d", code)
		}
	}
	if code := s.get(attacker, "/"); code != 0 {
		t.Errorf("HTTP %d", code)
	}
	s.wantGreeting("smtp", attacker, "220 ")
	if code := s.get("198.51.100.9", "/"); code != 404 {
		t.Errorf("HTTP %d", code)
	}
}

// TestBanForwarded: behind a proxy of HTTP, the address that it tells counts, and no other.
func TestBanForwarded(t *testing.T) {
	s := moxtest.New(t, moxtest.WithConfig(func(static *config.Static, _ *config.Dynamic) {
		l := static.Listeners["test"]
		l.WebAPIHTTP.Forwarded = true
		static.Listeners["test"] = l
	}))
	get := func(client, path string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr("web")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if client != "" {
			req.Header.Set("X-Forwarded-For", client)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	for range 10 {
		get("", "/wp-login.php") // nobody knows whose it is
		if code := get("2001:db8::1", "/wp-login.php"); code != 404 {
			t.Fatalf("HTTP %d", code)
		}
	}
	for client, want := range map[string]int{"2001:db8::2": 403, "2001:db8:0:1::1": 404, "192.0.2.1": 404, "": 404} {
		if code := get(client, "/"); code != want {
			t.Errorf("%q: HTTP %d", client, code)
		}
	}
}
