package queuebox

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mox/config"
	"mox/queue"
	"mox/smtp"
	"mox/store"
	"mox/storetest"
)

const domains = `Domains:
	mx.example: nil
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
		KeepRetiredMessagePeriod: 24h
	small:
		Domain: mx.example
		Destinations:
			small@mx.example: nil
		QuotaMessageSize: 100
	other:
		Domain: mx.example
		Destinations:
			other@mx.example: nil
`

const text = "Received: from x\r\n\tby y\r\nDKIM-Signature: v=1\r\nFrom: <mjl@mx.example>\r\nTo: <a@far.example>\r\nSubject: hello\r\n\r\nHi.\r\n"

type bench struct {
	*storetest.Fixture
	t       *testing.T
	q       *queue.Queue
	b       *Boxes
	sending atomic.Bool
	config  *config.Snapshot
	fail    error // of the queue's Cancel
}

// failing is a queue whose Cancel can fail.
type failing struct {
	*queue.Queue
	f *bench
}

func (q failing) Cancel(ctx context.Context, f queue.Filter, why string) (int, error) {
	if q.f.fail != nil {
		return 0, q.f.fail
	}
	return q.Queue.Cancel(ctx, f, why)
}

func setup(t *testing.T) *bench {
	t.Helper()
	f := &bench{Fixture: storetest.New(t, domains), t: t}
	f.config = f.Snapshot
	q, err := queue.Open(filepath.Join(t.TempDir(), queue.FileName), queue.Options{
		Touched: func(account string) {
			if f.b != nil {
				f.b.Touch(account)
			}
		},
		Retired: func(string) (m, h time.Duration) { return 24 * time.Hour, 24 * time.Hour },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	f.q = q
	f.restart()
	return f
}

// restart is a server that was killed and comes again: nothing in memory is left.
func (f *bench) restart() {
	if f.b != nil {
		f.b.closeAll()
	}
	f.b = New(Config{Queue: failing{f.q, f}, Store: f.Store, Config: func() *config.Snapshot { return f.config }, Sending: func(...int64) bool { return f.sending.Load() }})
}

func (f *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f.b.Run(ctx) }()
	f.t.Cleanup(func() { cancel(); <-done })
}

// look looks at the account once.
func (f *bench) look() error {
	f.t.Helper()
	_, err := f.b.safely(f.t.Context(), "mjl")
	return err
}

func path(s string) smtp.Path {
	p, err := queue.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return p
}

func (f *bench) add(m queue.Message, to ...string) []queue.Message {
	f.t.Helper()
	if m.Account == "" {
		m.Account = "mjl"
	}
	m.Sender = path("mjl@mx.example")
	var msgs []queue.Message
	for _, s := range to {
		m.Recipient = path(s)
		msgs = append(msgs, m)
	}
	a, err := f.q.Add(f.t.Context(), queue.Content{Body: strings.NewReader(text), Size: int64(len(text))}, msgs)
	if err != nil {
		f.t.Fatal(err)
	}
	return a.Messages
}

func (f *bench) record(id int64, action queue.Action) {
	f.t.Helper()
	o := queue.Outcome{ID: id, Action: action, Result: queue.Result{Start: time.Now(), Code: 451, Enhanced: "4.2.0", Error: "later\x00, please"}}
	if action == queue.Delayed {
		o.Next = time.Now().Add(time.Hour)
	} else {
		o.Result = queue.Result{Start: time.Now(), Code: 250, Success: true}
	}
	if err := f.q.Record(f.t.Context(), []queue.Outcome{o}, nil); err != nil {
		f.t.Fatal(err)
	}
}

// count checks how many messages are in Queue and Scheduled, and in the queue.
func (f *bench) count(what string, inQueue, scheduled, left int) {
	f.t.Helper()
	n, err := f.q.Count(f.t.Context(), queue.Filter{})
	if err != nil {
		f.t.Fatal(err)
	}
	a, b := f.Messages(f.t, "mjl", "Queue"), f.Messages(f.t, "mjl", "Scheduled")
	if len(a) != inQueue || len(b) != scheduled || n != left {
		f.t.Fatalf("%s: %d in Queue, %d in Scheduled, %d left, want %d, %d, %d\n%q\n%q", what, len(a), len(b), n, inQueue, scheduled, left, a, b)
	}
}

func (f *bench) account() *store.Account {
	f.t.Helper()
	acc, err := f.Store.Account(f.t.Context(), "mjl")
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(acc.Release)
	return acc
}

func (f *bench) only(box string) (store.Mailbox, store.Message) {
	f.t.Helper()
	acc := f.account()
	mb, _ := acc.MailboxByName(box)
	l, err := acc.MessagesAt(f.t.Context(), mb.ID, store.AllUIDs())
	if err != nil || len(l) != 1 {
		f.t.Fatalf("%s has %d messages, %v", box, len(l), err)
	}
	return mb, l[0]
}

func (f *bench) expunge(box string) {
	f.t.Helper()
	mb, m := f.only(box)
	if _, _, err := f.account().Remove(f.t.Context(), mb.ID, store.NewUIDSet(m.UID)); err != nil {
		f.t.Fatal(err)
	}
}

func bubble(t *testing.T, run func(t *testing.T)) { synctest.Test(t, run) }

// TestTimes: a message is shown when it was tried in vain, or has waited; a scheduled one at once; and
// neither once it is delivered.
func TestTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setup(t)
		f.run()
		quick := f.add(queue.Message{}, "a@far.example")[0]
		time.Sleep(time.Second)
		f.record(quick.ID, queue.Delivered)
		time.Sleep(time.Minute)
		f.count("delivered", 0, 0, 0)
		if _, ok := f.account().MailboxByName("Queue"); ok {
			t.Error("a mailbox for nothing")
		}
		waiting := f.add(queue.Message{}, "a@far.example")[0]
		time.Sleep(9 * time.Second)
		f.count("waiting", 0, 0, 1)
		time.Sleep(2 * time.Second)
		f.count("has waited", 1, 0, 1)
		f.record(waiting.ID, queue.Delivered)
		time.Sleep(2 * time.Second)
		f.count("delivered late", 0, 0, 0)

		later := f.add(queue.Message{NextAttempt: time.Now().Add(time.Hour), FutureRelease: "for;3600"}, "a@far.example")[0]
		time.Sleep(time.Second)
		f.count("scheduled", 0, 1, 1)
		if s := f.Messages(t, "mjl", "Scheduled")[0]; !strings.Contains(s, "X-Mox-Queue-Status: to be sent later\r\n") || !strings.Contains(s, "X-Mox-Queue-Next-Attempt: Sat, 1 Jan 2000 01:01:") {
			t.Errorf("%q", s)
		}
		time.Sleep(time.Hour)
		f.count("due", 0, 1, 1)
		time.Sleep(5 * time.Second)
		f.count("being sent", 0, 1, 1)
		f.record(later.ID, queue.Delayed)
		time.Sleep(2 * time.Second)
		f.count("failed", 1, 0, 1)
		f.record(later.ID, queue.Delivered)
		time.Sleep(2 * time.Second)
		f.count("delivered", 0, 0, 0)
		if f.b.marked("mjl") || f.b.watcher("mjl") != nil {
			t.Error("the account is still kept open")
		}
	})
}

