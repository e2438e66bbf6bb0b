package ctl

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/admin"
	"mox/config"
	"mox/mlog"
	"mox/storetest"
)

// imapFixture is a server whose sessions answer each line with who they are of.
func imapFixture(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"mox.conf": storetest.Static, "domains.conf": transferDomains} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	manager, err := config.Open(filepath.Join(dir, "mox.conf"), mlog.Discard(), config.Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(manager.Close)
	serve := func(_ context.Context, conn net.Conn, account, login string) {
		defer conn.Close()
		for in := bufio.NewScanner(conn); in.Scan(); {
			fmt.Fprintf(conn, "%s %s: %s\n", account, login, in.Text())
		}
	}
	s := &Server{Admin: &admin.Admin{Config: manager, Log: mlog.Discard(), IMAP: serve}, Log: mlog.Discard()}
	path = filepath.Join(dir, "ctl")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s.Start(l)
	t.Cleanup(func() { s.Close() })
	return path
}

func dialTest(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestIMAP(t *testing.T) {
	path := imapFixture(t)
	var out bytes.Buffer
	if err := dialTest(t, path).IMAP(t.Context(), "mjl@mox.example", strings.NewReader("one\ntwo\n"), &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "mjl mjl@mox.example: one\nmjl mjl@mox.example: two\n" {
		t.Errorf("got %q", got)
	}
	for address, want := range map[string]string{"nobody@mox.example": "no such address", "mjl": "no address"} {
		if err := dialTest(t, path).IMAP(t.Context(), address, strings.NewReader(""), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}

	// What comes before the answer would be lost.
	c := dialTest(t, path)
	fmt.Fprintf(c.conn, "{\"command\":\"imapserve\",\"params\":[\"mjl@mox.example\"]}\nearly\n")
	if err := c.answer(); err == nil || !strings.Contains(err.Error(), "data before the answer") {
		t.Error(err)
	}
	// The end of ctx ends a session that waits.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	never, _ := io.Pipe()
	if err := dialTest(t, path).IMAP(ctx, "mjl@mox.example", reading{never, cancel}, io.Discard); err != context.Canceled {
		t.Error(err)
	}
}

// reading calls begin before it is read.
type reading struct {
	io.Reader
	begin func()
}

func (r reading) Read(b []byte) (int, error) {
	r.begin()
	return r.Reader.Read(b)
}

// TestIMAPMany: so many sessions leave room for other commands.
func TestIMAPMany(t *testing.T) {
	path := imapFixture(t)
	req := Request{Command: imapWord, Params: []string{"mjl@mox.example"}}
	for i := range maxIMAP {
		c := dialTest(t, path)
		if err := c.ask(req); err != nil {
			t.Fatal(err)
		}
		if err := c.answer(); err != nil {
			t.Fatal(i, err)
		}
	}
	c := dialTest(t, path)
	if err := c.ask(req); err != nil {
		t.Fatal(err)
	}
	if err := c.answer(); err == nil || !strings.Contains(err.Error(), "open already") {
		t.Error(err)
	}
}
