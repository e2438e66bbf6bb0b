package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/config"
)

func TestParseSendmail(t *testing.T) {
	for _, tc := range []struct {
		args string
		want sendmailArgs
		err  bool
	}{
		{"a@b.example", sendmailArgs{recipients: []string{"a@b.example"}}, false},
		{"-t", sendmailArgs{header: true, recipients: []string{}}, false},
		{"-it -f x@y.example", sendmailArgs{header: true, recipients: []string{}}, false},
		{"-i -fx@y.example -F Name -oem -oi -odi -em -bm -v -- -a@b.example", sendmailArgs{name: "Name", recipients: []string{"-a@b.example"}}, false},
		{"-FName -h 20 -V id -N never -R hdrs -r a -p SMTP:x -O A=b root", sendmailArgs{name: "Name", recipients: []string{"root"}}, false},
		{"root -t", sendmailArgs{recipients: []string{"root", "-t"}}, false},
		{"", sendmailArgs{}, true}, {"-i", sendmailArgs{}, true}, {"-t -F", sendmailArgs{}, true},
		{"-bs", sendmailArgs{}, true}, {"-bd -q1h", sendmailArgs{}, true}, {"-bp", sendmailArgs{}, true}, {"-bi", sendmailArgs{}, true}, {"-q", sendmailArgs{}, true}, {"-I", sendmailArgs{}, true},
	} {
		got, err := parseSendmail(strings.Fields(tc.args))
		if (err != nil) != tc.err {
			t.Errorf("%q: %v", tc.args, err)
			continue
		}
		var usage usageError
		if err != nil && !errors.As(err, &usage) {
			t.Errorf("%q: %v is no usage error", tc.args, err)
		}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(sendmailArgs{})); err == nil && diff != "" {
			t.Errorf("%q: %s", tc.args, diff)
		}
	}
}

func TestComposeSubmission(t *testing.T) {
	conf := &config.Sendmail{LocalHostname: "h.example", From: "web@mail.example", DefaultDestination: "admin@mail.example"}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const id = "Message-ID: <i@h>\n"
	const date = "Date: Fri, 2 Jan 2026 03:04:05 +0000\n"
	for _, tc := range []struct{ name, in, rcpts, want string }{
		{"resent", "To: a@x.example\nResent-To: b@x.example\nResent-Bcc: c@x.example\n" + id + "\nhi", "b@x.example c@x.example", "To: a@x.example\nResent-To: b@x.example\n" + id + "From: web@mail.example\n" + date + "\nhi\n"},
		{"local", "To: root, Joe\nFrom: Jürgen <x@y>\n" + id + "\n", "admin@mail.example", "To: root, Joe\nFrom: =?utf-8?q?J=C3=BCrgen?= <web@mail.example>\n" + id + date + "\n"},
		{"body at once", id + "To: a@x.example\nthis is text\n", "a@x.example", id + "To: a@x.example\nFrom: web@mail.example\n" + date + "\nthis is text\n"},
		{"folded", id + "To: a@x.example,\n b@x.example\nBcc: c@x.example,\n\td@x.example\nSender: me@x.example\n\n", "a@x.example b@x.example c@x.example d@x.example", id + "To: a@x.example,\n b@x.example\nFrom: web@mail.example\n" + date + "\n"},
	} {
		m, err := composeSubmission(conf, sendmailArgs{header: true}, []byte(tc.in), now)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		var rcpts []string
		for _, r := range m.recipients {
			rcpts = append(rcpts, r.String())
		}
		if diff := cmp.Diff(tc.rcpts, strings.Join(rcpts, " ")); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
		got := strings.ReplaceAll(strings.ReplaceAll(string(m.content), "\r\n", "\n"), "=?utf-8?b?SsO8cmdlbg==?=", "=?utf-8?q?J=C3=BCrgen?=")
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
	for _, in := range []string{"", "Subject: x\n\n", "To: a b@@\n\n"} {
		if m, err := composeSubmission(conf, sendmailArgs{header: true}, []byte(in), now); err == nil {
			t.Errorf("%q: %v", in, m.recipients)
		}
	}
}

// TestSendmailKey: TLS authenticates with a key, and the server takes 7 bit only.
func TestSendmailKey(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	cert, err := selfSigned("mail.example")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert.tls}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	said := make(chan string, 1)
	go serveOnce(t, ln, key, said)
	p, _, stderr := testProgram()
	p.stdin = strings.NewReader("Subject: x\n\ngr\u00fc\u00dfe\n")
	dir := t.TempDir()
	p.getenv = func(string) string { return dir }
	p.submitConf = filepath.Join(dir, "moxsubmit.conf")
	text := "LocalHostname: web.example\nHost: 127.0.0.1\nPort: " + strconv.Itoa(ln.Addr().(*net.TCPAddr).Port) + "\nTLS: true\nSTARTTLS: false\nTLSInsecureSkipVerify: true\nUsername: web\n" +
		"ClientAuthEd25519PrivateKey: " + base64.RawURLEncoding.EncodeToString(key.Seed()) + "\nAuthMethod:\nFrom: web@mail.example\n"
	if err := os.WriteFile(p.submitConf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if status := p.main([]string{"sendmail", "a@b.example"}); status != 0 {
		t.Fatal(status, stderr)
	}
	got := <-said
	for _, want := range []string{"AUTH EXTERNAL =\r\n", "MAIL FROM:<web@mail.example>\r\n", "Content-Transfer-Encoding: base64\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "moxsubmit.failures")); err == nil {
		t.Error(entries)
	}
}

// serveOnce is a server that takes one message of a client with the key.
func serveOnce(t *testing.T, ln net.Listener, key ed25519.PrivateKey, said chan<- string) {
	nc, err := ln.Accept()
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	var all strings.Builder
	r := bufio.NewReader(nc)
	for i, reply := range []string{"220 hi", "250-hi\r\n250 AUTH EXTERNAL", "235 ok", "250 ok", "250 ok", "354 go", "250 ok", "221 bye"} {
		for i > 0 {
			line, err := r.ReadString('\n')
			all.WriteString(line)
			if err != nil {
				t.Error(err)
				return
			}
			if i != 6 || line == ".\r\n" {
				break
			}
		}
		if i == 1 && !key.Public().(ed25519.PublicKey).Equal(nc.(*tls.Conn).ConnectionState().PeerCertificates[0].PublicKey) {
			t.Error("another key")
		}
		if _, err := nc.Write([]byte(reply + "\r\n")); err != nil {
			t.Error(err)
			return
		}
	}
	said <- all.String()
}

// TestStoreFailure: what cannot be stored is said to be lost.
func TestStoreFailure(t *testing.T) {
	dir := t.TempDir()
	p, _, _ := testProgram()
	p.getenv = func(string) string { return filepath.Join(dir, "nothing") }
	why := errors.New("no server")
	if err := p.keep([]byte("x"), nil, why); err == nil || !errors.Is(err, why) || !strings.Contains(err.Error(), "lost") {
		t.Error(err)
	}
	path, err := storeFailure(dir, failureFile([]byte("Subject: x\r\n\r\ny\r\n"), []string{"a@b", "c\nd"}, errors.New("two\nlines")))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if want := "X-Moxsubmit-Recipients: a@b, c d\r\nX-Moxsubmit-Error: two lines\r\nSubject: x\r\n\r\ny\r\n"; err != nil || string(b) != want {
		t.Errorf("%q, %v", b, err)
	}
}
