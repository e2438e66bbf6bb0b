package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestNormalName(t *testing.T) {
	for in, want := range map[string]string{
		"INBOX": "Inbox", "inbox/sub": "Inbox/sub", "Inboxes": "Inboxes", "a/inbox": "a/inbox", "cafe\u0301": "caf\u00e9", "a.b": "a.b", "日本語/x": "日本語/x",
		"": "", "/a": "", "a/": "", "a//b": "", ".": "", "a/../b": "", "a/.": "", "#news": "", "a\x00": "", "a\nb": "", "a\u0085": "", "\xff": "", "a\u2028": "",
		strings.Repeat("x", 1001): "", strings.Repeat("x/", 50) + "x": "",
	} {
		got, err := NormalName(in)
		if got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, ErrBadName) {
			t.Errorf("NormalName(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func FuzzNormalName(f *testing.F) {
	for _, s := range []string{"INBOX", "a/b", "e\u0301", "\xff", "#x", "a//b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := NormalName(s)
		if err != nil {
			return
		}
		if again, err := NormalName(n); err != nil || again != n {
			t.Fatalf("%q becomes %q, and that %q, %v", s, n, again, err)
		}
	})
}

func TestMailboxes(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := newStore(t, dir, Options{})
	a := testAccount(t, s, "a")
	w := a.Watch()
	defer w.Close()
	m, err := a.CreateMailbox(ctx, "Work/2024/Projects", UseImportant)
	if err != nil || m.Name != "Work/2024/Projects" || !m.Subscribed || m.SpecialUse != UseImportant || m.UIDNext != 1 {
		t.Fatal(m, err)
	}
	if seq := <-w.C; seq != a.ModSeq() {
		t.Fatal(seq)
	}
	for _, name := range []string{"Work", "Work/2024"} {
		if _, ok := a.MailboxByName(name); !ok {
			t.Errorf("parent %q was not made", name)
		}
	}
	if _, err := a.CreateMailbox(ctx, "INBOX", 0); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if err := a.DeleteMailbox(ctx, "Work/2024"); !errors.Is(err, ErrHasChildren) {
		t.Error(err)
	}
	if err := a.DeleteMailbox(ctx, "inbox"); !errors.Is(err, ErrNotAllowed) {
		t.Error(err)
	}
	if err := a.DeleteMailbox(ctx, "None"); !errors.Is(err, ErrNoMailbox) {
		t.Error(err)
	}
	validity := m.UIDValidity
	if err := a.DeleteMailbox(ctx, m.Name); err != nil {
		t.Error(err)
	}
	if m, err = a.CreateMailbox(ctx, m.Name, 0); err != nil || m.UIDValidity <= validity {
		t.Errorf("UIDVALIDITY %d after %d, %v", m.UIDValidity, validity, err)
	}
	add(t, a, m.ID, mail(1))
	// A mailbox can move below itself, and children go along.
	if err := a.RenameMailbox(ctx, "Work", "Work/Old"); err != nil {
		t.Fatal(err)
	}
	if r, ok := a.MailboxByName("Work/Old/2024/Projects"); !ok || r.ID != m.ID || r.Messages != 1 || !r.Subscribed {
		t.Error(r, ok)
	}
	if _, ok := a.MailboxByName("Work"); !ok {
		t.Error("parent of the new name is missing")
	}
	if err := a.RenameMailbox(ctx, "Work", "Sent"); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if err := a.RenameMailbox(ctx, "Work", "bad//name"); !errors.Is(err, ErrBadName) {
		t.Error(err)
	}
	names := ""
	for _, m := range a.Mailboxes() {
		names += m.Name + " "
	}
	if want := "Inbox Archive Drafts Junk Sent Trash Work Work/Old Work/Old/2024 Work/Old/2024/Projects "; names != want {
		t.Errorf("mailboxes %q, want %q", names, want)
	}
}

func TestSpecialUse(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	sent, _ := a.MailboxByName("Sent")
	if sent.SpecialUse != UseSent || sent.SpecialUse.Names()[0] != `\Sent` {
		t.Fatal(sent)
	}
	m, err := a.CreateMailbox(ctx, "Gesendet", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SetSpecialUse(ctx, m.ID, UseSent); err != nil {
		t.Fatal(err)
	}
	sent, _ = a.MailboxByID(sent.ID)
	m, _ = a.MailboxByID(m.ID)
	if sent.SpecialUse != 0 || m.SpecialUse != UseSent {
		t.Fatal(sent.SpecialUse, m.SpecialUse)
	}
	// RFC 6154 3: the same when it is created.
	again, err := a.CreateMailbox(ctx, "Sent 2", UseSent|UseTrash)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range a.Mailboxes() {
		if m.SpecialUse&(UseSent|UseTrash) != 0 && m.ID != again.ID {
			t.Errorf("%s has %q still", m.Name, m.SpecialUse.Names())
		}
	}
	mustCheck(t, a)
	if u, ok := ParseSpecialUse(`\DRAFTS`); !ok || u != UseDrafts {
		t.Fatal(u, ok)
	}
	// Custom names for a new account.
	if err := s.Create(ctx, "b", InitialMailboxes{Sent: "Verzonden", Regular: []string{"Lists/Go", "Work"}}); err != nil {
		t.Fatal(err)
	}
	b := openAccount(t, s, "b")
	if m, ok := b.MailboxByName("Verzonden"); !ok || m.SpecialUse != UseSent || len(b.Mailboxes()) != 5 {
		t.Fatal(b.Mailboxes())
	}
	if err := s.Create(ctx, "c", InitialMailboxes{Sent: "bad//name"}); !errors.Is(err, ErrBadName) {
		t.Fatal(err)
	}
	if _, err := s.Account(ctx, "c"); !errors.Is(err, ErrNoAccount) {
		t.Fatal("half an account was left:", err)
	}
}

func TestAccounts(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := newStore(t, dir, Options{IdleTime: 20 * time.Millisecond})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process") {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "../x", "a/b", `a\b`, ".hidden", "x\x00"} {
		if err := s.Create(ctx, name, InitialMailboxes{}); !errors.Is(err, ErrBadName) {
			t.Errorf("account %q: %v", name, err)
		}
		if _, err := s.Account(ctx, name); !errors.Is(err, ErrNoAccount) {
			t.Errorf("account %q: %v", name, err)
		}
	}
	a := testAccount(t, s, "alice")
	if err := s.Create(ctx, "alice", InitialMailboxes{}); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	add(t, a, inbox(t, a), mail(1))
	b, err := s.Account(ctx, "alice")
	if err != nil || b != a {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, "alice"); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	b.Release()
	if names, err := s.Names(); err != nil || len(names) != 1 || names[0] != "alice" {
		t.Fatal(names, err)
	}
	// Idle accounts are closed, and opened again.
	bob := s.Create(ctx, "bob", InitialMailboxes{})
	if bob != nil {
		t.Fatal(bob)
	}
	for range 3 {
		b, err := s.Account(ctx, "bob")
		if err != nil {
			t.Fatal(err)
		}
		add(t, b, inbox(t, b), mail(1))
		b.Release()
		deadline := time.Now().Add(time.Minute)
		for {
			s.mu.Lock()
			_, open := s.accounts["bob"]
			s.mu.Unlock()
			if !open {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("idle account was not closed")
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	b, err = s.Account(ctx, "bob")
	if err != nil || b.Quota().Count != 3 {
		t.Fatal(err)
	}
	b.Release()
	if err := s.Remove(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Account(ctx, "bob"); !errors.Is(err, ErrNoAccount) {
		t.Fatal(err)
	}
	if err := s.Create(ctx, "bob", InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
}

func TestSettings(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	if c, err := a.Credentials(ctx); err != nil || c != nil {
		t.Fatal(c, err)
	}
	for _, v := range []string{"one", "two"} {
		if err := a.SetCredentials(ctx, Credentials(v)); err != nil {
			t.Fatal(err)
		}
		if c, err := a.Credentials(ctx); err != nil || string(c) != v {
			t.Fatal(c, err)
		}
	}
	if err := a.SetCredentials(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if c, err := a.Credentials(ctx); err != nil || c != nil {
		t.Fatal(c, err)
	}
}

func TestUndelete(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{Retention: time.Hour})
	a := testAccount(t, s, "a")
	m, err := a.CreateMailbox(ctx, "Old", 0)
	if err != nil {
		t.Fatal(err)
	}
	in := inbox(t, a)
	add(t, a, m.ID, mail(1), mail(2), mail(3))
	if _, err := a.SetFlags(ctx, m.ID, AllUIDs(), FlagChange{Flags: FlagDeleted | FlagSeen}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Expunge(ctx, m.ID, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteMailbox(ctx, "Old"); err != nil {
		t.Fatal(err)
	}
	ds, err := a.Deletions(ctx, 10)
	if err != nil || len(ds) != 1 || len(ds[0].Messages) != 3 {
		t.Fatal(ds, err)
	}
	r, err := a.Undelete(ctx, ds[0].Mailbox, ds[0].ModSeq, NewUIDSet(1, 3, 9), in)
	if err != nil || r.Source.String() != "1,3" || r.Dest.String() != "1:2" {
		t.Fatal(r, err)
	}
	mustCheck(t, a)
	box, err := a.OpenBox(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	if v := box.View(); v.Len() != 2 || v.At(1).Flags != FlagSeen || body(t, a, v.At(1).Body) != mail(3) {
		t.Fatal(v.At(1))
	}
	if r, err = a.Undelete(ctx, ds[0].Mailbox, ds[0].ModSeq, NewUIDSet(1, 3), in); err != nil || len(r.Source) != 0 {
		t.Fatal(r, err)
	}
	if _, err := a.reapAt(ctx, time.Now().Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if ds, err = a.Deletions(ctx, 10); err != nil || len(ds) != 0 {
		t.Fatal(ds, err)
	}
}

// TestLogs trims the logs: what they no longer know is answered in another way.
func TestLogs(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{ChangeLog: 20, ExpungeLog: 5})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	start := a.ModSeq()
	for i := range 60 {
		r := add(t, a, in, mail(i))
		if i%2 == 0 {
			if _, _, err := a.Remove(ctx, in, NewUIDSet(r.UIDs...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := a.reapAt(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Changes(ctx, start, 10); !errors.Is(err, ErrTooOld) {
		t.Fatal(err)
	}
	seq, n := a.ModSeq()-20, 0
	for {
		list, err := a.Changes(ctx, seq, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, c := range list {
			if c.ModSeq <= seq || c.Mailbox != in || c.UIDs.Len() != 1 || len(c.Bodies) != 1 {
				t.Fatalf("%+v", c)
			}
			seq = c.ModSeq
			n++
		}
	}
	if n != 20 || seq != a.ModSeq() {
		t.Fatal(n, seq)
	}
	set, err := a.Vanished(ctx, in, start)
	if err != nil || set.Len() != 30 || !set.Contains(1) || set.Contains(2) {
		t.Fatal(set, err)
	}
	var rows int64
	err = a.db.Read(ctx, func(c *dbConn) (err error) {
		rows, _, err = c.QueryInt64("SELECT count(*) FROM expunge")
		return err
	})
	if err != nil || rows > 6 {
		t.Fatal(rows, err)
	}
}

// TestLimits has a client make ever more mailboxes and combinations of keywords.
func TestLimits(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	add(t, a, in, mail(1))
	err := a.do(ctx, 0, func(t *tx) error {
		for i := range maxMailboxes {
			if _, err := t.create(strconv.Itoa(i), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, ErrLimit) || len(a.Mailboxes()) != 6 {
		t.Error(err, len(a.Mailboxes()))
	}
	err = a.do(ctx, 0, func(t *tx) error {
		for i := range maxKeywordSets + 1 {
			if _, err := t.intern([]string{strconv.Itoa(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	for _, bad := range []string{"", "a b", "a\n", "é", strings.Repeat("x", 300)} {
		if _, err := a.SetFlags(ctx, in, AllUIDs(), FlagChange{Keywords: []string{bad}}); !errors.Is(err, ErrBadName) {
			t.Errorf("keyword %q: %v", bad, err)
		}
	}
	r, err := a.SetFlags(ctx, in, AllUIDs(), FlagChange{Keywords: []string{"$junk", "Foo", "\\seen", "foo"}})
	if err != nil || r.Changed != 1 {
		t.Error(r, err)
	}
	box, err := a.OpenBox(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	m := box.View().At(0)
	if m.Flags != FlagJunk|FlagSeen || strings.Join(a.Keywords(m.Keywords), " ") != "Foo" || !a.KeywordSets("FOO")[m.Keywords] || box.View().KeywordSets()[0] != m.Keywords {
		t.Error(m.Flags.Names(), a.Keywords(m.Keywords))
	}
}

// TestBackup makes an account of a copy.
func TestBackup(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := newStore(t, dir, Options{})
	a := testAccount(t, s, "a")
	add(t, a, inbox(t, a), mail(1), mail(2))
	copied := filepath.Join(dir, "accounts", "copy")
	if err := os.Mkdir(copied, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := a.Backup(ctx, filepath.Join(copied, "account.db")); err != nil {
		t.Fatal(err)
	}
	add(t, a, inbox(t, a), mail(3))
	b := openAccount(t, s, "copy")
	if q := b.Quota(); q.Count != 2 || body(t, b, 2) != mail(2) {
		t.Fatal(q)
	}
}
