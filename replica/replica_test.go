package replica

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mox/backup"
	"mox/db"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("REPLICA_TEST_DIR"); dir != "" {
		victim(dir)
		return
	}
	os.Exit(m.Run())
}

func config(dir string) Config {
	return Config{
		Open: func(ctx context.Context) (*backup.Repository, error) {
			return backup.OpenOrCreate(ctx, backup.Directory(filepath.Join(dir, "repo")), backup.Key{})
		},
		DataDir: filepath.Join(dir, "data"), StateFile: filepath.Join(dir, "data/backup/replica.json"), Interval: 10 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// running is a Replicator with a database.
type running struct {
	nows atomic.Int64 // times that the clock was asked
	r    *Replicator
	d    *db.DB
	path string
	stop func()
}

func begin(dir, name string) (*running, error) { return beginWith(config(dir), dir, name) }

func beginWith(c Config, dir, name string) (*running, error) {
	path := filepath.Join(dir, "data", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	x := &running{path: path}
	c.Now = func() time.Time {
		x.nows.Add(1)
		return time.Now()
	}
	x.r = New(c)
	if err := x.open(); err != nil {
		return nil, err
	}
	err := x.d.Write(context.Background(), func(c *db.Conn) error {
		return c.Script("CREATE TABLE IF NOT EXISTS n(v); INSERT INTO n SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM n); CREATE TABLE IF NOT EXISTS a(k INTEGER PRIMARY KEY, x)")
	})
	ctx, cancel := context.WithCancel(context.Background())
	go x.r.Run(ctx, time.Minute)
	x.stop = func() {
		x.d.Close()
		cancel()
		<-x.r.ended
	}
	return x, err
}

func (x *running) open() (err error) {
	x.d, err = db.Open(x.path, db.Options{CheckpointKiB: 64, Watch: x.r})
	return err
}

// commit adds one to the number, a row, and removes the row that is 50 older.
func (x *running) commit() error {
	return x.d.Write(context.Background(), func(c *db.Conn) error {
		if err := c.Exec("UPDATE n SET v = v + 1"); err != nil {
			return err
		}
		if err := c.Exec("INSERT INTO a SELECT v, randomblob(abs(random()) % 5000) FROM n"); err != nil {
			return err
		}
		return c.Exec("DELETE FROM a WHERE k <= (SELECT v FROM n) - 50")
	})
}

// count restores a database and returns its number. All of it must belong together.
func count(t *testing.T, dir, name string, at time.Time) (int, Restored, error) {
	t.Helper()
	ctx := context.Background()
	repo, err := config(dir).Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	file := filepath.Join(t.TempDir(), "restored.db")
	res, rerr := Restore(ctx, repo, name, at, file)
	if rerr != nil && res.Name == "" {
		return 0, res, rerr
	}
	d, err := db.Open(file, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if l, err := d.IntegrityCheck(ctx, 3); err != nil || len(l) > 0 {
		t.Fatal(l, err)
	}
	var n, rows, sum int64
	err = d.Read(ctx, func(c *db.Conn) error {
		if n, _, err = c.QueryInt64("SELECT v FROM n"); err != nil {
			return err
		}
		if rows, _, err = c.QueryInt64("SELECT count(*) FROM a"); err != nil {
			return err
		}
		sum, _, err = c.QueryInt64("SELECT ifnull(sum(k), 0) FROM a")
		return err
	})
	want := min(n, 50)
	if err != nil || rows != want || sum != want*(2*n-want+1)/2 {
		t.Fatalf("restored as of %v: commit %d with %d rows of sum %d: %v", at, n, rows, sum, err)
	}
	return int(n), res, rerr
}

// moment returns the time when all was sent, once commits that follow are of a later one: they have the time at which
// the round began that finds them. In a round with nothing to send the clock is asked twice.
func (x *running) moment(t *testing.T) time.Time {
	t.Helper()
	at := time.Now()
	time.Sleep(5 * time.Millisecond)
	n := x.nows.Load()
	for end := time.Now().Add(time.Minute); x.nows.Load() < n+3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no more rounds")
		}
	}
	return at
}

// await waits until all is sent.
func (x *running) await(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for quiet := 0; quiet < 3; {
		if time.Now().After(deadline) {
			t.Fatal("not all is sent in time")
		}
		time.Sleep(15 * time.Millisecond)
		x.r.mu.Lock()
		waits := len(x.r.dbs) == 0
		for _, e := range x.r.dbs {
			waits = waits || e.gen == nil || e.base || !e.since.IsZero() || e.d != nil && e.d.Commits() != e.seen
		}
		x.r.mu.Unlock()
		if quiet++; waits {
			quiet = 0
		}
	}
}

// TestReplica restores a database as of several moments, across closing and opening, and clean
// ends of the process.
func TestReplica(t *testing.T) {
	dir := t.TempDir()
	const name = "accounts/a/account.db"
	x, err := begin(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	x.await(t)
	type moment struct {
		at time.Time
		n  int
	}
	var moments []moment
	n := 0
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 12 {
		for range rnd.IntN(40) {
			if err := x.commit(); err != nil {
				t.Fatal(err)
			}
			n++
		}
		switch round % 6 {
		case 2: // as the store does with an account that nobody uses
			x.d.Close()
			if rnd.IntN(2) == 0 {
				time.Sleep(30 * time.Millisecond)
			}
			if err := x.open(); err != nil {
				t.Fatal(err)
			}
		case 4: // the server is stopped and started
			x.stop()
			if x, err = begin(dir, name); err != nil {
				t.Fatal(err)
			}
		}
		x.await(t)
		moments = append(moments, moment{x.moment(t), n})
	}
	for _, m := range append(moments, moment{time.Time{}, n}) {
		if got, res, err := count(t, dir, name, m.at); err != nil || got != m.n {
			t.Errorf("as of %v: commit %d, not %d: %+v, %v", m.at, got, m.n, res, err)
		}
	}
	if _, _, err := count(t, dir, name, moments[0].at.Add(-time.Hour)); !errors.Is(err, ErrNone) {
		t.Errorf("before the beginning: %v", err)
	}
	x.stop()
	gens, err := filepath.Glob(filepath.Join(dir, "repo/replica", name, "*"))
	if err != nil || len(gens) != 1 {
		t.Errorf("%d generations: it did not go on: %v", len(gens), err)
	}
	segments, _ := filepath.Glob(filepath.Join(gens[0], "0*"))
	if len(segments) < 10 {
		t.Fatalf("%d segments", len(segments))
	}
	spoil(t, dir, name, segments, n)
}

// checkAll checks the replica, and returns how many problems there are.
func checkAll(t *testing.T, dir string) (problems int) {
	t.Helper()
	repo, err := config(dir).Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	n, err := Check(context.Background(), repo, func(string) { problems++ })
	if err != nil || n == 0 {
		t.Error(n, err)
	}
	return problems
}

// spoil damages segments: what is before them can be restored, and the damage is told.
func spoil(t *testing.T, dir, name string, segments []string, n int) {
	t.Helper()
	last := segments[len(segments)-1]
	b, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, least int) {
		t.Helper()
		got, res, err := count(t, dir, name, time.Time{})
		if !errors.Is(err, backup.ErrDamaged) || got >= n || got < least {
			t.Errorf("%s: commit %d of %d, %+v, %v", what, got, n, res, err)
		}
		if checkAll(t, dir) != 1 {
			t.Errorf("%s: the check does not find it", what)
		}
	}
	os.WriteFile(last, b[:len(b)/2], 0o600)
	check("the last segment is torn", 1)
	flipped := append([]byte{}, b...)
	flipped[len(b)/3] ^= 8
	os.WriteFile(last, flipped, 0o600)
	check("a byte of the last segment is flipped", 1)
	os.WriteFile(last, b, 0o600)
	if got, _, err := count(t, dir, name, time.Time{}); err != nil || got != n || checkAll(t, dir) != 0 {
		t.Errorf("whole again: %d, %v", got, err)
	}
	// A segment that is of another place.
	middle := segments[len(segments)/2]
	m, _ := os.ReadFile(middle)
	os.WriteFile(middle, b, 0o600)
	check("a segment in place of another one", 0)
	os.Remove(middle)
	check("a segment is missing", 0)
	os.WriteFile(middle, m, 0o600)
}

// failing is a Storage that cannot be reached for a while.
type failing struct {
	backup.Storage
	down *atomic.Bool
}

func (f failing) Put(ctx context.Context, name string, data []byte) error {
	if f.down.Load() {
		return errors.New("store is down")
	}
	return f.Storage.Put(ctx, name, data)
}

// TestReplicaDown commits while the repository cannot be reached: nobody waits, and afterwards
// all is there.
func TestReplicaDown(t *testing.T) {
	dir := t.TempDir()
	var down atomic.Bool
	c := config(dir)
	c.Log = slog.New(slog.DiscardHandler)
	c.Open = func(ctx context.Context) (*backup.Repository, error) {
		return backup.OpenOrCreate(ctx, failing{backup.Directory(filepath.Join(dir, "repo")), &down}, backup.Key{})
	}
	x, err := beginWith(c, dir, "queue.db")
	if err != nil {
		t.Fatal(err)
	}
	defer x.stop()
	n := 0
	for round := range 3 {
		x.await(t)
		down.Store(true)
		for range 20 + round*300 {
			if err := x.commit(); err != nil {
				t.Fatal(err)
			}
			n++
		}
		for end := time.Now().Add(time.Minute); x.r.Lag() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("there is no lag while the repository is down")
			}
		}
		down.Store(false)
		x.await(t)
		if x.r.Lag() != 0 {
			t.Errorf("lag %v when all is sent", x.r.Lag())
		}
		if got, res, err := count(t, dir, "queue.db", time.Time{}); err != nil || got != n {
			t.Errorf("round %d: commit %d, not %d: %+v, %v", round, got, n, res, err)
		}
	}
}

