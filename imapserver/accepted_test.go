package imapserver

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
)

// oneConn is a listener that gives one connection, and is closed then.
type oneConn struct{ conns chan net.Conn }

func (l oneConn) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	default:
		return nil, net.ErrClosed
	}
}

func (l oneConn) Close() error   { return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestAccepted: a client whose connection was accepted before the server shuts down is greeted, also when that is
// the very next thing: another program goes on, and nobody is refused.
func TestAccepted(t *testing.T) {
	for range 100 {
		s := New(Config{Auth: testAuth{t}})
		client, server := net.Pipe()
		l := oneConn{make(chan net.Conn, 1)}
		l.conns <- server
		if err := s.Serve(t.Context(), l, Listener{Service: "imap"}); !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(context.Background()) }()
		r := bufio.NewReader(client)
		for _, want := range []string{"* OK ", "* BYE "} {
			if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
				t.Fatalf("%q, %v, want %s", line, err, want)
			}
		}
		client.Close()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
