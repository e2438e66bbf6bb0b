package imapserver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"mox/store"
)

const benchMessages = 10000

// benchServer has a mailbox of 10,000 messages, and a client in it.
func benchServer(b *testing.B) *benchClient {
	b.Helper()
	ts := newTestServer(b, testOptions{})
	ctx := context.Background()
	mb, err := ts.account.CreateMailbox(ctx, "Bench", 0)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < benchMessages; i += 500 {
		var msgs []store.NewMessage
		for j := range 500 {
			sp := ts.store.NewSpool()
			defer sp.Close()
			text := fmt.Sprintf("From: Fred <fred%d@example.org>\nTo: Joe <joe@mox.example>\nSubject: message %d\nDate: Mon, 7 Feb 1994 21:52:25 -0800\nMessage-ID: <m%d@example.org>\nReceived: %s\n\n%s\n", i+j, i+j, i+j, strings.Repeat("x", 600), strings.Repeat("Hello world. ", 200))
			sp.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
			if err := sp.Finish(); err != nil {
				b.Fatal(err)
			}
			msgs = append(msgs, store.NewMessage{Spool: sp, Flags: store.Flags((i + j) % 16), Received: time.Unix(int64(1700000000+i+j), 0)})
		}
		if _, err := ts.account.Add(ctx, mb.ID, msgs); err != nil {
			b.Fatal(err)
		}
	}
	nc, err := net.Dial("tcp", ts.tcp(Listener{Service: "imap", PlaintextAuth: true}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	c := &benchClient{b: b, nc: nc, r: bufio.NewReaderSize(nc, 256<<10)}
	c.r.ReadString('\n')
	c.cmd(fmt.Sprintf("LOGIN %q %q", testUser, testPassword))
	c.cmd("SELECT Bench")
	return c
}

type benchClient struct {
	b  *testing.B
	nc net.Conn
	r  *bufio.Reader
}

// cmd sends a command and reads to its end.
func (c *benchClient) cmd(text string) (octets int) {
	fmt.Fprintf(c.nc, "t1 %s\r\n", text)
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			c.b.Fatal(err)
		}
		octets += len(line)
		if bytes.HasPrefix(line, []byte("t1 ")) {
			if !bytes.HasPrefix(line, []byte("t1 OK")) {
				c.b.Fatalf("%s: %s", text, line)
			}
			return octets
		}
	}
}

// BenchmarkCommands measures commands over a mailbox of 10,000 messages.
func BenchmarkCommands(b *testing.B) {
	c := benchServer(b)
	for _, bc := range []struct{ name, command string }{
		{"select", "SELECT Bench"},
		{"fetch flags", "FETCH 1:* (FLAGS UID)"},
		{"fetch date size", "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)"},
		{"fetch envelope", "FETCH 1:* ENVELOPE"},
		{"fetch bodystructure", "FETCH 1:* BODYSTRUCTURE"},
		{"fetch header fields", "FETCH 1:* BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID REFERENCES)]"},
		{"fetch list", "FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE)"},
		{"fetch body 1000", "FETCH 1:1000 BODY.PEEK[]"},
		{"fetch one", "FETCH 5000 (UID FLAGS ENVELOPE)"},
		{"search flagged", "UID SEARCH FLAGGED"},
		{"search from", "UID SEARCH FROM fred77"},
		{"search subject", "UID SEARCH SUBJECT message"},
		{"search header", "UID SEARCH HEADER List-Id x"},
		{"search body", "UID SEARCH BODY absent"},
		{"store", "STORE 1:* +FLAGS.SILENT (\\Flagged)"},
		{"noop", "NOOP"},
	} {
		b.Run(strings.ReplaceAll(bc.name, " ", "_"), func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = c.cmd(bc.command)
			}
			b.SetBytes(int64(n))
			b.ReportAllocs()
		})
	}
}
