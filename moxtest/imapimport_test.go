package moxtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mox/config"
	"mox/imap"
	"mox/imapclient"
	"mox/imapimport"
	"mox/moxtest"
)

// migration is two accounts of one server, of which one is the source.
type migration struct {
	t    *testing.T
	mox  *moxtest.Server
	src  *imapclient.Client
	addr string // of the source
}

func newMigration(t *testing.T, options ...moxtest.Option) *migration {
	mox := moxtest.New(t, append(options, moxtest.WithAccount("old", "old@mox.example"), moxtest.WithAccount("new", "new@mox.example"))...)
	return &migration{t, mox, mox.DialIMAP(t, "old"), mox.IMAPAddr()}
}

func (m *migration) append(box, text string, flags ...string) {
	m.t.Helper()
	msg := imapclient.AppendMessage{Flags: flags, Date: time.Unix(1_500_000_000, 0), Size: int64(len(text)), Data: strings.NewReader(text)}
	if _, err := m.src.Append(m.t.Context(), box, msg); err != nil {
		m.t.Fatal(err)
	}
}

func (m *migration) do(command string) {
	m.t.Helper()
	if _, err := m.src.Do(m.t.Context(), command); err != nil {
		m.t.Fatalf("%s: %v", command, err)
	}
}

// run takes the account over, and checks that nothing is left out.
func (m *migration) run(o imapimport.Options) imapimport.Result {
	m.t.Helper()
	res, err := m.try(o)
	if err != nil {
		m.t.Fatalf("import: %v", err)
	}
	if res.Failed > 0 || res.Problems > 0 {
		m.t.Fatalf("import: %+v", res)
	}
	return res
}

func (m *migration) try(o imapimport.Options) (imapimport.Result, error) {
	acc, err := m.mox.Store.Account(m.t.Context(), "new")
	if err != nil {
		m.t.Fatal(err)
	}
	defer acc.Release()
	o.Login = imapimport.Login{Host: m.addr, TLS: imapclient.StartTLS, TLSConfig: m.mox.TLSConfig(), User: "old@mox.example", Password: moxtest.Password}
	o.Backoff = time.Millisecond
	o.Problem = func(text string) { m.t.Log(text) }
	return imapimport.Run(m.t.Context(), imapimport.Local{Account: acc}, o)
}

// contents returns mailboxes with their messages: flags, time, content.
func (m *migration) contents(account string) map[string][]string {
	m.t.Helper()
	ctx := m.t.Context()
	c := m.mox.DialIMAP(m.t, account)
	list, err := c.List(ctx, "", "*", "")
	if err != nil {
		m.t.Fatal(err)
	}
	all := map[string][]string{}
	for _, l := range list {
		sel, err := c.Examine(ctx, l.Mailbox, "")
		if err != nil {
			m.t.Fatal(err)
		}
		all[l.Mailbox] = []string{}
		if sel.Exists == 0 {
			continue
		}
		err = c.Fetch(ctx, true, "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])", func(f *imap.FetchResponse) error {
			flags := slices.DeleteFunc(f.Flags, func(s string) bool { return s == `\Recent` })
			slices.Sort(flags)
			data, _ := f.Section("BODY[]")
			all[l.Mailbox] = append(all[l.Mailbox], fmt.Sprintf("%v %d %s", flags, f.InternalDate.Unix(), data))
			return nil
		})
		if err != nil {
			m.t.Fatal(err)
		}
		slices.Sort(all[l.Mailbox])
	}
	return all
}

// same checks that both accounts have the same.
func (m *migration) same() {
	m.t.Helper()
	a, b := m.contents("old"), m.contents("new")
	for name, l := range a {
		if !slices.Equal(l, b[name]) {
			m.t.Errorf("%s: %d messages in the source, %d here: %.300q\n%.300q", name, len(l), len(b[name]), l, b[name])
		}
	}
	if len(a) != len(b) {
		m.t.Errorf("%d mailboxes, want %d", len(b), len(a))
	}
}

func wantCounts(t *testing.T, res imapimport.Result, added, present, flags, deleted int) {
	t.Helper()
	got := [4]int{res.Added, res.Present, res.Flags, res.Deleted}
	if want := [4]int{added, present, flags, deleted}; got != want {
		t.Errorf("added, present, flags, deleted: %v, want %v", got, want)
	}
}

