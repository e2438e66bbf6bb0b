package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/imap"
)

func mustRights(t testing.TB, s string) imap.Rights {
	t.Helper()
	r, err := imap.ParseRights(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// grant replaces the rights of an identifier on a mailbox.
func grant(t testing.TB, a *Account, name, identifier, rights string) {
	t.Helper()
	m, ok := a.MailboxByName(name)
	if !ok {
		t.Fatalf("no mailbox %s", name)
	}
	if err := a.SetACL(context.Background(), m.ID, identifier, imap.RightsReplace, mustRights(t, rights)); err != nil {
		t.Fatal(err)
	}
}

func makeAccount(t testing.TB, s *Store, name string) *Account {
	t.Helper()
	if err := s.Create(context.Background(), name, InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	return openAccount(t, s, name)
}

// TestGranted: RFC 4314 2: how the entries that apply to a user are combined.
func TestGranted(t *testing.T) {
	list := acl{}
	for _, e := range [][2]string{{"anyone", "lr"}, {"-anyone", "x"}, {"fred", "swx"}, {"-fred", "w"}, {"$team", "ik"}, {"-$team", "l"}, {"chris", "lrxa"}} {
		list = list.with(e[0], mustRights(t, e[1]))
	}
	for _, tc := range []struct {
		ids  []string
		want string
	}{
		{[]string{"nobody"}, "lr"},
		{nil, "lr"},
		{[]string{"fred"}, "lrs"},
		{[]string{"chris"}, "lra"},
		{[]string{"chris", "$team"}, "rika"},
		{[]string{"fred", "$team"}, "rsik"},
		// Identifiers are not taken apart: a name that begins with "-" is nobody's.
		{[]string{"-fred"}, "lr"},
	} {
		if got := list.granted(tc.ids).Letters(); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.ids, got, tc.want)
		}
	}
}

func TestACL(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := newStore(t, dir, Options{})
	a := makeAccount(t, s, "mjl")
	if _, err := a.CreateMailbox(ctx, "Team", 0); err != nil {
		t.Fatal(err)
	}
	grant(t, a, "Team", "fred", "lrs")
	grant(t, a, "Team", "-chris", "w")
	rights := func(name, id string) string {
		t.Helper()
		m, ok := a.MailboxByName(name)
		if !ok {
			t.Fatalf("no mailbox %s", name)
		}
		return a.Rights(m.ID, []string{id}).Letters()
	}
	// RFC 4314 4: inherited by new ones below, also those that are made on the way, and kept
	// when renamed; gone with the mailbox.
	if _, err := a.CreateMailbox(ctx, "Team/a/b", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Deliver(ctx, "Team/delivered", NewMessage{Spool: spool(t, s, mail(1))}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Team/a", "Team/a/b", "Team/delivered"} {
		if got := rights(name, "fred"); got != "lrs" {
			t.Errorf("%s: %s", name, got)
		}
	}
	grant(t, a, "Team", "fred", "")
	if got := rights("Team/a/b", "fred"); got != "lrs" {
		t.Errorf("after change of the one above: %s", got)
	}
	if err := a.RenameMailbox(ctx, "Team/a", "Elsewhere/c"); err != nil {
		t.Fatal(err)
	}
	if got := rights("Elsewhere/c/b", "fred") + rights("Elsewhere", "fred"); got != "lrs" {
		t.Errorf("after renaming: %s", got)
	}
	if err := a.DeleteMailbox(ctx, "Elsewhere/c/b"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.CreateMailbox(ctx, "Elsewhere/d", 0); err != nil {
		t.Fatal(err)
	}
	if got := rights("Elsewhere/d", "fred"); got != "" {
		t.Errorf("made anew: %s", got)
	}
	list := a.ACL(mustBox(t, a, "Team/delivered"))
	if !slices.Equal(list, []ACLEntry{{"-chris", imap.RightWrite}, {"fred", mustRights(t, "lrs")}}) {
		t.Errorf("list: %v", list)
	}
	for _, bad := range []string{"", "-", "--x", "a\x00b", strings.Repeat("x", 400)} {
		if err := a.SetACL(ctx, inbox(t, a), bad, imap.RightsAdd, imap.RightsAll); !errors.Is(err, ErrBadName) {
			t.Errorf("identifier %q: %v", bad, err)
		}
	}
	if err := a.SetACL(ctx, 999, "fred", imap.RightsAdd, imap.RightsAll); !errors.Is(err, ErrNoMailbox) {
		t.Error(err)
	}
}

func mustBox(t testing.TB, a *Account, name string) MailboxID {
	t.Helper()
	m, ok := a.MailboxByName(name)
	if !ok {
		t.Fatalf("no mailbox %s", name)
	}
	return m.ID
}

// TestACLView: sessions that have the mailbox open notice a change of its list.
func TestACLView(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := makeAccount(t, s, "mjl")
	add(t, a, inbox(t, a), mail(1))
	box, err := a.OpenBox(context.Background(), inbox(t, a))
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	v := box.View()
	grant(t, a, "Inbox", "fred", "lr")
	select {
	case <-v.Superseded():
	default:
		t.Error("view is not superseded")
	}
	if d := v.Diff(box.View()); !d.Empty() || box.View().ModSeq <= v.ModSeq {
		t.Errorf("diff %+v, modseq %d after %d", d, box.View().ModSeq, v.ModSeq)
	}
}

// TestShares: the index knows who shares, over restarts, without opening accounts.
func TestShares(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := func(ids []string, owners ...string) {
		t.Helper()
		if got := s.Sharers(ids); !slices.Equal(got, owners) {
			t.Errorf("sharers for %v: %q, want %q", ids, got, owners)
		}
		for _, o := range []string{"mjl", "fred"} {
			if s.Shares(o, ids) != slices.Contains(owners, o) {
				t.Errorf("%s shares with %v: %v", o, ids, !slices.Contains(owners, o))
			}
		}
	}
	for _, name := range []string{"mjl", "fred", "chris"} {
		if err := s.Create(ctx, name, InitialMailboxes{}); err != nil {
			t.Fatal(err)
		}
	}
	with := func(name string, f func(a *Account)) {
		t.Helper()
		a, err := s.Account(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Release()
		f(a)
	}
	with("mjl", func(a *Account) {
		grant(t, a, "Inbox", "chris", "lr")
		grant(t, a, "Archive", "chris", "lr")
		grant(t, a, "Archive", "-fred", "lr")
		grant(t, a, "Inbox", "chris", "")
		want([]string{"chris"}, "mjl")
		want([]string{"fred"})
	})
	with("fred", func(a *Account) { grant(t, a, "Archive", "anyone", "l") })
	want([]string{"chris"}, "fred", "mjl")
	want(nil, "fred")
	restart := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(dir, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	restart()
	want([]string{"chris"}, "fred", "mjl")
	if len(s.accounts) != 0 {
		t.Error("accounts are open")
	}
	// Without the index, or with a damaged one, it is made anew from the lists.
	for _, damage := range []func(path string) error{os.Remove, func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) }} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := damage(filepath.Join(dir, "shares")); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(dir, Options{}); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); len(s.Sharers([]string{"chris"})) < 2 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		want([]string{"chris"}, "fred", "mjl")
		s.background.Wait()
	}
	// One that lacks an account, which was restored, gets it when that is opened.
	if err := s.shares.forget("mjl"); err != nil {
		t.Fatal(err)
	}
	restart()
	want([]string{"chris"}, "fred")
	with("mjl", func(*Account) {})
	want([]string{"chris"}, "fred", "mjl")
	// The last entry that goes takes the account out; anything that is gone with its
	// mailbox is found out when somebody looks.
	with("mjl", func(a *Account) {
		grant(t, a, "Archive", "chris", "")
		want([]string{"chris"}, "fred")
		grant(t, a, "Archive", "chris", "lr")
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNameAgain: who gets the name of an account that is gone does not get what others
// shared with that one.
func TestNameAgain(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := makeAccount(t, s, "mjl")
	for _, name := range []string{"fred", "chris"} {
		if err := s.Create(ctx, name, InitialMailboxes{}); err != nil {
			t.Fatal(err)
		}
	}
	rights := func() string {
		return a.Rights(inbox(t, a), []string{"fred"}).Letters()
	}
	grant(t, a, "Inbox", "fred", "lr")
	grant(t, a, "Inbox", "-fred", "r")
	if err := s.Remove(ctx, "fred"); err != nil {
		t.Fatal(err)
	}
	if got := rights(); got != "" || len(a.ACL(inbox(t, a))) > 0 {
		t.Errorf("after removal: %q %v", got, a.ACL(inbox(t, a)))
	}
	// Should the removal not come that far, making the account anew does it.
	grant(t, a, "Inbox", "fred", "lr")
	if err := s.Create(ctx, "fred", InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	if got := rights(); got != "" {
		t.Errorf("made anew: %q", got)
	}
	grant(t, a, "Inbox", "fred", "lr")
	if err := s.Create(ctx, "fred", InitialMailboxes{}); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if got := rights(); got != "lr" {
		t.Errorf("of an account that exists: %q", got)
	}
	// An account that is gone shares nothing.
	if err := s.Create(ctx, "david", InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	d, err := s.Account(ctx, "david")
	if err != nil {
		t.Fatal(err)
	}
	grant(t, d, "Inbox", "chris", "lr")
	d.Release()
	if err := s.Remove(ctx, "david"); err != nil {
		t.Fatal(err)
	}
	if got := s.Sharers([]string{"chris"}); len(got) > 0 {
		t.Errorf("%q share", got)
	}
}
