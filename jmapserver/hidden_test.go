package jmapserver

import (
	"fmt"
	"testing"

	"mox/jmap"
	"mox/store"
)

// changes are those of a type since a state, without states.
func (t *tester) changes(typ, since string) string {
	t.Helper()
	var c changesResult
	t.call(typ+"/changes", fmt.Sprintf(`{"sinceState": %q}`, since), &c)
	return fmt.Sprint(c.Created, c.Updated, c.Destroyed)
}

// flag sets or clears \Deleted of a message in the Inbox, and returns the state before.
func (t *tester) flag(uid store.UID, deleted bool) string {
	t.Helper()
	since := t.state()
	op := store.FlagsRemove
	if deleted {
		op = store.FlagsAdd
	}
	if _, err := t.acc.SetFlags(t.Context(), t.box("Inbox").ID, store.NewUIDSet(uid), store.FlagChange{Op: op, Flags: store.FlagDeleted}); err != nil {
		t.Fatal(err)
	}
	return since
}

// state is that of Email.
func (t *tester) state() string {
	t.Helper()
	var res getResult
	t.call("Email/get", `{"ids": []}`, &res)
	return res.State
}

// What gets \Deleted is destroyed for clients, and what loses it is created.
func TestHiddenChanges(t *testing.T) {
	x := newTester(t)
	x.add("Inbox", "Message-ID: <a@x>\nSubject: s\n\na\n", store.NewMessage{})
	x.emails(`{"ids": null}`)
	check := func(since, emails, threads string) {
		t.Helper()
		if got := x.changes("Email", since); got != emails {
			t.Errorf("Emails: got %s, want %s", got, emails)
		}
		if got := x.changes("Thread", since); got != threads {
			t.Errorf("Threads: got %s, want %s", got, threads)
		}
	}
	start := x.state()
	check(x.flag(1, true), "[] [] [M1]", "[] [] [T1]")
	check(x.flag(1, false), "[M1] [] []", "[T1] [] []")
	check(start, "[] [M1] []", "[] [T1] []")
	check(x.flag(1, true), "[] [] [M1]", "[] [] [T1]")
	// A thread of which nothing could be seen.
	since := x.state()
	x.add("Inbox", "Message-ID: <b@x>\nReferences: <a@x>\nSubject: s\n\nb\n", store.NewMessage{})
	check(since, "[M2] [] []", "[T1] [] []")
	since = x.state()
	if _, _, err := x.acc.Remove(t.Context(), x.box("Inbox").ID, store.NewUIDSet(1)); err != nil {
		t.Fatal(err)
	}
	if got := x.changes("Email", since); got != "[] [] []" {
		t.Errorf("expunge of what was hidden: %s", got)
	}
	check(start, "[M2] [] [M1]", "[] [T1] []")
	// Where nothing is known of before, what may have come back is told as created.
	since = x.flag(2, true)
	middle := x.flag(2, false)
	x.server.mails.forget("mjl")
	if got := x.changes("Email", middle); got != "[M2] [] []" {
		t.Errorf("after forgetting: %s", got)
	}
	_ = since
}

// Mail with \Deleted is not in the way: of the same content being imported, and of its mailbox being destroyed.
func TestHiddenInTheWay(t *testing.T) {
	w := newWriter(t)
	message := "Message-ID: <x@y>\nSubject: a\n\ntext\n"
	w.add("Inbox", message, store.NewMessage{Flags: store.FlagDeleted})
	blob := w.upload("message/rfc822", crlf(message))
	imp := fmt.Sprintf(`{"emails": {"k": {"blobId": %q, "mailboxIds": {"BOX(Other)": true}}}}`, blob)
	id := w.set("Email/import", imp).id(t)
	if w.raw(id) != crlf(message) {
		t.Error("other content")
	}
	w.set("Email/import", imp).refused(t, jmap.SetAlreadyExists)
	destroy := `{"destroy": ["BOX(Other)"]}`
	res := w.set("Mailbox/set", destroy)
	if len(res.Destroyed) != 0 {
		t.Error("a mailbox with mail is destroyed")
	}
	if _, err := w.acc.SetFlags(t.Context(), w.box("Other").ID, store.AllUIDs(), store.FlagChange{Flags: store.FlagDeleted, Op: store.FlagsAdd}); err != nil {
		t.Fatal(err)
	}
	if res := w.set("Mailbox/set", destroy); len(res.Destroyed) != 1 {
		t.Errorf("%+v", res)
	}
}

// States of before a restore, or of another account of the name, are none of the account.
func TestIncarnation(t *testing.T) {
	x := newTester(t)
	x.add("Inbox", "Subject: a\n\nb\n", store.NewMessage{})
	since := x.state()
	x.add("Inbox", "Subject: c\n\nd\n", store.NewMessage{})
	if got := x.changes("Email", since); got != "[M2] [] []" {
		t.Error(got)
	}
	// As a restore does.
	if _, err := x.acc.BumpUIDValidity(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"Email", "Thread", "Mailbox"} {
		x.fails(typ+"/changes", fmt.Sprintf(`{"sinceState": %q}`, since), jmap.ErrorCannotCalculateChanges)
	}
	x.fails("Email/queryChanges", fmt.Sprintf(`{"sinceQueryState": %q}`, since), jmap.ErrorCannotCalculateChanges)
}
