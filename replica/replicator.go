package replica

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/atomicfile"
	"mox/backup"
	"mox/db"
)

// Config is what a [Replicator] needs.
type Config struct {
	// Open opens the repository, making it when there is none.
	Open      func(ctx context.Context) (*backup.Repository, error)
	DataDir   string // whose databases are replicated
	StateFile string // where the clean end of a process leaves where it was; its directory is made

	Interval   time.Duration // between rounds; 0: 1 s
	Generation time.Duration // after which a new one begins; 0: 24 h
	Large      int64         // bytes of segments after which a new one begins, if the database is not larger; 0: 64 MiB
	Retention  time.Duration // for how long moments can be restored; 0: 7 days

	Now func() time.Time // nil: time.Now
	Log *slog.Logger
	// Stored is called after each base. nil: nothing.
	Stored func()
}

// Replicator follows databases. It is a db.Watcher, to be given to those who open them.
type Replicator struct {
	c     Config
	ended chan struct{} // closed when Run has ended
	kick  chan struct{} // wakes who stores bases

	mu      sync.Mutex // guards what follows, and the fields of each followed but those said otherwise
	dbs     map[string]*followed
	resumed map[string]resumeState // of the process before
	closed  bool

	complained time.Time // when an error was logged last; zero: none since all was well
}

// followed is a database.
type followed struct {
	name string // path below the data directory, with slashes
	d    *db.DB // nil: closed
	f    *db.Follower
	// before are those of earlier times that it was open, with commits that come first.
	before []*db.Follower
	fileID string
	gen    *generation // nil: there is none that goes on
	base   bool        // a base is being stored
	seen   uint64      // commits when all of them had been sent
	// since is when something was first found that was not sent; zero: nothing.
	since    time.Time
	identity string // of the closed file; empty: not known yet
}

// generation is one that goes on. Its fields are of the goroutine that sends segments, once
// there is a first segment.
type generation struct {
	Name    string
	Started time.Time
	Base    int64 // size
	Seq     int   // of the last segment
	Chain   []byte
	Size    int64 // of segments
	Page    int
}

// resumeState is what a process leaves about a database.
type resumeState struct {
	Identity string
	Gen      generation
}

// New returns a Replicator; Run makes it work.
func New(c Config) *Replicator {
	c.Interval = cmp.Or(c.Interval, time.Second)
	c.Generation = cmp.Or(c.Generation, 24*time.Hour)
	c.Large = cmp.Or(c.Large, 64<<20)
	c.Retention = cmp.Or(c.Retention, 7*24*time.Hour)
	if c.Now == nil {
		c.Now = time.Now
	}
	r := &Replicator{c: c, ended: make(chan struct{}), kick: make(chan struct{}, 1), dbs: map[string]*followed{}}
	r.readState()
	return r
}

// readState takes what the process before has left, once: after a crash of this one it is not
// true any more.
func (r *Replicator) readState() {
	b, err := os.ReadFile(r.c.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = json.Unmarshal(b, &r.resumed)
	}
	if err == nil {
		err = errors.Join(os.Remove(r.c.StateFile), atomicfile.SyncDir(filepath.Dir(r.c.StateFile)))
	}
	if err != nil {
		r.c.Log.Warn("state of the replica is not known: it begins anew", "err", err)
		r.resumed = nil
	}
}

// nameOf is the name of a database, "" for one that is not replicated.
func (r *Replicator) nameOf(path string) string {
	rel, err := filepath.Rel(r.c.DataDir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	rel = filepath.ToSlash(rel)
	if rel != "queue.db" && (!strings.HasPrefix(rel, "accounts/") || !strings.HasSuffix(rel, "/account.db") || strings.Count(rel, "/") != 2) {
		return ""
	}
	return rel
}

// Opened implements db.Watcher.
func (r *Replicator) Opened(d *db.DB) {
	name := r.nameOf(d.Path())
	if name == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	e := r.dbs[name]
	if e == nil {
		e = &followed{name: name}
		r.dbs[name] = e
		if s, ok := r.resumed[name]; ok {
			e.gen, e.identity = &s.Gen, s.Identity
			delete(r.resumed, name)
		}
	}
	id, identity, old := db.FileID(d.Path()), db.Identity(d.Path()), e.f
	e.d, e.f = d, d.Follow()
	same := (e.identity == "" || e.identity == identity) && (old == nil || e.fileID == id)
	if e.gen != nil && same {
		if old != nil {
			e.before = append(e.before, old)
		}
		e.f.Resume(old)
	} else {
		e.gen, e.before = nil, nil
	}
	// What opening it has changed is looked for.
	e.identity, e.fileID, e.seen = "", id, d.Commits()-1
}

// drained tells whether everything of a closed database was sent.
func (r *Replicator) drained(e *followed) bool {
	commits, _, err := e.f.Next(context.Background())
	return errors.Is(err, db.ErrClosed) && commits == nil
}

// Closing implements db.Watcher. What is not sent yet is in the Follower.
func (r *Replicator) Closing(d *db.DB) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.dbs[r.nameOf(d.Path())]; e != nil && e.d == d {
		e.d, e.identity = nil, ""
	}
}

