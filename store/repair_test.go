package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/db"
)

// brokenAccount makes an account, changes its file by SQL, and opens it again.
func brokenAccount(t *testing.T, sql ...string) *Account {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	func() {
		s, err := Open(dir, Options{Log: testLog(t), Retention: time.Hour, Synchronous: "OFF"})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Create(ctx, "a", InitialMailboxes{}); err != nil {
			t.Fatal(err)
		}
		a, err := s.Account(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		defer a.Release()
		box := inbox(t, a)
		add(t, a, box, mail(1), mail(2), mail(3), mail(4), mail(5)+strings.Repeat("0123456789abcdef\r\n", 20_000))
		if _, err := a.Deliver(ctx, "Work/Sub", NewMessage{Spool: spool(t, s, mail(6)), Prefix: []byte("Received: x\r\n"), Trace: []byte("trace"), Keywords: []string{"k"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Copy(ctx, box, NewUIDSet(1, 2), boxNamed(t, a, "Archive")); err != nil {
			t.Fatal(err)
		}
		if _, err := a.SetFlags(ctx, box, NewUIDSet(2, 3), FlagChange{Flags: FlagSeen | FlagDeleted, Keywords: []string{"x", "y"}}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.Expunge(ctx, box, NewUIDSet(3)); err != nil {
			t.Fatal(err)
		}
	}()
	d, err := db.Open(filepath.Join(dir, "accounts", "a", "account.db"), db.Options{Migrations: schema()})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Write(ctx, func(c *db.Conn) error {
		for _, s := range sql {
			if err := c.Script(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, dir, Options{Retention: time.Hour, Synchronous: "OFF"})
	return openAccount(t, s, "a")
}

func TestRepair(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct {
		name string
		what Repairs
		sql  string
		want string // in the text of a fix
	}{
		{"counts", RepairCounts, "UPDATE mailbox SET messages=7, unseen=1, size=size+1 WHERE name='Inbox'", `mailbox "Inbox" has 4 messages`},
		{"counts of an empty mailbox", RepairCounts, "UPDATE mailbox SET deleted=7 WHERE name='Sent'", `mailbox "Sent" has 0 messages`},
		{"UIDNEXT", RepairUIDs, "UPDATE mailbox SET uidnext=2 WHERE name='Inbox'", `mailbox "Inbox": UIDNEXT was 2: it is 6 now`},
		{"UIDVALIDITY is zero", RepairUIDs, "UPDATE mailbox SET uidvalidity=0 WHERE name='Inbox'", "UIDVALIDITY 0 is not its own"},
		{"UIDVALIDITY is used twice", RepairUIDs, "UPDATE mailbox SET uidvalidity=(SELECT uidvalidity FROM mailbox WHERE name='Sent') WHERE name='Inbox'", "is not its own"},
		{"UIDVALIDITY is ahead", RepairUIDs, "UPDATE mailbox SET uidvalidity=uidvalidity+100 WHERE name='Inbox'", "the account's uidvalidity was"},
		{"HIGHESTMODSEQ", RepairUIDs, "UPDATE mailbox SET modseq=created WHERE name='Inbox'", `mailbox "Inbox": HIGHESTMODSEQ was`},
		{"modseq", RepairUIDs, "UPDATE account SET modseq=2", "the account's modseq was 2"},
		{"ids", RepairUIDs, "UPDATE account SET next_message=1, next_body=2, next_mailbox=3", "the account's next_body was 2"},
		{"expunged and there", RepairUIDs, "INSERT INTO message SELECT mailbox_id, 3, next_message-1, 4, 1, 0, 0, 1, 1, 1 FROM message JOIN account LIMIT 1; DELETE FROM message WHERE uid=4 AND mailbox_id=1; UPDATE account SET next_message=next_message+1; UPDATE message SET id=(SELECT next_message-1 FROM account), size=(SELECT size FROM body WHERE id=4) WHERE mailbox_id=1 AND uid=3; ", "noted as expunged"},
		{"UID is zero", RepairUIDs, "UPDATE message SET uid=0 WHERE mailbox_id=1 AND uid=1", "UIDs that cannot be"},
		{"size of a message", RepairSizes, "UPDATE message SET size=size+10 WHERE mailbox_id=1 AND uid=2", "mailbox 1, UID 2 has"},
		{"size of a message, counted", RepairSizes, "UPDATE message SET size=size+10 WHERE mailbox_id=1 AND uid=2; UPDATE mailbox SET size=size+10, deleted_size=deleted_size+10 WHERE id=1", "mailbox 1, UID 2 has"},
		{"size of content", RepairSizes, "UPDATE body SET size=size-3 WHERE id=2; UPDATE message SET size=size-3 WHERE body_id=2", "content 2 has"},
		{"prefix", RepairSizes, "UPDATE body SET prefix=prefix-3 WHERE prefix>0", "13 of them before the message"},
		{"message without content", RepairRows, "DELETE FROM body WHERE id=1; DELETE FROM body_env WHERE id=1; DELETE FROM body_key WHERE id=1", "its content 1 does not exist: it is removed"},
		{"expunged message without content", RepairRows, "DELETE FROM body WHERE id=3; DELETE FROM body_env WHERE id=3; DELETE FROM body_key WHERE id=3; DELETE FROM lookup WHERE body_id=3; DELETE FROM chunk WHERE id/65536=3", "brought back"},
		{"references", RepairRows, "UPDATE body SET refs=9 WHERE id=1; UPDATE body SET refs=0 WHERE id=4", "content 1 has 2 references, 9 were noted"},
		{"orphans", RepairRows, "INSERT INTO body_env SELECT 999, envelope, structure, preview, headers, parts, NULL, NULL, NULL, NULL, NULL FROM body_env LIMIT 1; INSERT INTO lookup VALUES (1, 999); INSERT INTO chunk VALUES (999*65536, x'00')", "1 rows of rendered data"},
		{"mailbox is gone", RepairRows, "DELETE FROM mailbox WHERE name='Archive'", `"Recovered `},
		{"Inbox is gone", RepairRows, "UPDATE mailbox SET name='X' WHERE name='Inbox'", `"Inbox" was missing`},
		{"parent is gone", RepairRows, "DELETE FROM mailbox WHERE name='Work'", `"Work" was missing`},
		{"keywords", RepairRows, "DELETE FROM keyword_set", "its keywords"},
		{"message id twice", RepairRows, "UPDATE message SET id=2 WHERE mailbox_id=1 AND uid=1", "was used twice"},
		{"rendered data", RepairRendered, "DELETE FROM body_env WHERE id=1; DELETE FROM body_key WHERE id=2", "content 2 had no rendered data"},
		{"a chunk is missing", RepairRows, "DELETE FROM chunk WHERE id=5*65536+2", "1 of 3 chunks are missing"},
		{"a chunk is other", RepairContent, "UPDATE chunk SET data=x'0041' WHERE id=1*65536+1", "its hash is another"},
		{"a chunk is broken", RepairContent, "UPDATE chunk SET data=x'0141' WHERE id=1*65536+1", "cannot be decompressed"},
		{"access control list of no mailbox", RepairRows, "INSERT INTO acl VALUES (999, 'b', 'lr'); INSERT INTO acl VALUES (0, 'b', 'lr')", "2 rows of acl"},
		{"metadata of no mailbox", RepairRows, "INSERT INTO metadata VALUES (999, '/shared/x', x'41', 1); INSERT INTO metadata VALUES (0, '/shared/x', x'41', 1)", "1 rows of metadata"},
		{"access key of no mailbox", RepairRows, "INSERT INTO url_key VALUES ('', 999, x'41'); INSERT INTO url_key VALUES ('b', 999, x'41')", "1 rows of url_key"},
		{"annotations of no message", RepairRows, "INSERT INTO annotation VALUES (999, '/comment', 1, x'41', 1), (998, '/comment', 1, NULL, 1); UPDATE account SET next_message=1000", "2 messages that do not exist had annotations"},
		{"annotations of an expunged message", RepairCounts, "INSERT INTO annotation SELECT id, '/comment', 1, x'41', 1 FROM (SELECT 3 AS id)", "1 annotations of 9 bytes, noted were 0 of 0"},
		{"totals of annotations", RepairRows, "UPDATE account SET annotations=2, annotation_size=-1", "0 annotations of 0 bytes, noted were 2 of -1"},
		{"annotation is ahead", RepairUIDs | RepairCounts, "INSERT INTO annotation VALUES (1, '/comment', 0, x'41', 1000)", "the account's modseq was"},
		{"metadata is ahead", RepairUIDs, "INSERT INTO metadata VALUES (1, '/shared/x', x'41', 1000)", "the account's modseq was"},
		{"message ids of annotations", RepairEverything, "INSERT INTO annotation VALUES (500, '/comment', 0, x'41', 1)", "the account's next_message was"},
		{"everything", RepairEverything, "UPDATE mailbox SET messages=9, uidnext=1; DELETE FROM body WHERE id=1; UPDATE body SET refs=3, size=1; DELETE FROM body_env; UPDATE account SET modseq=1, next_body=1; DELETE FROM mailbox WHERE name='Inbox'", "was missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := brokenAccount(t, tc.sql)
			if problems, err := a.CheckDeep(ctx); err != nil || len(problems) == 0 {
				t.Fatalf("check finds %v, %v", problems, err)
			}
			r, err := a.Repair(ctx, tc.what)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range r.Fixes {
				found = found || strings.Contains(f.Text, tc.want)
			}
			if !found || r.Total != len(r.Fixes) {
				t.Errorf("fixes %q lack %q", r.Fixes, tc.want)
			}
			checkRepaired(t, a, tc.what)
		})
	}
}

// checkRepaired checks that nothing is left, and that the account can be used.
func checkRepaired(t *testing.T, a *Account, what Repairs) {
	t.Helper()
	ctx := context.Background()
	left := func(when string) {
		t.Helper()
		problems, err := a.CheckDeep(ctx)
		for _, p := range problems {
			if p.Area != AreaQuarantine {
				t.Errorf("%s: %v", when, p)
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
	left("after repair")
	if r, err := a.Repair(ctx, what); err != nil || r.Total != 0 {
		t.Errorf("again: %v %v", r, err)
	}
	m, ok := a.MailboxByName("Inbox")
	if !ok {
		t.Fatal("no Inbox")
	}
	add(t, a, m.ID, mail(100))
	if _, err := a.SetFlags(ctx, m.ID, AllUIDs(), FlagChange{Flags: FlagFlagged, Keywords: []string{"new"}}); err != nil {
		t.Error(err)
	}
	if _, _, err := a.Expunge(ctx, m.ID, AllUIDs()); err != nil {
		t.Error(err)
	}
	left("after use")
}

func TestQuarantine(t *testing.T) {
	ctx := context.Background()
	a := brokenAccount(t, "UPDATE chunk SET data=x'0041' WHERE id=1*65536+1")
	if _, err := a.Repair(ctx, RepairContent); err != nil {
		t.Fatal(err)
	}
	if _, err := a.OpenBody(ctx, 1); !errors.Is(err, ErrDamaged) || !errors.Is(err, ErrNoBody) {
		t.Error(err)
	}
	// The same message once more is not taken for one that is there.
	k, err := a.Known(ctx, inbox(t, a))
	if err != nil {
		t.Fatal(err)
	}
	sp := spool(t, a.s, mail(1))
	if there, err := k.Take(ctx, sp); err != nil || there {
		t.Error(there, err)
	}
	r := add(t, a, inbox(t, a), mail(1))
	if got := body(t, a, r.Bodies[0]); got != mail(1) {
		t.Errorf("got %q", got)
	}
}

// TestReset: who has a mailbox open while its UIDs change sees that it is not the same.
func TestReset(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	id := inbox(t, a)
	add(t, a, id, mail(1), mail(2), mail(3))
	if _, _, err := a.Expunge(ctx, id, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Remove(ctx, id, NewUIDSet(2)); err != nil {
		t.Fatal(err)
	}
	box, err := a.OpenBox(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	old := box.View()
	seq := a.ModSeq()
	r, err := a.ReassignUIDs(ctx, id)
	if err != nil || !r.Reset || r.Total != 1 || !strings.Contains(r.Fixes[0].Text, `mailbox "Inbox": 2 messages have new UIDs`) {
		t.Fatal(r, err)
	}
	select {
	case <-old.Superseded():
	default:
		t.Error("the old view is not superseded")
	}
	if v := box.View(); !v.Deleted || v.Len() != 0 {
		t.Errorf("%+v", v)
	}
	box.Close()
	if box, err = a.OpenBox(ctx, id); err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	v := box.View()
	if v.UIDValidity <= old.UIDValidity || v.Len() != 2 || v.At(0).UID != 1 || v.At(1).UID != 2 || v.UIDNext != 3 {
		t.Errorf("%+v", v)
	}
	changes, err := a.Changes(ctx, seq, 100)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[ChangeKind]string{}
	for _, c := range changes {
		kinds[c.Kind] = c.UIDs.String()
	}
	if kinds[MessagesExpunged] != "1,3" || kinds[MessagesAdded] != "1:2" {
		t.Errorf("%v", kinds)
	}
	mustCheck(t, a)
	// All mailboxes.
	before := a.Mailboxes()
	if r, err = a.BumpUIDValidity(ctx, ""); err != nil || r.Total != len(before) {
		t.Fatal(r, err)
	}
	seen := map[uint32]bool{}
	for _, b := range before {
		seen[b.UIDValidity] = true
	}
	for _, b := range a.Mailboxes() {
		if seen[b.UIDValidity] {
			t.Errorf("%q has the UIDVALIDITY %d still, or twice", b.Name, b.UIDValidity)
		}
		seen[b.UIDValidity] = true
	}
	if _, err := a.BumpUIDValidity(ctx, "Nothing"); !errors.Is(err, ErrNoMailbox) {
		t.Error(err)
	}
	if r, err := a.Repair(ctx, RepairEverything); err != nil || r.Total != 0 {
		t.Errorf("%v %v", r, err)
	}
	mustCheck(t, a)
}

// TestRepairInUse repairs while others add.
func TestRepairInUse(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	id := inbox(t, a)
	done := make(chan error, 4)
	for w := range 4 {
		go func() {
			for i := range 25 {
				sp := a.NewSpool()
				sp.Write([]byte(mail(w*100 + i)))
				err := sp.Finish()
				if err == nil {
					_, err = a.Add(ctx, id, []NewMessage{{Spool: sp}})
				}
				sp.Close()
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 5 {
		if r, err := a.Repair(ctx, RepairEverything); err != nil || r.Total != 0 {
			t.Errorf("%v %v", r, err)
		}
		if _, err := a.ReassignUIDs(ctx, id); err != nil {
			t.Error(err)
		}
		box, err := a.OpenBox(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		box.Close()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if q := a.Quota(); q.Count != 100 {
		t.Errorf("%d messages", q.Count)
	}
	mustCheck(t, a)
}

func TestRerender(t *testing.T) {
	ctx := context.Background()
	a := brokenAccount(t, "UPDATE body_env SET envelope=x'00', preview='wrong'; UPDATE body_key SET base_subject='wrong'; UPDATE body SET thread=id, subject=7; DELETE FROM lookup")
	r, err := a.Repair(ctx, RepairAllRendered)
	if err != nil || r.Total != 1 || !strings.Contains(r.Fixes[0].Text, "messages were parsed again") {
		t.Fatal(r, err)
	}
	box, err := a.OpenBox(ctx, boxNamed(t, a, "Work/Sub"))
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	n := 0
	for x, err := range a.Rendered(ctx, []*Message{box.View().At(0)}, FieldEnvelope|FieldTrace|FieldPreview, false) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if string(x.Trace) != "trace" || len(x.Envelope) < 10 || string(x.Preview) == "wrong" {
			t.Errorf("%q %q %q", x.Trace, x.Envelope, x.Preview)
		}
	}
	if n != 1 {
		t.Error(n)
	}
	checkRepaired(t, a, RepairEverything)
}

func TestRethread(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	id := inbox(t, a)
	add(t, a, id,
		"Message-ID: <1@x>\r\nSubject: one\r\n\r\n",
		"Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\nSubject: Re: one\r\n\r\n",
		"Message-ID: <3@x>\r\nReferences: <1@x> <2@x>\r\nSubject: Re: one\r\n\r\n",
		"Message-ID: <4@x>\r\nSubject: Re: one\r\n\r\n",
		"Message-ID: <5@x>\r\nSubject: two\r\n\r\n")
	threads := func() (l []int64) {
		err := a.read(ctx, func(c *db.Conn) error {
			rows := c.Query("SELECT thread FROM body ORDER BY id")
			for rows.Next() {
				l = append(l, rows.Int64(0))
			}
			return rows.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	want := threads()
	if r, err := a.Repair(ctx, RepairThreads); err != nil || r.Total != 0 {
		t.Errorf("%v %v", r, err)
	}
	if err := a.db.Write(ctx, func(c *db.Conn) error { return c.Exec("UPDATE body SET thread=id") }); err != nil {
		t.Fatal(err)
	}
	r, err := a.Repair(ctx, RepairThreads)
	if err != nil || r.Total != 1 || !strings.Contains(r.Fixes[0].Text, "3 of 5 messages") {
		t.Errorf("%v %v", r, err)
	}
	for i, th := range threads() {
		if th != want[i] {
			t.Errorf("body %d: thread %d, want %d", i+1, th, want[i])
		}
	}
}

// TestRepairReserved: where it means something to take a message away, UIDVALIDITY tells that a
// repair did it.
func TestRepairReserved(t *testing.T) {
	a := brokenAccount(t, "DELETE FROM body WHERE id=1; DELETE FROM body_env WHERE id=1; DELETE FROM body_key WHERE id=1")
	a.s.o.Reserved = func(_, mailbox string) bool { return mailbox == "Archive" }
	before := map[string]uint32{}
	for _, m := range a.Mailboxes() {
		before[m.Name] = m.UIDValidity
	}
	seq := a.ModSeq()
	if _, err := a.Repair(context.Background(), RepairRows); err != nil {
		t.Fatal(err)
	}
	changes, err := a.Changes(context.Background(), seq, 100)
	if err != nil {
		t.Fatal(err)
	}
	expunged := 0
	for _, c := range changes {
		if c.Kind == MessagesExpunged && c.UIDs.String() == "1" {
			expunged++
		}
	}
	if expunged != 2 { // in Inbox and Archive
		t.Errorf("changes %+v", changes)
	}
	for _, m := range a.Mailboxes() {
		if changed := m.UIDValidity != before[m.Name]; changed != (m.Name == "Archive") {
			t.Errorf("%s: UIDVALIDITY %d, was %d", m.Name, m.UIDValidity, before[m.Name])
		}
	}
	mustCheck(t, a)
}
