package moxtest_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"

	"mox/dns"
	"mox/imap"
	"mox/moxtest"
)

// counted counts what is written to and read from a connection.
type counted struct {
	net.Conn
	n int
}

func (c *counted) Write(p []byte) (int, error) { c.n += len(p); return c.Conn.Write(p) }
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n += n
	return n, err
}

// TestForwardWithoutDownload is a phone that forwards an attachment: it puts a draft together from the
// message on the server by CATENATE (RFC 4469), authorizes a URL of it (RFC 4467), and has it
// sent by BURL (RFC 4468), without the attachment going over its connections.
func TestForwardWithoutDownload(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithAccount("mox", "mox@mox.example"), moxtest.WithAccount("other", "other@mox.example"))
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	attachment := wrapped(base64.StdEncoding.EncodeToString(data))
	const partHeader = "Content-Type: image/jpeg; name=photo.jpg\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=photo.jpg\r\n\r\n"
	mox.DNS.MX["elsewhere.example"] = []dns.MX{{Preference: 10, Host: "mail.elsewhere.example"}}
	mox.Send(t, "friend@elsewhere.example", "mox@mox.example", "From: <friend@elsewhere.example>\r\nSubject: photo\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nSee this.\r\n--a\r\n"+partHeader+attachment+"\r\n--a--\r\n")

	wire := &counted{Conn: mox.Dial(t, "imap")}
	phone := dialIMAP(t, wire)
	head := "From: <mox@mox.example>\r\nTo: <other@mox.example>\r\nSubject: Fwd: photo\r\nMessage-ID: <fwd@mox.example>\r\nDate: Mon, 2 Feb 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	text := "--b\r\nContent-Type: text/plain\r\n\r\nLook!\r\n--b\r\n"
	end := "\r\n--b--\r\n"
	phone.do(fmt.Sprintf("APPEND Drafts (\\Seen \\Draft) CATENATE (TEXT {%d+}\r\n%s URL \"/INBOX/;UID=1/;SECTION=2.MIME\" URL \"/INBOX/;UID=1/;SECTION=2\" TEXT {%d+}\r\n%s)", len(head+text), head+text, len(end), end))
	answer := phone.do(`GENURLAUTH "imap://mox%40mox.example@mail.mox.example/Drafts/;UID=1;URLAUTH=submit+mox%40mox.example" INTERNAL`)
	_, url, _ := strings.Cut(answer, `* GENURLAUTH "`)
	url, _, _ = strings.Cut(url, `"`)
	if _, err := imap.ParseURL(url); err != nil {
		t.Fatalf("%q: %v", answer, err)
	}

	submission := &counted{Conn: mox.Dial(t, "submission")}
	r := bufio.NewReader(submission)
	smtp := func(line, want string) {
		t.Helper()
		if line != "" {
			fmt.Fprintf(submission, "%s\r\n", line)
		}
		for {
			got, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("after %q: %v", line, err)
			}
			if len(got) > 3 && got[3] == '-' {
				continue
			}
			if !strings.HasPrefix(got, want) {
				t.Fatalf("%q: %q, want %s", line, got, want)
			}
			return
		}
	}
	smtp("", "220")
	smtp("EHLO phone.example", "250")
	smtp("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00mox@mox.example\x00"+moxtest.Password)), "235")
	smtp("MAIL FROM:<mox@mox.example>", "250")
	smtp("RCPT TO:<other@mox.example>", "250")
	smtp("BURL "+url+" LAST", "250")
	smtp("QUIT", "221")

	want := text + partHeader + attachment + end
	got := waitFor(t, mox, "other@mox.example", "Subject: Fwd: photo")
	if !strings.HasSuffix(got, "\r\n\r\n"+want) {
		t.Errorf("received %d bytes which do not end in the %d of the draft: %.2000s", len(got), len(want), got)
	}
	if n := wire.n + submission.n; n > 10_000 {
		t.Errorf("%d bytes over the connections of the phone for a message of %d", n, len(want))
	}
	// It is for its own user only, and only for as long as that user wants.
	if err := trySubmitURL(t, mox, "other@mox.example", url); err != "554 5.7.0 IMAP URL authorization failed" {
		t.Errorf("URL of another user: %s", err)
	}
	phone.do("RESETKEY Drafts")
	if err := trySubmitURL(t, mox, "mox@mox.example", url); err != "554 5.7.0 IMAP URL authorization failed" {
		t.Errorf("URL without key: %s", err)
	}
	for _, tc := range []struct{ url, want string }{
		{"imap://mox%40mox.example@mail.mox.example/Drafts/;UID=2", "554 5.6.6 IMAP URL resolution failed"},
		{"imap://mox%40mox.example@imap.example.org/Drafts/;UID=1", "554 5.7.8 URL resolution requires trust relationship"},
		{"imap://other%40mox.example@mail.mox.example/INBOX/;UID=1", "554 5.7.0 IMAP URL authorization failed"},
		{"http://mail.mox.example/", "554 5.6.6 IMAP URL resolution failed"},
		// RFC 4468 3.3: of this server, and the user's own.
		{"imap://mox%40mox.example@mail.mox.example/Drafts/;UID=1", "250 2.0.0"},
	} {
		if got := trySubmitURL(t, mox, "mox@mox.example", tc.url); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %s, want %s", tc.url, got, tc.want)
		}
	}
}

// wrapped puts base64 on lines.
func wrapped(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := min(76, len(s))
		b.WriteString(s[:n] + "\r\n")
		s = s[n:]
	}
	return b.String()
}

// trySubmitURL has a URL sent by a user and returns the reply.
func trySubmitURL(t *testing.T, mox *moxtest.Server, user, url string) string {
	t.Helper()
	conn := mox.Dial(t, "submission")
	auth := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + moxtest.Password))
	fmt.Fprintf(conn, "EHLO x\r\nAUTH PLAIN %s\r\n", auth)
	r := bufio.NewReader(conn)
	last := func() string {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line[3] == ' ' {
				return strings.TrimSuffix(line, "\r\n")
			}
		}
	}
	for range 3 {
		last()
	}
	fmt.Fprintf(conn, "MAIL FROM:<%s>\r\nRCPT TO:<other@mox.example>\r\nBURL %s LAST\r\n", user, url)
	last()
	last()
	reply, _, _ := strings.Cut(last(), " (")
	return reply
}

// plainIMAP is a client that shows what is said.
type plainIMAP struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dialIMAP(t *testing.T, conn net.Conn) *plainIMAP {
	c := &plainIMAP{t, conn, bufio.NewReader(conn)}
	c.do("LOGIN mox@mox.example " + moxtest.Password)
	return c
}

// do sends a command and returns all up to its tagged response, which must be OK.
func (c *plainIMAP) do(command string) string {
	c.t.Helper()
	fmt.Fprintf(c.conn, "t %s\r\n", command)
	var all strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		all.WriteString(line)
		if strings.HasPrefix(line, "t ") {
			if !strings.HasPrefix(line, "t OK") {
				c.t.Fatalf("%.100q: %s", command, line)
			}
			return all.String()
		}
	}
}
