package queue

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/db/dbtest"
)

// A crash test runs workers that add messages and record what becomes of them, and tell of
// each step when it begins and when it is acknowledged. Afterwards every message must be
// where the steps say, with all that belongs to it or none.

const crashWorkers = 4

// ledger is what is known of the messages.
type ledger struct {
	mu        sync.Mutex
	added     map[int64]string // acknowledged: the text
	recording map[int64]string // begun: delivered or failed
	done      map[int64]bool   // acknowledged
}

func newLedger() *ledger {
	return &ledger{added: map[int64]string{}, recording: map[int64]string{}, done: map[int64]bool{}}
}

// note takes a line that a worker prints.
func (l *ledger) note(line string) bool {
	f := strings.Fields(line)
	if len(f) < 2 {
		return false
	}
	id, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch f[0] {
	case "added":
		l.added[id] = f[2]
	case "recording":
		l.recording[id] = f[2]
	case "done":
		l.done[id] = true
	default:
		return false
	}
	return true
}

func (l *ledger) clone() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &ledger{added: maps.Clone(l.added), recording: maps.Clone(l.recording), done: maps.Clone(l.done)}
}

func crashText(s string) string {
	n, _ := strconv.Atoi(s[strings.LastIndexByte(s, '.')+1:])
	size := 100 + n%7*2000
	if n%40 == 39 {
		size = 3 << 20 // written before the commit
	}
	return "Subject: " + s + "\r\n\r\n" + strings.Repeat(s+"\r\n", size/(len(s)+2))
}

func crashOptions() Options {
	return Options{Retired: func(string) (time.Duration, time.Duration) { return 10000 * time.Hour, 0 }, Suppress: func(*Message) bool { return false }, Limits: Limits{Messages: -1, Size: -1}}
}

// crashWork adds and records until ctx ends, and tells of it.
func crashWork(ctx context.Context, q *Queue, worker string, tell func(string)) error {
	p, err := parsePath("x@" + worker + ".example")
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(uint64(len(worker)), uint64(time.Now().UnixNano())))
	var mine []int64
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("%s.%d", worker, n)
		msgs := make([]Message, 1+r.IntN(3))
		for i := range msgs {
			msgs[i] = Message{Account: worker, Sender: p, Recipient: p}
		}
		a, err := q.Add(ctx, text(crashText(name)), msgs)
		if err != nil {
			return err
		}
		for _, m := range a.Messages {
			tell(fmt.Sprintf("added %d %s", m.ID, name))
			mine = append(mine, m.ID)
		}
		for len(mine) > 10 || len(mine) > 0 && r.IntN(2) == 0 {
			i := r.IntN(len(mine))
			id := mine[i]
			mine = append(mine[:i], mine[i+1:]...)
			if err := crashRecord(ctx, q, p.String(), id, r.IntN(2) == 0, tell); err != nil {
				return err
			}
		}
	}
	return nil
}

func crashRecord(ctx context.Context, q *Queue, to string, id int64, ok bool, tell func(string)) error {
	p, _ := parsePath(to)
	o, event, notices := Outcome{ID: id, Action: Delivered}, EventDelivered, []NewMessage(nil)
	if !ok {
		o, event = Outcome{ID: id, Action: Failed, Result: Result{Code: 554}}, EventFailed
		notices = []NewMessage{{Content: text("about"), Messages: []Message{{Kind: DSN, Recipient: p, Local: true, MessageID: fmt.Sprint(id)}}, For: []int64{id}}}
	}
	tell(fmt.Sprintf("recording %d %s", id, event))
	if err := q.Record(ctx, []Outcome{o}, notices); err != nil {
		return err
	}
	tell(fmt.Sprintf("done %d", id))
	return nil
}