// TestRecipients: a message for several shows those that do not have it; taken back, it names
// the hidden ones and those that have got it.
func TestRecipients(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setup(t)
		f.run()
		l := f.add(queue.Message{}, "a@far.example", "b@far.example", "c@other.example")
		f.record(l[0].ID, queue.Delayed)
		f.record(l[1].ID, queue.Delivered)
		time.Sleep(time.Second)
		f.count("shown", 1, 0, 2)
		s := f.Messages(t, "mjl", "Queue")[0]
		for _, want := range []string{fmt.Sprintf("X-Mox-Queue-ID: %d\r\n", l[0].ID), "X-Mox-Queue-From: <mjl@mx.example>\r\n", "X-Mox-Queue-Recipient: <a@far.example>; attempts 1, last Sat, 1 Jan\r\n 2000 00:00:00 +0000; 451 4.2.0 later , please\r\n", "X-Mox-Queue-Recipient: <c@other.example>\r\n"} {
			if !strings.Contains(s, want) {
				t.Errorf("lacks %q: %q", want, s)
			}
		}
		if strings.Contains(s, "b@far") {
			t.Errorf("%q", s)
		}
		// One more gets it while the user takes it back.
		mb, m := f.only("Queue")
		acc := f.account()
		drafts, _ := acc.MailboxByName("Drafts")
		f.sending.Store(true)
		if _, err := acc.Move(t.Context(), mb.ID, store.NewUIDSet(m.UID), drafts.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		f.count("under way", 0, 0, 2)
		f.record(l[0].ID, queue.Delivered)
		f.sending.Store(false)
		time.Sleep(5 * time.Second)
		f.count("taken back", 0, 0, 0)
		want := "From: <mjl@mx.example>\r\nTo: <a@far.example>\r\nSubject: hello\r\nBcc: c@other.example\r\nX-Mox-Queue-Gone: a@far.example\r\n\r\nHi.\r\n"
		if got := f.Messages(t, "mjl", "Drafts"); len(got) != 1 || got[0] != want {
			t.Errorf("%q", got)
		}
		r, err := f.q.RetiredList(t.Context(), queue.RetiredFilter{}, queue.Sort{})
		events := map[string]string{}
		for _, m := range r {
			events[m.Message.Recipient.XString(true)] = m.Event
		}
		if err != nil || events["a@far.example"] != queue.EventDelivered || events["c@other.example"] != queue.EventCanceled {
			t.Errorf("history %v, %v", events, err)
		}
	})
}

