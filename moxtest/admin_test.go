package moxtest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/admin"
	"mox/config"
	"mox/moxtest"
)

const actor = admin.Actor("test")

// newServer has accounts mox and other, an alias of both, one of mox alone, and a comment
// in domains.conf.
func newServer(t *testing.T) *moxtest.Server {
	t.Helper()
	return moxtest.New(t,
		moxtest.WithAccount("mox", "mox@mox.example", "Info@mox.example"),
		moxtest.WithAccount("other", "other@mox.example"),
		moxtest.WithConfig(func(s *config.Static, d *config.Dynamic) {
			dom := d.Domains[moxtest.Domain]
			dom.Aliases = map[string]config.Alias{
				"both":  {Addresses: []string{"mox@mox.example", "Other@mox.example"}},
				"alone": {Addresses: []string{"INFO@mox.example"}},
			}
			dom.DMARC = &config.DMARC{Localpart: "dmarcreports", Account: "other", Mailbox: "DMARC"}
			d.Domains[moxtest.Domain] = dom
		}))
}

func comment(t *testing.T, s *moxtest.Server) (path string) {
	t.Helper()
	path = filepath.Join(s.Dir, "domains.conf")
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append([]byte("# Written by hand.\n"), b...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAddresses adds and removes addresses in other spellings than the configured ones.
func TestAddresses(t *testing.T) {
	s := newServer(t)
	path := comment(t, s)
	ctx := context.Background()
	for _, tc := range []struct {
		what string
		do   func() error
		is   error
		text string // of the error
	}{
		{"add", func() error { return s.Admin.AddressAdd(ctx, actor, "New.Name@MOX.example", "mox") }, nil, ""},
		{"add again", func() error { return s.Admin.AddressAdd(ctx, actor, "new.name@mox.example", "other") }, admin.ErrExists, `in account "mox"`},
		{"add that of another", func() error { return s.Admin.AddressAdd(ctx, actor, "OTHER@mox.example", "mox") }, admin.ErrExists, `in account "other"`},
		{"add an alias", func() error { return s.Admin.AddressAdd(ctx, actor, "both@mox.example", "mox") }, admin.ErrExists, "as an alias"},
		{"add to no account", func() error { return s.Admin.AddressAdd(ctx, actor, "x@mox.example", "nobody") }, admin.ErrNotFound, `account "nobody"`},
		{"add at no domain", func() error { return s.Admin.AddressAdd(ctx, actor, "x@else.example", "mox") }, admin.ErrNotFound, "domain else.example"},
		{"add no address", func() error { return s.Admin.AddressAdd(ctx, actor, "no address", "mox") }, nil, `"no address"`},
		{"catchall", func() error { return s.Admin.AddressAdd(ctx, actor, "@Mox.Example", "mox") }, nil, ""},
		{"catchall again", func() error { return s.Admin.AddressAdd(ctx, actor, "@mox.example", "other") }, admin.ErrExists, `in account "mox"`},
		{"remove catchall", func() error { return s.Admin.AddressRemove(ctx, actor, "@mox.example") }, nil, ""},
		{"remove", func() error { return s.Admin.AddressRemove(ctx, actor, "NEW.NAME@mox.example") }, nil, ""},
		{"remove again", func() error { return s.Admin.AddressRemove(ctx, actor, "new.name@mox.example") }, admin.ErrNotFound, "new.name@mox.example"},
		{"remove the last of an alias", func() error { return s.Admin.AddressRemove(ctx, actor, "info@mox.example") }, admin.ErrInUse, "alias alone@mox.example"},
		{"remove an alias", func() error { return s.Admin.AddressRemove(ctx, actor, "both@mox.example") }, admin.ErrNotFound, "it is an alias"},
		{"remove a report address", func() error { return s.Admin.AddressRemove(ctx, actor, "dmarcreports@mox.example") }, admin.ErrInUse, "DMARC"},
		{"remove a member", func() error { return s.Admin.AddressRemove(ctx, actor, "other@mox.example") }, nil, ""},
	} {
		err := tc.do()
		switch {
		case tc.text == "" && err != nil:
			t.Errorf("%s: %v", tc.what, err)
		case tc.text != "" && (err == nil || !strings.Contains(err.Error(), tc.text) || tc.is != nil && !errors.Is(err, tc.is)):
			t.Errorf("%s: got error %v, want one with %q", tc.what, err, tc.text)
		}
	}
	alias := s.Config.Snapshot().Dynamic.Domains[moxtest.Domain].Aliases["both"]
	if !slices.Equal(alias.Addresses, []string{"mox@mox.example"}) {
		t.Errorf("members of the alias: %v", alias.Addresses)
	}
	if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), "# Written by hand.\n") {
		t.Errorf("the comment is gone: %v\n%s", err, b)
	}
}