// TestReplicaPrune removes what is too old, and what is restored stays right.
func TestReplicaPrune(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	x, err := begin(dir, "queue.db")
	if err != nil {
		t.Fatal(err)
	}
	defer x.stop()
	var times []time.Time
	for i := range 3 {
		x.await(t)
		x.commit()
		x.await(t)
		times = append(times, x.moment(t))
		x.r.mu.Lock()
		if i < 2 {
			x.r.dbs["queue.db"].gen = nil // begins anew
		}
		x.r.mu.Unlock()
	}
	x.await(t)
	repo, err := config(dir).Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	if err := Prune(ctx, repo, times[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Prune(ctx, backup.Keep{Last: 1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := count(t, dir, "queue.db", times[0]); !errors.Is(err, ErrNone) {
		t.Errorf("what is too old: %v", err)
	}
	for i, at := range times[1:] {
		if n, _, err := count(t, dir, "queue.db", at); err != nil || n != i+2 {
			t.Errorf("%d: %d, %v", i, n, err)
		}
	}
	if c, err := repo.Check(ctx, backup.CheckOptions{}, func(s string) { t.Error(s) }); err != nil {
		t.Error(c, err)
	}
}

// victim commits until it is killed, and says each number before and after.
func victim(dir string) {
	x, err := begin(dir, "queue.db")
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	n := 0
	x.d.Read(context.Background(), func(c *db.Conn) error {
		v, _, err := c.QueryInt64("SELECT v FROM n")
		n = int(v)
		return err
	})
	for {
		if err := x.commit(); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		n++
		fmt.Println(n, time.Now().UnixMilli())
	}
}

// TestReplicaKill kills the process again and again. What is restored as of a moment is a
// commit that was there then, or came within the round that sent it, with all before it and
// nothing of those after it.
func TestReplicaKill(t *testing.T) {
	dir := t.TempDir()
	type line struct {
		n  int
		at time.Time
	}
	var lines []line
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	rounds := 4
	for range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "REPLICA_TEST_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(150+rnd.IntN(300))*time.Millisecond, func() { cmd.Process.Kill() })
		for sc := bufio.NewScanner(out); sc.Scan(); {
			a, b, _ := strings.Cut(sc.Text(), " ")
			n, err := strconv.Atoi(a)
			ms, merr := strconv.ParseInt(b, 10, 64)
			if err != nil || merr != nil {
				t.Fatal(sc.Text())
			}
			lines = append(lines, line{n, time.UnixMilli(ms)})
		}
		cmd.Wait()
		kill.Stop()
	}
	if len(lines) < 20 {
		t.Skipf("only %d commits on this machine", len(lines))
	}
	some := 0
	for i := range 12 {
		l := lines[len(lines)*(i+1)/13]
		n, res, err := count(t, dir, "queue.db", l.at)
		if errors.Is(err, ErrNone) {
			continue // the first base was not stored yet
		}
		some++
		if err != nil {
			t.Fatal(err)
		}
		// A commit that comes while a round sends has the time of its begin.
		for _, x := range lines {
			if x.n == n && x.at.After(l.at.Add(time.Second)) {
				t.Errorf("as of commit %d, %d is restored, of %v later: %+v", l.n, n, x.at.Sub(l.at), res)
			}
		}
		t.Logf("as of commit %d: %d, %d after the base", l.n, n, res.Commits)
	}
	if some == 0 {
		t.Error("nothing could be restored")
	}
	// All that is there at the end, is once it is started again.
	x, err := begin(dir, "queue.db")
	if err != nil {
		t.Fatal(err)
	}
	x.await(t)
	x.stop()
	if n, _, err := count(t, dir, "queue.db", time.Time{}); err != nil || n < lines[len(lines)-1].n {
		t.Errorf("at the end: %d of %d, %v", n, lines[len(lines)-1].n, err)
	}
}

func FuzzSegment(f *testing.F) {
	gen := &generation{Name: "g"}
	chain := chainStart("queue.db", "g")
	seg, _ := encodeSegment(gen, chain, time.UnixMilli(1e12), []db.Commit{{Pages: 2, Frames: []db.Frame{{Page: 1, Data: make([]byte, 512)}, {Page: 2, Data: make([]byte, 512)}}}})
	f.Add(seg)
	f.Add(seg[:len(seg)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		commits, _, err := decodeSegment(b, chain, 512)
		if err != nil {
			return
		}
		var plain []byte
		c := chain
		for _, x := range commits {
			var s []byte
			s, c = encodeSegment(gen, c, x.Time, []db.Commit{x.Commit})
			plain = append(plain, s[len(segmentMagic)+chainSize:]...)
		}
		again := append(append([]byte(segmentMagic), chain...), plain...)
		if _, _, err := decodeSegment(again, chain, 512); err != nil {
			t.Fatal(err)
		}
	})
}
