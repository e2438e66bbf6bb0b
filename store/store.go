package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"mox/atomicfile"
	"mox/db"
)

// Options configure a [Store]. The zero value is usable.
type Options struct {
	Log            *slog.Logger
	Now            func() time.Time            // clock; nil: time.Now
	Quota          int64                       // bytes an account may hold, unless LimitsOf or SetLimits say otherwise; 0: no limit
	LimitsOf       func(account string) Limits // asked when an account is opened; nil: Quota for all
	MaxMessageSize int64                       // bytes of one message, with its prefix; 0: no limit
	SpoolMemory    int64                       // bytes of memory for all spools together; 0: 32 MiB. What does not fit is in files
	Grace          time.Duration               // how long content stays readable after its last message is gone; 0: 10 minutes
	Retention      time.Duration               // how long expunged messages can be brought back; 0: not
	ChangeLog      int                         // entries of the change log kept at least; 0: 100,000
	ExpungeLog     int                         // expunge operations of a mailbox remembered for QRESYNC at least; 0: 10,000
	IdleAccounts   int                         // accounts kept open that nobody uses, at most; 0: 100
	IdleTime       time.Duration               // after which an unused account is closed; 0: 1 minute
	SortMemory     int64                       // bytes of memory for sort keys of mailboxes that are open, of all accounts together; 0: 128 MiB
	SortIdle       time.Duration               // after which unused sort keys are dropped; 0: 5 minutes
	Added          func(account string)        // called when messages were added durably, by COPY too; must be quick and call nothing of the account

	// AutoFlags returns the flags that messages get and lose on their way into a mailbox:
	// delivered by Deliver, moved or copied there from another one; not when added by Add,
	// since clients that append a message have said which flags it has. RFC 9051 6.4.7: COPY
	// should preserve flags; this is so that who has no button for junk has a mailbox for it.
	// from is the mailbox that they come from, empty for Deliver; use is what the mailbox that
	// they come into is for. It is called within operations: it must be quick and call
	// nothing of the account. nil: none.
	AutoFlags func(account, from, mailbox string, use SpecialUse) (set, clear Flags)
	// Reserved tells whether messages come into a mailbox from this server alone (NewMessage.Own):
	// then it is an error, ErrReserved, to add, copy or move others there. Deliver is no
	// exception to make: it always may. As quick as AutoFlags; nil: none is.
	Reserved func(account, mailbox string) bool
	// Classified is called when messages came, went or changed that have or had $Junk or
	// $NotJunk, once that is durable; it must be quick and call nothing of the account. nil: none.
	Classified func(account string)
	// Changed is called when an account has changed in any way that its change log tells of, once that is
	// durable; as quick as Classified. nil: none.
	Changed func(account string)

	Metadata    MetadataLimits
	Annotations AnnotationLimits
	Uploads     UploadLimits

	Watch db.Watcher // is told of the databases of accounts that are opened and closed; nil: nobody

	VFS         string // file layer of the databases, for tests; "": the system's
	Synchronous string // for tests, see db.Options; "": FULL
}

// Store is all accounts of a data directory. It is safe for concurrent use.
type Store struct {
	dir    string
	o      Options
	lock   *db.Lock
	spools spoolMemory
	codec  *codec
	shares *shares

	background sync.WaitGroup // makeShares
	stopShares func()         // ends makeShares; nil when there was none
	seed       maphash.Seed   // of hashes of message ids, which are only in memory

	columns columnCache

	mu       sync.Mutex // guards the fields below, and refs and last of each account
	accounts map[string]*slot
	closed   bool
	timer    *time.Timer // closes idle accounts
}

// slot is an account that is open or being opened or closed. Only one of these happens
// at a time, so that a database is never open twice.
type slot struct {
	ready chan struct{} // closed when opening or closing has ended
	a     *Account      // after ready; nil when it could not be opened
	err   error
}

// Open opens the data directory dir, making it when missing. When another process has
// it open the error wraps ErrInUse and names the process.
func Open(dir string, o Options) (*Store, error) {
	storeDefaults(&o)
	for _, d := range []string{dir, filepath.Join(dir, "accounts"), filepath.Join(dir, "tmp")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("opening data directory: %w", err)
		}
	}
	lock, err := db.LockFile(filepath.Join(dir, "lock"))
	if err != nil {
		if errors.Is(err, db.ErrInUse) {
			err = fmt.Errorf("%w: %s: %w", ErrInUse, dir, err)
		}
		return nil, fmt.Errorf("opening data directory: %w", err)
	}
	codec, err := newCodec()
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("opening data directory: %w", err)
	}
	s := &Store{dir: dir, o: o, lock: lock, codec: codec, seed: maphash.MakeSeed(), accounts: map[string]*slot{}}
	s.columns.limit, s.columns.idle = o.SortMemory, o.SortIdle
	s.spools.left.Store(o.SpoolMemory)
	s.clean()
	s.openShares()
	return s, nil
}

