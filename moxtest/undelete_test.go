package moxtest_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"mox/admin"
	"mox/config"
	"mox/moxtest"
	"mox/store"
)

// TestUndelete: what IMAP clients have expunged comes back, where it was or elsewhere, but not in
// mailboxes of the queue.
func TestUndelete(t *testing.T) {
	mox := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithConfig(func(s *config.Static, d *config.Dynamic) {
		s.KeepExpunged = time.Hour
	}))
	ctx := t.Context()
	c := mox.DialIMAP(t)
	for i, box := range []string{"INBOX", "Old", "Queue"} {
		if i > 0 {
			if err := c.Create(ctx, box); err != nil {
				t.Fatal(err)
			}
		}
	}
	mox.Send(t, "a@remote.example", "mox@mox.example", "From: a@remote.example\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nx\r\n")
	mox.Send(t, "a@remote.example", "mox@mox.example", "From: a@remote.example\r\nSubject: two\r\n\r\nx\r\n")
	if _, err := c.Select(ctx, "INBOX", ""); err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expunge := func() {
		t.Helper()
		_, err := c.Store(ctx, true, "1:*", `+FLAGS.SILENT (\Deleted)`)
		do(err)
		do(c.Expunge(ctx, ""))
	}
	_, err := c.Copy(ctx, true, "1:*", "Old")
	do(err)
	expunge()
	do(c.Delete(ctx, "Old"))

	list, err := mox.Admin.Deleted(ctx, "mox", time.Time{}, 0)
	do(err)
	want := []string{"grüße", "two"}
	if len(list) != 2 || list[0].Mailbox != "" || list[1].Mailbox != "Inbox" || list[1].Messages != 2 || !slices.Equal(list[1].Subjects, want) || list[0].ID <= list[1].ID {
		t.Fatalf("deletions %+v", list)
	}
	if l, err := mox.Admin.Deleted(ctx, "mox", time.Time{}, 1); err != nil || len(l) != 1 || l[0].ID != list[0].ID {
		t.Errorf("the newest: %+v, %v", l, err)
	}
	var got []admin.Undeleted
	undelete := func(u admin.Undelete) error {
		got = nil
		return mox.Admin.Undelete(ctx, actor, "mox", u, func(d admin.Undeleted) { got = append(got, d) })
	}
	if err := undelete(admin.Undelete{IDs: []store.ModSeq{list[1].ID}, To: "Queue"}); !errors.Is(err, store.ErrReserved) {
		t.Errorf("into a mailbox of the queue: %v", err)
	}
	if err := undelete(admin.Undelete{IDs: []store.ModSeq{99999}}); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("unknown deletion: %v", err)
	}
	do(undelete(admin.Undelete{IDs: []store.ModSeq{list[1].ID}}))
	if !slices.Equal(got, []admin.Undeleted{{ID: list[1].ID, Mailbox: "Inbox", Messages: 2}}) {
		t.Errorf("brought back %+v", got)
	}
	do(undelete(admin.Undelete{Since: time.Now().Add(-time.Minute)}))
	if !slices.Equal(got, []admin.Undeleted{{ID: list[0].ID, Mailbox: admin.UndeleteMailbox, Messages: 2}}) {
		t.Errorf("brought back %+v", got)
	}
	do(undelete(admin.Undelete{}))
	if len(got) != 0 {
		t.Errorf("brought back again: %+v", got)
	}
	for _, box := range []string{"INBOX", admin.UndeleteMailbox} {
		s, err := c.Select(ctx, box, "")
		if err != nil || s.Exists != 2 {
			t.Errorf("%s: %+v, %v", box, s, err)
		}
	}
	// And from there elsewhere.
	expunge()
	do(undelete(admin.Undelete{Since: time.Now().Add(-time.Minute), To: "Other"}))
	if len(got) != 1 || got[0].Mailbox != "Other" || got[0].Messages != 2 {
		t.Errorf("brought back elsewhere: %+v", got)
	}
}