// TestAccounts adds an account that gets mail at once, and removes it with its sessions.
func TestAccounts(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	for _, tc := range []struct{ name, address, text string }{
		{"new", "new@mox.example", ""},
		{"new", "another@mox.example", `account "new": exists already`},
		{"third", "NEW@mox.example", `in account "new"`},
		{"third", "x@else.example", "domain else.example: not found"},
		{"../third", "third@mox.example", "third"},
		{"", "third@mox.example", "name"},
	} {
		err := s.Admin.AccountAdd(ctx, actor, tc.name, tc.address)
		if tc.text == "" && err != nil || tc.text != "" && (err == nil || !strings.Contains(err.Error(), tc.text)) {
			t.Errorf("adding account %q with %s: got error %v, want %q", tc.name, tc.address, err, tc.text)
		}
	}
	if names, err := s.Store.Names(); err != nil || !slices.Equal(names, []string{"mox", "new", "other"}) {
		t.Errorf("accounts with data: %v, %v", names, err)
	}
	if err := s.Admin.SetAccountPassword(ctx, actor, "new", "a new password"); err != nil {
		t.Fatal(err)
	}
	s.Send(t, "x@remote.example", "new@mox.example", "Subject: hi\r\n\r\nhi\r\n")

	if err := s.Admin.AccountRemove(ctx, actor, "other"); !errors.Is(err, admin.ErrInUse) || !strings.Contains(err.Error(), "DMARC of domain mox.example") {
		t.Errorf("removing an account that gets reports: %v", err)
	}
	if err := s.Admin.AccountRemove(ctx, actor, "mox"); !errors.Is(err, admin.ErrInUse) || !strings.Contains(err.Error(), "Postmaster") {
		t.Errorf("removing the postmaster: %v", err)
	}
	if err := s.Admin.AccountRemove(ctx, actor, "nobody"); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("removing no account: %v", err)
	}
	ended := idle(t, s, "new@mox.example", "a new password")
	if err := s.Admin.AccountRemove(ctx, actor, "new"); err != nil {
		t.Fatal(err)
	}
	select {
	case text := <-ended:
		if !strings.Contains(text, "* BYE ") {
			t.Errorf("session of the removed account got %q", text)
		}
	case <-time.After(time.Minute):
		t.Error("session of the removed account goes on")
	}
	if _, err := os.Stat(filepath.Join(s.Store.Dir(), "accounts", "new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data is still there: %v", err)
	}
}

// idle logs in, begins IDLE, and returns what comes until the connection ends.
func idle(t *testing.T, s *moxtest.Server, login, password string) <-chan string {
	t.Helper()
	conn := s.Dial(t, "imap")
	got := make(chan string, 1)
	var text strings.Builder
	read := func(until string) bool {
		buf := make([]byte, 1024)
		for !strings.Contains(text.String(), until) {
			n, err := conn.Read(buf)
			text.Write(buf[:n])
			if err != nil {
				return false
			}
		}
		return true
	}
	if _, err := conn.Write([]byte("a login " + login + " \"" + password + "\"\r\nb select inbox\r\nc idle\r\n")); err != nil {
		t.Fatal(err)
	}
	if !read("+ ") {
		t.Fatalf("no IDLE: %q", text.String())
	}
	go func() {
		read("no such text")
		got <- text.String()
	}()
	return got
}

// TestDomains adds, disables and removes domains.
func TestDomains(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	for _, tc := range []struct {
		add  admin.NewDomain
		text string
	}{
		{admin.NewDomain{Domain: "Two.example", Account: "other"}, ""},
		{admin.NewDomain{Domain: "two.example", Account: "other"}, "domain two.example: exists already"},
		{admin.NewDomain{Domain: "three.example", Account: "three"}, "give a localpart"},
		{admin.NewDomain{Domain: "three.example", Account: "three", Localpart: "bad localpart"}, "bad localpart"},
		{admin.NewDomain{Domain: "not a domain", Account: "other"}, "not a domain"},
		{admin.NewDomain{Domain: "three.example", Account: "three", Localpart: "me"}, ""},
	} {
		err := s.Admin.DomainAdd(ctx, actor, tc.add)
		if tc.text == "" && err != nil || tc.text != "" && (err == nil || !strings.Contains(err.Error(), tc.text)) {
			t.Errorf("%+v: got error %v, want %q", tc.add, err, tc.text)
		}
	}
	if keys, _ := filepath.Glob(filepath.Join(s.Dir, "dkim", "*")); len(keys) != 6 {
		t.Errorf("%d dkim keys, want those of two domains: %v", len(keys), keys)
	}
	s.Send(t, "x@remote.example", "me@three.example", "Subject: hi\r\n\r\nhi\r\n")

	if err := s.Admin.DomainRemove(ctx, actor, "two.example"); !errors.Is(err, admin.ErrInUse) || !strings.Contains(err.Error(), "postmaster@two.example of account other") {
		t.Errorf("removing a domain with addresses: %v", err)
	}
	if err := s.Admin.DomainDisable(ctx, actor, "two.example", true); err != nil || !s.Config.Snapshot().Domains["two.example"].Config.Disabled {
		t.Errorf("disabling: %v", err)
	}
	if err := s.Admin.DomainDisable(ctx, actor, "none.example", true); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("disabling no domain: %v", err)
	}
	if err := s.Admin.AddressRemove(ctx, actor, "postmaster@two.example"); err != nil {
		t.Fatal(err)
	}
	if err := s.Admin.DomainRemove(ctx, actor, "two.example"); err != nil {
		t.Fatal(err)
	}
	if old, _ := filepath.Glob(filepath.Join(s.Dir, "dkim", "old", "*two.example*")); len(old) != 3 {
		t.Errorf("retired dkim keys: %v", old)
	}
}
