package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAnnotations(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{Annotations: AnnotationLimits{Size: 1024, Message: 3, Total: 4000}, Retention: time.Hour})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	arch, _ := a.MailboxByName("Archive")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	note := func(name, value string) Annotation {
		if value == "NIL" {
			return Annotation{Name: name}
		}
		return Annotation{Name: name, Value: []byte(value)}
	}
	set := func(uids UIDSet, list ...Annotation) FlagResult {
		t.Helper()
		r, err := a.SetAnnotations(ctx, in, uids, list, nil)
		must(err)
		return r
	}
	expect := func(box MailboxID, uid UID, want string) {
		t.Helper()
		b, err := a.OpenBox(ctx, box)
		must(err)
		defer b.Close()
		i, ok := b.View().Find(uid)
		if !ok {
			t.Fatalf("no UID %d", uid)
		}
		list, err := a.Annotations(ctx, "", b.View().At(i).ID, 0)
		must(err)
		var got []string
		for _, an := range list {
			got = append(got, fmt.Sprintf("%s %v %s", an.Name, an.Shared, an.Value))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("UID %d: %q, want %q", uid, s, want)
		}
	}
	added, err := a.Add(ctx, in, []NewMessage{{Spool: spool(t, s, mail(1)), Annotations: []Annotation{note("/altsubject", "x")}}})
	must(err)
	add(t, a, in, mail(2), mail(3))
	expect(in, 1, "/altsubject false x")

	// Only what changes gets a ModSeq, and an entry of the change log.
	r := set(UIDSet{{1, 2}}, note("/altsubject", "x"), note("/none", "NIL"))
	if r.Changed != 1 || r.ModSeq == 0 {
		t.Errorf("%+v", r)
	}
	changes, err := a.Changes(ctx, r.ModSeq-1, 10)
	must(err)
	if len(changes) != 1 || changes[0].Kind != AnnotationsChanged || changes[0].UIDs.String() != "2" {
		t.Errorf("%+v", changes)
	}
	if r := set(NewUIDSet(1), note("/altsubject", "x")); r.ModSeq != 0 {
		t.Errorf("%+v", r)
	}
	r = set(NewUIDSet(1), note("/comment", "\x00"), Annotation{Name: "/comment", Shared: true, Value: []byte{}}, note("/altsubject", "NIL"))
	expect(in, 1, "/comment false \x00, /comment true ")
	if list, err := a.Annotations(ctx, "", added.IDs[0], r.ModSeq-1); err != nil || len(list) != 3 || list[0].Name != "/altsubject" || list[0].Value != nil {
		t.Errorf("%+v %v", list, err)
	}
	// RFC 7162 3.1.3.
	since := r.ModSeq - 1
	r, err = a.SetAnnotations(ctx, in, UIDSet{{1, 2}}, []Annotation{note("/c", "1")}, &since)
	if err != nil || r.Changed != 1 || r.Modified.String() != "1" {
		t.Errorf("%+v %v", r, err)
	}
	// All or nothing.
	for _, tc := range []struct {
		err  error
		list []Annotation
	}{
		{ErrBadName, []Annotation{note("/comment", "y"), note("/a*", "x")}},
		{ErrTooLarge, []Annotation{note("/comment", "y"), note("/a", strings.Repeat("x", 1025))}},
		{ErrAnnotations, []Annotation{note("/comment", "y"), note("/a", "1"), note("/b", "2")}},
		{ErrAnnotations, []Annotation{note("/comment", strings.Repeat("x", 1024)), note("/altsubject", strings.Repeat("x", 1024))}},
	} {
		if _, err := a.SetAnnotations(ctx, in, UIDSet{{1, 2}}, tc.list, nil); !errors.Is(err, tc.err) {
			t.Errorf("%v: %v", tc.list[0], err)
		}
	}
	expect(in, 1, "/comment false \x00, /comment true ")

	// RFC 5257 4.6: copies get them, moved messages keep them, what comes back has them.
	_, err = a.Copy(ctx, in, NewUIDSet(1), arch.ID)
	must(err)
	expect(arch.ID, 1, "/comment false \x00, /comment true ")
	_, err = a.Move(ctx, in, NewUIDSet(2), arch.ID)
	must(err)
	expect(arch.ID, 2, "/altsubject false x, /c false 1")
	_, seq, err := a.Remove(ctx, arch.ID, NewUIDSet(2))
	must(err)
	mustCheck(t, a)
	_, err = a.Undelete(ctx, arch.ID, seq, AllUIDs(), in)
	must(err)
	expect(in, 4, "/altsubject false x, /c false 1")
	// Names that come and go leave little.
	for i := range 50 {
		set(NewUIDSet(3), note(fmt.Sprint("/n", i), "1"))
		set(NewUIDSet(3), note(fmt.Sprint("/n", i), "NIL"))
	}
	if n := a.annotations; n > 20 {
		t.Errorf("%d rows", n)
	}
	mustCheck(t, a)
	// When messages are gone for good, so are annotations.
	for _, box := range []MailboxID{in, arch.ID} {
		_, _, err = a.Remove(ctx, box, AllUIDs())
		must(err)
	}
	_, err = a.reapAt(ctx, time.Now().Add(3*time.Hour))
	must(err)
	if a.annotations != 0 || a.annotationSize != 0 || a.Annotated() {
		t.Errorf("%d annotations of %d bytes are left", a.annotations, a.annotationSize)
	}
	mustCheck(t, a)
}

