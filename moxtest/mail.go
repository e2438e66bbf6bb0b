package moxtest

import (
	"context"
	"strings"
	"testing"

	"mox/imap"
	moxsmtp "mox/smtp"
	"mox/smtpclient"
)

// Submit submits a message, in memory, as the mail program of the user with an address
// would. What is for other servers is sent to those that [WithDial] connects to.
func (s *Server) Submit(t testing.TB, from, to, msg string) {
	t.Helper()
	if err := s.TrySubmit(t, from, to, msg); err != nil {
		t.Fatalf("moxtest: submitting for %s: %v", to, err)
	}
}

// TrySubmit is Submit that returns the refusal, a *smtpclient.Error.
func (s *Server) TrySubmit(t testing.TB, from, to, msg string) error {
	ctx := context.Background()
	sender, err := moxsmtp.ParseAddress(from)
	if err != nil {
		return err
	}
	recipient, err := moxsmtp.ParseAddress(to)
	if err != nil {
		return err
	}
	login := smtpclient.Login{Username: from, Password: Password, Cleartext: true}
	c, err := smtpclient.New(ctx, s.Dial(t, "submission"), smtpclient.Options{Hello: "localhost", Auth: login.Auth})
	if err != nil {
		return err
	}
	defer c.Close()
	results, err := c.Deliver(ctx, smtpclient.Message{
		From: sender.Path(), Rcpts: []smtpclient.Recipient{{To: recipient.Path()}}, Size: int64(len(msg)), Content: strings.NewReader(msg),
	})
	if err != nil {
		return err
	}
	return results[0]
}

// Messages returns the messages in the Inbox of the account with an address, the oldest
// first.
func (s *Server) Messages(t testing.TB, address string) []string {
	t.Helper()
	ctx := context.Background()
	account := ""
	for name, addresses := range s.addresses {
		for _, a := range addresses {
			if a == address {
				account = name
			}
		}
	}
	c := s.DialIMAP(t, account)
	defer c.Logout(ctx)
	box, err := c.Examine(ctx, "INBOX", "")
	if err != nil {
		t.Fatalf("moxtest: opening the Inbox of %s: %v", address, err)
	}
	if box.Exists == 0 {
		return nil
	}
	var all []string
	err = c.Fetch(ctx, false, "1:*", "BODY.PEEK[]", func(f *imap.FetchResponse) error {
		text, _ := f.Section("BODY[]")
		all = append(all, string(text))
		return nil
	})
	if err != nil {
		t.Fatalf("moxtest: reading the Inbox of %s: %v", address, err)
	}
	return all
}
