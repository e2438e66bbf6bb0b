package backup

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/atomicfile"
	"mox/db"
	"mox/store"
	"mox/upkeep"
)

// Proven is the outcome of a drill.
type Proven struct {
	Time         time.Time // when it began
	Ended        time.Time
	Snapshot     string // that was restored; empty: there was none
	SnapshotTime time.Time
	OK           bool
	Accounts     int
	Databases    int   // all, with those of accounts
	Files        int   // others
	Bytes        int64 // restored
	Compared     int   // messages that were compared with those of the server
	Gone         int   // of which the server does not have them any more, as users delete
	Failures     []string
}

// String says it in a sentence.
func (p Proven) String() string {
	if p.Time.IsZero() {
		return "no backup was restored to prove it yet"
	}
	if !p.OK {
		return fmt.Sprintf("the drill of %s with backup %s failed: %s", p.Time.Format(time.RFC3339), p.Snapshot, strings.Join(p.Failures, "; "))
	}
	return fmt.Sprintf("backup %s was restored and checked on %s: %d accounts, %d databases, %d other files, %d MiB, %d messages compared",
		p.Snapshot, p.Time.Format(time.RFC3339), p.Accounts, p.Databases, p.Files, p.Bytes>>20, p.Compared)
}

// DrillState is what is kept of drills.
type DrillState struct {
	Last   Proven // the last, failed or not
	Proven Proven // the last that succeeded
}

// Drill restores the newest snapshot of a repository into a scratch directory, checks it, and
// compares it with the live server. Its fields do not change; it is safe for concurrent use.
type Drill struct {
	Open      func(ctx context.Context) (*Repository, error)
	Scratch   string       // directory in which one is made, and removed
	StateFile string       // where outcomes are kept; its directory is made
	Live      *store.Store // nil: nothing is compared
	Sample    int          // messages of an account that are compared; 0: 50
	// More checks what else is in the repository, and calls problem. nil: nothing.
	More func(ctx context.Context, r *Repository, problem func(text string)) error
	Now  func() time.Time
	Log  *slog.Logger

	run   sync.Mutex // held while one runs
	mu    sync.Mutex // guards what follows
	read  bool
	state DrillState
}

// maxFailures bounds what is told of a drill.
const maxFailures = 20

// State returns the outcomes of the last drills, also of earlier processes.
func (d *Drill) State() DrillState {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.read {
		d.read = true
		var err error
		if d.state, err = ReadDrillState(d.StateFile); err != nil {
			d.Log.Error("reading outcome of the last drill", "err", err)
		}
	}
	return d.state
}

// Last returns the last proven restore; its zero value: there was none.
func (d *Drill) Last() Proven { return d.State().Proven }

// Run does a drill and keeps its outcome. The error is of the drill itself when it could not be
// done or failed; what it found is in the outcome.
func (d *Drill) Run(ctx context.Context) (Proven, error) {
	d.run.Lock()
	defer d.run.Unlock()
	d.State()
	x := &drilling{d: d, p: Proven{Time: d.Now().UTC()}}
	err := x.restore(ctx)
	if ctx.Err() != nil {
		return x.p, ctx.Err() // says nothing about the backup
	}
	if err != nil {
		x.fail("%v", err)
	}
	if x.more > 0 {
		x.p.Failures = append(x.p.Failures, fmt.Sprintf("and %d more", x.more))
	}
	x.p.Ended = d.Now().UTC()
	x.p.OK = len(x.p.Failures) == 0
	if err := d.keep(x.p); err != nil {
		return x.p, err
	}
	if !x.p.OK {
		return x.p, fmt.Errorf("drill failed: %s", x.p.Failures[0])
	}
	return x.p, nil
}

func (d *Drill) keep(p Proven) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.Last = p
	if p.OK {
		d.state.Proven = p
	}
	b, err := json.MarshalIndent(d.state, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.StateFile), 0o700); err != nil {
		return fmt.Errorf("keeping outcome of drill: %w", err)
	}
	if err := atomicfile.Write(d.StateFile, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("keeping outcome of drill: %w", err)
	}
	return nil
}

// drilling is one run of a Drill.
type drilling struct {
	d     *Drill
	p     Proven
	r     *Repository
	snap  *Snapshot
	dir   string
	store *store.Store
	more  int
}

