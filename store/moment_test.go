package store

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestMoment: views of all mailboxes at one ModSeq; what did not change stays the same view.
func TestMoment(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	add(t, a, inbox(t, a), mail(1), mail(2))
	m, err := a.Moment(ctx, nil)
	if err != nil || m.ModSeq != a.ModSeq() || len(m.Views) != len(m.Mailboxes) || m.Views[inbox(t, a)].Len() != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	other, err := a.CreateMailbox(ctx, "Other", 0)
	if err != nil {
		t.Fatal(err)
	}
	add(t, a, other.ID, mail(3))
	n, err := a.Moment(ctx, m.Views)
	if err != nil || n.Views[inbox(t, a)] != m.Views[inbox(t, a)] || n.Views[other.ID].Len() != 1 || m.Views[other.ID] != nil {
		t.Fatalf("%+v, %v", n, err)
	}
	if err := a.DeleteMailbox(ctx, "Other"); err != nil {
		t.Fatal(err)
	}
	if n, err = a.Moment(ctx, n.Views); err != nil || n.Views[other.ID] != nil || len(n.Views) != len(n.Mailboxes) || n.Repairs != 0 {
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := a.ReassignUIDs(ctx, inbox(t, a)); err != nil {
		t.Fatal(err)
	}
	if n, err = a.Moment(ctx, nil); err != nil || n.Repairs != 1 || n.Views[inbox(t, a)].Len() != 2 {
		t.Errorf("%+v, %v", n, err)
	}
}

// TestBodies: what is known of content, and of the threads of what is gone.
func TestBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := newStore(t, t.TempDir(), Options{Grace: time.Minute, ChangeLog: 10})
		a := testAccount(t, s, "a")
		r := add(t, a, inbox(t, a), mail(1), mail(2), mail(3))
		infos, err := a.Bodies(ctx, []BodyID{r.Bodies[0], r.Bodies[2], 1000})
		if err != nil || len(infos) != 2 || infos[1].ID != r.Bodies[2] || infos[1].Size != int64(len(mail(3))) || infos[1].Received != time.Now().Unix() {
			t.Fatalf("%+v, %v", infos, err)
		}
		threads, err := a.Threads(ctx, append(slices.Clone(r.Bodies), 1000))
		if err != nil || len(threads) != 3 || threads[r.Bodies[0]] != infos[0].Thread {
			t.Fatalf("%v, %v", threads, err)
		}
		if _, _, err := a.Remove(ctx, inbox(t, a), NewUIDSet(2)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if missing, err := a.MissingBodies(ctx, r.Bodies); err != nil || !slices.Equal(missing, r.Bodies[1:2]) {
			t.Fatalf("%v, %v", missing, err)
		}
		if again, err := a.Threads(ctx, r.Bodies); err != nil || !maps.Equal(again, threads) {
			t.Errorf("%v, %v", again, err)
		}
		// They go with the change log.
		for range 30 {
			if err := a.SetSetting(ctx, "x/y", []byte("z")); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := a.Remove(ctx, inbox(t, a), NewUIDSet(3)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if again, err := a.Threads(ctx, r.Bodies); err != nil || len(again) != 2 || again[r.Bodies[1]] != 0 {
			t.Errorf("%v, %v", again, err)
		}
	})
}
