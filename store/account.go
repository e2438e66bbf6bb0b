package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mox/db"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

func schema() fs.FS { return db.Schema(schemaFiles) }

// Account is an open account. It is safe for concurrent use. Hold it for as long as
// anything of it is used, then call Release.
type Account struct {
	s    *Store
	name string
	dir  string
	log  *slog.Logger

	db        *db.DB
	committer *db.Committer
	damaged   atomic.Int64 // when damage was last logged

	moving  chan struct{} // of capacity 1, full while messages move to another account
	sharing sync.Mutex    // held while access control lists change, with the index of shares

	refs int       // guarded by s.mu, like:
	last time.Time // last Release

	// batch is what the running commit has done so far; only for the committer's goroutine.
	batch *overlay

	// What is durable. Only the committer's goroutine writes, with mu held; others read
	// with mu held.
	mu sync.RWMutex
	counters
	boxes    map[MailboxID]*mailbox
	names    map[string]MailboxID
	keywords keywords
	muting   muting
	subs     map[string]bool
	limits   Limits // written by SetLimits
	used     int64  // bytes of all messages
	count    int64
	watches  map[*Watch]bool
	views    map[MailboxID]*entry
	uses     int64 // counts closes of boxes
	repairs  int   // counts repairs

	looks atomic.Int64 // how many messages more are looked up before they are compressed, see holds

	reap reaper
}

// openAccount opens the account in dir.
func (s *Store) openAccount(ctx context.Context, name string) (*Account, error) {
	dir := s.accountDir(name)
	path := filepath.Join(dir, "account.db")
	if _, err := os.Stat(path); err != nil {
		if os.IsNotExist(err) {
			return nil, fmt.Errorf("%w: %s", ErrNoAccount, name)
		}
		return nil, fmt.Errorf("opening account: %w", err)
	}
	a := newAccount(s, name, dir)
	d, err := db.Open(path, s.dbOptions())
	if err != nil {
		return nil, a.openError(path, err)
	}
	a.db = d
	if err := d.Read(ctx, a.readState); err != nil {
		d.Close()
		return nil, a.openError(path, err)
	}
	a.committer = d.NewCommitter(db.Hooks{Before: a.flush, After: a.settle})
	if err := s.shares.add(name, a.grantees()...); err != nil {
		// What is in memory is right until the next start, which comes here again.
		a.log.Error("opening account", "account", name, "err", err)
	}
	a.scheduleReap()
	return a, nil
}

func newAccount(s *Store, name, dir string) *Account {
	return &Account{
		s: s, name: name, dir: dir, log: s.o.Log, limits: Limits{Bytes: s.o.Quota},
		boxes: map[MailboxID]*mailbox{}, names: map[string]MailboxID{}, keywords: newKeywords(), subs: map[string]bool{},
		moving: make(chan struct{}, 1), watches: map[*Watch]bool{}, views: map[MailboxID]*entry{},
	}
}

func (a *Account) openError(path string, err error) error {
	err = fmt.Errorf("opening account %s: %w", a.name, err)
	if errors.Is(err, db.ErrNewer) {
		err = fmt.Errorf("%w: %w", ErrNewer, err)
	}
	mapped := a.fail(err) // logs damage
	if !errors.Is(mapped, ErrCorrupt) {
		a.log.Error("cannot open account", "account", a.name, "path", path, "err", err)
	}
	return mapped
}

// readState reads all that is kept in memory while the account is open.
func (a *Account) readState(c *db.Conn) error {
	for _, read := range []func(*db.Conn) error{a.readCounters, a.readMailboxes, a.readACL, a.readKeywords, a.readSubscriptions} {
		if err := read(c); err != nil {
			return err
		}
	}
	return nil
}