// Lag is how long the oldest commit waits that was not sent.
func (r *Replicator) Lag() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	lag := time.Duration(0)
	for _, e := range r.dbs {
		if !e.since.IsZero() {
			lag = max(lag, r.c.Now().Sub(e.since))
		}
	}
	return lag
}

// Run replicates until ctx ends, and then until all that was committed is sent, for at most as
// long as drain; the databases should be closed before ctx ends.
func (r *Replicator) Run(ctx context.Context, drain time.Duration) {
	defer close(r.ended)
	var wg sync.WaitGroup
	wg.Go(func() { r.bases(ctx) })
	t := time.NewTicker(r.c.Interval)
	defer t.Stop()
	pruned := r.c.Now()
	var repo *backup.Repository
	defer func() {
		if repo != nil {
			repo.Close()
		}
	}()
	for ctx.Err() == nil {
		repo = r.round(ctx, repo)
		if repo != nil && r.c.Now().Sub(pruned) > time.Hour {
			pruned = r.c.Now()
			if err := Prune(ctx, repo, pruned.Add(-r.c.Retention)); err != nil && ctx.Err() == nil {
				r.c.Log.Error("removing old parts of the replica", "err", err)
			}
		}
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	wg.Wait()
	dctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	repo = r.round(dctx, repo)
	r.leave()
}

// leave writes where everything was, for the next process.
func (r *Replicator) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	left := map[string]resumeState{}
	for name, s := range r.resumed {
		left[name] = s // was not opened
	}
	for name, e := range r.dbs {
		if e.d != nil {
			e.d.Unfollow()
			continue
		}
		if e.gen != nil && r.drained(e) {
			left[name] = resumeState{db.Identity(filepath.Join(r.c.DataDir, filepath.FromSlash(name))), *e.gen}
		}
	}
	b, err := json.Marshal(left)
	if err == nil {
		if err = os.MkdirAll(filepath.Dir(r.c.StateFile), 0o700); err == nil {
			err = atomicfile.Write(r.c.StateFile, b, 0o600)
		}
	}
	if err != nil {
		r.c.Log.Error("keeping state of the replica: it begins anew with the next start", "err", err)
	}
}

// round sends what there is. It returns the repository, nil when it could not be opened.
func (r *Replicator) round(ctx context.Context, repo *backup.Repository) *backup.Repository {
	now := r.c.Now().UTC()
	for _, e := range r.list(now) {
		if repo == nil {
			var err error
			if repo, err = r.c.Open(ctx); err != nil {
				r.failed(e, "opening repository", err)
				return nil
			}
		}
		if err := r.send(ctx, repo, e, now); err != nil {
			r.failed(e, "sending commits", err)
			var stored *storeError
			if errors.As(err, &stored) {
				break // it would be the same for the others
			}
		}
	}
	return repo
}

// storeError is an error of the repository's storage.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// complainEvery is the time between log lines about what does not work.
const complainEvery = 10 * time.Minute

// failed logs an error, but not each second the same.
func (r *Replicator) failed(e *followed, what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	r.mu.Lock()
	now := r.c.Now()
	again := !r.complained.IsZero() && now.Sub(r.complained) < complainEvery
	if !again {
		r.complained = now
	}
	r.mu.Unlock()
	if !again {
		r.c.Log.Error("replica falls behind: it is tried again", "doing", what, "err", err, "database", e.name)
	}
}

