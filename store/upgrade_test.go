package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/chunk"
	"mox/db/dbtest"
	"mox/imap"
)

// TestUpgrade opens account files that each version of the schema wrote, and finds what
// was in them.
func TestUpgrade(t *testing.T) {
	dbtest.Upgrade(t, dbtest.Versions{Schema: schema(), Write: writeUpgrade, Check: func(t *testing.T, file []byte, text string) {
		dir := t.TempDir()
		acc := filepath.Join(dir, "accounts", "old")
		if err := os.MkdirAll(acc, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(acc, "account.db"), file, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newStore(t, dir, Options{})
		a := openAccount(t, s, "old")
		dbtest.Equal(t, listing(t, a), text)
		if problems, err := a.CheckDeep(context.Background()); err != nil || problems != nil {
			t.Errorf("check: %v %v", problems, err)
		}
		// It is in full use.
		r := add(t, a, inbox(t, a), mail(1000))
		if _, err := a.SetFlags(context.Background(), inbox(t, a), AllUIDs(), FlagChange{Flags: FlagDeleted, Keywords: []string{"New"}}); err != nil {
			t.Error(err)
		}
		if got := body(t, a, r.Bodies[0]); got != mail(1000) {
			t.Error(got)
		}
		if _, _, err := a.Expunge(context.Background(), inbox(t, a), nil); err != nil {
			t.Error(err)
		}
	}})
}

// listing is all that users see of an account, as text.
func listing(t *testing.T, a *Account) string {
	t.Helper()
	ctx := context.Background()
	var b strings.Builder
	fmt.Fprintf(&b, "subscriptions %q\n", a.Subscriptions())
	cred, err := a.Credentials(ctx)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "credentials %q\n", cred)
	listMetadata(t, &b, a, 0)
	for _, m := range a.Mailboxes() {
		fmt.Fprintf(&b, "mailbox %d %q validity %d next %d use %v modseq %d counts %+v\n", m.ID, m.Name, m.UIDValidity, m.UIDNext, m.SpecialUse.Names(), m.ModSeq, m.Counts)
		if key, err := a.URLKey(ctx, "", m.ID); err != nil || key != nil {
			fmt.Fprintf(&b, "access key %q %v\n", key, err)
		}
		if list := a.ACL(m.ID); len(list) > 0 {
			fmt.Fprintf(&b, "acl %v\n", list)
		}
		gone, err := a.Vanished(ctx, m.ID, m.Created)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "vanished %v\n", gone)
		listMetadata(t, &b, a, m.ID)
		box, err := a.OpenBox(ctx, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		var msgs []*Message
		for _, m := range box.View().All() {
			msgs = append(msgs, m)
		}
		for r, err := range a.Rendered(ctx, msgs, ^Fields(0), true) {
			if err != nil {
				t.Fatal(err)
			}
			m := msgs[r.Index]
			for _, user := range []string{"", "other"} {
				listAnnotations(t, &b, a, user, m.ID)
			}
			fmt.Fprintf(&b, "message %d id %d modseq %d %v %v size %d received %d saved %d %s thread %d\n", m.UID, m.ID, m.ModSeq, m.Flags.Names(), a.Keywords(m.Keywords), m.Size, m.Received, m.Saved, EmailID(m.Body), r.Thread)
			fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n%q\n%q\n%+v\n%q\n", r.Envelope, r.BodyStructure, r.BodyPlain, r.Preview, r.Headers, r.Trace, keyText(&r.Keys), contentText(body(t, a, m.Body)))
		}
		box.Close()
	}
	return b.String()
}

// listMetadata writes the annotations that are stored.
func listMetadata(t *testing.T, b *strings.Builder, a *Account, box MailboxID) {
	t.Helper()
	entries, err := a.Metadata(context.Background(), box)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.ModSeq > 0 {
			fmt.Fprintf(b, "metadata %s %q modseq %d\n", e.Name, e.Value, e.ModSeq)
		}
	}
	entries, err = a.MetadataOf(context.Background(), "other", box)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintf(b, "metadata of %s: %s %q modseq %d\n", e.User, e.Name, e.Value, e.ModSeq)
	}
}

