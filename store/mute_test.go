package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/db"
)

// muter delivers messages of threads and mutes them.
type muter struct {
	t   *testing.T
	ctx context.Context
	a   *Account
	n   int
}

// text is a message that refers to another, if ref is not empty.
func (m *muter) text(id, subject, ref string) string {
	h := fmt.Sprintf("From: a@example.org\r\nSubject: %s\r\nMessage-ID: <%s@x>\r\n", subject, id)
	if ref != "" {
		h += fmt.Sprintf("References: <%s@x>\r\n", ref)
	}
	return h + "\r\ntext\r\n"
}

func (m *muter) deliver(box, text string) UID {
	m.t.Helper()
	r, err := m.a.Deliver(m.ctx, box, NewMessage{Spool: spool(m.t, m.a.s, text)})
	if err != nil {
		m.t.Fatal(err)
	}
	return r.UIDs[0]
}

// is checks flags and keywords of a message, as FETCH shows them.
func (m *muter) is(box string, uid UID, want string) {
	m.t.Helper()
	mb, _ := m.a.MailboxByName(box)
	msgs, err := m.a.MessagesAt(m.ctx, mb.ID, NewUIDSet(uid))
	if err != nil || len(msgs) != 1 {
		m.t.Fatalf("%s, UID %d: %d messages, %v", box, uid, len(msgs), err)
	}
	got := strings.Join(slices.Concat(msgs[0].Flags.Names(), m.a.Keywords(msgs[0].Keywords)), " ")
	if got != want {
		m.t.Errorf("%s, UID %d: %q, want %q", box, uid, got, want)
	}
}

func (m *muter) mute(op FlagOp, box string, set UIDSet, word string) {
	m.t.Helper()
	mb, _ := m.a.MailboxByName(box)
	if _, err := m.a.SetFlags(m.ctx, mb.ID, set, FlagChange{Op: op, Keywords: []string{word}}); err != nil {
		m.t.Fatal(err)
	}
}

// reply delivers one more message of the thread that begins with <1@x>, and returns whether it
// came muted.
func (m *muter) reply(box string) bool {
	m.t.Helper()
	m.n++
	uid := m.deliver(box, m.text(fmt.Sprintf("reply%d", m.n), "Re: Plans", "1"))
	mb, _ := m.a.MailboxByName(box)
	msgs, err := m.a.MessagesAt(m.ctx, mb.ID, NewUIDSet(uid))
	if err != nil {
		m.t.Fatal(err)
	}
	read, muted := msgs[0].Flags&FlagSeen != 0, hasMuted(m.a.Keywords(msgs[0].Keywords))
	if read != muted {
		m.t.Errorf("read %v, muted %v", read, muted)
	}
	checkMuted(m.t, m.a)
	// It must not be what keeps the thread muted.
	if _, _, err := m.a.Remove(m.ctx, mb.ID, NewUIDSet(uid)); err != nil {
		m.t.Fatal(err)
	}
	return muted
}

func (m *muter) wantReply(want bool, what string) {
	m.t.Helper()
	if got := m.reply(Inbox); got != want {
		m.t.Errorf("%s: a reply comes muted: %v, want %v", what, got, want)
	}
}