func TestIMAPImport(t *testing.T) {
	t.Parallel()
	m := newMigration(t)
	for i := range 30 {
		m.append("INBOX", fmt.Sprintf("Message-ID: <%d@x>\r\nSubject: s\r\n\r\n%d\r\n", i, i), `\Seen`, "work")
	}
	m.append("INBOX", "Subject: twice\r\n\r\nx\r\n")
	m.append("INBOX", "Subject: twice\r\n\r\nx\r\n")
	m.append("Sent", "Message-ID: <sent@x>\r\n\r\n"+strings.Repeat("large\r\n", 500_000))
	if err := m.src.Create(t.Context(), "Übersicht/a"); err != nil {
		t.Fatal(err)
	}
	m.append("Übersicht/a", "Message-ID: <u@x>\r\n\r\nu\r\n", `\Flagged`)
	res := m.run(imapimport.Options{Verify: true})
	wantCounts(t, res, 34, 0, 0, 0)
	if res.Missing+res.Differing != 0 {
		t.Errorf("verification: %+v", res)
	}
	m.same()

	// Again: nothing. Then what changed.
	wantCounts(t, m.run(imapimport.Options{}), 0, 0, 0, 0)
	m.do("SELECT INBOX")
	m.do(`STORE 1:3 FLAGS (\Answered other)`)
	m.do(`STORE 4:5 +FLAGS (\Deleted)`)
	m.do("EXPUNGE")
	m.append("INBOX", "Subject: twice\r\n\r\nx\r\n")
	m.append("INBOX", "Message-ID: <1@x>\r\nSubject: s\r\n\r\n1\r\n") // as one that is there
	m.append("INBOX", "Message-ID: <new@x>\r\n\r\nnew\r\n")
	wantCounts(t, m.run(imapimport.Options{}), 3, 0, 3, 0)
	wantCounts(t, m.run(imapimport.Options{Delete: true}), 0, 0, 0, 2)
	m.same()
	wantCounts(t, m.run(imapimport.Options{Delete: true}), 0, 0, 0, 0)

	// What is deleted here stays so; and is missing then.
	c := m.mox.DialIMAP(t, "new")
	for _, command := range []string{"SELECT INBOX", `STORE 1:2 +FLAGS (\Deleted)`, "EXPUNGE"} {
		if _, err := c.Do(t.Context(), command); err != nil {
			t.Fatal(err)
		}
	}
	m.append("INBOX", "Message-ID: <newer@x>\r\n\r\nnewer\r\n")
	res = m.run(imapimport.Options{Verify: true})
	wantCounts(t, res, 1, 0, 0, 0)
	if res.Missing != 2 {
		t.Errorf("%d missing, want 2", res.Missing)
	}
}

// TestIMAPImportRenewed has the source's UIDs changed: what is there is recognized.
func TestIMAPImportRenewed(t *testing.T) {
	t.Parallel()
	m := newMigration(t)
	m.do("CREATE Work")
	for i := range 5 {
		m.append("Work", fmt.Sprintf("Message-ID: <%d@x>\r\n\r\n%d\r\n", i, i))
	}
	wantCounts(t, m.run(imapimport.Options{}), 5, 0, 0, 0)
	m.do("RENAME Work Away")
	m.do("CREATE Work")
	m.do("SELECT Away")
	m.do("MOVE 1:* Work")
	m.do("DELETE Away")
	m.do("SELECT Work")
	m.do("STORE 1:* -FLAGS ($NotJunk)") // which moving set
	m.do(`STORE 1 +FLAGS (\Seen)`)
	m.append("Work", "Message-ID: <5@x>\r\n\r\n5\r\n")
	wantCounts(t, m.run(imapimport.Options{Delete: true}), 1, 5, 1, 0)
	m.same()
}

// cutter passes connections on, and breaks each after some bytes from the server.
type cutter struct {
	ln    net.Listener
	to    string
	limit atomic.Int64
	conns atomic.Int64
}

func newCutter(t *testing.T, to string, limit int64) *cutter {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{ln: ln, to: to}
	c.limit.Store(limit)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go c.pass(conn)
		}
	}()
	return c
}

func (c *cutter) pass(conn net.Conn) {
	c.conns.Add(1)
	defer conn.Close()
	var d net.Dialer
	server, err := d.DialContext(context.Background(), "tcp", c.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, conn) }()
	_, _ = io.CopyN(conn, server, c.limit.Load())
}

// TestIMAPImportInterrupted breaks the connection again and again.
func TestIMAPImportInterrupted(t *testing.T) {
	t.Parallel()
	m := newMigration(t)
	for i := range 300 {
		m.append("INBOX", fmt.Sprintf("Message-ID: <%d@x>\r\n\r\n%s\r\n", i, strings.Repeat("x", 300)), `\Seen`)
	}
	c := newCutter(t, m.addr, 40_000)
	m.addr = c.ln.Addr().String()
	wantCounts(t, m.run(imapimport.Options{Verify: true}), 300, 0, 0, 0)
	if n := c.conns.Load(); n < 4 {
		t.Errorf("%d connections", n)
	}
	m.same()
	// With too little for the login, it is given up.
	c.limit.Store(100)
	if _, err := m.try(imapimport.Options{Attempts: 3}); err == nil || !strings.Contains(err.Error(), "after 3 attempts") {
		t.Errorf("error %v", err)
	}
}

// TestIMAPImportLimited takes mail over from a server that gives out some messages for each
// command (RFC 9738).
func TestIMAPImportLimited(t *testing.T) {
	t.Parallel()
	m := newMigration(t, moxtest.WithConfig(func(s *config.Static, _ *config.Dynamic) { s.IMAPMessageLimit = 7 }))
	for i := range 30 {
		m.append("INBOX", fmt.Sprintf("Message-ID: <%d@x>\r\n\r\nx\r\n", i))
	}
	wantCounts(t, m.run(imapimport.Options{Verify: true}), 30, 0, 0, 0)
	m.same()
	m.do("SELECT INBOX")
	m.do(`STORE 1:5 +FLAGS (\Flagged)`)
	m.do(`STORE 20:22 +FLAGS (\Deleted)`)
	m.do("EXPUNGE")
	wantCounts(t, m.run(imapimport.Options{Verify: true, Delete: true}), 0, 0, 5, 3)
	m.same()
}