// listAnnotations lists all that are the account's user's, and the private ones of another.
func listAnnotations(t *testing.T, b *strings.Builder, a *Account, user string, id MessageID) {
	t.Helper()
	list, err := a.Annotations(context.Background(), user, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	type annotation struct {
		Name   string
		Shared bool
		Value  []byte
		ModSeq ModSeq
	}
	var plain []annotation
	for _, an := range list {
		if user == "" || !an.Shared {
			plain = append(plain, annotation{an.Name, an.Shared, an.Value, an.ModSeq})
		}
	}
	if plain != nil {
		fmt.Fprintf(b, "%sannotations %+v\n", user, plain)
	}
}

func contentText(s string) string {
	if len(s) < 2000 {
		return s
	}
	return fmt.Sprintf("%d bytes, SHA-256 %x", len(s), sha256.Sum256([]byte(s)))
}

func keyText(k *Keys) string {
	return fmt.Sprintf("%d %v %q", k.Date, k.Reply, [][]byte{k.Subject, k.From, k.To, k.Cc, k.DisplayFrom, k.DisplayTo, k.TextFrom, k.TextTo, k.TextCc, k.TextBcc, k.TextSubject, k.TextMessageID})
}

// writeUpgrade makes an account that has something of everything.
func writeUpgrade(t *testing.T) (path, text string) {
	ctx := context.Background()
	dir := t.TempDir()
	s, err := Open(dir, Options{Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(ctx, "old", InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Account(ctx, "old")
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.SetCredentials(ctx, Credentials("secret")))
	must(a.SetURLKey(ctx, "", inbox(t, a), []byte("access key")))
	_, err = a.CreateMailbox(ctx, "Work/Été", 0)
	must(err)
	must(a.Subscribe(ctx, "Elsewhere", true))
	work, _ := a.MailboxByName("Work")
	must(a.SetACL(ctx, work.ID, "other", imap.RightsReplace, imap.RightLookup|imap.RightRead))
	must(a.SetACL(ctx, work.ID, "-anyone", imap.RightsReplace, imap.RightAdmin))
	in := inbox(t, a)
	add(t, a, in, mail(1), mail(2), mail(3), strings.Replace(mail(4), "\r\n\r\n", "\r\nReferences: <m1@example.org>\r\n\r\n", 1), "Subject: caf\u00e9\r\n\r\nx", "Content-Type: message/rfc822\r\n\r\n"+mail(5), strings.Repeat("long line of a body\r\n", 20_000))
	_, err = a.Deliver(ctx, "Junk", NewMessage{Spool: spool(t, s, mail(6)), Prefix: []byte("Return-Path: <a@example.org>\r\n"), Flags: FlagJunk, Keywords: []string{"Spam", "later"}, Trace: []byte(`{"why":"because"}`)})
	must(err)
	_, err = a.SetFlags(ctx, in, UIDSet{{1, 3}}, FlagChange{Flags: FlagSeen | FlagDeleted, Keywords: []string{"Work"}})
	must(err)
	arch, _ := a.MailboxByName("Archive")
	_, err = a.Copy(ctx, in, UIDSet{{2, 4}}, arch.ID)
	must(err)
	_, err = a.Move(ctx, in, UIDSet{{3, 3}}, arch.ID)
	must(err)
	_, _, err = a.Expunge(ctx, in, NewUIDSet(1))
	must(err)
	_, err = a.SetAnnotations(ctx, arch.ID, AllUIDs(), []Annotation{{Name: "/comment", Value: []byte("note")}, {Name: "/1/comment", Shared: true, Value: []byte{0}}}, nil)
	must(err)
	must(a.SetMetadata(ctx, in, []MetadataEntry{{Name: "/private/comment", Value: []byte("mine")}, {Name: "/shared/comment", Value: []byte{0, 1}}}))
	must(a.SetMetadata(ctx, 0, []MetadataEntry{{Name: "/private/filters/values/boss", Value: []byte("FROM boss")}}))
	must(a.SetMetadata(ctx, work.ID, []MetadataEntry{{Name: "/private/comment", Value: []byte("theirs"), User: "other"}}))
	_, err = a.SetAnnotations(ctx, arch.ID, NewUIDSet(1), []Annotation{{Name: "/comment", Value: []byte("theirs"), User: "other"}}, nil)
	must(err)
	text = listing(t, a)
	a.Release()
	must(s.Close())
	return filepath.Join(dir, "accounts", "old", "account.db"), text
}

// TestChunkKinds: a new kind of chunk needs a new version of the schema, which tells older programs
// that they cannot read it.
func TestChunkKinds(t *testing.T) {
	for kinds, version := range map[int]string{3: "0004_packed.sql"} {
		if _, err := fs.Stat(schema(), version); chunk.Kinds != kinds || err != nil {
			t.Errorf("there are %d kinds of chunks, and %v: add a migration and a row here", chunk.Kinds, err)
		}
	}
}