// plainMuted is which threads are muted, by looking at all messages one by one.
func plainMuted(t testing.TB, a *Account) map[ThreadID]bool {
	t.Helper()
	threads := map[ThreadID]bool{}
	for _, mb := range a.Mailboxes() {
		box, err := a.OpenBox(context.Background(), mb.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range box.View().All() {
			if !hasMuted(a.Keywords(m.Keywords)) {
				continue
			}
			th, err := a.Thread(context.Background(), m.Body)
			if err != nil {
				t.Fatal(err)
			}
			threads[th] = true
		}
		box.Close()
	}
	return threads
}

// checkMuted checks what is known of muted threads, while nothing is changed.
func checkMuted(t testing.TB, a *Account) {
	t.Helper()
	a.mu.RLock()
	known := a.muting.threads
	a.mu.RUnlock()
	if want := plainMuted(t, a); known != nil && !maps.Equal(known, want) {
		t.Fatalf("muted threads %v, want %v", known, want)
	}
}

func newMuter(t *testing.T, o Options) *muter {
	s := newStore(t, t.TempDir(), o)
	return &muter{t: t, ctx: context.Background(), a: testAccount(t, s, "a")}
}

func TestMute(t *testing.T) {
	m := newMuter(t, Options{})
	first := m.deliver(Inbox, m.text("1", "Plans", ""))
	other := m.deliver(Inbox, m.text("2", "Lunch", ""))
	if m.is(Inbox, m.deliver(Inbox, m.text("3", "Re: Plans", "1")), ""); m.a.muting.threads != nil {
		t.Error("muted threads were looked for where there is no such keyword")
	}
	m.mute(FlagsAdd, Inbox, NewUIDSet(first), "$MUTED")
	seen := `\Seen $MUTED` // as it was written first
	m.is(Inbox, m.deliver(Inbox, m.text("4", "Re: Plans", "1")), seen)
	m.is(Inbox, m.deliver(Inbox, m.text("5", "Re: Plans", "4")), seen)
	m.is(Inbox, m.deliver(Inbox, m.text("6", "Re: Plans", "")), seen) // by its subject
	m.is("Junk", m.deliver("Junk", m.text("7", "Re: Plans", "5")), seen)
	m.is(Inbox, m.deliver(Inbox, m.text("8", "Plans", "")), "")          // no reply
	m.is(Inbox, m.deliver(Inbox, m.text("9", "Something new", "1")), "") // a thread of its own
	m.is(Inbox, m.deliver(Inbox, m.text("10", "Re: Lunch", "2")), "")
	m.is(Inbox, other, "")
	// The same message once more, whose content is shared.
	m.is("Archive", m.deliver("Archive", m.text("3", "Re: Plans", "1")), seen)
	if mb, _ := m.a.MailboxByName(Inbox); mb.Messages != 9 || mb.Unseen != 6 {
		t.Errorf("%+v", mb.Counts)
	}
	checkMuted(t, m.a)
	// What a client adds is as it says, also several messages.
	r := add(t, m.a, inbox(t, m.a), m.text("11", "Re: Plans", "1"), m.text("12", "Re: Plans", "1"))
	m.is(Inbox, r.UIDs[0], "")
	m.is(Inbox, r.UIDs[1], "")
}

// TestMuteKeeps: flags and keywords that a delivered message has otherwise stay.
func TestMuteKeeps(t *testing.T) {
	m := newMuter(t, Options{})
	first := m.deliver(Inbox, m.text("1", "Plans", ""))
	m.mute(FlagsAdd, Inbox, NewUIDSet(first), KeywordMuted)
	words := make([]string, maxKeywords)
	for i := range words {
		words[i] = fmt.Sprintf("word%03d", i)
	}
	for _, n := range []int{1, maxKeywords} {
		r, err := m.a.Deliver(m.ctx, Inbox, NewMessage{
			Spool: spool(t, m.a.s, m.text(fmt.Sprintf("k%d", n), "Re: Plans", "1")), Flags: FlagFlagged, Keywords: words[:n],
		})
		if err != nil {
			t.Fatal(err)
		}
		msgs, err := m.a.MessagesAt(m.ctx, r.Mailbox, NewUIDSet(r.UIDs...))
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(words[:n])
		if n < maxKeywords { // with as many as there may be, there is no room for it
			want = append([]string{KeywordMuted}, want...)
		}
		if got := m.a.Keywords(msgs[0].Keywords); !slices.Equal(got, want) || msgs[0].Flags != FlagSeen|FlagFlagged {
			t.Errorf("%v %q, want %q", msgs[0].Flags, got, want)
		}
	}
}

// TestUnmute: what ends that a thread is muted, and what does not.
func TestUnmute(t *testing.T) {
	m := newMuter(t, Options{})
	one, two := m.deliver(Inbox, m.text("1", "Plans", "")), m.deliver(Inbox, m.text("2", "Re: Plans", "1"))
	in := inbox(t, m.a)
	both := NewUIDSet(one, two)
	m.wantReply(false, "at first")
	m.mute(FlagsAdd, Inbox, both, KeywordMuted)
	m.wantReply(true, "muted")
	m.wantReply(true, "muted, and a reply gone")
	m.mute(FlagsRemove, Inbox, NewUIDSet(one), "$muted")
	m.wantReply(true, "one message has the keyword")
	m.mute(FlagsAdd, Inbox, both, "work")
	m.wantReply(true, "another keyword set")
	m.mute(FlagsRemove, Inbox, both, "$MUTED")
	m.wantReply(false, "taken from both")
	m.mute(FlagsReplace, Inbox, NewUIDSet(two), "$muted")
	m.wantReply(true, "muted by replacing keywords")
	archive, _ := m.a.MailboxByName("Archive")
	if _, err := m.a.Move(m.ctx, in, NewUIDSet(two), archive.ID); err != nil {
		t.Fatal(err)
	}
	m.wantReply(true, "moved")
	gone, seq, err := m.a.Remove(m.ctx, archive.ID, AllUIDs())
	if err != nil {
		t.Fatal(err)
	}
	m.wantReply(false, "expunged")
	if _, err := m.a.Undelete(m.ctx, archive.ID, seq, gone, archive.ID); err != nil {
		t.Fatal(err)
	}
	m.wantReply(true, "brought back")
	if _, err := m.a.CopyLimited(m.ctx, archive.ID, AllUIDs(), in, FlagLimit{Keywords: true}); err != nil {
		t.Fatal(err)
	}
	if err := m.a.DeleteMailbox(m.ctx, "Archive"); err != nil {
		t.Fatal(err)
	}
	m.wantReply(false, "its mailbox deleted, with copies by who may not set keywords")
	m.mute(FlagsAdd, Inbox, AllUIDs(), KeywordMuted)
	if _, err := m.a.Repair(m.ctx, RepairEverything|RepairThreads); err != nil {
		t.Fatal(err)
	}
	m.wantReply(true, "repaired")
	// Added by a client: as with STORE.
	m.mute(FlagsRemove, Inbox, AllUIDs(), KeywordMuted)
	m.wantReply(false, "unmuted")
	if _, err := m.a.Add(m.ctx, in, []NewMessage{{Spool: spool(t, m.a.s, m.text("5", "Re: Plans", "2")), Keywords: []string{"$Muted"}}}); err != nil {
		t.Fatal(err)
	}
	m.wantReply(true, "muted by APPEND")
}

// TestMuteRethread: a thread that a repair takes apart is muted where its messages with the
// keyword are.
func TestMuteRethread(t *testing.T) {
	m := newMuter(t, Options{})
	m.deliver(Inbox, m.text("1", "Plans", ""))
	two := m.deliver(Inbox, m.text("2", "Lunch", ""))
	m.mute(FlagsAdd, Inbox, NewUIDSet(two), KeywordMuted)
	// As if these were of one thread.
	err := m.a.do(m.ctx, 0, func(t *tx) error {
		t.forgetMuted()
		return t.c.ExecInts("UPDATE body SET thread=1")
	})
	if err != nil {
		t.Fatal(err)
	}
	three := m.deliver(Inbox, m.text("3", "Re: Plans", "1"))
	m.is(Inbox, three, `\Seen $Muted`)
	m.mute(FlagsRemove, Inbox, NewUIDSet(three), KeywordMuted)
	m.is(Inbox, m.deliver(Inbox, m.text("4", "Re: Lunch", "2")), `\Seen $Muted`)
	if r, err := m.a.Repair(m.ctx, RepairThreads); err != nil || r.Total == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	m.is(Inbox, m.deliver(Inbox, m.text("5", "Re: Plans", "1")), "")
	m.is(Inbox, m.deliver(Inbox, m.text("6", "Re: Lunch", "2")), `\Seen $Muted`)
	checkMuted(t, m.a)
}

// TestMuteRepair: a message that a repair takes out no longer mutes its thread.
func TestMuteRepair(t *testing.T) {
	m := newMuter(t, Options{})
	m.deliver(Inbox, m.text("1", "Plans", ""))
	two := m.deliver(Inbox, m.text("2", "Re: Plans", "1"))
	m.mute(FlagsAdd, Inbox, NewUIDSet(two), KeywordMuted)
	three := m.deliver(Inbox, m.text("3", "Re: Plans", "1"))
	m.is(Inbox, three, `\Seen $Muted`)
	err := m.a.do(m.ctx, 0, func(t *tx) error {
		if err := t.c.ExecInts("DELETE FROM body WHERE id=2"); err != nil {
			return err
		}
		return t.c.ExecInts("UPDATE message SET keywords=0 WHERE uid=?", int64(three))
	})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := m.a.Repair(m.ctx, RepairRows); err != nil || r.Total == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	m.is(Inbox, m.deliver(Inbox, m.text("4", "Re: Plans", "1")), "")
}

func TestMuteRestart(t *testing.T) {
	dir := t.TempDir()
	m := &muter{t: t, ctx: context.Background()}
	s, err := Open(dir, Options{Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(m.ctx, "a", InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	if m.a, err = s.Account(m.ctx, "a"); err != nil {
		t.Fatal(err)
	}
	m.mute(FlagsAdd, Inbox, NewUIDSet(m.deliver(Inbox, m.text("1", "Plans", ""))), KeywordMuted)
	m.a.Release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	m.a = openAccount(t, newStore(t, dir, Options{}), "a")
	m.wantReply(true, "after a restart")
}

// TestMuteRollback: an operation that fails leaves nothing, in whatever order they are in a
// commit.
func TestMuteRollback(t *testing.T) {
	m := newMuter(t, Options{})
	one := m.deliver(Inbox, m.text("1", "Plans", ""))
	in := inbox(t, m.a)
	fails := errors.New("test")
	failing := func(op FlagOp) {
		t.Helper()
		err := m.a.withBox(m.ctx, in, func() error {
			return m.a.do(m.ctx, 0, func(t *tx) error {
				if _, err := t.setFlags(in, NewUIDSet(one), &FlagChange{Op: op, Keywords: []string{KeywordMuted}}); err != nil {
					return err
				}
				if muted, err := t.mutedThread(1); err != nil || muted != (op == FlagsAdd) {
					m.t.Errorf("in the operation: %v, %v", muted, err)
				}
				return fails
			})
		})
		if !errors.Is(err, fails) {
			t.Fatal(err)
		}
		checkMuted(t, m.a)
	}
	failing(FlagsAdd)
	m.wantReply(false, "muting failed")
	m.mute(FlagsAdd, Inbox, NewUIDSet(one), KeywordMuted)
	failing(FlagsRemove)
	m.wantReply(true, "unmuting failed")
	// A delivery that fails after it was looked up.
	m.mute(FlagsAdd, Inbox, NewUIDSet(one), "work")
	m.a.SetLimits(Limits{Messages: 1})
	if _, err := m.a.Deliver(m.ctx, Inbox, NewMessage{Spool: spool(t, m.a.s, m.text("2", "Re: Plans", "1"))}); !errors.Is(err, ErrQuota) {
		t.Fatal(err)
	}
	m.a.SetLimits(Limits{})
	m.wantReply(true, "a delivery failed")
}

// TestMuteLookup: what was found by a look before the operation is of no use once something changed.
func TestMuteLookup(t *testing.T) {
	m := newMuter(t, Options{})
	one := m.deliver(Inbox, m.text("1", "Plans", ""))
	if _, ok := m.a.lookMuted(m.ctx); ok {
		t.Error("looked where there is no such keyword")
	}
	m.mute(FlagsAdd, Inbox, NewUIDSet(one), KeywordMuted)
	old, ok := m.a.lookMuted(m.ctx)
	if !ok || !old.threads[1] {
		t.Fatal(old, ok)
	}
	know := func() (threads map[ThreadID]bool) {
		if err := m.a.do(m.ctx, 0, func(t *tx) error {
			t.knowMuted(old)
			threads = t.muting.threads
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return threads
	}
	if know() == nil {
		t.Error("it was right, and was not taken")
	}
	m.mute(FlagsRemove, Inbox, NewUIDSet(one), KeywordMuted)
	if th := know(); th != nil {
		t.Error("it was old, and was taken", th)
	}
	m.wantReply(false, "unmuted")
	if _, ok := m.a.lookMuted(m.ctx); ok {
		t.Error("looked again, when it was known")
	}
}

// TestMuteConcurrent mutes, unmutes, moves and delivers at the same time.
func TestMuteConcurrent(t *testing.T) {
	m := newMuter(t, Options{})
	const threads = 5
	for i := range threads {
		m.deliver(Inbox, m.text(fmt.Sprintf("first%d", i), fmt.Sprintf("Plan %d", i), ""))
	}
	in := inbox(t, m.a)
	ctx, cancel := context.WithTimeout(m.ctx, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	run := func(n int, f func(i int) error) {
		wg.Go(func() {
			for i := range n {
				if err := f(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for w := range 3 {
		run(40, func(i int) error {
			_, err := m.a.Deliver(ctx, Inbox, NewMessage{Spool: spool(t, m.a.s, m.text(fmt.Sprintf("%d.%d", w, i), fmt.Sprintf("Re: Plan %d", i%threads), fmt.Sprintf("first%d", i%threads)))})
			return err
		})
	}
	for w := range 2 {
		run(40, func(i int) error {
			op := FlagsAdd
			if i%3 == 2 {
				op = FlagsRemove
			}
			_, err := m.a.SetFlags(ctx, in, UIDSet{{UID(1 + (i+w)%7), UID(10 + i)}}, FlagChange{Op: op, Keywords: []string{KeywordMuted}})
			return err
		})
	}
	run(20, func(i int) error {
		archive, _ := m.a.MailboxByName("Archive")
		_, err := m.a.Move(ctx, in, NewUIDSet(UID(10+2*i)), archive.ID)
		return err
	})
	run(20, func(i int) error {
		_, _, err := m.a.Remove(ctx, in, NewUIDSet(UID(11+2*i)))
		return err
	})
	wg.Wait()
	checkMuted(t, m.a)
	if err := m.a.read(m.ctx, func(c *db.Conn) error {
		got, err := readMuted(c)
		if want := plainMuted(t, m.a); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
