package smtpserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/smtp"
)

// begin says what comes before the message.
func (c *client) begin(rcpt string) {
	c.t.Helper()
	c.say("EHLO client.example")
	c.expect(250)
	c.say("MAIL FROM:<a@b>")
	c.expect(250)
	c.say("RCPT TO:<" + rcpt + "@mx.example>")
	c.expect(250)
	c.say("DATA")
	c.expect(354)
	c.say("text\r\n.")
}

// TestDelay: a delivery that is delayed ends with its client, and early when the server
// is about to stop.
func TestDelay(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var cfg *tls.Config
		if secure {
			cfg = &tls.Config{InsecureSkipVerify: true}
		}
		for _, tc := range []struct {
			name     string
			do       func(ts *testServer, c *client)
			took     time.Duration
			messages int
			cause    error
		}{
			{"waits", func(_ *testServer, c *client) { c.expect(250) }, time.Minute, 1, nil},
			{"gone", func(_ *testServer, c *client) {
				time.Sleep(10 * time.Second)
				c.nc.Close()
				synctest.Wait()
			}, 10 * time.Second, 0, smtp.ErrDisconnected},
			{"gone at once", func(_ *testServer, c *client) {
				go c.nc.Close() // says so with TLS, for which a pipe has no room
				time.Sleep(time.Second)
				synctest.Wait()
			}, time.Second, 0, smtp.ErrDisconnected},
			{"gone behind a command", func(_ *testServer, c *client) {
				go io.WriteString(c.nc, "QUIT\r\n") // a pipe has no room
				time.Sleep(2 * time.Second)
				go c.nc.Close()
				time.Sleep(time.Minute - 2*time.Second)
				synctest.Wait()
			}, time.Minute, 1, nil},
			{"stop", func(ts *testServer, c *client) {
				time.Sleep(5 * time.Second)
				go ts.Shutdown(context.Background())
				c.expect(250)
			}, 5 * time.Second, 1, nil},
		} {
			synctest.Test(t, func(t *testing.T) {
				ts := newServer(t, func(c *Config) { c.ImplicitTLS = secure })
				c := ts.client(t, cfg)
				c.begin("delay")
				start := time.Now()
				tc.do(ts, c)
				if d := time.Since(start); d != tc.took {
					t.Errorf("tls %v, %s: took %v", secure, tc.name, d)
				}
				ts.mail.mu.Lock()
				defer ts.mail.mu.Unlock()
				var cause error
				if len(ts.mail.causes) == 1 {
					cause = ts.mail.causes[0]
				}
				if len(ts.mail.messages) != tc.messages || cause != tc.cause {
					t.Errorf("tls %v, %s: %d messages, cause %v", secure, tc.name, len(ts.mail.messages), cause)
				}
			})
		}
	}
}

// TestRates: what is counted outside of sessions has its replies.
func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transactions, refused := 0, 0
		from := netip.MustParseAddr("10.0.0.2")
		var events []string
		var mu sync.Mutex
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, fmt.Sprintf(format, args...))
		}
		ts := newServer(t, func(c *Config) {
			c.Transaction = func(ip netip.Addr) error {
				if transactions++; transactions > 2 || ip != from {
					return smtp.Errorf(452, "4.7.0", "too many messages")
				}
				return nil
			}
			c.Refused = func(ip netip.Addr, reversePath smtp.Path) error {
				if refused++; refused > 2 || ip != from || reversePath.XString(true) != "a@b" {
					return smtp.Errorf(421, "4.7.0", "too many unknown recipients")
				}
				return nil
			}
			c.Admit = func(netip.Addr) (func(), error) {
				if refused > 2 {
					return nil, smtp.Errorf(421, "4.7.1", "too many unknown recipients from your network")
				}
				return func() {}, nil
			}
			c.Metrics.Recipient = func(kind string) { note("recipient %s", kind) }
			c.Metrics.Refused = func(kind, reason string) { note("refused %s %s", kind, reason) }
		})
		c := ts.client(t, nil)
		c.say("EHLO x")
		c.expect(250)
		for _, code := range []int{250, 250, 452} {
			c.say("RSET")
			c.expect(250)
			c.say("MAIL FROM:<a@b>")
			c.expect(code)
		}
		transactions = 0
		c.say("MAIL FROM:<a@b>")
		c.expect(250)
		for _, code := range []int{550, 550, 421} {
			c.say("RCPT TO:<unknown@mx.example>")
			c.expect(code)
		}
		nc, err := ts.dial("")
		if err != nil {
			t.Fatal(err)
		}
		c = &client{t, nc, bufio.NewReader(nc)}
		if r := c.expect(421); r.Enhanced != "4.7.1" || r.Text() != "too many unknown recipients from your network (cid2)" {
			t.Error(r)
		}
		synctest.Wait()
		if want := []string{"recipient deliver", "recipient deliver", "recipient deliver", "refused deliver address"}; !slices.Equal(events, want) {
			t.Errorf("%q", events)
		}
	})
}

