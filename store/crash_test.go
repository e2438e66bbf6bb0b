package store

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mox/db/dbtest"
)

// A crash test runs workers that each have two mailboxes of their own and do operations
// that follow from a seed alone. How far a worker had come when the crash hit is known
// from what was acknowledged; afterwards its mailboxes must be as after that many
// operations, or one more: the one under way may have happened, but only wholly.

const crashWorkers = 4

// script is what a worker does, simulated.
type script struct {
	r     *rand.Rand
	boxes [2]scriptBox
	texts int
}

type scriptBox struct {
	next UID
	msgs []scriptMsg
}

type scriptMsg struct {
	uid   UID
	flags Flags
	text  int
}

// step is one operation.
type step struct {
	kind, box int
	set       UIDSet
	flags     Flags
	texts     []int
	large     bool
}

const (
	stepAdd = iota
	stepFlags
	stepMove
	stepCopy
	stepExpunge
	stepReplace // the first message of the set, in the same mailbox or, by an odd text, in the other
	stepKinds
)

func newScript(worker int) *script {
	return &script{r: rand.New(rand.NewPCG(11, uint64(worker))), boxes: [2]scriptBox{{next: 1}, {next: 1}}}
}

// next decides on an operation and applies it to the simulation.
func (s *script) next() step {
	st := step{kind: s.r.IntN(stepKinds), box: s.r.IntN(2), flags: Flags(s.r.IntN(8)), large: s.r.IntN(60) == 0}
	b, other := &s.boxes[st.box], &s.boxes[1-st.box]
	if len(b.msgs) > 60 {
		st.kind = stepExpunge
	} else if len(b.msgs) == 0 {
		st.kind = stepAdd
	}
	if st.kind == stepAdd {
		for range 1 + s.r.IntN(3) {
			s.texts++
			st.texts = append(st.texts, s.texts)
			b.add(scriptMsg{flags: st.flags, text: s.texts})
		}
		return st
	}
	var uids []UID
	for _, m := range b.msgs {
		if s.r.IntN(2) == 0 {
			uids = append(uids, m.uid)
		}
	}
	st.set = NewUIDSet(append(uids, b.msgs[0].uid)...)
	if st.kind == stepReplace {
		s.texts++
		st.texts, st.set = []int{s.texts}, NewUIDSet(b.msgs[0].uid)
	}
	b.apply(other, st)
	if st.kind == stepReplace {
		if s.texts%2 == 0 {
			other = b
		}
		other.add(scriptMsg{flags: st.flags, text: s.texts})
	}
	return st
}

func (b *scriptBox) add(m scriptMsg) {
	m.uid = b.next
	b.next++
	b.msgs = append(b.msgs, m)
}

func (b *scriptBox) apply(other *scriptBox, st step) {
	var kept []scriptMsg
	for _, m := range b.msgs {
		in := st.set.Contains(m.uid)
		if in && st.kind == stepFlags {
			m.flags ^= m.flags & 7
			m.flags |= st.flags
		}
		if in && (st.kind == stepMove || st.kind == stepCopy) {
			other.add(m)
		}
		if !in || st.kind == stepFlags || st.kind == stepCopy {
			kept = append(kept, m)
		}
	}
	b.msgs = kept
}

