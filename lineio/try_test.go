package lineio

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"mox/sessiontest"
)

// waiting returns a Conn whose owner is in WaitInput; end makes it come back.
func waiting(t *testing.T, nc net.Conn) (c *Conn, end func()) {
	t.Helper()
	c = New(nc, Options{WriteTimeout: time.Minute})
	back := make(chan error)
	go func() { back <- c.WaitInput(time.Minute) }()
	return c, func() {
		t.Helper()
		c.Interrupt()
		if err := <-back; err != ErrInterrupted {
			t.Errorf("waiting: %v", err)
		}
	}
}

// TestTryWrite: what is written while the owner waits arrives, and the owner goes on from there.
func TestTryWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		pair func(*testing.T) (server, client net.Conn)
		want bool
	}{
		"tcp": {func(t *testing.T) (server, client net.Conn) {
			client, server = sessiontest.TCPPair(t)
			return server, client
		}, true},
		"tls":  {tlsPair, runtime.GOOS == "linux"},
		"pipe": {func(*testing.T) (server, client net.Conn) { return net.Pipe() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want && runtime.GOOS == "windows" {
				t.Skip("always 0")
			}
			s, cl := tc.pair(t)
			c, end := waiting(t, s)
			var traced bytes.Buffer
			c.o.Trace = func(in bool, p []byte) { traced.Write(p) }
			// A deadline of the last write is not one for this.
			s.SetWriteDeadline(time.Unix(1, 0))
			want := []byte("* 1 EXISTS\r\n")
			n := c.TryWrite(want)
			if !tc.want {
				if n != 0 || traced.Len() > 0 {
					t.Errorf("wrote %d octets, %q traced", n, &traced)
				}
				end()
				return
			}
			if n != len(want) || !bytes.Equal(traced.Bytes(), want) {
				t.Fatalf("wrote %d octets, %q traced", n, &traced)
			}
			end()
			c.WriteString("* 2 EXISTS\r\n")
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 2*len(want))
			if _, err := io.ReadFull(cl, got); err != nil || string(got) != "* 1 EXISTS\r\n* 2 EXISTS\r\n" {
				t.Fatalf("%q, %v", got, err)
			}
		})
	}
}

// TestTryWriteFull: where nobody reads, it does not wait, and what it has written arrives whole.
func TestTryWriteFull(t *testing.T) {
	for name, pair := range map[string]func(*testing.T) (server, client net.Conn){
		"tcp": func(t *testing.T) (server, client net.Conn) {
			client, server = sessiontest.TCPPair(t)
			return server, client
		},
		"tls": tlsPair,
	} {
		t.Run(name, func(t *testing.T) {
			s, cl := pair(t)
			c, end := waiting(t, s)
			var sent bytes.Buffer
			line := bytes.Repeat([]byte("0123456789abcdef"), maxTryTLS/16)
			begin, refused := time.Now(), 0
			for i := 0; refused < 3 && time.Since(begin) < time.Minute; i++ {
				line[0] = byte(i)
				n := c.TryWrite(line)
				sent.Write(line[:n])
				refused++
				if n == len(line) {
					refused = 0
				}
			}
			if refused < 3 {
				t.Fatalf("still taken after %d octets", sent.Len())
			}
			if c.TryWrite(make([]byte, 64<<20)) == 64<<20 {
				t.Error("too much is taken")
			}
			end()
			s.Close()
			got := make([]byte, sent.Len())
			if _, err := io.ReadFull(cl, got); err != nil || !bytes.Equal(got, sent.Bytes()) {
				t.Errorf("what was written does not arrive: %v", err)
			}
		})
	}
}
