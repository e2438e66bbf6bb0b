package jmapserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/db"
	"mox/jmap"
	"mox/store"
)

// RFC 8621 2: one thread, unread in the trash and read in the inbox.
func TestTrashCounts(t *testing.T) {
	x := newTester(t)
	x.add("Inbox", "Message-ID: <a@x>\nSubject: s\n\na\n", store.NewMessage{Flags: store.FlagSeen})
	x.add("Trash", "Message-ID: <b@x>\nReferences: <a@x>\nSubject: s\n\nb\n", store.NewMessage{})
	var res struct{ List []map[string]any }
	x.call("Mailbox/get", fmt.Sprintf(`{"ids": [%q, %q, "F99"], "properties": ["totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "role"]}`, mailboxID(x.box("Inbox").ID), mailboxID(x.box("Trash").ID)), &res)
	isJSON(t, res.List, `[{"id": "F1", "role": "inbox", "totalEmails": 1, "unreadEmails": 0, "totalThreads": 1, "unreadThreads": 0},
		{"id": "`+string(mailboxID(x.box("Trash").ID))+`", "role": "trash", "totalEmails": 1, "unreadEmails": 1, "totalThreads": 1, "unreadThreads": 1}]`)
	// RFC 8621 3.1.1.
	var threads getResult
	x.call("Thread/get", `{"ids": ["T1", "T2", "x"]}`, &threads)
	isJSON(t, threads, fmt.Sprintf(`{"accountId": %q, "state": %q, "list": [{"id": "T1", "emailIds": ["M1", "M2"]}], "notFound": ["T2", "x"]}`, x.id, stateOf(x.acc, x.acc.ModSeq())))
	x.fails("Thread/get", `{"ids": [], "properties": ["none"]}`, jmap.ErrorInvalidArguments)
	x.fails("Mailbox/get", `{"ids": [], "properties": ["none"]}`, jmap.ErrorInvalidArguments)
	x.server.c.Limits.Get = 0
	x.fails("Thread/get", `{"ids": null}`, jmap.ErrorRequestTooLarge)
}

// TestHole: a mailbox below one that does not exist is below the next one above it.
func TestHole(t *testing.T) {
	m := &mails{moment: &store.Moment{Mailboxes: []store.Mailbox{{ID: 1, Name: "a"}, {ID: 2, Name: "a/b/c"}, {ID: 3, Name: "x/y"}}}, acc: newTester(t).acc}
	list, err := m.folders(t.Context())
	if err != nil || list[1].parent != list[0] || list[1].label != "b/c" || list[2].parent != nil || list[2].label != "x/y" || list[1].depth != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestConcurrent: requests while others change everything.
func TestConcurrent(t *testing.T) {
	x := newTester(t)
	ctx := t.Context()
	x.box("Other")
	boxes := x.acc.Mailboxes()
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range 40 {
				from, to := boxes[(i+w)%len(boxes)], boxes[(i*w+1)%len(boxes)]
				x.add(from.Name, fmt.Sprintf("Message-ID: <%d@x>\nReferences: <%d@x>\nSubject: s\n\n%d\n", i*w, i, w), store.NewMessage{})
				if _, err := x.acc.SetFlags(ctx, from.ID, store.AllUIDs(), store.FlagChange{Op: store.FlagOp(i % 2), Flags: store.FlagSeen | store.FlagDeleted, Keywords: []string{fmt.Sprint("k", i)}}); err != nil {
					t.Error(err)
				}
				if _, err := x.acc.Move(ctx, from.ID, store.NewUIDSet(store.UID(i)), to.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			since := stateOf(x.acc, 1)
			for range 40 {
				var ch changesResult
				x.call("Email/changes", fmt.Sprintf(`{"sinceState": %q}`, since), &ch)
				since = ch.NewState
				for _, r := range x.calls(`[["Mailbox/get", {"accountId": "ACC", "ids": null}, "a"],
					["Email/query", {"accountId": "ACC", "filter": {"notKeyword": "$seen", "hasAttachment": false}, "sort": [{"property": "subject"}], "collapseThreads": true}, "b"],
					["Email/get", {"accountId": "ACC", "#ids": {"resultOf": "b", "name": "Email/query", "path": "/ids"}, "properties": ["threadId", "keywords", "mailboxIds", "from"]}, "c"],
					["Thread/get", {"accountId": "ACC", "#ids": {"resultOf": "c", "name": "Email/get", "path": "/list/*/threadId"}}, "d"]]`) {
					if r.Name == "error" {
						t.Errorf("%s", r.Args)
					}
				}
			}
		})
	}
	wg.Wait()
	// What came out of all steps is what is found anew.
	got := x.emails(`{"ids": null, "properties": ["threadId", "keywords", "mailboxIds"]}`)
	x.server.mails = &mailsCache{accounts: map[string]*mailsEntry{}}
	isJSON(t, got, asText(t, x.emails(`{"ids": null, "properties": ["threadId", "keywords", "mailboxIds"]}`)))
}