func (s *script) String() string {
	var b strings.Builder
	for _, box := range s.boxes {
		fmt.Fprintf(&b, "next %d:", box.next)
		for _, m := range box.msgs {
			fmt.Fprintf(&b, " %d/%d/%d", m.uid, m.flags, m.text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func scriptText(worker, n int, large bool) string {
	size := n % 5 * 1000
	if large {
		size = 3 << 20 // staged before the commit
	}
	head := fmt.Sprintf("From: a@example.org\r\nSubject: %d\r\nMessage-ID: <%d.%d@example.org>\r\n\r\n", n, worker, n)
	line := fmt.Sprintf("worker %d, text %d\r\n", worker, n)
	return head + strings.Repeat(line, size/len(line))
}

func crashBoxes(worker int) [2]string {
	return [2]string{fmt.Sprintf("W%d a", worker), fmt.Sprintf("W%d b", worker)}
}

// run does the operation on an account.
func (st step) run(ctx context.Context, a *Account, worker int) error {
	names := crashBoxes(worker)
	b, ok1 := a.MailboxByName(names[st.box])
	o, ok2 := a.MailboxByName(names[1-st.box])
	if !ok1 || !ok2 {
		return ErrNoMailbox
	}
	var msgs []NewMessage
	for _, n := range st.texts {
		sp := a.s.NewSpool()
		defer sp.Close()
		if _, err := io.WriteString(sp, scriptText(worker, n, st.large)); err != nil {
			return err
		}
		if err := sp.Finish(); err != nil {
			return err
		}
		msgs = append(msgs, NewMessage{Spool: sp, Flags: st.flags})
	}
	var err error
	switch st.kind {
	case stepAdd:
		_, err = a.Add(ctx, b.ID, msgs)
	case stepReplace:
		if st.texts[0]%2 == 0 {
			o = b
		}
		_, err = a.Replace(ctx, b.ID, st.set[0].Start, o.ID, msgs[0])
	case stepFlags:
		_, err = a.SetFlags(ctx, b.ID, st.set, FlagChange{Op: FlagsReplace, Flags: st.flags})
	case stepMove:
		_, err = a.Move(ctx, b.ID, st.set, o.ID)
	case stepCopy:
		_, err = a.Copy(ctx, b.ID, st.set, o.ID)
	case stepExpunge:
		_, _, err = a.Remove(ctx, b.ID, st.set)
	}
	return err
}

// stored is the state of a worker's mailboxes, in the form of script.String.
func stored(t *testing.T, a *Account, worker int) string {
	t.Helper()
	var out strings.Builder
	for _, name := range crashBoxes(worker) {
		m, ok := a.MailboxByName(name)
		if !ok {
			t.Fatalf("mailbox %q is missing", name)
		}
		box, err := a.OpenBox(context.Background(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "next %d:", box.View().UIDNext)
		for _, m := range box.View().All() {
			_, subject, _ := strings.Cut(body(t, a, m.Body), "Subject: ")
			text, _, _ := strings.Cut(subject, "\r\n")
			fmt.Fprintf(&out, " %d/%d/%s", m.UID, m.Flags, text)
		}
		out.WriteByte('\n')
		box.Close()
	}
	return out.String()
}

// crashAccount makes the account with the workers' mailboxes.
func crashAccount(t *testing.T, dir string, o Options) {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	var boxes InitialMailboxes
	for w := range crashWorkers {
		n := crashBoxes(w)
		boxes.Regular = append(boxes.Regular, n[0], n[1])
	}
	if err := s.Create(ctx, "crash", boxes); err != nil {
		t.Fatal(err)
	}
}

// verify opens what a crash left, and returns how many operations each worker's
// mailboxes show, which are at least done and at most one more than begun.
func verify(t *testing.T, dir string, done, begun [crashWorkers]int64) (shown [crashWorkers]int64, lost error) {
	t.Helper()
	s, err := Open(dir, Options{Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := s.Account(context.Background(), "crash")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Release()
	problems, err := a.CheckDeep(context.Background())
	if err != nil || len(problems) > 0 {
		t.Fatalf("check after crash: %v %v", problems, err)
	}
	for w := range crashWorkers {
		got := stored(t, a, w)
		sc := newScript(w)
		at := int64(-1)
		for n := int64(0); n <= begun[w]; n++ {
			if n > 0 {
				sc.next()
			}
			if sc.String() == got && (at < 0 || n <= done[w]) {
				at = n
			}
		}
		if at < 0 {
			t.Fatalf("worker %d: mailboxes are as after none of its %d to %d operations:\n%s", w, done[w], begun[w], got)
		}
		if at < done[w] {
			lost = fmt.Errorf("worker %d: %d operations were acknowledged, %d are there", w, done[w], at)
		}
		shown[w] = at
	}
	return shown, lost
}

// TestCrashKill kills a process at random points under load, over and over on the same data.
func TestCrashKill(t *testing.T) {
	if os.Getenv("MOX_CRASH_CHILD") != "" {
		crashChild(t)
		return
	}
	dir := t.TempDir()
	crashAccount(t, dir, Options{})
	var done [crashWorkers]int64
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range dbtest.CrashRounds(4) {
		acked := runChild(t, dir, done, time.Duration(r.IntN(150))*time.Millisecond)
		var begun [crashWorkers]int64
		for w, n := range acked {
			begun[w] = n + 1
		}
		var lost error
		if done, lost = verify(t, dir, acked, begun); lost != nil {
			t.Fatal(lost)
		}
	}
	t.Logf("%d operations", done)
}

// runChild starts the workers in a process of their own and kills it after a while. It
// returns how many operations of each were acknowledged.
func runChild(t *testing.T, dir string, from [crashWorkers]int64, after time.Duration) [crashWorkers]int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashKill$")
	cmd.Env = append(os.Environ(), "MOX_CRASH_CHILD="+dir, "MOX_CRASH_FROM="+strings.Trim(fmt.Sprint(from), "[]"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := from
	var once sync.Once
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		var w int
		var n int64
		if k, _ := fmt.Sscanf(sc.Text(), "done %d %d", &w, &n); k == 2 {
			acked[w] = n
			once.Do(func() { time.AfterFunc(after, func() { cmd.Process.Kill() }) })
		} else if !strings.HasPrefix(sc.Text(), "done") {
			t.Errorf("child: %s", sc.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	return acked
}

// crashChild is the process that is killed. It tells of each operation once it is acknowledged.
func crashChild(t *testing.T) {
	s, err := Open(os.Getenv("MOX_CRASH_CHILD"), Options{Grace: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Account(context.Background(), "crash")
	if err != nil {
		t.Fatal(err)
	}
	from := strings.Fields(os.Getenv("MOX_CRASH_FROM"))
	var out sync.Mutex
	var wg sync.WaitGroup
	for w := range crashWorkers {
		wg.Go(func() {
			skip, _ := strconv.ParseInt(from[w], 10, 64)
			sc := newScript(w)
			for n := int64(1); ; n++ {
				st := sc.next()
				if n <= skip {
					continue
				}
				if err := st.run(context.Background(), a, w); err != nil {
					fmt.Println("error:", err)
					return
				}
				out.Lock()
				fmt.Printf("done %d %d\n", w, n)
				out.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestCrashPowerFailure runs on a file layer that knows what was synced, and looks at what
// is left when power fails at random points: unsynced writes are lost or torn.
func TestCrashPowerFailure(t *testing.T) {
	if lost := powerFailures(t, "FULL", dbtest.CrashRounds(8)); lost > 0 {
		t.Fatalf("acknowledged operations were lost in %d power failures", lost)
	}
}

// TestCrashPowerFailureControl is the proof that the test above can fail: with
// synchronous=NORMAL, SQLite does not sync commits.
func TestCrashPowerFailureControl(t *testing.T) {
	if lost := powerFailures(t, "NORMAL", 100); lost == 0 {
		t.Fatal("nothing was lost without syncing commits: the test shows nothing")
	}
}

// powerFailures returns in how many of the rounds something was lost; it ends with the
// first when commits are not synced, which is enough.
func powerFailures(t *testing.T, synchronous string, rounds int) (lost int) {
	layer, err := dbtest.New()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o := Options{Log: testLog(t), VFS: layer.Name, Synchronous: synchronous, Grace: 50 * time.Millisecond}
	crashAccount(t, dir, o)
	s := newStore(t, dir, o)
	a, err := s.Account(context.Background(), "crash")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Release()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var done, begun [crashWorkers]atomic.Int64
	var wg sync.WaitGroup
	for w := range crashWorkers {
		wg.Go(func() {
			sc := newScript(w)
			for n := int64(1); ctx.Err() == nil; n++ {
				begun[w].Store(n)
				if err := sc.next().run(context.Background(), a, w); err != nil {
					t.Error(err)
					return
				}
				done[w].Store(n)
			}
		})
	}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	for range rounds {
		time.Sleep(time.Duration(5+r.IntN(40)) * time.Millisecond)
		var d, b [crashWorkers]int64
		for w := range crashWorkers {
			d[w] = done[w].Load()
		}
		p := layer.PowerFailure(r)
		for w := range crashWorkers {
			b[w] = begun[w].Load()
		}
		to := t.TempDir()
		if err := p.Restore(dir, to); err != nil {
			t.Fatal(err)
		}
		if _, err := verify(t, to, d, b); err != nil {
			t.Log(err)
			lost++
		}
		os.RemoveAll(filepath.Join(to, "accounts"))
		if lost > 0 && synchronous != "FULL" {
			break
		}
	}
	cancel()
	wg.Wait()
	return lost
}
