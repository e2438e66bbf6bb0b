package smtpserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/mlog"
	"mox/sasl"
	"mox/sessiontest"
	"mox/smtp"
)

// client is a simple client for what transcripts cannot say.
type client struct {
	t  *testing.T
	nc net.Conn
	r  *bufio.Reader
}

func (c *client) say(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, s+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) expect(code int) smtp.Reply {
	c.t.Helper()
	r, err := smtp.ReadReply(func() ([]byte, error) {
		s, err := c.r.ReadString('\n')
		return []byte(strings.TrimSuffix(s, "\r\n")), err
	})
	if err != nil || r.Code != code {
		c.t.Fatalf("got %v, %v, want %d", r, err, code)
	}
	return r
}

func (ts *testServer) client(t *testing.T, cfg *tls.Config) *client {
	t.Helper()
	nc, err := ts.dial("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if cfg != nil {
		nc = tls.Client(nc, cfg)
	}
	c := &client{t, nc, bufio.NewReader(nc)}
	c.expect(220)
	return c
}

// TestAuthMechanisms authenticates with every mechanism that is announced, over
// implicit TLS (RFC 8314).
func TestAuthMechanisms(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		synctest.Test(t, func(t *testing.T) {
			ts := newServer(t, func(c *Config) { c.Kind, c.Auth, c.ImplicitTLS = Submit, accounts{}, true })
			cfg := &tls.Config{InsecureSkipVerify: true, MaxVersion: version, Certificates: []tls.Certificate{testCert()}}
			var offered []string
			for i := 0; ; i++ {
				c := ts.client(t, cfg)
				c.say("EHLO client.example")
				for _, l := range c.expect(250).Lines {
					if m, ok := strings.CutPrefix(l, "AUTH "); ok {
						offered = strings.Fields(m)
					}
					if l == "STARTTLS" {
						t.Error("STARTTLS announced with TLS")
					}
				}
				if i == len(offered) {
					break
				}
				cs := c.nc.(*tls.Conn).ConnectionState()
				cl, err := sasl.NewClient(offered[i], sasl.Credentials{Authcid: login, Password: password, TLS: &cs, PlusOffered: true})
				if err != nil {
					t.Fatal(err)
				}
				c.authenticate(offered[i], cl)
				c.say("MAIL FROM:<mjl@mx.example>")
				c.expect(250)
			}
			want := []string{"EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}
			if !slices.Equal(offered, want) {
				t.Error(offered)
			}
		})
	}
}

func (c *client) authenticate(mech string, cl sasl.Client) {
	c.t.Helper()
	initial, err := cl.Start()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := smtp.Auth{Mechanism: mech, Initial: initial}
	c.say(cmd.String())
	for {
		r, err := smtp.ReadReply(func() ([]byte, error) {
			s, err := c.r.ReadString('\n')
			return []byte(strings.TrimSuffix(s, "\r\n")), err
		})
		if err != nil {
			c.t.Fatal(mech, err)
		}
		if r.Code == 235 {
			if !cl.Complete() {
				c.t.Fatal(mech, "success too early")
			}
			return
		}
		if r.Code != 334 {
			c.t.Fatal(mech, r)
		}
		challenge, err := base64.StdEncoding.DecodeString(r.Lines[0])
		if err != nil {
			c.t.Fatal(err)
		}
		response, err := cl.Next(challenge)
		if err != nil {
			c.t.Fatal(mech, err)
		}
		c.say(base64.StdEncoding.EncodeToString(response))
	}
}

func TestAuthThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newServer(t, kinds["plain"])
		nc, err := ts.ln.Dial(netip.MustParseAddrPort("10.0.0.66:1"))
		if err != nil {
			t.Fatal(err)
		}
		c := &client{t, nc, bufio.NewReader(nc)}
		c.expect(220)
		c.say("EHLO x")
		c.expect(250)
		c.say("AUTH PLAIN")
		c.expect(421)
		if _, err := c.r.ReadByte(); err == nil {
			t.Error("connection goes on after 421")
		}
	})
}

