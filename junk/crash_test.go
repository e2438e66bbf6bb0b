package junk

import (
	"bufio"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"mox/config"
	"mox/store"
)

// crashDir makes TestCrashChild work in a directory until it is killed.
const crashDir = "MOX_JUNK_CRASH_DIR"

// TestCrash kills a process that learns, at random moments, and finds that what was learned
// is right.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := t.TempDir()
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		// Each line is work that was done.
		lines := bufio.NewScanner(out)
		for n := 20 + rand.IntN(80); n > 0 && lines.Scan(); n-- {
		}
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		must(t, cmd.Process.Kill())
		cmd.Wait()
		s, err := store.Open(dir, store.Options{})
		must(t, err)
		f := crashFixture(t, s)
		f.check()
		if n := f.stored().examples; n == 0 {
			t.Error("nothing was learned")
		}
		f.stop()
		f.acc.Release()
		must(t, s.Close())
	}
}

func crashFixture(t *testing.T, s *store.Store) *fixture {
	f := &fixture{t: t, ctx: context.Background(), s: s, n: rand.IntN(1000)}
	f.c = Config{Store: s, Linger: time.Millisecond, Params: func(string) *config.JunkFilter { return testParams }}
	var err error
	f.acc, err = s.Account(f.ctx, "alice")
	must(t, err)
	f.start()
	return f
}

func TestCrashChild(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("is run by TestCrash")
	}
	s, err := store.Open(dir, store.Options{})
	must(t, err)
	s.Create(context.Background(), "alice", store.InitialMailboxes{})
	f := crashFixture(t, s)
	for i := range 100_000 {
		facts := sender(rand.IntN(9))
		uid := f.classified(facts, someFlags[i%3], time.Now())
		f.setFlags("Inbox", max(1, uid-store.UID(rand.IntN(20))), store.FlagsReplace, someFlags[rand.IntN(3)])
		if i%7 == 0 {
			if _, err := f.acc.Move(f.ctx, f.box("Inbox"), someUIDs(rand.New(rand.NewPCG(1, uint64(i)))), f.box("Archive")); err != nil {
				t.Fatal(err)
			}
		}
		f.reputation(facts)
		os.Stdout.WriteString("done\n")
	}
}
