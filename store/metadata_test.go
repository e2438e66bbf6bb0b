package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestNormalEntry(t *testing.T) {
	for name, want := range map[string]string{
		"/shared/comment": "/shared/comment", "/Private/Comment": "/private/comment", "/private/filters/values/a b": "/private/filters/values/a b",
		"/shared/vendor/x/y": "/shared/vendor/x/y",
		// RFC 5464 3.2.
		"": "", "/": "", "/shared": "", "/shared/": "", "shared/comment": "", "/other/comment": "", "/shared//x": "", "/shared/a*": "", "/shared/a%": "",
		"/shared/é": "", "/shared/a\x01": "", "/shared/vendor/x": "", "/shared/vendor": "", "/shared/" + strings.Repeat("x", maxEntryName): "",
	} {
		got, err := NormalEntry(name)
		if got != want || (want == "") != errors.Is(err, ErrBadName) {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

func metadataText(t *testing.T, a *Account, box MailboxID) string {
	t.Helper()
	list, err := a.Metadata(context.Background(), box)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, e := range list {
		s = append(s, e.Name+"="+string(e.Value))
	}
	return strings.Join(s, " ")
}

func TestMetadata(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{Metadata: MetadataLimits{Entries: 4, Size: 1024, Total: 3000}})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	set := func(box MailboxID, pairs ...string) error {
		var list []MetadataEntry
		for i := 0; i < len(pairs); i += 2 {
			e := MetadataEntry{Name: pairs[i], Value: []byte(pairs[i+1])}
			if pairs[i+1] == "NIL" {
				e.Value = nil
			}
			list = append(list, e)
		}
		return a.SetMetadata(ctx, box, list)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(box MailboxID, want string) {
		t.Helper()
		if got := metadataText(t, a, box); got != want {
			t.Errorf("mailbox %d: %q, want %q", box, got, want)
		}
	}
	before := a.ModSeq()
	must(set(in, "/Shared/Comment", "one", "/private/comment", ""))
	expect(in, "/private/comment= /shared/comment=one")
	expect(0, "")
	must(set(0, "/shared/comment", "\x00\r\n"))
	expect(0, "/shared/comment=\x00\r\n")
	changes, err := a.Changes(ctx, before, 10)
	if err != nil || len(changes) != 2 || changes[0].Kind != MetadataChanged || changes[0].Mailbox != in || changes[0].Name != "/shared/comment\n/private/comment" || changes[1].Mailbox != 0 {
		t.Errorf("%+v %v", changes, err)
	}
	// What changes nothing is no operation.
	seq := a.ModSeq()
	must(set(in, "/shared/comment", "one", "/shared/none", "NIL"))
	if a.ModSeq() != seq {
		t.Error("an operation that changed nothing took a modseq")
	}
	// All or nothing.
	for _, tc := range []struct {
		err   error
		pairs []string
	}{
		{ErrLimit, []string{"/shared/comment", "x", "/shared/a", "1", "/shared/b", "2"}},
		{ErrTooLarge, []string{"/shared/comment", "x", "/shared/a", strings.Repeat("x", 1025)}},
		{ErrBadName, []string{"/shared/comment", "x", "/shared/a*", "x"}},
		{ErrSpecialUse, []string{"/shared/comment", "x", EntrySpecialUse, `\All`}},
	} {
		if err := set(in, tc.pairs...); !errors.Is(err, tc.err) {
			t.Errorf("%q: %v", tc.pairs, err)
		}
	}
	if err := set(99, "/shared/comment", "x"); !errors.Is(err, ErrNoMailbox) {
		t.Error(err)
	}
	expect(in, "/private/comment= /shared/comment=one")
	must(set(in, "/shared/comment", "NIL"))
	expect(in, "/private/comment=")
	mustCheck(t, a)
}

// TestMetadataMailboxes: RFC 5464 4.1: annotations follow a mailbox, and go with it.
func TestMetadataMailboxes(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	box := func(name string) MailboxID {
		m, _ := a.MailboxByName(name)
		return m.ID
	}
	comment := func(text string) []MetadataEntry {
		return []MetadataEntry{{Name: "/private/comment", Value: []byte(text)}}
	}
	must(a.SetMetadata(ctx, box("Archive"), comment("a")))
	must(a.RenameMailbox(ctx, "Archive", "Old/Archive"))
	if got := metadataText(t, a, box("Old/Archive")); got != `/private/comment=a /private/specialuse=\Archive` {
		t.Error(got)
	}
	must(a.SetMetadata(ctx, box("Inbox"), comment("in")))
	must(a.RenameMailbox(ctx, "Inbox", "Kept"))
	if got := metadataText(t, a, box("Inbox")) + metadataText(t, a, box("Kept")); got != "/private/comment=in/private/comment=in" {
		t.Error(got)
	}
	must(a.DeleteMailbox(ctx, "Kept"))
	_, err := a.CreateMailbox(ctx, "Kept", 0)
	must(err)
	if got := metadataText(t, a, box("Kept")); got != "" {
		t.Error(got)
	}
	// RFC 6154 5.4: a special use moves to the mailbox that gets it.
	must(a.SetMetadata(ctx, box("Kept"), []MetadataEntry{{Name: "/private/specialuse", Value: []byte(`\drafts \Important`)}}))
	if got := metadataText(t, a, box("Kept")) + metadataText(t, a, box("Drafts")); got != `/private/specialuse=\Drafts \Important` {
		t.Error(got)
	}
	must(a.SetMetadata(ctx, box("Kept"), []MetadataEntry{{Name: "/private/specialuse"}}))
	if m, _ := a.MailboxByName("Kept"); m.SpecialUse != 0 {
		t.Error(m.SpecialUse)
	}
	mustCheck(t, a)
}

// TestMetadataConcurrent: limits hold, whoever writes at the same time.
func TestMetadataConcurrent(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{Metadata: MetadataLimits{Entries: 50}})
	a := testAccount(t, s, "a")
	done := make(chan int)
	for g := range 4 {
		go func() {
			n := 0
			for i := range 30 {
				err := a.SetMetadata(ctx, 0, []MetadataEntry{{Name: fmt.Sprintf("/shared/x%d-%d", g, i), Value: bytes.Repeat([]byte("v"), i)}})
				if err == nil {
					n++
				} else if !errors.Is(err, ErrLimit) {
					t.Error(err)
				}
			}
			done <- n
		}()
	}
	n := 0
	for range 4 {
		n += <-done
	}
	if list, err := a.Metadata(ctx, 0); n != 50 || len(list) != 50 || err != nil {
		t.Errorf("%d set, %d there, %v", n, len(list), err)
	}
	mustCheck(t, a)
}