func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := 0
		var mu sync.Mutex
		ts := newServer(t, func(c *Config) {
			c.Admit = func(ip netip.Addr) (func(), error) {
				mu.Lock()
				defer mu.Unlock()
				if open >= 2 {
					return nil, errors.New("rate")
				}
				open++
				return func() { mu.Lock(); open--; mu.Unlock() }, nil
			}
		})
		a, _ := ts.client(t, nil), ts.client(t, nil)
		nc, _ := ts.dial("")
		c := &client{t, nc, bufio.NewReader(nc)}
		c.expect(421)
		a.say("QUIT")
		a.expect(221)
		synctest.Wait()
		ts.client(t, nil)
	})
}

// TestShutdownForced: a client that sits in a transaction does not hold up the end.
func TestShutdownForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newServer(t, nil)
		c := ts.client(t, nil)
		c.say("EHLO x")
		c.expect(250)
		c.say("MAIL FROM:<>")
		c.expect(250)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if err := ts.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Fatal(err, time.Since(start))
		}
		if err := ts.Serve(t.Context(), ts.ln); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	})
}

// TestContext: the end of the context ends Serve and the sessions.
func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mail{}
		s := New(Config{Begin: m.begin})
		ln := sessiontest.NewListener(netip.MustParseAddrPort("10.0.0.1:25"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Serve(ctx, ln) }()
		nc, err := ln.Dial(netip.MustParseAddrPort("10.0.0.2:1"))
		if err != nil {
			t.Fatal(err)
		}
		c := &client{t, nc, bufio.NewReader(nc)}
		c.expect(220)
		cancel()
		c.expect(421)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		add := func(s ...string) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, strings.Join(s, " "))
		}
		ts := newServer(t, func(c *Config) {
			c.Metrics = Metrics{
				Connection:    func(kind string) { add("connection", kind) },
				Command:       func(kind, verb string, code int, enhanced string, _ time.Duration) { add(kind, verb, enhanced) },
				StartTLS:      func(kind string) { add("starttls", kind) },
				StartTLSError: func(kind, reason string) { add("error", kind, reason) },
			}
		})
		c := ts.client(t, nil)
		for _, s := range []string{"EHLO x", "FOO", "MAIL FROM:<a@b>", "RSET"} {
			c.say(s)
			c.r.Peek(1)
			synctest.Wait()
			c.r.Discard(c.r.Buffered())
		}
		c.say("STARTTLS")
		c.expect(220)
		c.say("garbage that is no handshake")
		c.nc.SetReadDeadline(time.Now().Add(time.Second))
		io.Copy(io.Discard, c.nc)
		mu.Lock()
		defer mu.Unlock()
		want := []string{"connection deliver", "deliver ehlo ", "deliver unknown 5.5.1", "deliver mail 2.1.0", "deliver rset 2.0.0", "starttls deliver", "error deliver nottls"}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// TestTrace: what is secret is marked as such.
