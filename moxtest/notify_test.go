package moxtest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mox/imap"
	"mox/moxtest"
)

// TestNotifyRemoved: a client that hears of another's mailboxes does not hold up the removal of
// that account, and is told, as of mail there before.
func TestNotifyRemoved(t *testing.T) {
	mox := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithAccount("fred", "fred@mox.example"), moxtest.WithAccount("chris", "chris@mox.example"))
	ctx := t.Context()
	if err := mox.Admin.SetACL(ctx, actor, "fred", "Inbox", "chris", "lr"); err != nil {
		t.Fatal(err)
	}
	chris := mox.DialIMAP(t, "chris")
	if err := chris.Notify(ctx, `SET (SUBTREE "Other Users" (MessageNew MessageExpunge MailboxName))`); err != nil {
		t.Fatal(err)
	}
	var heard []string
	told, removed := make(chan struct{}, 10), make(chan error, 1)
	go func() {
		mox.Send(t, "a@remote.example", "fred@mox.example", "From: a@remote.example\r\nSubject: x\r\n\r\nx\r\n")
		select {
		case <-told:
		case <-time.After(time.Minute):
			removed <- errors.New("the mail is not told of")
			return
		}
		start := time.Now()
		err := mox.Admin.AccountRemove(ctx, actor, "fred")
		if d := time.Since(start); err == nil && d > 30*time.Second {
			err = fmt.Errorf("removing the account took %v", d)
		}
		removed <- err
	}()
	err := chris.Idle(ctx, func(r imap.Response) bool {
		switch r := r.(type) {
		case *imap.MailboxStatus:
			heard = append(heard, "status "+r.Mailbox)
			told <- struct{}{}
		case *imap.ListResponse:
			heard = append(heard, "list "+r.Mailbox+" "+strings.Join(r.Attrs, " "))
			return false
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-removed; err != nil {
		t.Error(err)
	}
	if got := strings.Join(heard, ", "); !strings.HasPrefix(got, "status Other Users/fred/INBOX, list Other Users/fred/INBOX ") || !strings.Contains(got, "NonExistent") {
		t.Errorf("heard %s", got)
	}
}
