package imapserver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// line reads a line of the server.
func readLine(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// TestTimeouts: a peer that says nothing, or nothing more, is let go. The server has
// no store here: these sessions do not come to need one.
func TestTimeouts(t *testing.T) {
	for _, tc := range []struct {
		name string
		say  string
		wait time.Duration
		bye  string
	}{
		{"nothing", "", 30 * time.Second, "* BYE timeout\r\n"},
		{"half a line", "a LOG", 30 * time.Second, "* BYE timeout\r\n"},
		{"half a literal", "a LOGIN {10+}\r\nabc", 30 * time.Second, "* BYE timeout\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Config{Auth: testAuth{t}})
				client, server := net.Pipe()
				go s.ServeConn(context.Background(), server, Listener{Service: "imap", PlaintextAuth: true})
				r := bufio.NewReader(client)
				readLine(t, r)
				start := time.Now()
				if tc.say != "" {
					fmt.Fprint(client, tc.say)
				}
				rest, _ := io.ReadAll(r)
				if string(rest) != tc.bye || time.Since(start) != tc.wait {
					t.Errorf("%q after %v", rest, time.Since(start))
				}
				s.Shutdown(context.Background())
			})
		})
	}
}

// TestSlowLogin: an octet now and then does not keep a connection before login.
func TestSlowLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Auth: testAuth{t}})
		client, server := net.Pipe()
		go s.ServeConn(context.Background(), server, Listener{Service: "imap", PlaintextAuth: true})
		r := bufio.NewReader(client)
		readLine(t, r)
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				time.Sleep(20 * time.Second)
				if _, err := fmt.Fprint(client, "x"); err != nil {
					return
				}
			}
		})
		io.ReadAll(r)
		client.Close()
		defer wg.Wait()
		if d := time.Since(start); d < 2*time.Minute || d > 4*time.Minute {
			t.Errorf("ended after %v", d)
		}
		s.Shutdown(context.Background())
	})
}

// TestNoReader: a client that does not read is let go after the write timeout.
func TestNoReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Auth: testAuth{t}})
		client, server := net.Pipe()
		done := make(chan time.Time)
		start := time.Now()
		go func() {
			s.ServeConn(context.Background(), server, Listener{Service: "imap"})
			done <- time.Now()
		}()
		if d := (<-done).Sub(start); d > time.Minute {
			t.Errorf("ended after %v", d)
		}
		client.Close()
		s.Shutdown(context.Background())
	})
}

type oneConnection struct{ open map[netip.Addr]int }

func (l *oneConnection) Accept(a netip.Addr) (func(), bool) {
	if l.open[a] > 0 {
		return nil, false
	}
	l.open[a]++
	return func() { l.open[a]-- }, true
}

// TestConnectionLimits: refused connections hear why.
func TestConnectionLimits(t *testing.T) {
	ts := newTestServer(t, testOptions{config: func(c *Config) { c.Limiter = &oneConnection{map[netip.Addr]int{}} }})
	dial := func() (net.Conn, string) {
		t.Helper()
		nc, err := ts.ln.Dial(remote)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc, readLine(t, bufio.NewReader(nc))
	}
	first, line := dial()
	if !strings.HasPrefix(line, "* OK") {
		t.Errorf("first: %q", line)
	}
	if _, line := dial(); !strings.HasPrefix(line, "* BYE [LIMIT]") {
		t.Errorf("second: %q", line)
	}
	first.Close()

	ts = newTestServer(t, testOptions{config: func(c *Config) { c.Limits.Connections = 1 }})
	if _, line := dial(); !strings.HasPrefix(line, "* OK") {
		t.Errorf("first: %q", line)
	}
	if _, line := dial(); !strings.HasPrefix(line, "* BYE [UNAVAILABLE]") {
		t.Errorf("second: %q", line)
	}
}

