package imapserver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/imap"
	"mox/store"
)

// wireClient is a client that sees what is said.
type wireClient struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	n    int
}

// raw connects; with login, it logs in.
func (ts *testServer) raw(login bool) *wireClient {
	ts.t.Helper()
	conn, err := net.Dial("tcp", ts.tcp(Listener{Service: "imap", PlaintextAuth: true}))
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	c := &wireClient{t: ts.t, conn: conn, r: bufio.NewReader(conn)}
	c.line()
	if login {
		c.do(fmt.Sprintf("LOGIN %q %q", testUser, testPassword), "OK")
	}
	return c
}

func (c *wireClient) line() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return line
}

// do sends a command whose tagged response must begin with want, empty for any, and returns all
// responses. Literals are not told from lines.
func (c *wireClient) do(command, want string) string {
	c.t.Helper()
	c.n++
	tag := fmt.Sprintf("t%d ", c.n)
	if _, err := io.WriteString(c.conn, tag+command+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	var all strings.Builder
	for {
		line := c.line()
		all.WriteString(line)
		if rest, ok := strings.CutPrefix(line, tag); ok {
			if !strings.HasPrefix(rest, want) {
				c.t.Fatalf("%.200q: %s", command, all.String())
			}
			return all.String()
		}
	}
}

// TestOddNames: whatever name a mailbox has or ID has, the connection stays.
func TestOddNames(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	literal := func(s string) string { return fmt.Sprintf("{%d+}\r\n%s", len(s), s) }
	long := strings.Repeat("v", 3000)
	first := ts.raw(false)
	first.do(`ID ("name" `+literal(long)+` "`+strings.Repeat("k", 100)+`" "x" "version" NIL)`, "OK")
	c := ts.raw(true)
	c.do(`ID ("name" `+literal(strings.Repeat("x\x01\xff\"\\", 1000))+")", "OK")
	names := []string{
		"a \"quoted\" \\name", "with\ttab", "%*", "(a)", "{3}", "]", "a&b", "&", "&AAA-", "&ZeVnLIqe-", "&-", " leading", "trailing ", "  ", "a//b", "/a", "a/", "/", ".", "..", "../../etc/passwd", "#news", "~", "NIL", "\x7f", "\x01", "a\r\nb",
		"\xff\xfe", "\xc3", "\u00e9", "e\u0301", "\U0001f600", "\u2028", "a\u202eb", "INBOX", "inbox/INBOX", "inboxx", "Other Users/x/y", "Other Users", strings.Repeat("n", 999), strings.Repeat("n", 1001), strings.Repeat("d/", 100) + "d", strings.Repeat("\u00e9", 400), "",
	}
	for _, utf8 := range []bool{false, true} {
		if utf8 {
			c.do("ENABLE UTF8=ACCEPT", "OK")
		}
		for _, name := range names {
			for _, cmd := range []string{"CREATE %s", "SUBSCRIBE %s", "STATUS %s (MESSAGES)", "LIST \"\" %s", "LSUB \"\" %s", "RENAME %[1]s %[1]s", "EXAMINE %s", "UNSUBSCRIBE %s", "GETQUOTAROOT %s", "APPEND %s {3+}\r\nabc", "RESETKEY %s"} {
				c.do(fmt.Sprintf(cmd, literal(name)), "")
			}
			if !strings.ContainsAny(name, "\r\n") {
				c.do("STATUS "+strconv.Quote("x")+" (MESSAGES)", "NO")
			}
		}
		c.do(`LIST "" *`, "OK")
	}
	c.do("NOOP", "OK")
}

// TestBinarySizes: BINARY.SIZE tells how much BINARY has, whatever the encoding.
func TestBinarySizes(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	ctx := context.Background()
	texts := []string{
		"", "\r\n", "plain\r\n\r\nbody\r\n",
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nsoft=\r\nbreak=20 \t \r\n=3D=C3=BC\r\nbad =zz escape=",
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nlf only=0Aand=0D=0Aboth\nbare\n",
		"Content-Type: image/png\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nlf=0A\nbare\n",
		"Content-Transfer-Encoding: base64\r\n\r\nYQpiDQpjDQ==\r\n", "Content-Transfer-Encoding: base64\r\nContent-Type: image/png\r\n\r\nYQ*pi DQ\r\npj=\r\nDQ",
		"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\n#86)C\r\n`\r\nend\r\n",
		"Content-Transfer-Encoding: binary\r\nContent-Type: text/plain\r\n\r\na\nb\rc\x00d",
		"Content-Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\n" + strings.Repeat("CgoKCgoK\r\n", 5000),
		strings.ReplaceAll(testMessages["nested"], "\n", "\r\n"), strings.ReplaceAll(testMessages["nul"], "\n", "\r\n"),
	}
	for _, text := range texts {
		sp := ts.store.NewSpool()
		defer sp.Close()
		io.WriteString(sp, text)
		if err := sp.Finish(); err != nil {
			t.Fatal(err)
		}
		if _, err := ts.account.Deliver(ctx, "Inbox", store.NewMessage{Spool: sp}); err != nil {
			t.Fatal(err)
		}
	}
	c := ts.raw(true)
	c.do("EXAMINE INBOX", "OK")
	for i, text := range texts {
		for _, part := range []string{"", "1", "2", "3", "3.1", "3.2", "4", "4.1"} {
			c.n++
			fmt.Fprintf(c.conn, "t%d FETCH %d (BINARY.SIZE[%s] BINARY.PEEK[%s])\r\n", c.n, i+1, part, part)
			line := c.line()
			if strings.Contains(line, "UNKNOWN-CTE") {
				continue
			}
			var size, n int
			head := fmt.Sprintf("* %d FETCH (BINARY.SIZE[%s] %%d BINARY[%s] ", i+1, part, part)
			if _, err := fmt.Sscanf(line, head+"NIL)", &size); err == nil && strings.Contains(line, "NIL") {
				if size != 0 {
					t.Errorf("%.40q [%s]: %s", text, part, line)
				}
			} else if _, err := fmt.Sscanf(line, head+"~{%d}", &size, &n); err != nil || size != n {
				t.Errorf("%.40q [%s]: %s (%v)", text, part, line, err)
			} else if _, err := io.CopyN(io.Discard, c.r, int64(n)); err != nil {
				t.Fatal(err)
			} else if rest := c.line(); rest != ")\r\n" {
				t.Fatalf("after the literal: %q", rest)
			}
			if done := c.line(); !strings.HasPrefix(done, fmt.Sprintf("t%d OK", c.n)) {
				t.Fatal(done)
			}
		}
	}
}

// TestModSeqUnderLoad: what clients are told of mod-sequences never goes back, however many
// change things at once.
func TestModSeqUnderLoad(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	ctx := context.Background()
	const messages = 20
	for i := range messages {
		ts.add("Inbox", smallMessage(i), 0)
	}
	in, _ := ts.account.MailboxByName("Inbox")
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				uid := store.UID(1 + (i*7+w)%messages)
				op := []store.FlagOp{store.FlagsAdd, store.FlagsRemove}[i/messages%2]
				if _, err := ts.account.SetFlags(ctx, in.ID, store.NewUIDSet(uid), store.FlagChange{Op: op, Flags: store.FlagFlagged << (w % 2)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var readers sync.WaitGroup
	for range 2 {
		c := ts.client()
		readers.Go(func() {
			if _, err := c.Select(ctx, "INBOX", "(CONDSTORE)"); err != nil {
				t.Error(err)
				return
			}
			seen, highest := make([]uint64, messages), uint64(0)
			for range 60 {
				status, err := c.Status(ctx, "INBOX", "HIGHESTMODSEQ")
				if err != nil {
					t.Error(err)
					return
				}
				now, _ := strconv.ParseUint(status.Items["HIGHESTMODSEQ"], 10, 64)
				if now < highest || now < slices.Max(seen) {
					t.Errorf("HIGHESTMODSEQ %d after %d, with messages of %d", now, highest, slices.Max(seen))
				}
				highest = now
				err = c.Fetch(ctx, false, "1:*", "(MODSEQ)", func(f *imap.FetchResponse) error {
					if f.ModSeq < seen[f.Seq-1] {
						t.Errorf("message %d: MODSEQ %d after %d", f.Seq, f.ModSeq, seen[f.Seq-1])
					}
					seen[f.Seq-1] = f.ModSeq
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	writers.Wait()
}