func storeDefaults(o *Options) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	o.SpoolMemory = cmp.Or(o.SpoolMemory, 32<<20)
	o.Grace = cmp.Or(o.Grace, 10*time.Minute)
	o.ChangeLog = cmp.Or(o.ChangeLog, 100_000)
	o.ExpungeLog = cmp.Or(o.ExpungeLog, 10_000)
	o.IdleAccounts = cmp.Or(o.IdleAccounts, 100)
	o.IdleTime = cmp.Or(o.IdleTime, time.Minute)
	o.SortMemory = cmp.Or(o.SortMemory, 128<<20)
	o.SortIdle = cmp.Or(o.SortIdle, 5*time.Minute)
	o.Metadata.setDefaults()
	o.Annotations.setDefaults()
	o.Uploads.setDefaults()
}

// clean removes what a process that was killed left: spools, accounts half made or half removed.
func (s *Store) clean() {
	entries, err := os.ReadDir(filepath.Join(s.dir, "tmp"))
	if err != nil {
		s.o.Log.Error("reading temporary directory", "err", err)
		return
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(s.dir, "tmp", e.Name())); err != nil {
			s.o.Log.Error("removing temporary file", "name", e.Name(), "err", err)
		}
	}
}

func (s *Store) dbOptions() db.Options {
	return db.Options{Log: s.o.Log, Migrations: schema(), VFS: s.o.VFS, Synchronous: s.o.Synchronous, Watch: s.o.Watch}
}

// Dir is the data directory.
func (s *Store) Dir() string { return s.dir }

// AccountDir is the directory of an account's files, which need not exist; see Account.Dir.
func (s *Store) AccountDir(name string) string { return s.accountDir(name) }

func (s *Store) accountDir(name string) string { return filepath.Join(s.dir, "accounts", name) }

