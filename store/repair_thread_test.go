package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/db"
)

// randomThreads are messages that refer to others that came before, that come later, or never.
func randomThreads(r *rand.Rand, n int) (list []string) {
	order := r.Perm(n)
	for _, i := range order {
		var h strings.Builder
		fmt.Fprintf(&h, "From: a@x.example\r\nMessage-ID: <%d@x>\r\n", i)
		if r.IntN(20) > 0 {
			fmt.Fprintf(&h, "Subject: %s%s\r\n", []string{"", "Re: ", "Fwd: "}[r.IntN(3)], []string{"one", "two", "three"}[r.IntN(3)])
		}
		for _, field := range []string{"References", "In-Reply-To", "References"} {
			if r.IntN(3) == 0 {
				continue
			}
			fmt.Fprintf(&h, "%s:", field)
			for range r.IntN(8) {
				fmt.Fprintf(&h, "\r\n <%d@x>", r.IntN(n+10))
			}
			h.WriteString("\r\n")
		}
		switch r.IntN(12) {
		case 0:
			h.WriteString("Content-Type: multipart/report; boundary=b\r\n")
		case 1: // its header is not kept
			h.WriteString("To: " + strings.Repeat("someone@x.example,\r\n ", 4000) + "last@x.example\r\n")
		case 2: // neither is this one
			list = append(list, h.String())
			continue
		}
		fmt.Fprintf(&h, "\r\ntext of %d\r\n", i)
		list = append(list, h.String())
	}
	return list
}