// TestIdle: what is in memory of accounts goes when nobody asks, and when there is too much.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTester(t)
		x.emails(`{"ids": []}`)
		s := x.server.mails
		count := func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.accounts)
		}
		if count() != 1 {
			t.Fatal("nothing is kept")
		}
		time.Sleep(3 * mailsIdle)
		synctest.Wait()
		if count() != 0 || s.timer != nil {
			t.Error("it is kept still")
		}
		s.mu.Lock()
		now := time.Now()
		s.accounts = map[string]*mailsEntry{"a": {n: mailsMost, used: now}, "b": {n: 1, used: now.Add(time.Second)}, "c": {n: 1, used: now.Add(2 * time.Second)}}
		s.drop(s.accounts["b"])
		if len(s.accounts) != 2 || s.accounts["a"] != nil {
			t.Error(s.accounts)
		}
		s.mu.Unlock()
	})
}

// TestRethread: a repair that finds threads anew is seen, and clients know that they have to read all again.
func TestRethread(t *testing.T) {
	x := newTester(t)
	x.add("Inbox", "Message-ID: <a@x>\nSubject: s\n\na\n", store.NewMessage{})
	x.add("Inbox", "Message-ID: <b@x>\nReferences: <a@x>\nSubject: s\n\nb\n", store.NewMessage{})
	d, err := db.Open(filepath.Join(x.acc.Dir(), "account.db"), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Write(t.Context(), func(c *db.Conn) error { return c.Script("UPDATE body SET thread=id") })
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	args := `{"ids": null, "properties": ["threadId"]}`
	isJSON(t, x.emails(args), `[{"id": "M1", "threadId": "T1"}, {"id": "M2", "threadId": "T2"}]`)
	since := x.acc.ModSeq()
	if r, err := x.acc.Repair(t.Context(), store.RepairThreads); err != nil || r.Total != 1 {
		t.Fatal(r, err)
	}
	isJSON(t, x.emails(args), `[{"id": "M1", "threadId": "T1"}, {"id": "M2", "threadId": "T1"}]`)
	x.fails("Thread/changes", fmt.Sprintf(`{"sinceState": %q}`, stateOf(x.acc, since)), jmap.ErrorCannotCalculateChanges)
}

// TestGoneThreads: what was destroyed long ago is told of, with its thread.
func TestGoneThreads(t *testing.T) {
	x := newTester(t)
	x.add("Inbox", "Message-ID: <a@x>\nSubject: s\n\na\n", store.NewMessage{})
	x.add("Inbox", "Message-ID: <b@x>\nReferences: <a@x>\nSubject: s\n\nb\n", store.NewMessage{})
	x.add("Inbox", "Message-ID: <c@x>\nSubject: t\n\nc\n", store.NewMessage{})
	since := x.acc.ModSeq()
	if _, _, err := x.acc.Remove(t.Context(), x.box("Inbox").ID, store.NewUIDSet(2, 3)); err != nil {
		t.Fatal(err)
	}
	var ch changesResult
	x.call("Thread/changes", fmt.Sprintf(`{"sinceState": %q}`, stateOf(x.acc, since)), &ch)
	isJSON(t, ch, fmt.Sprintf(`{"accountId": %q, "oldState": %q, "newState": %q, "hasMoreChanges": false, "created": [], "updated": ["T1"], "destroyed": ["T3"]}`, x.id, stateOf(x.acc, since), stateOf(x.acc, since+1)))
}

// asText is a value as JSON.
func asText(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
