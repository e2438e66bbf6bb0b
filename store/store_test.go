package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(writer{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type writer struct{ t testing.TB }

func (w writer) Write(p []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

// newStore opens a store that is closed, and whose accounts are checked, at the end.
func newStore(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	if o.Log == nil {
		o.Log = testLog(t)
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newAccount makes and opens an account that is checked at the end.
func testAccount(t testing.TB, s *Store, name string) *Account {
	t.Helper()
	ctx := context.Background()
	if err := s.Create(ctx, name, InitialMailboxes{}); err != nil && !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	return openAccount(t, s, name)
}

func openAccount(t testing.TB, s *Store, name string) *Account {
	t.Helper()
	a, err := s.Account(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mustCheck(t, a)
		a.Release()
	})
	return a
}

func mustCheck(t testing.TB, a *Account) {
	t.Helper()
	problems, err := a.Check(context.Background())
	if errors.Is(err, ErrClosed) {
		return
	}
	if err != nil {
		t.Errorf("check: %v", err)
	}
	for _, p := range problems {
		t.Errorf("check: %v", p)
	}
}

func spool(t testing.TB, s *Store, text string) *Spool {
	t.Helper()
	sp := s.NewSpool()
	if _, err := io.WriteString(sp, text); err != nil {
		t.Fatal(err)
	}
	if err := sp.Finish(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sp.Close() })
	return sp
}

func mail(i int) string {
	return fmt.Sprintf("From: Alice <alice@example.org>\r\nTo: bob@example.org\r\nSubject: Message %d\r\nMessage-ID: <m%d@example.org>\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\n\r\nHello %d\r\n", i, i, i)
}

func inbox(t testing.TB, a *Account) MailboxID {
	t.Helper()
	m, ok := a.MailboxByName("inbox")
	if !ok {
		t.Fatal("no Inbox")
	}
	return m.ID
}

func add(t testing.TB, a *Account, box MailboxID, texts ...string) Added {
	t.Helper()
	var msgs []NewMessage
	for _, text := range texts {
		msgs = append(msgs, NewMessage{Spool: spool(t, a.s, text)})
	}
	r, err := a.Add(context.Background(), box, msgs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func body(t testing.TB, a *Account, id BodyID) string {
	t.Helper()
	b, err := a.OpenBody(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestBasic(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := newStore(t, dir, Options{})
	a := testAccount(t, s, "alice")
	in := inbox(t, a)
	box, err := a.OpenBox(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	v0 := box.View()
	r := add(t, a, in, mail(1), mail(2), mail(3))
	select {
	case <-v0.Superseded():
	case <-time.After(time.Minute):
		t.Fatal("view was not superseded")
	}
	v1 := box.View()
	if v1.Len() != 3 || len(r.UIDs) != 3 || r.UIDs[2] != 3 {
		t.Fatalf("%d messages, %v", v1.Len(), r)
	}
	if got := body(t, a, r.Bodies[1]); got != mail(2) {
		t.Fatalf("body is %q", got)
	}
	fr, err := a.SetFlags(ctx, in, UIDSet{{1, 2}}, FlagChange{Flags: FlagDeleted, Keywords: []string{"Work"}})
	if err != nil || fr.Changed != 2 {
		t.Fatal(fr, err)
	}
	v2 := box.View()
	if d := v1.Diff(v2); len(d.Changed) != 2 || d.Added != 0 || d.Expunged != nil {
		t.Fatalf("%+v", d)
	}
	if w := a.Keywords(v2.At(0).Keywords); len(w) != 1 || w[0] != "Work" {
		t.Fatal(w)
	}
	arch, _ := a.MailboxByName("Archive")
	cp, err := a.Copy(ctx, in, UIDSet{{1, 3}}, arch.ID)
	if err != nil || cp.Dest.String() != "1:3" {
		t.Fatal(cp, err)
	}
	gone, _, err := a.Expunge(ctx, in, nil)
	if err != nil || gone.String() != "1:2" {
		t.Fatal(gone, err)
	}
	mv, err := a.Move(ctx, in, UIDSet{{3, 3}}, arch.ID)
	if err != nil || mv.Dest.String() != "4" {
		t.Fatal(mv, err)
	}
	if box.View().Len() != 0 {
		t.Fatal(box.View().Len())
	}
	van, err := a.Vanished(ctx, in, v1.ModSeq)
	if err != nil || van.String() != "1:3" {
		t.Fatal(van, err)
	}
	ab, err := a.OpenBox(ctx, arch.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer ab.Close()
	var msgs []*Message
	for _, m := range ab.View().All() {
		msgs = append(msgs, m)
	}
	n := 0
	for r, err := range a.Rendered(ctx, msgs, FieldEnvelope|FieldBodyStructure|FieldBody|FieldPreview|FieldHeaders|FieldKeys|FieldText|FieldParts|FieldThread, false) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if !strings.Contains(string(r.Envelope), "alice") || r.Gone || len(r.BodyPlain) == 0 || len(r.Preview) == 0 || !r.HasHeaders || r.Thread == 0 {
			t.Fatalf("%+v", r)
		}
	}
	if n != 4 {
		t.Fatal(n)
	}
	if c, err := a.Changes(ctx, 0, 100); err != nil || len(c) < 8 {
		t.Fatal(c, err)
	}
	if _, err := a.Deliver(ctx, "inbox/new/sub", NewMessage{Spool: spool(t, s, mail(9)), Prefix: []byte("Received: x\r\n")}); err != nil {
		t.Fatal(err)
	}
}