// TestDeletedWhileDown: what was deleted when nobody looked is canceled at the start.
func TestDeletedWhileDown(t *testing.T) {
	f := setup(t)
	l := f.add(queue.Message{Hold: true}, "a@far.example")
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	f.count("shown", 0, 1, 1)
	f.expunge("Scheduled")
	f.restart()
	f.fail = errors.New("killed")
	if err := f.look(); !errors.Is(err, f.fail) {
		t.Fatal(err)
	}
	f.restart()
	f.fail = nil
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	f.count("canceled", 0, 0, 0)
	if r, err := f.q.RetiredGet(t.Context(), l[0].ID); err != nil || r.Event != queue.EventCanceled || r.Message.LastResult().Error != "taken back by its sender" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestDeliveredWhileDown: what has left the queue when nobody looked is not shown any more.
func TestDeliveredWhileDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setup(t)
		l := f.add(queue.Message{Hold: true}, "a@far.example")
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
		f.restart()
		f.record(l[0].ID, queue.Delivered)
		f.restart()
		f.run()
		time.Sleep(time.Second)
		f.count("delivered", 0, 0, 0)
	})
}

// TestReady: before anything is sent again, what was taken away is known.
func TestReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setup(t)
		l := f.add(queue.Message{}, "a@far.example")
		f.record(l[0].ID, queue.Delayed)
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
		f.expunge("Queue")
		time.Sleep(2 * time.Hour)
		f.restart()
		f.run()
		<-f.b.Ready()
		due, err := f.q.Due(t.Context(), time.Now(), queue.DueOptions{})
		if err != nil || len(due) != 0 {
			t.Errorf("due %v, %v", due, err)
		}
		time.Sleep(2 * time.Second)
		f.count("canceled", 0, 0, 0)
	})
}