func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		var mu sync.Mutex
		w := writer(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return b.Write(p)
		})
		ts := newServer(t, func(c *Config) {
			kinds["plain"](c)
			c.Log = mlogTrace(w)
		})
		c := ts.client(t, nil)
		c.say("EHLO x")
		c.expect(250)
		c.say("AUTH PLAIN AG1qbEBteC5leGFtcGxlAHdyb25n")
		c.expect(535)
		c.say("AUTH LOGIN")
		c.expect(334)
		c.say("bWpsQG14LmV4YW1wbGU=")
		c.expect(334)
		c.say("dGVzdHRlc3Q=")
		c.expect(235)
		c.say("MAIL FROM:<a@b>")
		c.expect(250)
		c.say("RCPT TO:<mjl@mx.example>")
		c.expect(250)
		c.say("DATA")
		c.expect(354)
		c.say("private\r\n.")
		c.expect(250)
		mu.Lock()
		defer mu.Unlock()
		s := b.String()
		for _, secret := range []string{"AG1qbEB", "dGVzdHRlc3Q", "private"} {
			if strings.Contains(s, secret) {
				t.Errorf("trace has %q", secret)
			}
		}
		if !strings.Contains(s, "RCPT TO:<mjl@mx.example>") {
			t.Error("trace lacks commands")
		}
	})
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// FuzzSession: whatever comes, the session does not panic, ends, and leaves no
// transaction open; nothing after the data is smuggled.
func FuzzSession(f *testing.F) {
	f.Add("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<mjl@mx.example>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n", uint8(0))
	f.Add("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<mjl@mx.example>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\n\r\nRSET\r\n", uint8(1))
	f.Add("EHLO x\r\nAUTH PLAIN\r\nAG1qbEBteC5leGFtcGxlAHRlc3R0ZXN0\r\nMAIL FROM:<>\r\n", uint8(2))
	f.Add("LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<late@mx.example>\r\nRCPT TO:<mjl@mx.example>\r\nDATA\r\n.\r\n", uint8(3))
	f.Add("HELO x\nNOOP\rx\nVRFY a\r\nSTARTTLS\r\n\x16\x03\x01", uint8(4))
	f.Fuzz(func(t *testing.T, in string, kind uint8) {
		changes := []func(*Config){func(*Config) {}, kinds["pedantic"], kinds["plain"], kinds["lmtp"], kinds["few"]}
		synctest.Test(t, func(t *testing.T) {
			m := &mail{}
			c := Config{
				Size: 1000, Begin: m.begin, TLS: &tls.Config{Certificates: []tls.Certificate{testCert()}}, Log: mlog.Discard(),
				Metrics: Metrics{Panic: func(v any) {
					if s, ok := v.(string); !ok || s != "at rcpt" && s != "at finish" {
						panic(v)
					}
				}},
			}
			changes[int(kind)%len(changes)](&c)
			s := New(c)
			ln := sessiontest.NewListener(netip.MustParseAddrPort("10.0.0.1:25"))
			go s.Serve(t.Context(), ln)
			nc, err := ln.Dial(netip.MustParseAddrPort("10.0.0.2:1"))
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				io.WriteString(nc, in)
				time.Sleep(time.Second)
				nc.Close()
			}()
			out, _ := io.ReadAll(nc)
			if len(out) > 100*(len(in)+10) {
				t.Fatalf("%d octets said to %d", len(out), len(in))
			}
			s.Shutdown(t.Context())
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if m.open != 0 {
				t.Fatalf("%d transactions open", m.open)
			}
		})
	})
}

// TestSessionTime: a session does not last for ever, however busy it is.
func TestSessionTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newServer(t, func(c *Config) { c.Limits.Session = time.Hour })
		c := ts.client(t, nil)
		c.say("EHLO x")
		c.expect(250)
		c.say("MAIL FROM:<a@b>")
		c.expect(250)
		c.say("RCPT TO:<mjl@mx.example>")
		c.expect(250)
		for range 15 {
			time.Sleep(4 * time.Minute)
			c.say("BDAT 0")
			c.expect(250)
		}
		time.Sleep(time.Minute)
		c.expect(421)
	})
}

// TestLinger: a client that goes on sending gets the last reply.
func TestLinger(t *testing.T) {
	m := &mail{}
	s := New(Config{Begin: m.begin, Size: 1000, Limits: Limits{DiscardData: 1000}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(t.Context(), ln)
	defer s.Shutdown(t.Context())
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &client{t, nc, bufio.NewReader(nc)}
	c.expect(220)
	for _, cmd := range []string{"EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<mjl@mx.example>"} {
		c.say(cmd)
		c.expect(250)
	}
	c.say("DATA")
	c.expect(354)
	line := strings.Repeat("x", 998)
	for range 1000 {
		c.say(line)
	}
	c.expect(552)
}

// FuzzLines: however a message is cut into chunks, its lines end with CRLF.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\nc"), uint8(1))
	f.Add([]byte("a\r"), uint8(3))
	f.Add([]byte("\r\n\n\r\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		var out strings.Builder
		l := &lines{w: &out}
		n := int(size)%16 + 1
		var err error
		for p := in; len(p) > 0 && err == nil; p = p[min(n, len(p)):] {
			_, err = l.Write(p[:min(n, len(p))])
		}
		if err == nil {
			err = l.end()
		}
		s := strings.ReplaceAll(string(in), "\r\n", "\n")
		if bare := strings.Contains(s, "\r"); bare != (err != nil) {
			t.Fatalf("bare CR %v, error %v", bare, err)
		}
		if err != nil {
			return
		}
		if s != "" && !strings.HasSuffix(s, "\n") {
			s += "\n"
		}
		if want := strings.ReplaceAll(s, "\n", "\r\n"); out.String() != want {
			t.Fatalf("got %q, want %q", out.String(), want)
		}
	})
}
