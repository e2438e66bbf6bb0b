package proxyproto

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mox/lineio"
	"mox/sessiontest"
)

const header = "PROXY TCP4 192.0.2.1 10.0.0.9 12345 25\r\n"

var (
	proxy  = netip.MustParseAddrPort("10.0.0.2:1000")
	others = netip.MustParseAddrPort("10.1.0.2:1000")
)

// fixture is a Listener in memory with what it refused and accepted.
type fixture struct {
	*Listener
	below *sessiontest.Listener

	mu       sync.Mutex
	refused  []string // guarded by mu
	accepted []string // guarded by mu; remote addresses
}

func setup(t *testing.T, c Config) *fixture {
	f := &fixture{below: sessiontest.NewListener(netip.MustParseAddrPort("10.0.0.1:25"))}
	c.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}
	c.Refused = func(reason string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.refused = append(f.refused, reason)
	}
	f.Listener = NewListener(f.below, c)
	go func() {
		for {
			nc, err := f.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.accepted = append(f.accepted, nc.RemoteAddr().String()+" "+nc.LocalAddr().String())
			f.mu.Unlock()
			go func() {
				b := make([]byte, 4)
				io.ReadFull(nc, b)
				nc.Write(b)
				nc.Close()
			}()
		}
	}()
	t.Cleanup(func() { f.Close() })
	return f
}

// waiting returns how many connections have not sent their header.
func (f *fixture) waiting() int {
	f.Listener.mu.Lock()
	defer f.Listener.mu.Unlock()
	return len(f.pending)
}

// seen returns what was accepted and refused since the last call.
func (f *fixture) seen() (accepted, refused []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	accepted, refused = f.accepted, f.refused
	f.accepted, f.refused = nil, nil
	return accepted, refused
}

// dial connects, says something, and returns what comes back.
func (f *fixture) dial(t *testing.T, from netip.AddrPort, say string) string {
	t.Helper()
	nc, err := f.below.Dial(from)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	go io.WriteString(nc, say)
	b, _ := io.ReadAll(nc)
	return string(b)
}

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t, Config{})
		for _, tc := range []struct {
			from          netip.AddrPort
			say, echo     string
			addr, refused string
		}{
			{proxy, header + "abcd", "abcd", "192.0.2.1:12345 10.0.0.9:25", ""},
			{proxy, v2(cmdProxy, famTCP6, tcp6) + "abcd", "abcd", "[2001:db8::1]:65535 [2001:db8::2]:0", ""},
			{proxy, "PROXY UNKNOWN\r\nabcd", "abcd", "10.0.0.2:1000 10.0.0.1:25", ""},
			{proxy, "EHLO client.example\r\n", "", "", "header"},
			{proxy, header[:20], "", "", "timeout"},
			{others, header + "abcd", "", "", "untrusted"},
		} {
			start := time.Now()
			if got := f.dial(t, tc.from, tc.say); got != tc.echo {
				t.Errorf("%q: got %q", tc.say, got)
			}
			if d := time.Since(start); d > 0 && tc.refused != "timeout" || d > 5*time.Second {
				t.Errorf("%q: took %v", tc.say, d)
			}
			synctest.Wait()
			accepted, refused := f.seen()
			if tc.addr != "" && !slices.Equal(accepted, []string{tc.addr}) || tc.refused != "" && !slices.Equal(refused, []string{tc.refused}) {
				t.Errorf("%q: accepted %q, refused %q", tc.say, accepted, refused)
			}
		}
	})
}

func TestPassOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t, Config{PassOthers: true})
		got := f.dial(t, others, "abcd")
		if accepted, _ := f.seen(); got != "abcd" || !slices.Equal(accepted, []string{"10.1.0.2:1000 10.0.0.1:25"}) {
			t.Error(got, accepted)
		}
		if got := f.dial(t, proxy, "EHLO abcdefgh"); got != "" {
			t.Errorf("proxy without header got %q", got)
		}
	})
}

// TestPending: those whose header does not come hold up nobody, and are not many.
func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t, Config{Pending: 2})
		for range 2 {
			nc, err := f.below.Dial(proxy)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			synctest.Wait()
			if f.waiting() == 1 {
				if got := f.dial(t, proxy, header+"abcd"); got != "abcd" {
					t.Errorf("second got %q", got)
				}
				synctest.Wait()
			}
		}
		if got := f.dial(t, proxy, header+"abcd"); got != "" {
			t.Errorf("third got %q", got)
		}
		synctest.Wait()
		if _, refused := f.seen(); !slices.Equal(refused, []string{"pending"}) {
			t.Error(refused)
		}
		time.Sleep(5*time.Second + 1)
		synctest.Wait()
		if got := f.dial(t, proxy, header+"abcd"); got != "abcd" {
			t.Errorf("after the timeout: %q", got)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t, Config{})
		nc, err := f.below.Dial(proxy)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		synctest.Wait()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := nc.Read(make([]byte, 1)); err == nil {
			t.Error("connection goes on")
		}
		if _, err := f.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := f.Close(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	ln := NewListener(sessiontest.NewListener(proxy), Config{})
	if err := ln.Close(); err != nil {
		t.Error("never accepted:", err)
	}
}

// TestTCP: a connection of TCP remains one, so that whoever waits on it needs no buffer,
// and TLS works on it.
func TestTCP(t *testing.T) {
	below, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(below, Config{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	defer l.Close()
	go func() {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		io.WriteString(nc, header+"line\r\n")
		nc.Read(make([]byte, 1)) // go ahead
		tls.Client(nc, &tls.Config{InsecureSkipVerify: true}).Handshake()
		nc.Close()
	}()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, ok := nc.(syscall.Conn); !ok {
		t.Error("no SyscallConn")
	}
	if _, ok := nc.(interface{ CloseWrite() error }); !ok {
		t.Error("no CloseWrite")
	}
	if a := nc.RemoteAddr().String(); a != "192.0.2.1:12345" {
		t.Error(a)
	}
	c := lineio.New(nc, lineio.Options{ReadTimeout: time.Minute})
	if err := c.WaitInput(10 * time.Second); err != nil || c.Buffered() != 0 {
		t.Error(err, c.Buffered())
	}
	if line, err := c.ReadLine(100); err != nil || string(line) != "line" {
		t.Errorf("%q, %v", line, err)
	}
	io.WriteString(nc, "+")
	tc := tls.Server(nc, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if a := h.Conn.RemoteAddr().String(); a != "192.0.2.1:12345" {
			t.Error("address with TLS is", a)
		}
		return nil, errors.New("enough")
	}})
	if err := tc.Handshake(); err == nil {
		t.Error("handshake without certificate")
	}
}