func (x *drilling) fail(format string, args ...any) {
	if len(x.p.Failures) >= maxFailures {
		x.more++
		return
	}
	x.p.Failures = append(x.p.Failures, fmt.Sprintf(format, args...))
}

// restore restores and checks one account or database after the other, so that the scratch
// directory is never larger than the largest of them.
func (x *drilling) restore(ctx context.Context) error {
	r, err := x.d.Open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	release, err := use(ctx, r)
	if err != nil {
		return err
	}
	defer release()
	if x.snap, err = r.At(ctx, time.Time{}); err != nil {
		return err
	}
	x.r, x.p.Snapshot, x.p.SnapshotTime = r, x.snap.Name, x.snap.Time
	for _, text := range x.snap.Failures {
		x.fail("missing in the backup: %s", text)
	}
	if err := os.MkdirAll(x.d.Scratch, 0o700); err != nil {
		return err
	}
	if x.dir, err = os.MkdirTemp(x.d.Scratch, "drill-"); err != nil {
		return err
	}
	defer os.RemoveAll(x.dir)
	if x.store, err = store.Open(filepath.Join(x.dir, "data"), store.Options{IdleTime: time.Hour}); err != nil {
		return err
	}
	defer x.store.Close()
	var account string
	for i := range x.snap.Files {
		f := &x.snap.Files[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if name, ok := AccountOf(f.Path); ok {
			if name != account {
				account = name
				x.account(ctx, name)
			}
			continue
		}
		x.file(ctx, f)
	}
	if x.d.More != nil && ctx.Err() == nil {
		return x.d.More(ctx, r, func(text string) { x.fail("%s", text) })
	}
	return ctx.Err()
}

// use waits for those who remove old backups.
func use(ctx context.Context, r *Repository) (func(), error) {
	for end := time.Now().Add(lockTime + time.Minute); ; {
		release, err := r.Use(ctx)
		if !errors.Is(err, ErrLocked) || time.Now().After(end) {
			return release, err
		}
		if !upkeep.Sleep(ctx, 5*time.Second) {
			return nil, ctx.Err()
		}
	}
}

// AccountOf returns the account that a file belongs to.
func AccountOf(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "data/accounts/")
	name, _, in := strings.Cut(rest, "/")
	return name, ok && in
}

// file restores what is not of an account.
func (x *drilling) file(ctx context.Context, f *SnapshotFile) {
	if !f.Database {
		x.p.Files++
		body, err := x.r.Open(ctx, f)
		if err == nil {
			var n int64
			n, err = io.Copy(io.Discard, body)
			x.p.Bytes += n
		}
		if err != nil {
			x.fail("%s: %v", f.Path, err)
		}
		return
	}
	path := filepath.Join(x.dir, "one.db")
	defer db.Remove(path)
	if err := x.write(ctx, f, path); err != nil {
		x.fail("%s: %v", f.Path, err)
		return
	}
	x.integrity(ctx, f.Path, path)
}

// write restores a file.
func (x *drilling) write(ctx context.Context, f *SnapshotFile, path string) error {
	body, err := x.r.Open(ctx, f)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, body)
	x.p.Bytes += n
	return errors.Join(err, out.Close())
}

func (x *drilling) integrity(ctx context.Context, name, path string) {
	x.p.Databases++
	d, err := db.Open(path, db.Options{})
	if err != nil {
		x.fail("%s: %v", name, err)
		return
	}
	defer d.Close()
	lines, err := d.IntegrityCheck(ctx, 3)
	if err != nil {
		x.fail("%s: %v", name, err)
	}
	for _, l := range lines {
		x.fail("%s: %s", name, l)
	}
}

