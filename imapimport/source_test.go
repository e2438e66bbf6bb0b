package imapimport

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"mox/imapclient"
)

// TestNoServer: a host or port that is wrong is told at once; a server that goes away is
// waited for.
func TestNoServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			// Not TLS.
			c.Write([]byte("* OK ready\r\n"))
			go func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(time.Minute))
				io.Copy(io.Discard, c) // until the client has had enough
			}()
		}
	}()
	run := func(s *server) error {
		return s.do(t.Context(), func(*imapclient.Client) error { return nil })
	}
	first := func() *server {
		return &server{login: Login{Host: addr, TLS: imapclient.Implicit}, trouble: func(string) {}, backoff: time.Millisecond, tries: 3}
	}
	if err := run(first()); err == nil || !strings.Contains(err.Error(), "does not begin with TLS") || strings.Contains(err.Error(), "attempts") {
		t.Errorf("TLS where there is none: %v", err)
	}
	ln.Close()
	if err := run(first()); err == nil || strings.Contains(err.Error(), "attempts") {
		t.Errorf("nobody listens: %v", err)
	}
	later := first()
	later.reached = true
	if err := run(later); err == nil || !strings.Contains(err.Error(), "after 3 attempts") {
		t.Errorf("gone for a while: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first().do(canceled, func(*imapclient.Client) error { return nil }); err == nil {
		t.Error("canceled")
	}
}
