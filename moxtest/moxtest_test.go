package moxtest_test

import (
	"context"
	"net/smtp"
	"strings"
	"testing"

	"mox/imap"
	"mox/moxtest"
)

// Example of the package documentation: ten lines send and read a message.
func TestSendAndRead(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t)
	msg := "From: <a@remote.example>\r\nTo: <mox@mox.example>\r\nSubject: hello\r\n\r\nHello, mox.\r\n"
	mox.Send(t, "a@remote.example", "mox@mox.example", msg)
	c := mox.DialIMAP(t)
	box, err := c.Select(context.Background(), "INBOX", "")
	if err != nil {
		t.Fatal(err)
	}
	if box.Exists != 1 {
		t.Fatalf("%d messages", box.Exists)
	}
	found := false
	err = c.Fetch(context.Background(), false, "1", "(ENVELOPE BODY.PEEK[TEXT])", func(r *imap.FetchResponse) error {
		found = true
		return nil
	})
	if err != nil || !found {
		t.Fatalf("fetch: found %v, error %v", found, err)
	}
}

// Several servers run side by side, and connections in memory need no ports.
func TestParallelWithoutNetwork(t *testing.T) {
	for _, name := range []string{"a", "b", "c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mox := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithAccount(name, name+"@mox.example"))
			conn := mox.Dial(t, "smtp")
			c, err := smtp.NewClient(conn, moxtest.Hostname)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.StartTLS(mox.TLSConfig()); err != nil {
				t.Fatal(err)
			}
			if err := c.Mail("a@remote.example"); err != nil {
				t.Fatal(err)
			}
			if err := c.Rcpt("nobody@mox.example"); err == nil || !strings.HasPrefix(err.Error(), "550") {
				t.Errorf("unknown recipient: %v", err)
			}
			if err := c.Rcpt(name + "+detail@MOX.example"); err != nil {
				t.Error(err)
			}
			if err := c.Quit(); err != nil {
				t.Error(err)
			}
		})
	}
}