// Names returns the names of all accounts, sorted.
func (s *Store) Names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "accounts"))
	if err != nil {
		return nil, fmt.Errorf("listing accounts: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && checkAccountName(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Create makes an account with Inbox and the given mailboxes, all subscribed. It is
// made aside and then renamed into place: there is never half an account.
func (s *Store) Create(ctx context.Context, name string, boxes InitialMailboxes) error {
	if err := checkAccountName(name); err != nil {
		return err
	}
	if _, err := os.Lstat(s.accountDir(name)); err == nil {
		return fmt.Errorf("%w: account %s", ErrExists, name)
	}
	if err := s.forgetUser(ctx, name); err != nil {
		return fmt.Errorf("creating account %s: %w", name, err)
	}
	tmp, err := os.MkdirTemp(filepath.Join(s.dir, "tmp"), "create-")
	if err != nil {
		return s.diskError("creating account", err)
	}
	defer os.RemoveAll(tmp)
	if err := s.createIn(ctx, tmp, name, boxes); err != nil {
		return fmt.Errorf("creating account %s: %w", name, err)
	}
	if err := os.Rename(tmp, s.accountDir(name)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = ErrExists
		}
		return s.diskError("creating account", err)
	}
	if err := atomicfile.SyncDir(filepath.Join(s.dir, "accounts")); err != nil {
		return s.diskError("creating account", err)
	}
	return nil
}

// createIn makes the account's files in tmp.
func (s *Store) createIn(ctx context.Context, tmp, name string, boxes InitialMailboxes) error {
	d, err := db.Open(filepath.Join(tmp, "account.db"), s.dbOptions())
	if err != nil {
		return err
	}
	a := newAccount(s, name, tmp)
	a.db = d
	err = d.Write(ctx, func(c *db.Conn) error {
		return c.Script("INSERT INTO account (id, modseq, next_mailbox, next_message, next_body, uidvalidity, change_floor) VALUES (1, 0, 1, 1, 1, 0, 0)")
	})
	if err == nil {
		err = d.Read(ctx, a.readState)
	}
	if err == nil {
		a.committer = d.NewCommitter(db.Hooks{Before: a.flush, After: a.settle})
		err = a.createInitial(ctx, boxes)
		a.committer.Close()
	}
	return errors.Join(err, d.Close())
}

func (s *Store) diskError(doing string, err error) error {
	if IsNoSpace(err) {
		return fmt.Errorf("%s: %w: %w", doing, ErrDiskFull, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Account opens an account, or returns it where it is open. The caller must Release it.
func (s *Store) Account(ctx context.Context, name string) (*Account, error) {
	if err := checkAccountName(name); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAccount, err)
	}
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, ErrClosed
		}
		sl := s.accounts[name]
		if sl == nil {
			sl = &slot{ready: make(chan struct{})}
			s.accounts[name] = sl
			s.mu.Unlock()
			s.fill(context.WithoutCancel(ctx), name, sl)
			if sl.err != nil {
				return nil, sl.err
			}
			continue
		}
		if sl.a != nil {
			sl.a.refs++
			s.mu.Unlock()
			return sl.a, nil
		}
		s.mu.Unlock()
		select {
		case <-sl.ready:
			if sl.err != nil {
				return nil, sl.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryOpen opens an account; a panic of it becomes an error, so that nobody waits for ever.
func (s *Store) tryOpen(ctx context.Context, name string) (a *Account, err error) {
	defer func() {
		if x := recover(); x != nil {
			s.o.Log.Error("panic while opening account", "account", name, "panic", fmt.Sprint(x), "stack", string(debug.Stack()))
			a, err = nil, fmt.Errorf("opening account %s: panic: %v", name, x)
		}
	}()
	return s.openAccount(ctx, name)
}

// fill opens the account of a slot.
func (s *Store) fill(ctx context.Context, name string, sl *slot) {
	a, err := s.tryOpen(ctx, name)
	if err == nil && s.o.LimitsOf != nil {
		a.limits = s.o.LimitsOf(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sl.a, sl.err = a, err
	if err != nil {
		delete(s.accounts, name)
	} else {
		a.last = s.o.Now()
	}
	close(sl.ready)
}

func (s *Store) release(a *Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.refs--
	a.last = s.o.Now()
	if a.refs > 0 || s.closed {
		return
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(s.o.IdleTime, s.closeIdle)
	}
	if len(s.accounts) > s.o.IdleAccounts {
		go s.closeIdle()
	}
}

// closeIdle closes accounts that were not used for a while, and those beyond the number
// to be kept, the longest unused first.
func (s *Store) closeIdle() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	var idle []*Account
	for _, sl := range s.accounts {
		if sl.a != nil && sl.a.refs == 0 {
			idle = append(idle, sl.a)
		}
	}
	slices.SortFunc(idle, func(x, y *Account) int { return x.last.Compare(y.last) })
	before := s.o.Now().Add(-s.o.IdleTime)
	var old []*Account
	for i, a := range idle {
		if !a.last.After(before) || len(idle)-i > s.o.IdleAccounts {
			old = append(old, a)
		}
	}
	slots := make([]*slot, len(old))
	for i, a := range old {
		slots[i] = &slot{ready: make(chan struct{})}
		s.accounts[a.name] = slots[i]
	}
	s.timer = nil
	if len(old) < len(idle) && !s.closed {
		s.timer = time.AfterFunc(s.o.IdleTime, s.closeIdle)
	}
	s.mu.Unlock()
	for i, a := range old {
		s.finish(a, slots[i])
	}
}

// finish closes an account whose slot was replaced, so that nobody can get at it.
func (s *Store) finish(a *Account, sl *slot) {
	if err := a.close(); err != nil {
		s.o.Log.Error("closing account", "account", a.name, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts[a.name] == sl {
		delete(s.accounts, a.name)
	}
	close(sl.ready)
}

// Remove deletes an account with all its mail. It fails while someone uses it.
func (s *Store) Remove(ctx context.Context, name string) error {
	a, err := s.Account(ctx, name)
	if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
		return fmt.Errorf("removing account: %w", err)
	}
	if a != nil {
		sl, err := s.lockOut(a)
		if err != nil {
			return fmt.Errorf("removing account %s: %w", name, err)
		}
		defer s.finish(a, sl)
		if err := a.close(); err != nil {
			s.o.Log.Error("closing account to be removed", "account", name, "err", err)
		}
	}
	tmp, err := os.MkdirTemp(filepath.Join(s.dir, "tmp"), "remove-")
	if err != nil {
		return s.diskError("removing account", err)
	}
	if err := os.Rename(s.accountDir(name), filepath.Join(tmp, "account")); err != nil {
		return s.diskError("removing account", err)
	}
	if err := atomicfile.SyncDir(filepath.Join(s.dir, "accounts")); err != nil {
		return s.diskError("removing account", err)
	}
	// Create does this too, should it fail here.
	if err := errors.Join(s.shares.forget(name), s.forgetUser(ctx, name)); err != nil {
		s.o.Log.Error("removing what others share with a removed account", "account", name, "err", err)
	}
	return os.RemoveAll(tmp)
}

// lockOut takes the caller's account out of use. It fails when others use it too.
func (s *Store) lockOut(a *Account) (*slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.refs--; a.refs > 0 {
		return nil, fmt.Errorf("%w: it has sessions", ErrInUse)
	}
	sl := &slot{ready: make(chan struct{}), err: fmt.Errorf("%w: %s", ErrNoAccount, a.name)}
	s.accounts[a.name] = sl
	return sl, nil
}

// Close closes all accounts and unlocks the directory. Operations on accounts that are
// still held give ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	slots := make([]*slot, 0, len(s.accounts))
	for _, sl := range s.accounts {
		slots = append(slots, sl)
	}
	s.mu.Unlock()
	if s.stopShares != nil {
		s.stopShares()
	}
	s.background.Wait()
	s.columns.close()
	var errs []error
	for _, sl := range slots {
		<-sl.ready
		if sl.a != nil {
			errs = append(errs, sl.a.close())
		}
	}
	s.codec.Close()
	return errors.Join(append(errs, s.lock.Close())...)
}