// threadRows are the threads of bodies and all that they are found by.
func threadRows(t *testing.T, a *Account) (threads, keys []string) {
	t.Helper()
	err := a.read(context.Background(), func(c *db.Conn) error {
		for sql, list := range map[string]*[]string{"SELECT id, thread FROM body ORDER BY id": &threads, "SELECT body_id, hash FROM lookup ORDER BY body_id, hash": &keys} {
			rows := c.Query(sql)
			for rows.Next() {
				*list = append(*list, fmt.Sprint(rows.Int64(0), rows.Int64(1)))
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return threads, keys
}

// TestRethreadRandom: finding threads anew gives what deliveries gave, in whatever order they
// came, and leaves nothing behind when the messages go.
func TestRethreadRandom(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newStore(t, t.TempDir(), Options{Synchronous: "OFF"})
		a := testAccount(t, s, "a")
		base := time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)
		for _, m := range randomThreads(r, 80) {
			_, err := a.Deliver(ctx, []string{"Inbox", "Archive"}[r.IntN(2)], NewMessage{Spool: spool(t, s, m), Received: base.AddDate(0, 0, r.IntN(60))})
			if err != nil {
				t.Fatal(err)
			}
		}
		threads, keys := threadRows(t, a)
		check := func(when string) {
			t.Helper()
			now, nowKeys := threadRows(t, a)
			if !slices.Equal(now, threads) {
				t.Errorf("seed %d: %s: threads\n%v\nwant\n%v", seed, when, now, threads)
			}
			if !slices.Equal(nowKeys, keys) {
				t.Errorf("seed %d: %s: %d keys, want %d", seed, when, len(nowKeys), len(keys))
			}
		}
		repair := func(what Repairs, sql string) {
			t.Helper()
			if err := a.db.Write(ctx, func(c *db.Conn) error { return c.Script(sql) }); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Repair(ctx, what); err != nil {
				t.Fatal(err)
			}
			check(sql)
		}
		if r, err := a.Repair(ctx, RepairThreads); err != nil || r.Total != 0 {
			t.Errorf("seed %d: %v %v", seed, r, err)
		}
		repair(RepairThreads, "UPDATE body SET thread=id")
		repair(RepairThreads, "UPDATE body SET thread=1")
		repair(RepairAllRendered, "DELETE FROM lookup")
		repair(RepairRendered, "DELETE FROM lookup WHERE body_id>40; DELETE FROM body_key WHERE id>40; DELETE FROM body_env WHERE id>60")
		// What was in no thread of its own, and is now, waits for others, and all goes with it.
		repair(RepairThreads, "UPDATE body SET thread=id")
		for _, name := range []string{"Inbox", "Archive"} {
			if _, _, err := a.Remove(ctx, boxNamed(t, a, name), AllUIDs()); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			if _, err := a.reapAt(ctx, time.Now().Add(24*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if _, left := threadRows(t, a); len(left) > 0 {
			t.Errorf("seed %d: %d keys are left", seed, len(left))
		}
		mustCheck(t, a)
	}
}

// TestRethreadKeys: what a repair takes out of a thread, or puts into one, is found as if it had
// come so.
func TestRethreadKeys(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	id := inbox(t, a)
	// The first of the thread is gone: the second begins it now, and it keeps its id.
	add(t, a, id, "Message-ID: <1@x>\r\nSubject: one\r\n\r\n", "Message-ID: <2@x>\r\nReferences: <0@x> <1@x>\r\nSubject: Re: one\r\n\r\n")
	if _, _, err := a.Remove(ctx, id, NewUIDSet(1)); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := a.reapAt(ctx, time.Now().Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for _, what := range []Repairs{RepairThreads, RepairAllRendered, RepairThreads} {
		if r, err := a.Repair(ctx, what); err != nil || what == RepairThreads && r.Total != 0 {
			t.Errorf("%v %v", r, err)
		}
	}
	added := add(t, a, id, "Message-ID: <0@x>\r\nSubject: one\r\n\r\n")
	if th, err := a.Thread(ctx, added.Bodies[0]); err != nil || th != 1 {
		t.Errorf("thread %d, %v", th, err)
	}
	// And one that began a thread is of another now: it is not waited with any more.
	if err := a.db.Write(ctx, func(c *db.Conn) error { return c.Exec("UPDATE body SET thread=id") }); err != nil {
		t.Fatal(err)
	}
	add(t, a, id, "Message-ID: <4@x>\r\nReferences: <3@x>\r\nSubject: two\r\n\r\n", "Message-ID: <3@x>\r\nReferences: <9@x>\r\nSubject: two\r\n\r\n")
	if _, err := a.Repair(ctx, RepairThreads); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Remove(ctx, id, AllUIDs()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := a.reapAt(ctx, time.Now().Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if _, left := threadRows(t, a); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	mustCheck(t, a)
}

// TestRethreadKeeps: a thread that has lost its first message keeps its id; one that falls apart
// keeps it in the largest part, of equal ones in the oldest.
func TestRethreadKeeps(t *testing.T) {
	for _, tc := range []struct {
		name string
		now  []threadBody // with the thread as found anew
		old  []ThreadID
		want []ThreadID
	}{
		{"as before", bodiesOf(1, 1, 2, 1, 3, 3), []ThreadID{1, 1, 3}, []ThreadID{1, 1, 3}},
		{"first is gone", bodiesOf(2, 2, 3, 2, 9, 9), []ThreadID{1, 1, 9}, []ThreadID{1, 1, 9}},
		{"larger part", bodiesOf(2, 2, 3, 3, 4, 3), []ThreadID{1, 1, 1}, []ThreadID{2, 1, 1}},
		{"older part", bodiesOf(2, 2, 3, 3, 4, 3, 5, 2), []ThreadID{1, 1, 1, 1}, []ThreadID{1, 3, 3, 1}},
		{"joined", bodiesOf(2, 2, 4, 2, 5, 2), []ThreadID{1, 3, 3}, []ThreadID{3, 3, 3}},
		{"first is in another", bodiesOf(1, 1, 2, 2, 3, 2, 4, 2), []ThreadID{1, 1, 1, 1}, []ThreadID{1, 2, 2, 2}},
		{"two wish for one", bodiesOf(3, 3, 4, 3, 5, 5, 6, 5, 7, 5), []ThreadID{1, 2, 1, 1, 2}, []ThreadID{2, 2, 1, 1, 1}},
	} {
		keepThreads(tc.now, tc.old)
		for i, b := range tc.now {
			if b.thread != tc.want[i] {
				t.Errorf("%s: body %d has thread %d, want %d", tc.name, b.id, b.thread, tc.want[i])
			}
		}
	}
}

// bodiesOf makes bodies of pairs of id and thread.
func bodiesOf(pairs ...int) (l []threadBody) {
	for p := range slices.Chunk(pairs, 2) {
		l = append(l, threadBody{id: BodyID(p[0]), thread: ThreadID(p[1])})
	}
	return l
}

// TestRethreadStable: whatever messages are gone, those that stay together keep their thread's
// id, doing it again changes nothing, and no keys are left when all are gone.
func TestRethreadStable(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := newStore(t, t.TempDir(), Options{Synchronous: "OFF"})
		a := testAccount(t, s, "a")
		box := inbox(t, a)
		for _, m := range randomThreads(r, 60) {
			add(t, a, box, m)
		}
		remove := func(set UIDSet) {
			t.Helper()
			if _, _, err := a.Remove(ctx, box, set); err != nil {
				t.Fatal(err)
			}
			for range 10 {
				if _, err := a.reapAt(ctx, time.Now().Add(24*time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
		}
		var some UIDSet
		for uid := range 60 {
			if r.IntN(3) == 0 {
				some.Add(UID(uid + 1))
			}
		}
		remove(some)
		before, _ := threadRows(t, a)
		if _, err := a.Repair(ctx, RepairThreads); err != nil {
			t.Fatal(err)
		}
		after, keys := threadRows(t, a)
		checkKept(t, before, after)
		if rep, err := a.Repair(ctx, RepairThreads); err != nil || rep.Total != 0 {
			t.Errorf("seed %d: again: %v, %v", seed, rep, err)
		}
		if again, againKeys := threadRows(t, a); !slices.Equal(again, after) || !slices.Equal(againKeys, keys) {
			t.Errorf("seed %d: it is not stable", seed)
		}
		remove(AllUIDs())
		if _, left := threadRows(t, a); len(left) > 0 {
			t.Errorf("seed %d: left: %v", seed, left)
		}
		mustCheck(t, a)
	}
}

// checkKept checks that threads with the same messages before and after have the same id.
func checkKept(t *testing.T, before, after []string) {
	t.Helper()
	members := func(rows []string) map[string]string { // messages, by id of the thread
		m := map[string]string{}
		for _, row := range rows {
			body, thread, _ := strings.Cut(row, " ")
			m[thread] += body + " "
		}
		return m
	}
	ids := map[string]string{}
	for thread, list := range members(after) {
		ids[list] = thread
	}
	unchanged := 0
	for thread, list := range members(before) {
		if now, ok := ids[list]; ok {
			unchanged++
			if now != thread {
				t.Errorf("thread %s of messages %sis %s now", thread, list, now)
			}
		}
	}
	if unchanged == 0 {
		t.Error("no thread is as before")
	}
}