// TestInterrupted: a process that ends between any two steps of showing a message leaves one message,
// and what the user deletes then is canceled.
func TestInterrupted(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(f *bench, x *row) // makes the notes what they were when it ended
		shown int
	}{
		{"after adding", func(_ *bench, x *row) { *x = row{Base: x.Base, NextBox: x.Box, NextUID: x.UID} }, 1},
		{"before adding", func(f *bench, x *row) {
			f.expunge("Scheduled")
			*x = row{Base: x.Base, NextBox: x.Box, NextUID: x.UID + 1}
		}, 1},
		{"before replacing", func(_ *bench, x *row) { x.NextBox, x.NextUID, x.Sum = x.Box, x.UID+1, "old" }, 1},
		{"after replacing", func(_ *bench, x *row) { x.NextBox, x.NextUID, x.UID, x.Sum = x.Box, x.UID, x.UID-1, "old" }, 1},
		{"deleted before replacing", func(f *bench, x *row) {
			f.expunge("Scheduled")
			x.NextBox, x.NextUID = x.Box, x.UID+1
		}, 0},
		{"deleted after replacing", func(f *bench, x *row) {
			f.expunge("Scheduled")
			x.NextBox, x.NextUID, x.UID = x.Box, x.UID, x.UID-1
		}, 0},
	} {
		f := setup(t)
		f.add(queue.Message{Hold: true}, "a@far.example")
		f.add(queue.Message{Hold: true}, "b@far.example") // in the way
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
		// The second one goes, so that UIDs are not all from 1 on.
		acc := f.account()
		mb, _ := acc.MailboxByName("Scheduled")
		if _, _, err := acc.Remove(t.Context(), mb.ID, store.NewUIDSet(1)); err != nil {
			t.Fatal(err)
		}
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
		r, err := loadRows(t.Context(), acc)
		if err != nil || r.len() != 1 {
			t.Fatal(r.len(), err)
		}
		x := r.sorted()[0]
		tc.spoil(f, x)
		if err := r.save(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		f.restart()
		for range 2 {
			if err := f.look(); err != nil {
				t.Fatal(tc.name, err)
			}
		}
		f.count(tc.name, 0, tc.shown, tc.shown)
		// And it can be canceled.
		if tc.shown == 1 {
			f.expunge("Scheduled")
			if err := f.look(); err != nil {
				t.Fatal(tc.name, err)
			}
			f.count(tc.name, 0, 0, 0)
		}
	}
}

// TestDraftInterrupted: a draft that was made when the queue was not told yet is one draft, and nothing
// is sent.
func TestDraftInterrupted(t *testing.T) {
	f := setup(t)
	f.add(queue.Message{Hold: true}, "a@far.example")
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	mb, m := f.only("Scheduled")
	acc := f.account()
	drafts, _ := acc.MailboxByName("Drafts")
	if _, err := acc.Move(t.Context(), mb.ID, store.NewUIDSet(m.UID), drafts.ID); err != nil {
		t.Fatal(err)
	}
	f.fail = errors.New("killed")
	if err := f.look(); !errors.Is(err, f.fail) {
		t.Fatal(err)
	}
	f.restart()
	f.fail = nil
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	f.count("taken back", 0, 0, 0)
	if got := f.Messages(t, "mjl", "Drafts"); len(got) != 1 || strings.Contains(got[0], "X-Mox") {
		t.Errorf("%q", got)
	}
}

// TestMailboxDeleted: that is not meant for what is in it.
func TestMailboxDeleted(t *testing.T) {
	f := setup(t)
	f.add(queue.Message{Hold: true}, "a@far.example")
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	if err := f.account().DeleteMailbox(t.Context(), "Scheduled"); err != nil {
		t.Fatal(err)
	}
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	f.count("shown again", 0, 1, 1)
}

