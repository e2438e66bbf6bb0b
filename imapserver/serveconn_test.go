package imapserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/sessiontest"
)

// TestServeTLSConn: a connection whose handshake someone else has done is served as any
// with TLS; its client is not waited for for longer.
func TestServeTLSConn(t *testing.T) {
	cert := sessiontest.Certificate("server")
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Auth: testAuth{t}})
		client, server := net.Pipe()
		l := Listener{Service: "imaps", Implicit: true, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
		accepted := tls.Server(server, l.TLS)
		go func() {
			if err := accepted.Handshake(); err != nil {
				t.Error(err)
			}
			s.ServeConn(context.Background(), accepted, l)
		}()
		conn := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		r := bufio.NewReader(conn)
		// RFC 5802 6: the binding to the channel is there with TLS only.
		if got := readLine(t, r); !strings.HasPrefix(got, "* OK ") || !strings.Contains(got, "AUTH=SCRAM-SHA-256-PLUS") || strings.Contains(got, "STARTTLS") {
			t.Errorf("%q", got)
		}
		rest, err := io.ReadAll(r)
		if err != nil || string(rest) != "* BYE timeout\r\n" || time.Since(start) != 30*time.Second {
			t.Errorf("%q after %s, %v", rest, time.Since(start), err)
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
