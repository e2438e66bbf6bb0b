package imapserver

import (
	"bufio"
	"bytes"
	stdflate "compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"mox/deflate"
	"mox/imap"
	"mox/imapclient"
)

// dripConn writes an octet at a time.
type dripConn struct{ net.Conn }

func (c dripConn) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// compressedConn logs in and switches compression on; what is said goes through a layer
// below it.
func compressedConn(t *testing.T, ts *testServer, layer func(net.Conn) net.Conn) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", ts.tcp(Listener{Service: "imap", PlaintextAuth: true}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute))
	c := newLineClient(t, nc)
	c.ok(fmt.Sprintf("LOGIN %q %q", testUser, testPassword))
	c.ok("COMPRESS DEFLATE")
	if c.br.Buffered() > 0 {
		t.Fatal("text pending")
	}
	return deflate.New(layer(nc))
}

// TestCompressPieces: a peer whose octets come one by one, in commands and in IDLE.
func TestCompressPieces(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	ts.add("Inbox", smallMessage(1), 0)
	nc := compressedConn(t, ts, func(nc net.Conn) net.Conn { return dripConn{nc} })
	c := &lineClient{t: t, nc: nc, br: bufio.NewReader(nc)}
	c.ok("SELECT INBOX")
	for range 20 {
		if got := c.ok("FETCH 1 (FLAGS)"); len(got) != 1 || got[0] != `* 1 FETCH (FLAGS ())` {
			t.Fatalf("%q", got)
		}
		if _, err := io.WriteString(nc, "i IDLE\r\n"); err != nil {
			t.Fatal(err)
		}
		if l := c.line(); l != "+ idling" {
			t.Fatal(l)
		}
		io.WriteString(nc, "DONE\r\n")
		if l := c.line(); !strings.HasPrefix(l, "i OK") {
			t.Fatal(l)
		}
	}
}

// TestCompressBomb: what decompresses to much is bounded by the limits of lines and
// literals.
func TestCompressBomb(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	nc := compressedConn(t, ts, func(nc net.Conn) net.Conn { return nc })
	go func() {
		line := bytes.Repeat([]byte("x"), 1<<20)
		for range 1000 {
			if _, err := nc.Write(line); err != nil {
				return
			}
		}
	}()
	// The rest of what was sent may make the system throw the last words away.
	got, err := io.ReadAll(nc)
	if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && !strings.Contains(string(got), "BYE line too long") {
		t.Errorf("%.200q, %v", got, err)
	}
}

// TestCompressCorrupt: what is no DEFLATE ends the session.
func TestCompressCorrupt(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	var raw net.Conn
	compressedConn(t, ts, func(nc net.Conn) net.Conn { raw = nc; return nc })
	io.WriteString(raw, "\xff\xff\xff")
	if got, err := io.ReadAll(raw); errors.Is(err, os.ErrDeadlineExceeded) || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
}

// TestUnauthenticatePipelined: RFC 8437 3 and 4.1: the next login may come with it, and
// compression ends in between.
func TestUnauthenticatePipelined(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	var raw net.Conn
	nc := compressedConn(t, ts, func(nc net.Conn) net.Conn { raw = nc; return nc })
	var b bytes.Buffer
	w, err := stdflate.NewWriter(&b, 6)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "a NOOP\r\nb UNAUTHENTICATE\r\n")
	w.Close()
	fmt.Fprintf(&b, "c LOGIN %q %q\r\nd CAPABILITY\r\n", testUser, testPassword)
	if _, err := raw.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	c := &lineClient{t: t, nc: nc, br: bufio.NewReaderSize(nc, 16)}
	for _, want := range []string{"a OK", "b OK"} {
		if l := c.line(); !strings.HasPrefix(l, want) {
			t.Fatal(l)
		}
	}
	nc.(*deflate.Conn).End()
	for _, want := range []string{"c OK", "* CAPABILITY", "d OK"} {
		if l := c.line(); !strings.HasPrefix(l, want) {
			t.Fatal(l)
		}
	}
	if n := ts.Server.compressed.Load(); n != 0 {
		t.Errorf("%d connections are counted as compressed", n)
	}
}

// TestCompressClient drives both by the client of this project, with a large message.
func TestCompressClient(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	nc, err := net.Dial("tcp", ts.tcp(Listener{Service: "imap", PlaintextAuth: true}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := imapclient.New(ctx, nc, imapclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := "Subject: large\r\n\r\n" + strings.Repeat("some text that is said again and again\r\n", 50000)
	for range 2 {
		for _, f := range []func() error{
			func() error { return c.Login(ctx, testUser, testPassword) },
			func() error { return c.Compress(ctx) },
			func() error {
				_, err := c.Append(ctx, "Inbox", imapclient.AppendMessage{Size: int64(len(text)), Data: strings.NewReader(text)})
				return err
			},
			func() error { _, err := c.Select(ctx, "Inbox", ""); return err },
			func() error {
				res, err := c.Do(ctx, "FETCH 1 RFC822.SIZE")
				if err == nil && len(res.Untagged) != 1 {
					t.Errorf("%v", res.Untagged)
				}
				if err == nil {
					err = c.Fetch(ctx, false, "1", "BODY.PEEK[]", func(*imap.FetchResponse) error { return nil })
				}
				return err
			},
			func() error { return c.Unauthenticate(ctx) },
		} {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