// TestMailboxDeletedAfter: what was taken away before its mailbox went is canceled, whether we had
// begun with that or had not looked at all.
func TestMailboxDeletedAfter(t *testing.T) {
	f := setup(t)
	f.add(queue.Message{NextAttempt: time.Now().Add(time.Hour)}, "a@far.example")
	b := f.add(queue.Message{NextAttempt: time.Now().Add(time.Hour)}, "b@far.example")
	f.add(queue.Message{Hold: true}, "c@far.example")
	look := func() {
		t.Helper()
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
	}
	look()
	f.count("shown", 0, 3, 3)
	acc := f.account()
	mb, _ := acc.MailboxByName("Scheduled")
	remove := func(uid store.UID) {
		t.Helper()
		if n, _, err := acc.Remove(t.Context(), mb.ID, store.NewUIDSet(uid)); err != nil {
			t.Fatal(n, err)
		}
	}
	remove(1)
	f.sending.Store(true)
	look() // which waits for an attempt that is under way
	f.sending.Store(false)
	remove(2)
	if err := acc.DeleteMailbox(t.Context(), "Scheduled"); err != nil {
		t.Fatal(err)
	}
	f.restart()
	look()
	look()
	f.count("canceled, and shown again", 0, 1, 1)
	if l, err := f.q.List(t.Context(), queue.Filter{IDs: []int64{b[0].ID}}, queue.Sort{}); err != nil || len(l) != 0 {
		t.Error(l, err)
	}
	// A repair says nothing about what its user wants.
	mb, _ = acc.MailboxByName("Scheduled")
	if r, err := acc.ReassignUIDs(t.Context(), mb.ID); err != nil || r.Total == 0 {
		t.Fatal(r, err)
	}
	if err := acc.DeleteMailbox(t.Context(), "Scheduled"); err != nil {
		t.Fatal(err)
	}
	look()
	f.count("numbered anew, and shown again", 0, 1, 1)
}

// TestRenumbered: a repair that numbers messages anew cancels nothing, and what is taken away
// after it is canceled.
func TestRenumbered(t *testing.T) {
	f := setup(t)
	f.add(queue.Message{Hold: true}, "a@far.example")
	f.add(queue.Message{Hold: true}, "b@far.example")
	look := func() {
		t.Helper()
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
	}
	look()
	acc := f.account()
	mb, _ := acc.MailboxByName("Scheduled")
	if _, _, err := acc.Remove(t.Context(), mb.ID, store.NewUIDSet(1)); err != nil {
		t.Fatal(err)
	}
	look()
	f.count("one is canceled", 0, 1, 1)
	for name, repair := range map[string]func() (store.Repaired, error){
		"reassign": func() (store.Repaired, error) { return acc.ReassignUIDs(t.Context(), mb.ID) },
		"bump":     func() (store.Repaired, error) { return acc.BumpUIDValidity(t.Context(), "Scheduled") },
	} {
		if r, err := repair(); err != nil || r.Total == 0 {
			t.Fatal(name, r, err)
		}
		look()
		look()
		f.count(name, 0, 1, 1)
	}
	f.expunge("Scheduled")
	look()
	f.count("canceled", 0, 0, 0)
}

