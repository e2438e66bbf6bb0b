package moxtest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mox/config"
	"mox/imap"
	"mox/imapclient"
	"mox/moxtest"
)

// TestSharing has two users with one mailbox, and a third who has nothing to do with it.
func TestSharing(t *testing.T) {
	ctx := context.Background()
	s := moxtest.New(t, moxtest.WithAccount("fred", "fred@mox.example"), moxtest.WithAccount("chris", "chris@mox.example"), moxtest.WithAccount("david", "david@mox.example"),
		moxtest.WithConfig(func(_ *config.Static, d *config.Dynamic) {
			domain := d.Domains[moxtest.Domain]
			domain.Aliases = map[string]config.Alias{"team": {Addresses: []string{"fred@mox.example", "david@mox.example"}}}
			d.Domains[moxtest.Domain] = domain
		}))
	fred, chris, david := s.DialIMAP(t, "fred"), s.DialIMAP(t, "chris"), s.DialIMAP(t, "david")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	code := func(err error, want string) {
		t.Helper()
		var e *imap.Error
		if !errors.As(err, &e) || e.Code != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if !fred.Has("ACL") || !fred.Has("RIGHTS=KXTEN") || !fred.Has("LIST-MYRIGHTS") {
		t.Error("capabilities")
	}
	must(fred.Create(ctx, "Project"))
	const msg = "Subject: plan\r\n\r\nthe plan\r\n"
	if _, err := fred.Append(ctx, "Project", imapclient.AppendMessage{Size: int64(len(msg)), Data: strings.NewReader(msg)}); err != nil {
		t.Fatal(err)
	}
	must(fred.SetACL(ctx, "Project", "CHRIS+x@mox.example", "lrswite"))
	code(fred.SetACL(ctx, "Project", "nobody@mox.example", "lr"), imap.CodeNonExistent)
	list, err := fred.GetACL(ctx, "Project")
	must(err)
	if len(list) != 2 || list[1].Identifier != "chris" || list[1].Letters != "lrswited" {
		t.Errorf("%+v", list)
	}
	if l, err := fred.ListRights(ctx, "Project", "chris"); err != nil || l.Always != "" || len(l.Optional) != 14 {
		t.Errorf("%+v %v", l, err)
	}

	const shared = "Other Users/fred/Project"
	if r, err := chris.MyRights(ctx, shared); err != nil || r.Letters() != "lrswite" {
		t.Errorf("%v %v", r, err)
	}
	listed := func(c *imapclient.Client) (names []string) {
		t.Helper()
		l, err := c.List(ctx, "Other Users/", "*", "")
		must(err)
		for _, e := range l {
			names = append(names, e.Mailbox)
		}
		return names
	}
	if got := listed(chris); len(got) != 1 || got[0] != shared {
		t.Errorf("%q", got)
	}
	if got := listed(david); len(got) != 0 {
		t.Errorf("%q", got)
	}
	_, err = david.Select(ctx, shared, "")
	code(err, imap.CodeNonExistent)
	sel, err := chris.Select(ctx, shared, "")
	must(err)
	if sel.Exists != 1 || sel.ReadOnly {
		t.Errorf("%+v", sel)
	}
	_, err = chris.Status(ctx, "Other Users/fred/INBOX", "MESSAGES")
	code(err, imap.CodeNonExistent)

	// An alias stands for its members; what changes in the configuration counts at once.
	must(fred.SetACL(ctx, "Project", "$team@mox.example", "lr"))
	if got := listed(david); len(got) != 1 || got[0] != shared {
		t.Errorf("%q", got)
	}
	must(s.Config.Edit(func(d *config.Dynamic) error {
		acc := d.Accounts["fred"]
		acc.NoSharing = true
		d.Accounts["fred"] = acc
		return nil
	}))
	if got := listed(david); len(got) != 0 {
		t.Errorf("%q", got)
	}
	if _, err := chris.Status(ctx, "INBOX", "MESSAGES"); err == nil || !strings.Contains(err.Error(), "may no longer read") {
		t.Errorf("with the mailbox selected: %v", err)
	}
}
