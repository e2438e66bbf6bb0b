package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// session follows a mailbox as an IMAP session does: it only knows what diffs told it.
type session struct {
	uids  []UID
	flags map[UID]Flags
	view  *View
}

func newSession(v *View) *session {
	s := &session{view: v, flags: map[UID]Flags{}}
	for _, m := range v.All() {
		s.uids = append(s.uids, m.UID)
		s.flags[m.UID] = m.Flags
	}
	return s
}

func (s *session) advance(v *View) error {
	d := s.view.Diff(v)
	for i := len(d.Expunged) - 1; i >= 0; i-- {
		x := d.Expunged[i]
		delete(s.flags, s.uids[x])
		s.uids = append(s.uids[:x], s.uids[x+1:]...)
	}
	for _, i := range d.Changed {
		m := v.At(i)
		s.flags[m.UID] = m.Flags
	}
	for _, m := range v.Range(v.Len()-d.Added, v.Len()) {
		s.uids = append(s.uids, m.UID)
		s.flags[m.UID] = m.Flags
	}
	s.view = v
	if len(s.uids) != v.Len() {
		return fmt.Errorf("%d messages, want %d", len(s.uids), v.Len())
	}
	for i, m := range v.All() {
		if s.uids[i] != m.UID || s.flags[m.UID] != m.Flags {
			return fmt.Errorf("message %d: UID %d %v, want %d %v", i, s.uids[i], s.flags[m.UID], m.UID, m.Flags)
		}
	}
	return nil
}

// TestConcurrent has many sessions change and follow the same mailboxes.
func TestConcurrent(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	arch, _ := a.MailboxByName("Archive")
	boxes := []MailboxID{in, arch.ID}
	sp := spool(t, s, mail(1))
	var wg sync.WaitGroup
	var added, removed atomic.Int64
	steps := 60
	if testing.Short() {
		steps = 20
	}
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(g)))
			for range steps {
				id := boxes[r.IntN(2)]
				set := UIDSet{{UID(1 + r.IntN(200)), UID(200 + r.IntN(400))}}
				var err error
				switch r.IntN(6) {
				case 0, 1:
					_, err = a.Add(ctx, id, []NewMessage{{Spool: sp, Prefix: fmt.Appendf(nil, "X: %d\r\n", r.IntN(50))}, {Spool: sp}})
					added.Add(2)
				case 2:
					_, err = a.SetFlags(ctx, id, set, FlagChange{Op: FlagOp(r.IntN(3)), Flags: Flags(r.IntN(64)), Keywords: []string{fmt.Sprint("k", r.IntN(3))}})
				case 3:
					var c Copied
					c, err = a.Copy(ctx, id, UIDSet{{set[0].Start, set[0].Start + 3}}, boxes[r.IntN(2)])
					added.Add(int64(c.Dest.Len()))
				case 4:
					_, err = a.Move(ctx, id, UIDSet{{set[0].Start, set[0].Start + 3}}, boxes[r.IntN(2)])
				case 5:
					var gone UIDSet
					gone, _, err = a.Expunge(ctx, id, set)
					removed.Add(int64(gone.Len()))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	followers, stop := context.WithCancel(ctx)
	var fw sync.WaitGroup
	for g := range 6 {
		fw.Go(func() { follow(t, followers, a, boxes[g%2]) })
	}
	wg.Wait()
	stop()
	fw.Wait()
	if q := a.Quota(); q.Count != added.Load()-removed.Load() {
		t.Fatalf("%d messages, want %d", q.Count, added.Load()-removed.Load())
	}
}

func follow(t *testing.T, ctx context.Context, a *Account, id MailboxID) {
	box, err := a.OpenBox(ctx, id)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		return
	}
	defer box.Close()
	s := newSession(box.View())
	for {
		select {
		case <-s.view.Superseded():
		case <-ctx.Done():
			if err := s.advance(box.View()); err != nil {
				t.Error(err)
			}
			return
		}
		if err := s.advance(box.View()); err != nil {
			t.Error(err)
			return
		}
	}
}

// TestOpenWhileAdding opens mailboxes that are not in memory while messages are added:
// what is loaded and what is published meanwhile must join without gap or overlap.
func TestOpenWhileAdding(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	sp := spool(t, s, mail(1))
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 150 {
				if _, err := a.Add(ctx, in, []NewMessage{{Spool: sp}}); err != nil {
					t.Error(err)
				}
			}
			done.Store(true)
		})
	}
	for n := 0; !done.Load(); n++ {
		a.mu.Lock()
		a.evict(0)
		a.mu.Unlock()
		box, err := a.OpenBox(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		v := box.View()
		if int(v.UIDNext)-1 != v.Len() || v.Len() > 0 && v.At(v.Len()-1).UID != UID(v.Len()) {
			t.Fatalf("%d messages, UIDNEXT %d", v.Len(), v.UIDNext)
		}
		box.Close()
	}
	wg.Wait()
}

// TestSettleKnown: a view that was read between a commit and its being published has what the
// commit added: it must not get it twice.
func TestSettleKnown(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	add(t, a, in, mail(1), mail(2))
	box, err := a.OpenBox(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	v := box.View()
	again := *v.At(1)
	later := again
	later.UID, later.ModSeq = again.UID+1, again.ModSeq+1
	a.mu.Lock()
	o := &overlay{boxes: map[MailboxID]*mailbox{in: a.boxes[in]}, adds: map[MailboxID][]Message{in: {again}}}
	a.settleViews(o)
	if n := box.View().Len(); n != 2 {
		t.Errorf("%d messages after the same was added again", n)
	}
	o.adds[in] = []Message{again, later}
	a.settleViews(o)
	if n := box.View().Len(); n != 3 {
		t.Errorf("%d messages after another was added", n)
	}
	a.views[in].view.Store(v) // as in the database
	a.mu.Unlock()
}