// TestOthersMove: somebody with rights on the mailbox takes a message to an account of theirs:
// it is canceled, and stays as it is there, also among drafts.
func TestOthersMove(t *testing.T) {
	f := setup(t)
	f.add(queue.Message{Hold: true}, "a@far.example")
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	shown := f.Messages(t, "mjl", "Scheduled")[0]
	other, err := f.Store.Account(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()
	mb, m := f.only("Scheduled")
	drafts, _ := other.MailboxByName("Drafts")
	if _, err := f.account().MoveTo(t.Context(), mb.ID, store.NewUIDSet(m.UID), other, drafts.ID, store.FlagLimit{}); err != nil {
		t.Fatal(err)
	}
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	f.count("canceled", 0, 0, 0)
	if l := f.Messages(t, "other", "Drafts"); len(l) != 1 || l[0] != shown {
		t.Errorf("%q", l)
	}
	if l := f.Messages(t, "mjl", "Drafts"); len(l) != 0 {
		t.Errorf("%q", l)
	}
}

// TestSwitchedOff: then nothing is shown, nothing new is canceled, but what was deleted before is.
func TestSwitchedOff(t *testing.T) {
	f := setup(t)
	f.add(queue.Message{Hold: true}, "a@far.example")
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	f.expunge("Scheduled")
	f.add(queue.Message{Hold: true}, "b@far.example")
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	f.count("one canceled", 0, 1, 1)
	off := *f.Snapshot
	off.Accounts = map[string]*config.AccountInfo{}
	info := *f.Snapshot.Accounts["mjl"]
	conf := *info.Config
	conf.NoQueueMailboxes = true
	info.Config = &conf
	off.Accounts["mjl"] = &info
	f.config = &off
	for range 2 {
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
	}
	f.count("hidden", 0, 0, 1)
	if Reserved(&off, "mjl", "Queue") || !Reserved(f.Snapshot, "mjl", "Queue") || Reserved(f.Snapshot, "mjl", "Inbox") || Reserved(f.Snapshot, "nobody", "Queue") {
		t.Error("which mailboxes are reserved")
	}
}

// TestBounds: what is shown is limited, what is large is not written for each attempt, a full account
// is left alone, and what is marked as deleted is not replaced.
func TestBounds(t *testing.T) {
	f := setup(t)
	f.b.c.Limits.Messages, f.b.c.Limits.Recipients, f.b.c.Limits.Large = 1, 1, 10
	first := f.add(queue.Message{}, "a@far.example", "b@far.example")
	f.add(queue.Message{Hold: true}, "c@far.example")
	f.record(first[0].ID, queue.Delayed)
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	f.count("limited", 1, 0, 3)
	_, was := f.only("Queue")
	if s := f.Messages(t, "mjl", "Queue")[0]; !strings.Contains(s, "X-Mox-Queue-Recipient: and 1 more\r\n") {
		t.Errorf("%q", s)
	}
	f.record(first[0].ID, queue.Delayed)
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	if _, is := f.only("Queue"); is.UID != was.UID {
		t.Error("a large message was replaced")
	}
	f.record(first[0].ID, queue.Delivered)
	mb, _ := f.account().MailboxByName("Queue")
	mark := func(op store.FlagOp) {
		if _, err := f.account().SetFlags(t.Context(), mb.ID, store.AllUIDs(), store.FlagChange{Op: op, Flags: store.FlagDeleted}); err != nil {
			t.Fatal(err)
		}
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
	}
	mark(store.FlagsAdd)
	if _, is := f.only("Queue"); is.UID != was.UID {
		t.Error("a message that is marked was replaced")
	}
	mark(store.FlagsRemove)
	f.record(first[1].ID, queue.Delivered)
	for range 2 {
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
	}
	f.count("room for the other", 0, 1, 1)
	f.add(queue.Message{Account: "small", Hold: true}, "d@far.example")
	if again, err := f.b.safely(t.Context(), "small"); err != nil || again.IsZero() {
		t.Error(again, err)
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"a  b\r\nBcc: c\x00":        "a b Bcc: c",
		strings.Repeat("word ", 20): strings.TrimSpace(strings.Repeat("word ", 9)) + "\r\n " + strings.TrimSpace(strings.Repeat("word ", 11)),
	} {
		if got := fold(in); got != want {
			t.Errorf("fold(%q) = %q", in, got)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("451 4.2.0 later")
	f.Add(strings.Repeat("é", 1000))
	f.Add("a\r\n\r\nb")
	f.Fuzz(func(t *testing.T, s string) {
		for i, line := range strings.Split(fold(s), "\r\n") {
			if strings.ContainsAny(line, "\r\n\x00") || len(line) > 998-30 || i > 0 && !strings.HasPrefix(line, " ") {
				t.Fatalf("%q: line %q", s, line)
			}
		}
	})
}