func (a *Account) readCounters(c *db.Conn) error {
	rows := c.Query("SELECT modseq, next_mailbox, next_message, next_body, uidvalidity, change_floor, annotations, annotation_size FROM account WHERE id=1")
	ok := rows.Next()
	if ok {
		a.counters = counters{
			ModSeq(rows.Int64(0)), MailboxID(rows.Int64(1)), MessageID(rows.Int64(2)), BodyID(rows.Int64(3)), uint32(rows.Int64(4)), ModSeq(rows.Int64(5)),
			rows.Int64(6), rows.Int64(7),
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%w: no account row", ErrCorrupt)
	}
	return nil
}

func (a *Account) readMailboxes(c *db.Conn) error {
	rows := c.Query("SELECT id, name, uidvalidity, uidnext, special_use, created, modseq, expunge_floor, messages, unseen, deleted, size, deleted_size FROM mailbox")
	for rows.Next() {
		b := &mailbox{Mailbox: Mailbox{
			ID: MailboxID(rows.Int64(0)), Name: rows.Text(1), UIDValidity: uint32(rows.Int64(2)), UIDNext: UID(rows.Int64(3)),
			SpecialUse: SpecialUse(rows.Int64(4)), Created: ModSeq(rows.Int64(5)), ModSeq: ModSeq(rows.Int64(6)),
			Counts: Counts{
				Messages: uint32(rows.Int64(8)), Unseen: uint32(rows.Int64(9)), Deleted: uint32(rows.Int64(10)),
				Size: rows.Int64(11), DeletedSize: rows.Int64(12),
			},
		}, expungeFloor: ModSeq(rows.Int64(7))}
		a.boxes[b.ID] = b
		a.names[b.Name] = b.ID
		a.used += b.Size
		a.count += int64(b.Messages)
	}
	return rows.Close()
}

func (a *Account) readKeywords(c *db.Conn) error {
	rows := c.Query("SELECT id, words FROM keyword_set")
	for rows.Next() {
		a.keywords.add(KeywordSet(rows.Int64(0)), strings.Fields(rows.Text(1)))
	}
	return rows.Close()
}

func (a *Account) readSubscriptions(c *db.Conn) error {
	rows := c.Query("SELECT name FROM subscription")
	for rows.Next() {
		a.subs[rows.Text(0)] = true
	}
	return rows.Close()
}

// Name is the account's name.
func (a *Account) Name() string { return a.name }

// Dir is the directory of the account's files.
func (a *Account) Dir() string { return a.dir }

// Release gives the account back. It stays open for a while for others.
func (a *Account) Release() { a.s.release(a) }

// close ends all work. Nobody holds the account.
func (a *Account) close() error {
	a.reap.stop()
	a.committer.Close()
	return a.db.Close()
}

func (a *Account) now() time.Time { return a.s.o.Now() }

// ModSeq is the account's clock: that of the last durable operation.
func (a *Account) ModSeq() ModSeq {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.modseq
}

// Mailboxes returns all mailboxes, sorted by name with Inbox first.
func (a *Account) Mailboxes() []Mailbox {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.mailboxes()
}

// mailboxes is Mailboxes with a.mu held.
func (a *Account) mailboxes() []Mailbox {
	list := make([]Mailbox, 0, len(a.boxes))
	for _, b := range a.boxes {
		list = append(list, a.public(b))
	}
	slices.SortFunc(list, func(x, y Mailbox) int {
		if xi, yi := x.Name == Inbox, y.Name == Inbox; xi != yi {
			if xi {
				return -1
			}
			return 1
		}
		return strings.Compare(x.Name, y.Name)
	})
	return list
}

// public fills in what is kept apart. a.mu is held.
func (a *Account) public(b *mailbox) Mailbox {
	m := b.Mailbox
	m.Subscribed = a.subs[b.Name]
	return m
}

// MailboxByName returns a mailbox by its name, which is normalized first.
func (a *Account) MailboxByName(name string) (Mailbox, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	id, ok := a.names[name]
	if !ok {
		n, err := NormalName(name)
		if err != nil {
			return Mailbox{}, false
		}
		if id, ok = a.names[n]; !ok {
			return Mailbox{}, false
		}
	}
	return a.public(a.boxes[id]), true
}

// MailboxByID returns a mailbox by its id.
func (a *Account) MailboxByID(id MailboxID) (Mailbox, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	b := a.boxes[id]
	if b == nil {
		return Mailbox{}, false
	}
	return a.public(b), true
}

// Subscribed reports whether a name, in normal form, is subscribed.
func (a *Account) Subscribed(name string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.subs[name]
}

// HasChildren reports whether there are mailboxes below a name, in normal form.
func (a *Account) HasChildren(name string) bool {
	prefix := name + "/"
	a.mu.RLock()
	defer a.mu.RUnlock()
	for n := range a.names {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}

// Subscriptions returns the subscribed names, sorted, also those without a mailbox.
func (a *Account) Subscriptions() []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	names := make([]string, 0, len(a.subs))
	for n := range a.subs {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Backup writes a copy of the account's file as it is now to a new file at path, while
// others go on working. Put into an account's directory as account.db, it is that account.
func (a *Account) Backup(ctx context.Context, path string) error {
	return a.fail(a.db.Backup(ctx, path))
}
