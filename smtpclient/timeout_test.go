package smtpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// server answers each line with the next of the replies, and then says nothing more.
func server(nc net.Conn, replies ...string) {
	r := bufio.NewReader(nc)
	for i, s := range replies {
		if i > 0 {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
		io.WriteString(nc, s)
	}
}

// TestTimeouts: each step has its own time (RFC 5321 4.5.3.2).
func TestTimeouts(t *testing.T) {
	hi := []string{"220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n"}
	with := func(more ...string) []string { return append(append([]string{}, hi...), more...) }
	for name, tc := range map[string]struct {
		replies []string
		mode    TLSMode
		read    bool // the server reads on
		want    time.Duration
		verb    string
		maybe   bool
	}{
		"greeting":  {nil, TLSNone, true, 5 * time.Minute, "CONNECT", false},
		"line":      {[]string{"220-hi\r\n220"}, TLSNone, true, 5 * time.Minute, "CONNECT", false},
		"ehlo":      {hi[:1], TLSNone, true, 5 * time.Minute, "EHLO", false},
		"starttls":  {hi, TLSRequired, true, 5 * time.Minute, "STARTTLS", false},
		"handshake": {with("220 go\r\n"), TLSRequired, true, time.Minute, "TLS", false},
		"write":     {hi, TLSNone, false, 3 * time.Minute, "MAIL", false},
		"mail":      {hi, TLSNone, true, 5 * time.Minute, "MAIL", false},
		"rcpt":      {with("250 ok\r\n"), TLSNone, true, 5 * time.Minute, "RCPT", false},
		"data":      {with("250 ok\r\n", "250 ok\r\n"), TLSNone, true, 2 * time.Minute, "DATA", false},
		"block":     {with("250 ok\r\n", "250 ok\r\n", "354 go\r\n"), TLSNone, false, 3*time.Minute + 5*time.Second, "DATAEND", false},
		"end":       {with("250 ok\r\n", "250 ok\r\n", "354 go\r\n"), TLSNone, true, 10 * time.Minute, "DATAEND", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, nc := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					server(s, tc.replies...)
					if tc.read {
						io.Copy(io.Discard, s)
					}
				}()
				start := time.Now()
				c, err := New(t.Context(), nc, Options{Hello: "bar.com", TLS: tc.mode, TLSConfig: clientTLS()})
				if err == nil {
					// More than all buffers, so that a server that does not read is noticed.
					_, err = c.Deliver(t.Context(), content(mail("a@bar.com", "b@foo.com"), strings.Repeat("x", 200<<10)+"\r\n"))
					c.Close()
				}
				var e *Error
				if !errors.As(err, &e) || !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) || e.Verb != tc.verb || e.MayBeDelivered != tc.maybe || e.Permanent {
					t.Error(describe(err))
				}
				if d := time.Since(start); d != tc.want {
					t.Errorf("after %v, want %v", d, tc.want)
				}
				s.Close()
				<-done
			})
		})
	}
}

// TestDrip: a server that says an octet now and then has no more time than another.
func TestDrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, nc := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := io.WriteString(s, "220-\r\n"); err != nil {
					return
				}
				time.Sleep(10 * time.Second)
			}
		}()
		start := time.Now()
		_, err := New(t.Context(), nc, Options{Hello: "bar.com"})
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 5*time.Minute {
			t.Error(err, time.Since(start))
		}
		s.Close()
		<-done
	})
}

// TestCancel: the end of the context ends every wait at once.
func TestCancel(t *testing.T) {
	stop := errors.New("shutting down")
	for name, tc := range map[string]struct {
		replies []string
		mode    TLSMode
		maybe   bool
	}{
		"greeting":  {nil, TLSNone, false},
		"handshake": {[]string{"220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "220 go\r\n"}, TLSRequired, false},
		"immediate": {nil, TLSImmediate, false},
		"mail":      {[]string{"220 hi\r\n", "250 hi\r\n"}, TLSNone, false},
		"block":     {[]string{"220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"}, TLSNone, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, nc := net.Pipe()
				defer s.Close()
				go func() {
					server(s, tc.replies...)
					io.Copy(io.Discard, s)
				}()
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(stop) })
				start := time.Now()
				c, err := New(ctx, nc, Options{Hello: "bar.com", TLS: tc.mode, TLSConfig: clientTLS()})
				if err == nil {
					_, err = c.Deliver(ctx, mail("a@bar.com", "b@foo.com"))
					c.Close()
				}
				var e *Error
				if !errors.Is(err, stop) || !errors.As(err, &e) || e.MayBeDelivered != tc.maybe || time.Since(start) != time.Second {
					t.Error(describe(err), time.Since(start))
				}
			})
		})
	}
}

// TestQuit: Close does not wait for long.
func TestQuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, nc := net.Pipe()
		defer s.Close()
		go func() {
			server(s, "220 hi\r\n", "250 hi\r\n")
			io.Copy(io.Discard, s)
		}()
		c, err := New(t.Context(), nc, Options{Hello: "bar.com"})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := c.Close(); err != nil || time.Since(start) != 5*time.Second {
			t.Error(err, time.Since(start))
		}
		if err := c.Close(); err != nil {
			t.Error("again:", err)
		}
	})
}

// TestEarlyReply: a server that refuses the message while it is sent is heard.
func TestEarlyReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, nc := net.Pipe()
		go func() {
			server(s, "220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n")
			s.Read(make([]byte, 100))
			go io.WriteString(s, "552 5.3.4 too large\r\n")
			time.Sleep(10 * time.Millisecond)
		}()
		c, err := New(t.Context(), nc, Options{Hello: "bar.com", Limits: Limits{DataBlock: 50 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		res, err := c.Deliver(t.Context(), content(mail("a@bar.com", "b@foo.com"), strings.Repeat("x", 200<<10)+"\r\n"))
		var e *Error
		if !errors.As(err, &e) || e.Code != 552 || !e.Permanent || e.MayBeDelivered || res[0] != err || c.Usable() {
			t.Error(describe(err))
		}
	})
}

// TestImmediate is TLS from the start, and a certificate that is not believed.
func TestImmediate(t *testing.T) {
	for _, good := range []bool{true, false} {
		s, nc := net.Pipe()
		go func() {
			tc := tls.Server(s, serverTLS())
			server(tc, "220 hi\r\n", "250 hi\r\n", "221 bye\r\n")
			tc.Close()
		}()
		cfg := clientTLS()
		if !good {
			cfg.ServerName = "other.example"
		}
		c, err := New(t.Context(), nc, Options{Hello: "bar.com", TLS: TLSImmediate, TLSConfig: cfg})
		if good {
			if err != nil || c.TLS() == nil {
				t.Fatal(err)
			}
			c.Close()
			continue
		}
		var e *Error
		var cert *tls.CertificateVerificationError
		if !errors.As(err, &e) || !e.TLS || e.Permanent || e.Enhanced != "4.7.5" || !errors.As(err, &cert) {
			t.Error(describe(err))
		}
	}
	if _, err := New(t.Context(), say(t, ""), Options{Hello: "bar.com", TLS: TLSRequired}); !errors.Is(err, ErrArgument) {
		t.Error(err)
	}
}