// account restores an account, checks and compares it, and removes it.
func (x *drilling) account(ctx context.Context, name string) {
	x.p.Accounts++
	dir := x.store.AccountDir(name)
	defer os.RemoveAll(dir)
	for i := range x.snap.Files {
		f := &x.snap.Files[i]
		if of, ok := AccountOf(f.Path); !ok || of != name {
			continue
		}
		rel := strings.TrimPrefix(f.Path, "data/accounts/"+name+"/")
		path := filepath.Join(dir, filepath.FromSlash(rel))
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = x.write(ctx, f, path)
		}
		if err != nil {
			x.fail("%s: %v", f.Path, err)
			return
		}
		if f.Database && rel != "account.db" {
			x.integrity(ctx, f.Path, path)
		}
	}
	acc, err := x.store.Account(ctx, name)
	if err != nil {
		x.fail("account %s: %v", name, err)
		return
	}
	x.p.Databases++
	problems, err := acc.CheckDeep(ctx)
	if err != nil {
		x.fail("account %s: %v", name, err)
	}
	for _, p := range problems {
		x.fail("account %s: %s", name, p)
	}
	if x.d.Live != nil && ctx.Err() == nil {
		x.compare(ctx, name, acc)
	}
	acc.Release()
	// It closes the files, which may then be removed.
	if err := x.store.Remove(ctx, name); err != nil {
		x.fail("account %s: %v", name, err)
	}
}

// compare looks at random messages here and there.
func (x *drilling) compare(ctx context.Context, name string, restored *store.Account) {
	live, err := x.d.Live.Account(ctx, name)
	if errors.Is(err, store.ErrNoAccount) {
		return // removed since
	} else if err != nil {
		x.fail("comparing account %s: %v", name, err)
		return
	}
	defer live.Release()
	// What was there and has not changed since the backup is in it; and what is in it is there
	// or was removed by its user.
	if err := x.sample(ctx, name, live, restored, restored.ModSeq(), true); err != nil {
		x.fail("comparing account %s: %v", name, err)
	}
	if err := x.sample(ctx, name, restored, live, 0, false); err != nil {
		x.fail("comparing account %s: %v", name, err)
	}
}

// sample looks for random messages of one account in another one; until is the clock after
// which messages are not looked at, 0: all are.
func (x *drilling) sample(ctx context.Context, name string, from, in *store.Account, until store.ModSeq, must bool) error {
	type candidate struct {
		box store.Mailbox
		m   store.Message
	}
	var chosen []candidate
	n, want := 0, x.d.Sample
	if want == 0 {
		want = 50
	}
	for _, box := range from.Mailboxes() {
		list, err := from.MessagesAt(ctx, box.ID, store.AllUIDs())
		if errors.Is(err, store.ErrNoMailbox) {
			continue
		} else if err != nil {
			return err
		}
		for _, m := range list {
			if until != 0 && m.ModSeq > until {
				continue
			}
			// Reservoir sampling.
			if n++; len(chosen) < want {
				chosen = append(chosen, candidate{box, m})
			} else if i := rand.IntN(n); i < want {
				chosen[i] = candidate{box, m}
			}
		}
	}
	for _, c := range chosen {
		_, other, err := in.FindMessage(ctx, c.m.ID)
		switch {
		case err != nil && must && errors.Is(err, store.ErrNoMessage):
			// It may have gone in this moment.
			if _, _, err := from.FindMessage(ctx, c.m.ID); err == nil {
				x.fail("account %s: message %d of mailbox %s is not in the backup", name, c.m.UID, c.box.Name)
			}
		case errors.Is(err, store.ErrNoMessage):
			x.p.Gone++
		case err != nil:
			return err
		default:
			x.p.Compared++
			same, err := sameContent(ctx, from, c.m.Body, in, other.Body)
			if errors.Is(err, store.ErrNoBody) {
				continue
			} else if err != nil {
				return err
			}
			if !same || c.m.ModSeq == other.ModSeq && (c.m.Flags != other.Flags || c.m.UID != other.UID || c.m.Received != other.Received) {
				x.fail("account %s: message %d of mailbox %s is another one in the backup", name, c.m.UID, c.box.Name)
			}
		}
	}
	return nil
}

func sameContent(ctx context.Context, a *store.Account, x store.BodyID, b *store.Account, y store.BodyID) (bool, error) {
	hx, err := hashBody(ctx, a, x)
	if err != nil {
		return false, err
	}
	hy, err := hashBody(ctx, b, y)
	return slices.Equal(hx, hy), err
}

func hashBody(ctx context.Context, a *store.Account, id store.BodyID) ([]byte, error) {
	b, err := a.OpenBody(ctx, id)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	h := sha256.New()
	_, err = b.WriteTo(h)
	return h.Sum(nil), err
}
