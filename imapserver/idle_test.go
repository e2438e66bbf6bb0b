package imapserver

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"mox/deflate"
)

// rawClient logs in and idles with as little memory as possible.
func rawClient(t testing.TB, addr string, tc *tls.Config, compress bool) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if tc != nil {
		nc = tls.Client(nc, tc)
	}
	t.Cleanup(func() { nc.Close() })
	r := bufio.NewReaderSize(nc, 512)
	expect := func(prefix string) {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, prefix) {
				return
			}
		}
	}
	expect("* OK")
	fmt.Fprintf(nc, "a LOGIN %q %q\r\n", testUser, testPassword)
	expect("a OK")
	if compress {
		fmt.Fprintf(nc, "x COMPRESS DEFLATE\r\n")
		expect("x OK")
		nc = deflate.New(nc)
		r.Reset(nc)
	}
	fmt.Fprintf(nc, "b SELECT INBOX\r\n")
	expect("b OK")
	fmt.Fprintf(nc, "c FETCH 1:* (FLAGS ENVELOPE BODY.PEEK[TEXT])\r\n")
	expect("c OK")
	fmt.Fprintf(nc, "d IDLE\r\n")
	expect("+")
	return nc
}

func memory() uint64 {
	var m runtime.MemStats
	for range 5 { // stacks shrink by half in each cycle
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// tcpOf is tcp with TLS from the start, or without; the client's configuration is nil then.
func (ts *testServer) tcpOf(secure bool) (addr string, tc *tls.Config) {
	if !secure {
		return ts.tcp(Listener{Service: "imap", PlaintextAuth: true}), nil
	}
	l := Listener{Service: "imaps", Implicit: true, TLS: &tls.Config{Certificates: []tls.Certificate{ts.cert}}}
	return ts.tcp(l), &tls.Config{InsecureSkipVerify: true}
}

// TestIdleMemory measures what a connection in IDLE takes, the test's own end
// included, and that news reach all of them soon.
func TestIdleMemory(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("slow")
	}
	n := 300
	for _, mode := range []struct {
		name     string
		tls      bool
		compress bool
		limit    int64
	}{{"plain", false, false, 10 << 10}, {"tls", true, false, 26 << 10}, {"compress", false, true, 22 << 10}} {
		t.Run(mode.name, func(t *testing.T) {
			ts := newTestServer(t, testOptions{})
			ts.add("Inbox", smallMessage(1), 0)
			addr, tc := ts.tcpOf(mode.tls)
			rawClient(t, addr, tc, mode.compress)
			before := memory()
			conns := make([]net.Conn, n)
			for i := range conns {
				conns[i] = rawClient(t, addr, tc, mode.compress)
			}
			each := func() int64 { return (int64(memory()) - int64(before)) / int64(n) }
			used := each()
			for end := time.Now().Add(time.Minute); used > mode.limit && time.Now().Before(end); used = each() {
				time.Sleep(50 * time.Millisecond) // some are about to wait
			}
			t.Logf("%d bytes for each connection", used)
			if used > mode.limit {
				t.Errorf("%d bytes for each connection, at most %d wanted", used, mode.limit)
			}
			start := time.Now()
			ts.add("Inbox", smallMessage(2), 0)
			buf := make([]byte, len("* 2 EXISTS\r\n"))
			for _, nc := range conns {
				if _, err := io.ReadFull(nc, buf); err != nil || string(buf) != "* 2 EXISTS\r\n" {
					t.Fatalf("%q, %v", buf, err)
				}
			}
			t.Logf("told to %d connections after %v", n, time.Since(start))
		})
	}
}
