package webserver

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/mlog"
)

// pipes is a listener of connections in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	close(l.done)
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443} }

func (l *pipes) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

// testTLS is the configuration of a server with a certificate.
func testTLS() *tls.Config {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
}

// TestProtocols: RFC 7301: the protocol that a client asks for is what it gets; who asks for
// none of ours gets no connection.
func TestProtocols(t *testing.T) {
	conf := testTLS()
	synctest.Test(t, func(t *testing.T) {
		s, l := New(mlog.Discard()), newPipes()
		serve := func(name string) Protocol {
			return Protocol{name, func(conn *tls.Conn) {
				defer conn.Close()
				cs := conn.ConnectionState()
				if !cs.HandshakeComplete {
					t.Error("handshake is not done")
				}
				// Longer than anything of HTTP may take.
				time.Sleep(time.Hour)
				if _, err := io.WriteString(conn, name+" "+cs.NegotiatedProtocol); err != nil {
					t.Error(err)
				}
			}}
		}
		s.Start(l, conf, http.NotFoundHandler(), serve("imap"), serve("smtp"))
		for _, tc := range []struct {
			ask       []string
			say, want string
		}{
			{[]string{"imap"}, "", "imap imap"},
			{[]string{"smtp", "x"}, "", "smtp smtp"},
			{nil, "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 404 Not Found\r\n"},
			{[]string{"smtp", "http/1.1"}, "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 404 Not Found\r\n"},
			{[]string{"pop3"}, "", "no application protocol"},
		} {
			conn := tls.Client(l.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: tc.ask})
			if err := conn.Handshake(); err != nil {
				if !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%q: %v", tc.ask, err)
				}
				continue
			}
			if _, err := io.WriteString(conn, tc.say); err != nil {
				t.Error(err)
			}
			b, _ := io.ReadAll(conn)
			if !strings.HasPrefix(string(b), tc.want) {
				t.Errorf("%q: %q, want %q", tc.ask, b, tc.want)
			}
			conn.Close()
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if len(conf.NextProtos) != 0 {
		t.Errorf("configuration changed: %q", conf.NextProtos)
	}
}

// TestSilentHandshake: who does not get on with the handshake goes; a protocol that does not
// end is closed once the time of Shutdown is over.
func TestSilentHandshake(t *testing.T) {
	conf := testTLS()
	synctest.Test(t, func(t *testing.T) {
		s, l := New(mlog.Discard()), newPipes()
		s.Start(l, conf, http.NotFoundHandler(), Protocol{"imap", func(conn *tls.Conn) {
			// Until it is closed.
			_, _ = io.Copy(io.Discard, conn)
		}})
		start := time.Now()
		silent := l.dial()
		// The beginning of a ClientHello.
		if _, err := silent.Write([]byte{22, 3, 1, 2, 0, 1, 0}); err != nil {
			t.Fatal(err)
		}
		// However it ends.
		_, _ = io.ReadAll(silent)
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("ended after %s", d)
		}
		conn := tls.Client(l.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"imap"}})
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, conn)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start = time.Now()
		if err := s.Shutdown(ctx); err == nil || time.Since(start) < 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}