// verify opens what a crash left. known is what was certain before the crash, begun what
// may have happened. It returns what was lost.
func verify(t *testing.T, path string, known, begun *ledger) (lost []string) {
	t.Helper()
	q, err := Open(path, crashOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ctx := context.Background()
	if problems, err := q.Check(ctx); err != nil || len(problems) > 0 {
		t.Fatalf("check after crash: %v %v", problems, err)
	}
	queued, retired, dsns := map[int64]bool{}, map[int64]string{}, map[string]int{}
	l, err := q.List(ctx, Filter{}, Sort{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range l {
		queued[m.ID] = true
		if m.Kind == DSN {
			dsns[m.MessageID]++
		}
	}
	rl, err := q.RetiredList(ctx, RetiredFilter{}, Sort{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rl {
		retired[r.Message.ID] = r.Event
	}
	for id, name := range known.added {
		event := retired[id]
		switch {
		case queued[id] && event != "":
			t.Errorf("message %d is queued and done", id)
		case !queued[id] && event == "":
			lost = append(lost, fmt.Sprintf("message %d is not there", id))
		case queued[id] && known.done[id]:
			lost = append(lost, fmt.Sprintf("message %d was recorded as done and is queued", id))
		case queued[id]:
			if content(t, q, id) != crashText(name) {
				t.Errorf("content of message %d differs", id)
			}
		case event != begun.recording[id]:
			t.Errorf("message %d is %q, recorded was %q", id, event, begun.recording[id])
		}
		want := 0
		if event == EventFailed {
			want = 1
		}
		if n := dsns[fmt.Sprint(id)]; n != want {
			t.Errorf("message %d with outcome %q has %d notifications", id, event, n)
		}
	}
	return lost
}

// TestCrashKill kills a process at random points under load, over and over on the same data.
func TestCrashKill(t *testing.T) {
	if os.Getenv("MOX_QUEUE_CRASH") != "" {
		crashChild(t)
		return
	}
	path := filepath.Join(t.TempDir(), FileName)
	l := newLedger()
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range dbtest.CrashRounds(4) {
		runChild(t, path, l, time.Duration(r.IntN(120))*time.Millisecond)
		if lost := verify(t, path, l, l); len(lost) > 0 {
			t.Fatal(lost)
		}
	}
	t.Logf("%d messages, %d done", len(l.added), len(l.done))
}

// runChild starts the workers in a process of their own and kills it after a while.
func runChild(t *testing.T, path string, l *ledger, after time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashKill$")
	cmd.Env = append(os.Environ(), "MOX_QUEUE_CRASH="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		if l.note(sc.Text()) {
			once.Do(func() { time.AfterFunc(after, func() { cmd.Process.Kill() }) })
		} else if rest, _ := io.ReadAll(io.LimitReader(out, 1000)); len(rest) > 0 {
			t.Errorf("child: %s\n%s", sc.Text(), rest)
		}
	}
	_ = cmd.Wait() // it was killed
}

// crashChild is the process that is killed.
func crashChild(t *testing.T) {
	q, err := Open(os.Getenv("MOX_QUEUE_CRASH"), crashOptions())
	if err != nil {
		t.Fatal(err)
	}
	var out sync.Mutex
	tell := func(s string) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(s)
	}
	var wg sync.WaitGroup
	for w := range crashWorkers {
		wg.Go(func() {
			if err := crashWork(context.Background(), q, fmt.Sprintf("w%d", w), tell); err != nil {
				tell("error: " + err.Error())
			}
		})
	}
	wg.Wait()
}

// TestCrashPowerFailure runs on a file layer that knows what was synced, and looks at what
// is left when power fails at random points: unsynced writes are lost or torn.
func TestCrashPowerFailure(t *testing.T) {
	if lost := powerFailures(t, "FULL", dbtest.CrashRounds(5)); len(lost) > 0 {
		t.Fatal(lost)
	}
}

// TestCrashPowerFailureControl is the proof that the test above can fail: with
// synchronous=NORMAL, SQLite does not sync commits.
func TestCrashPowerFailureControl(t *testing.T) {
	if lost := powerFailures(t, "NORMAL", 100); len(lost) == 0 {
		t.Fatal("nothing was lost without syncing commits: the test shows nothing")
	}
}

func powerFailures(t *testing.T, synchronous string, rounds int) (lost []string) {
	layer, err := dbtest.New()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o := crashOptions()
	o.VFS, o.Synchronous = layer.Name, synchronous
	q, err := Open(filepath.Join(dir, FileName), o)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ctx, cancel := context.WithCancel(context.Background())
	l := newLedger()
	var wg sync.WaitGroup
	for w := range crashWorkers {
		wg.Go(func() {
			if err := crashWork(ctx, q, fmt.Sprintf("w%d", w), func(s string) { l.note(s) }); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	for range rounds {
		time.Sleep(time.Duration(5+r.IntN(40)) * time.Millisecond)
		known := l.clone()
		p := layer.PowerFailure(r)
		begun := l.clone()
		to := t.TempDir()
		if err := p.Restore(dir, to); err != nil {
			t.Fatal(err)
		}
		lost = append(lost, verify(t, filepath.Join(to, FileName), known, begun)...)
		if len(lost) > 0 {
			break
		}
	}
	cancel()
	wg.Wait()
	return lost
}