// list returns the databases with something to send, the queue first.
func (r *Replicator) list(now time.Time) []*followed {
	r.mu.Lock()
	defer r.mu.Unlock()
	var l []*followed
	for name, e := range r.dbs {
		if e.gen == nil && !e.base && e.d != nil {
			if e.since.IsZero() {
				e.since = now
			}
			r.wantBase()
		}
		if e.d == nil && r.closedFile(name, e) {
			continue
		}
		if e.gen == nil || e.f == nil || e.d != nil && e.d.Commits() == e.seen && len(e.before) == 0 {
			continue
		}
		if e.since.IsZero() && (e.d != nil || !r.drained(e)) {
			e.since = now
		}
		l = append(l, e)
	}
	slices.SortFunc(l, func(a, b *followed) int {
		if (a.name == "queue.db") != (b.name == "queue.db") {
			if a.name == "queue.db" {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	return l
}

// closedFile looks after a database that is closed, and tells whether there is nothing to send.
func (r *Replicator) closedFile(name string, e *followed) bool {
	if e.f == nil || e.identity != "" {
		return true
	}
	if len(e.before) > 0 || e.gen != nil && !r.drained(e) {
		return false
	}
	path := filepath.Join(r.c.DataDir, filepath.FromSlash(name))
	// Closing has ended when the log is gone.
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		if e.identity = db.Identity(path); e.identity == "" && !e.base {
			delete(r.dbs, name) // the account was removed
		}
	}
	e.since = time.Time{}
	return true
}

func (r *Replicator) wantBase() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// send sends all commits of a database.
func (r *Replicator) send(ctx context.Context, repo *backup.Repository, e *followed, now time.Time) error {
	for {
		r.mu.Lock()
		f, gen, d := e.f, e.gen, e.d
		if len(e.before) > 0 {
			f = e.before[0]
		}
		seen := uint64(0)
		if d != nil {
			seen = d.Commits()
		}
		r.mu.Unlock()
		if gen == nil {
			return nil
		}
		commits, mark, err := f.Next(ctx)
		if errors.Is(err, db.ErrClosed) || err == nil && len(commits) == 0 {
			if r.next(e, f) {
				continue
			}
			r.sent(e, f, gen, seen)
			return nil
		} else if errors.Is(err, db.ErrLost) {
			r.lost(e, gen)
			r.c.Log.Warn("replica of a database begins anew", "database", e.name, "reason", err)
			return nil
		} else if err != nil {
			return err
		}
		next := *gen
		next.Seq++
		var seg []byte
		seg, next.Chain = encodeSegment(&next, gen.Chain, now, commits)
		object := segmentName(e.name, gen.Name, next.Seq)
		sealed := repo.Seal(object, seg)
		if err := repo.Storage().Put(ctx, object, sealed); err != nil {
			return &storeError{err}
		}
		next.Size += int64(len(sealed))
		f.Done(mark)
		r.mu.Lock()
		if e.gen == gen {
			e.gen = &next
		}
		r.mu.Unlock()
	}
}

// next goes on to the follower after one that has given all, if there is another one.
func (r *Replicator) next(e *followed, f *db.Follower) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(e.before) > 0 && e.before[0] == f {
		e.before = e.before[1:]
		return true
	}
	return false
}

// sent notes that all is sent, and whether the generation should end.
func (r *Replicator) sent(e *followed, f *db.Follower, gen *generation, seen uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.f != f || e.gen == nil || e.gen.Name != gen.Name {
		return
	}
	e.since, r.complained = time.Time{}, time.Time{}
	if e.d != nil {
		e.seen = seen
		if gen.Seq > 0 && (r.c.Now().Sub(gen.Started) > r.c.Generation || gen.Size > max(r.c.Large, gen.Base)) {
			e.gen = nil
		}
	}
}

func (r *Replicator) lost(e *followed, gen *generation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.gen != nil && e.gen.Name == gen.Name {
		e.gen, e.before = nil, nil
	}
}

// bases stores bases of databases that have no generation that goes on.
func (r *Replicator) bases(ctx context.Context) {
	for {
		select {
		case <-r.kick:
		case <-ctx.Done():
			return
		}
		if err := r.storeBases(ctx); err != nil && ctx.Err() == nil {
			r.c.Log.Error("storing databases for the replica: it is tried again", "err", err)
			t := time.NewTimer(10 * r.c.Interval)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
		}
	}
}

func (r *Replicator) storeBases(ctx context.Context) error {
	repo, err := r.c.Open(ctx)
	if err != nil {
		return err
	}
	defer repo.Close()
	b, err := repo.Bases(ctx)
	if errors.Is(err, backup.ErrLocked) {
		r.c.Log.Debug("replica waits", "reason", err)
		t := time.NewTimer(r.c.Interval)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		r.wantBase()
		return nil
	} else if err != nil {
		return err
	}
	defer b.Close()
	for {
		e := r.nextBase()
		if e == nil {
			return nil
		}
		err := r.storeBase(ctx, b, e)
		r.mu.Lock()
		e.base = false
		r.mu.Unlock()
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if r.c.Stored != nil {
			r.c.Stored()
		}
	}
}

// nextBase returns a database that needs a base, nil for none.
func (r *Replicator) nextBase() *followed {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(keys(r.dbs)) {
		if e := r.dbs[name]; e.gen == nil && e.d != nil && !e.base {
			e.base = true
			return e
		}
	}
	return nil
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// storeBase stores a database and begins a generation with it.
func (r *Replicator) storeBase(ctx context.Context, b *backup.Bases, e *followed) error {
	r.mu.Lock()
	d, f := e.d, e.f
	r.mu.Unlock()
	if d == nil {
		return nil
	}
	pages, err := db.OpenPages(ctx, d.Path())
	if err != nil {
		return err
	}
	defer pages.Close()
	f.Start(pages)
	seen := d.Commits()
	now := r.c.Now().UTC()
	gen := &generation{Name: now.Format("20060102T150405.000Z") + "-" + random(), Started: now, Base: pages.Size(), Page: pages.PageSize()}
	gen.Chain = chainStart(e.name, gen.Name)
	it := backup.Item{Path: "data/" + e.name, Database: true, Time: now, Size: pages.Size(), PageSize: pages.PageSize()}
	// What is committed from now on is sent while the base is stored.
	r.mu.Lock()
	if e.f != f {
		r.mu.Unlock()
		return nil // it was closed and opened meanwhile
	}
	e.gen, e.before, e.seen = gen, nil, seen-1
	r.mu.Unlock()
	if _, err := b.Store(ctx, baseName(e.name, gen.Name), it, pages); err != nil {
		r.lost(e, gen)
		return err
	}
	return nil
}

func random() string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