// TestSlow: who is served slowly, and who never is.
func TestSlow(t *testing.T) {
	rcpts := func(n int, rcpt string) string { return strings.Repeat("RCPT TO:<"+rcpt+"@mx.example>\r\n", n) }
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		say    string
		want   []string
	}{
		{"bad commands", nil, strings.Repeat("FOO\r\n", 4), []string{"badcommands 1", "badcommands -1"}},
		{"few bad commands", nil, strings.Repeat("FOO\r\n", 3), nil},
		{"recipients", nil, "MAIL FROM:<>\r\n" + rcpts(5, "mjl") + rcpts(10, "unknown"), []string{"recipients 1", "recipients -1"}},
		{"a list with old addresses", nil, "MAIL FROM:<>\r\n" + rcpts(15, "mjl") + rcpts(10, "unknown"), nil},
		{"transactions", nil, strings.Repeat("MAIL FROM:<refused@b>\r\n", 5), []string{"transactions 1", "transactions -1"}},
		{"suspicious", nil, "MAIL FROM:<>\r\n" + rcpts(1, "trap"), []string{"suspicious 1", "suspicious -1"}},
		{"never", func(c *Config) { c.Limits.SlowSessions = -1 }, "MAIL FROM:<>\r\n" + rcpts(1, "trap"), nil},
		{"lmtp", func(c *Config) { c.Kind = LMTP }, "LHLO x\r\nMAIL FROM:<>\r\n" + rcpts(1, "trap"), nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			var events []string
			var mu sync.Mutex
			ts := newServer(t, func(c *Config) {
				c.Metrics.Slow = func(kind, reason string, n int) {
					mu.Lock()
					defer mu.Unlock()
					events = append(events, fmt.Sprint(reason, " ", n))
				}
				if tc.change != nil {
					tc.change(c)
				}
			})
			c := ts.client(t, nil)
			c.say("EHLO x\r\n" + tc.say + "QUIT")
			for {
				if _, err := c.r.ReadString('\n'); err != nil {
					break
				}
			}
			synctest.Wait()
			if !slices.Equal(events, tc.want) {
				t.Errorf("%s: %q", tc.name, events)
			}
			if n := ts.slow.Load(); n != 0 {
				t.Errorf("%s: %d slow sessions left", tc.name, n)
			}
		})
	}
}

// TestHandshakeErrors: failed handshakes are counted with their reasons.
func TestHandshakeErrors(t *testing.T) {
	say := func(s string) func(nc net.Conn) {
		return func(nc net.Conn) {
			go io.Copy(io.Discard, nc) // alerts, for which a pipe has no room
			io.WriteString(nc, s)
		}
	}
	shake := func(cfg *tls.Config) func(nc net.Conn) {
		return func(nc net.Conn) { tls.Client(nc, cfg).Handshake() }
	}
	for want, do := range map[string]func(nc net.Conn){
		"unsupportedversions": shake(&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10, InsecureSkipVerify: true}),
		"nottls":              say("EHLO client.example\r\n"),
		"sslv2":               say("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"),
		"eof":                 say(""),
	} {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			ts := newServer(t, func(c *Config) {
				c.ImplicitTLS = true
				c.Metrics.StartTLSError = func(_, reason string) { got = append(got, reason) }
			})
			nc, err := ts.dial("")
			if err != nil {
				t.Fatal(err)
			}
			do(nc)
			nc.Close()
			synctest.Wait()
			if !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	if remoteAlert(errors.New("x")) != "" || remoteAlert(&net.OpError{Op: "read", Err: errors.New("y")}) != "" {
		t.Error("alert without alert")
	}
}

// TestHandshakeAlert is TestHandshakeErrors on a socket: with a pipe, both sides could
// wait for each other.
func TestHandshakeAlert(t *testing.T) {
	reasons := make(chan string, 1)
	s := New(Config{
		ImplicitTLS: true, TLS: &tls.Config{Certificates: []tls.Certificate{testCert()}},
		Metrics: Metrics{StartTLSError: func(_, reason string) { reasons <- reason }},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(t.Context(), ln)
	nc, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{ServerName: "mx.example"})
	if err == nil {
		nc.Close()
		t.Fatal("certificate verified")
	}
	if got := <-reasons; got != "alert-42-bad-certificate" {
		t.Error(got)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