// TestAnnotationsOfOthers: each user has private annotations of their own, which go with copies
// that they make; nobody else's do.
func TestAnnotationsOfOthers(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a, b := testAccount(t, s, "a"), testAccount(t, s, "b")
	in, one := inbox(t, a), NewUIDSet(1)
	add(t, a, in, mail(1))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for user, value := range map[string]string{"": "a's", "b": "b's", "c": "c's"} {
		_, err := a.SetAnnotations(ctx, in, one, []Annotation{{Name: "/comment", Value: []byte(value), User: user}}, nil)
		must(err)
	}
	_, err := a.SetAnnotations(ctx, in, one, []Annotation{{Name: "/comment", Shared: true, Value: []byte("all")}}, nil)
	must(err)
	expect := func(acc *Account, box MailboxID, uid UID, want string) {
		t.Helper()
		msgs, err := acc.MessagesAt(ctx, box, NewUIDSet(uid))
		must(err)
		var got []string
		for _, user := range []string{"", "a", "b", "c", "d"} {
			list, err := acc.Annotations(ctx, user, msgs[0].ID, 0)
			must(err)
			found := 0
			must(acc.FindAnnotations(ctx, user, func(id MessageID, an *Annotation) {
				if id == msgs[0].ID {
					found++
				}
			}))
			if found != len(list) {
				t.Errorf("for %q %d are found, %d are listed", user, found, len(list))
			}
			for _, an := range list {
				if !an.Shared || user == "" {
					got = append(got, user+"="+string(an.Value))
				}
			}
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("account %s, mailbox %d, message %d: got %q, want %q", acc.Name(), box, uid, g, want)
		}
	}
	expect(a, in, 1, "=a's =all b=b's c=c's")
	_, err = a.CopyTo(ctx, in, one, a, in, FlagLimit{User: "b"})
	must(err)
	expect(a, in, 2, "=all b=b's")
	_, err = a.CopyTo(ctx, in, one, a, in, FlagLimit{User: "a", NoShared: true})
	must(err)
	expect(a, in, 3, "=a's")
	_, err = a.CopyTo(ctx, in, one, b, inbox(t, b), FlagLimit{User: "b"})
	must(err)
	expect(b, inbox(t, b), 1, "=b's =all")
	_, err = b.CopyTo(ctx, inbox(t, b), one, a, in, FlagLimit{User: "b", NoShared: true})
	must(err)
	expect(a, in, 4, "b=b's")
	arch, _ := a.MailboxByName("Archive")
	_, err = a.MoveTo(ctx, in, one, a, arch.ID, FlagLimit{User: "b"})
	must(err)
	expect(a, arch.ID, 1, "=a's =all b=b's c=c's")

	must(a.SetMetadata(ctx, in, []MetadataEntry{{Name: "/private/Comment", Value: []byte("b's"), User: "b"}, {Name: "/private/comment", Value: []byte("a's")}}))
	for user, want := range map[string]int{"b": 1, "c": 0} {
		if l, err := a.MetadataOf(ctx, user, in); err != nil || len(l) != want || want > 0 && (l[0].Name != "/private/comment" || string(l[0].Value) != "b's") {
			t.Errorf("metadata of %s: %v, %v", user, l, err)
		}
	}
	if l, err := a.Metadata(ctx, in); err != nil || len(l) != 1 || string(l[0].Value) != "a's" {
		t.Errorf("metadata: %v, %v", l, err)
	}
	for _, name := range []string{"/shared/comment", EntrySpecialUse} {
		if err := a.SetMetadata(ctx, in, []MetadataEntry{{Name: name, Value: []byte("x"), User: "b"}}); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Who is gone leaves none behind.
	must(a.dropIdentifier(ctx, "b"))
	expect(a, arch.ID, 1, "=a's =all c=c's")
	if l, err := a.MetadataOf(ctx, "b", in); err != nil || len(l) != 0 {
		t.Errorf("metadata of who is gone: %v, %v", l, err)
	}
	mustCheck(t, a)
	mustCheck(t, b)
}
