package smtpserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"mox/sasl"
	"mox/smtp"
	"mox/smtpclient"
)

func clientMail(size int64, content io.Reader, to ...string) smtpclient.Message {
	m := smtpclient.Message{Size: size, Content: content}
	for _, s := range append([]string{"a@remote.example"}, to...) {
		p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
		if err != nil {
			panic(err)
		}
		if m.From.IsZero() {
			m.From = p
			continue
		}
		m.Rcpts = append(m.Rcpts, smtpclient.Recipient{To: p})
	}
	return m
}

func dialClient(t *testing.T, ts *testServer, o smtpclient.Options) *smtpclient.Client {
	t.Helper()
	nc, err := ts.dial("")
	if err != nil {
		t.Fatal(err)
	}
	o.Hello = "remote.example"
	if o.TLS != smtpclient.TLSNone {
		o.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	}
	c, err := smtpclient.New(t.Context(), nc, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestClient: the server and our own client understand each other, in all the ways that a
// message can go.
func TestClient(t *testing.T) {
	body := "Subject: hi\r\n\r\n.dot\r\n" + strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 200)
	for name, tc := range map[string]struct {
		change func(c *Config)
		o      smtpclient.Options
		size   bool // BDAT
	}{
		"data":     {nil, smtpclient.Options{}, false},
		"bdat":     {nil, smtpclient.Options{}, true},
		"chunks":   {nil, smtpclient.Options{Limits: smtpclient.Limits{Chunk: 1000}}, true},
		"starttls": {nil, smtpclient.Options{TLS: smtpclient.TLSRequired}, true},
		"lmtp":     {kinds["lmtp"], smtpclient.Options{LMTP: true, TLS: smtpclient.TLSOpportunistic}, true},
		"pedantic": {kinds["pedantic"], smtpclient.Options{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			ts := newServer(t, tc.change)
			c := dialClient(t, ts, tc.o)
			for range 3 {
				size := int64(0)
				if tc.size {
					size = int64(len(body))
				}
				results, err := c.Deliver(t.Context(), clientMail(size, strings.NewReader(body), "x@mx.example", "unknown@mx.example", "full@mx.example", "y@mx.example"))
				if err != nil || results[0] != nil || results[3] != nil {
					t.Fatal(results, err)
				}
				var e *smtpclient.Error
				if !errors.As(results[1], &e) || e.Code != 550 || e.Enhanced != "5.1.1" || !e.Permanent {
					t.Errorf("%+v", results[1])
				}
				if !errors.As(results[2], &e) || e.Code != 452 || e.Permanent || e.TooMany {
					t.Errorf("%+v", results[2])
				}
				// All refused, which leaves a transaction behind.
				if results, err := c.Deliver(t.Context(), clientMail(size, strings.NewReader(body), "full@mx.example")); err != nil || !errors.As(results[0], &e) || e.Code != 452 {
					t.Error(results, err)
				}
			}
			ts.mail.mu.Lock()
			defer ts.mail.mu.Unlock()
			if want := "a@remote.example>x@mx.example,y@mx.example: " + body; len(ts.mail.messages) != 3 || ts.mail.messages[0] != want {
				t.Errorf("%d messages, %q", len(ts.mail.messages), ts.mail.messages)
			}
		})
	}
}

// TestClientLMTP: results after the message differ by recipient.
func TestClientLMTP(t *testing.T) {
	ts := newServer(t, kinds["lmtp"])
	c := dialClient(t, ts, smtpclient.Options{LMTP: true})
	results, err := c.Deliver(t.Context(), clientMail(4, strings.NewReader("hi\r\n"), "x@mx.example", "late@mx.example", "unknown@mx.example", "y@mx.example"))
	var e *smtpclient.Error
	if err != nil || results[0] != nil || !errors.As(results[1], &e) || e.Code != 550 || e.Verb != smtpclient.VerbEnd || !errors.As(results[2], &e) || e.Verb != "RCPT" || results[3] != nil {
		t.Error(results, err)
	}
}

// TestClientMany: more commands than fit in a group, and more recipients than the server
// takes, which LIMITS tells.
func TestClientMany(t *testing.T) {
	ts := newServer(t, func(c *Config) { c.Limits.Recipients = 300 })
	c := dialClient(t, ts, smtpclient.Options{})
	var to []string
	for i := range 700 {
		to = append(to, fmt.Sprintf("user-with-a-long-name-%d@mx.example", i))
	}
	for round := range 3 {
		results, err := c.Deliver(t.Context(), clientMail(4, strings.NewReader("hi\r\n"), to...))
		if err != nil {
			t.Fatal(err)
		}
		var again []string
		for i, r := range results {
			var e *smtpclient.Error
			if r == nil {
				continue
			} else if !errors.As(r, &e) || !e.TooMany || !errors.Is(r, smtpclient.ErrRcptMax) {
				t.Fatal(r)
			}
			again = append(again, to[i])
		}
		if want := max(0, len(to)-300); len(again) != want {
			t.Fatalf("round %d: %d left, want %d", round, len(again), want)
		}
		to = again
	}
}

// TestClientAuth: every mechanism of a password.
func TestClientAuth(t *testing.T) {
	for _, mech := range []string{sasl.ScramSHA256Plus, sasl.ScramSHA256, sasl.ScramSHA1Plus, sasl.ScramSHA1, sasl.CRAMMD5, sasl.Plain, sasl.Login, ""} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			ts := newServer(t, func(c *Config) { kinds["submit"](c); c.TLS.MaxVersion = version })
			var o smtpclient.Options
			login := smtpclient.Login{Username: "mjl@mx.example", Password: "testtest"}
			if mech != "" {
				login.Mechanisms = []string{"X-OTHER", mech}
			}
			o.Auth, o.TLS = login.Auth, smtpclient.TLSRequired
			c := dialClient(t, ts, o)
			if results, err := c.Deliver(t.Context(), clientMail(4, strings.NewReader("hi\r\n"), "x@mx.example")); err != nil || results[0] != nil {
				t.Error(mech, results, err)
			}
		}
	}
}

// BenchmarkClient is a small message after another on one connection.
func BenchmarkClient(b *testing.B) {
	body := "Subject: hi\r\n\r\n" + strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 100)
	for _, name := range []string{"data", "bdat"} {
		b.Run(name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			m := &mail{}
			srv := New(Config{Hostname: smtp.IPDomain{}.Domain, Begin: m.begin})
			done := make(chan error, 1)
			go func() { done <- srv.Serve(b.Context(), ln) }()
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			c, err := smtpclient.New(b.Context(), nc, smtpclient.Options{Hello: "remote.example"})
			if err != nil {
				b.Fatal(err)
			}
			size := int64(0)
			if name == "bdat" {
				size = int64(len(body))
			}
			b.ReportAllocs()
			for b.Loop() {
				results, err := c.Deliver(b.Context(), clientMail(size, strings.NewReader(body), "x@mx.example"))
				if err != nil || results[0] != nil {
					b.Fatal(results, err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			c.Close()
			srv.Shutdown(b.Context())
			<-done
		})
	}
}
