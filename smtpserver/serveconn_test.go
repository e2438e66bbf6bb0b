package smtpserver

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
)

// TestServeConn: a connection whose handshake someone else has done is served as any with
// TLS; its client is not waited for for longer.
func TestServeConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newServer(t, func(c *Config) { c.Kind, c.Auth, c.ImplicitTLS = Submit, accounts{}, true })
		client, server := net.Pipe()
		accepted := tls.Server(server, ts.c.TLS)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := accepted.Handshake(); err != nil {
				t.Error(err)
			}
			ts.ServeConn(context.Background(), accepted)
		}()
		conn := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		r := bufio.NewReader(conn)
		if greeting, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(greeting, "220 mx.example ") {
			t.Fatal(greeting, err)
		}
		if _, err := io.WriteString(conn, "EHLO client.example\r\n"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Error(err)
		}
		got := string(b)
		// RFC 5802 6: the binding to the channel is there with TLS only.
		if !strings.Contains(got, "SCRAM-SHA-256-PLUS") || strings.Contains(got, "STARTTLS") {
			t.Errorf("%q", got)
		}
		if !strings.Contains(got, "\r\n421 4.4.2 ") || time.Since(start) != ts.c.Limits.Idle {
			t.Errorf("%q after %s", got, time.Since(start))
		}
		<-done
		if len(ts.conns) != 0 {
			t.Errorf("%d connections", len(ts.conns))
		}
	})
}

// TestServeConnRefused: there is no session after Shutdown, nor with too many.
func TestServeConnRefused(t *testing.T) {
	ts := New(Config{Limits: Limits{Connections: 1}})
	serve := func() net.Conn {
		client, server := net.Pipe()
		go ts.ServeConn(t.Context(), server)
		t.Cleanup(func() { client.Close() })
		return client
	}
	first := serve()
	if _, err := first.Read(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(serve()); err != nil || !strings.HasPrefix(string(b), "421 4.3.2 too many") {
		t.Errorf("%q, %v", b, err)
	}
	go io.Copy(io.Discard, first)
	if err := ts.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(serve()); err != nil || !strings.HasPrefix(string(b), "421 4.3.2 shutting") {
		t.Errorf("%q, %v", b, err)
	}
}