// TestGarbage: endless lines, giant literals and noise are bounded, and end the
// connection or nothing at all.
func TestGarbage(t *testing.T) {
	ts := newTestServer(t, testOptions{config: func(c *Config) { c.Limits.LoginTimeout = time.Second }})
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	login := fmt.Sprintf("a LOGIN %q %q\r\n", testUser, testPassword)
	for name, in := range map[string]string{
		"endless line":             strings.Repeat("x", 3<<20),
		"long line":                "a NOOP\r\nb " + strings.Repeat("x", 20<<10) + "\r\n",
		"long line after login":    login + "b " + strings.Repeat("x", 70<<10) + "\r\n",
		"zeros":                    strings.Repeat("\x00\r\n", 100),
		"many bad commands":        "a NOOP\r\n" + strings.Repeat("b FROB\r\n", 1000),
		"giant literal":            login + "b LOGIN {999999999999+}\r\n",
		"giant append":             login + "b APPEND INBOX {9223372036854775807+}\r\n",
		"giant append elsewhere":   login + "b APPEND Nowhere {9223372036854775807+}\r\n",
		"nested search":            login + strings.Repeat("b SELECT INBOX\r\nc SEARCH "+strings.Repeat("NOT ", 10000)+"ALL\r\n", 30) + "d LOGOUT\r\n",
		"parentheses":              login + strings.Repeat("b SELECT INBOX\r\nc SEARCH "+strings.Repeat("(", 10000)+"\r\n", 30) + "d LOGOUT\r\n",
		"wide list":                login + "b LIST \"\" (" + strings.Repeat("* ", 1000) + "*)\r\nc LOGOUT\r\n",
		"sets":                     login + "b SELECT INBOX\r\nc FETCH " + strings.Repeat("1,", 10000) + "1 FLAGS\r\nd UID FETCH " + strings.Repeat("1,", 10000) + "1 FLAGS\r\ne LOGOUT\r\n",
		"carriage returns":         strings.Repeat("\r", 100000) + "\r\n",
		"authenticate without end": "a NOOP\r\na AUTHENTICATE PLAIN\r\n" + strings.Repeat("x", 100000),
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(time.Minute))
			go io.WriteString(nc, in)
			out, err := io.ReadAll(nc)
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Errorf("connection stays open after %.300q", out)
			}
		})
	}
}

// TestPanic: a panic ends its own connection only.
func TestPanic(t *testing.T) {
	ts := newTestServer(t, testOptions{log: 100, config: func(c *Config) { c.Accounts = nil }})
	other, err := ts.ln.Dial(remote)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(other)
	readLine(t, r)
	nc, err := ts.ln.Dial(remote)
	if err != nil {
		t.Fatal(err)
	}
	pr := bufio.NewReader(nc)
	readLine(t, pr)
	fmt.Fprintf(nc, "a LOGIN %q %q\r\n", testUser, testPassword)
	out, _ := io.ReadAll(pr)
	if !strings.Contains(string(out), "* BYE [SERVERBUG] internal error, reference ") {
		t.Errorf("got %q", out)
	}
	fmt.Fprint(other, "b NOOP\r\n")
	if line := readLine(t, r); line != "b OK done" {
		t.Errorf("other connection: %q", line)
	}
	other.Close()
	if *ts.panics != 1 {
		t.Errorf("%d panics were counted", *ts.panics)
	}
	*ts.panics = 0
}

// TestNoAccount: a failure of ours is answered with NO and a reference for the log.
func TestNoAccount(t *testing.T) {
	ts := newTestServer(t, testOptions{log: 100, config: func(c *Config) { c.Auth = otherAccount{} }})
	nc, err := ts.ln.Dial(remote)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	readLine(t, r)
	fmt.Fprint(nc, "a LOGIN x y\r\n")
	if line := readLine(t, r); !strings.HasPrefix(line, "a NO [UNAVAILABLE] account is not available, reference ") {
		t.Errorf("got %q", line)
	}
}

// otherAccount knows everybody, with an account that does not exist.
type otherAccount struct{}

func (otherAccount) Begin(context.Context, AuthInfo) (Attempt, error) { return &otherAttempt{}, nil }

type otherAttempt struct{ testAttempt }

func (*otherAttempt) Login(context.Context, string, string) (Principal, error) {
	return Principal{Account: "none"}, nil
}

// TestSearchBounds: a search in several mailboxes is bounded, and says so.
func TestSearchBounds(t *testing.T) {
	var now atomic.Int64
	ts := newTestServer(t, testOptions{config: func(c *Config) {
		c.Limits.SearchMailboxes = 10
		c.Limits.SearchTime = 2500 * time.Millisecond
		c.Now = func() time.Time { return time.Unix(now.Add(1), 0) }
	}})
	nc, err := ts.ln.Dial(remote)
	if err != nil {
		t.Fatal(err)
	}
	c := newLineClient(t, nc)
	defer c.close()
	c.ok(`LOGIN "` + testUser + `" "te\"st p\\ss"`)
	ts.add("Inbox", smallMessage(1), 0)
	ts.add("Trash", smallMessage(1), 0)
	untagged, tagged := c.do(`ESEARCH IN (mailboxes (INBOX Archive Drafts Sent Trash)) ALL`)
	if len(untagged) != 1 || !strings.HasPrefix(tagged, "OK [LIMIT]") {
		t.Errorf("got %q, %s", untagged, tagged)
	}
	untagged, tagged = c.do(`ESEARCH IN (mailboxes (1 2 3 4 5 6 7 8 9 10 11)) ALL`)
	if len(untagged) != 0 || !strings.HasPrefix(tagged, "NO [LIMIT]") {
		t.Errorf("got %q, %s", untagged, tagged)
	}
}
