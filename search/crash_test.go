package search

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"mox/db/dbtest"
	"mox/store"
)

// TestMain makes the test binary the process that TestKilled kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("MOX_SEARCH_VICTIM"); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// victim delivers and indexes until it is killed.
func victim(dir string) error {
	s, err := store.Open(dir, store.Options{Synchronous: "OFF"})
	if err != nil {
		return err
	}
	ctx := context.Background()
	m, err := New(Config{Store: s, BatchMessages: 2, Linger: time.Millisecond, SweepEvery: time.Millisecond})
	if err != nil {
		return err
	}
	acc, err := s.Account(ctx, "alice")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		sp := s.NewSpool()
		r := rand.New(rand.NewPCG(uint64(i), uint64(os.Getpid())))
		if _, err := sp.Write([]byte(mail("common subject", "everywhere "+randomText(r, 30)))); err != nil {
			return err
		}
		if err := sp.Finish(); err != nil {
			return err
		}
		if _, err := acc.Deliver(ctx, "Inbox", store.NewMessage{Spool: sp}); err != nil {
			return err
		}
		sp.Close()
		m.Touch("alice")
		time.Sleep(2 * time.Millisecond)
	}
}

// However the process ends, the index that is found is right.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "alice", store.InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for range dbtest.CrashRounds(8) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "MOX_SEARCH_VICTIM="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 16)); err != nil {
			t.Fatal("victim did not start: ", err)
		}
		time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		checkAfterCrash(t, dir)
	}
}

func checkAfterCrash(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := &fixture{t: t, ctx: t.Context(), s: s, raw: map[store.BodyID]string{}}
	m, err := New(Config{Store: s, NoCatchUp: true, Linger: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	f.m = m
	defer f.stop(m)
	acc, err := s.Account(f.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	f.acc = acc
	ids, err := acc.NewBodies(f.ctx, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		f.raw[id] = ""
	}
	res := f.check(Query{FieldBody, "", "everywhere"})
	f.check(Query{FieldText, "", "the"})
	n := 0
	for _, id := range ids {
		if id <= res.IndexedTo {
			n++
		}
	}
	if len(res.Matches) != n {
		t.Errorf("%d of %d found", len(res.Matches), n)
	}
	f.indexed()
	if res := f.check(Query{FieldSubject, "", "common"}); len(res.Matches) != len(ids) {
		t.Errorf("%d of %d found in the end", len(res.Matches), len(ids))
	}
	if st := m.Stats(); st.Rebuilds != 0 || st.Failures != 0 {
		t.Errorf("%+v", st)
	}
}
