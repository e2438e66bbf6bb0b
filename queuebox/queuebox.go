package queuebox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"mox/config"
	"mox/mlog"
	"mox/queue"
	"mox/store"
	"mox/upkeep"
)

// Queue is what is needed of a *queue.Queue.
type Queue interface {
	Accounts(ctx context.Context) ([]string, error)
	Queued(ctx context.Context, account string) (int, error)
	List(ctx context.Context, f queue.Filter, s queue.Sort) ([]queue.Message, error)
	Content(ctx context.Context, id int64) (*queue.ContentReader, error)
	Hold(ctx context.Context, f queue.Filter, hold bool) (int, error)
	Cancel(ctx context.Context, f queue.Filter, why string) (int, error)
}

// Config is what Boxes need. It must not change once in use.
type Config struct {
	Queue  Queue
	Store  *store.Store
	Config func() *config.Snapshot
	// Sending tells whether one of some messages is being sent right now; nil: none is.
	Sending func(ids ...int64) bool
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	Limits  Limits
	Panic   func() // called when something has panicked; nil: nobody
}

// Limits bound what is shown. Zero fields have the defaults.
type Limits struct {
	Delay      time.Duration // how long a message waits for its first attempt before it is shown; 0: 10 s
	Messages   int           // shown of an account; 0: 500, those that were submitted first
	Recipients int           // named in a message; 0: 50
	Large      int64         // octets of a message beyond which it is not replaced only for another time or error; 0: 1 MiB
	Pace       time.Duration // the shortest time between two looks at an account; 0: 500 ms
	Retry      time.Duration // after a failure; 0: 1 min
}

// Boxes show what is in the queue. They are safe for concurrent use.
type Boxes struct {
	c    Config
	wake chan struct{} // 1: there is something in touched
	// ready is closed when all accounts have been looked at that had messages shown before.
	ready chan struct{}

	mu      sync.Mutex           // guards the below
	touched map[string]time.Time // accounts to look at, and when
	looked  map[string]time.Time // before when accounts are not looked at again
	all     bool                 // all accounts in the queue are to be looked at
	shown   map[string]*watcher  // accounts with messages that are shown
	ended   bool
}

// New returns Boxes, which do nothing before Run.
func New(c Config) *Boxes {
	l := &c.Limits
	l.Delay, l.Pace, l.Retry = cmp.Or(l.Delay, 10*time.Second), cmp.Or(l.Pace, 500*time.Millisecond), cmp.Or(l.Retry, time.Minute)
	l.Messages, l.Recipients, l.Large = cmp.Or(l.Messages, 500), cmp.Or(l.Recipients, 50), cmp.Or(l.Large, 1<<20)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sending == nil {
		c.Sending = func(...int64) bool { return false }
	}
	c.Log = mlog.New("queuebox", c.Log)
	return &Boxes{c: c, wake: make(chan struct{}, 1), ready: make(chan struct{}), touched: map[string]time.Time{}, looked: map[string]time.Time{}, shown: map[string]*watcher{}}
}

// Touch says that messages of an account have changed in the queue, with "" perhaps of any: for
// queue.Options.Touched. It never waits.
func (b *Boxes) Touch(account string) {
	if account != "" {
		b.touch(account, b.c.Now())
		return
	}
	b.mu.Lock()
	b.all = true
	b.mu.Unlock()
	b.signal()
}

// Reserved tells whether a mailbox is one of those in which messages are shown: for
// store.Options.Reserved.
func Reserved(s *config.Snapshot, account, mailbox string) bool {
	info := s.Accounts[account]
	return info != nil && !info.Config.NoQueueMailboxes && (mailbox == info.QueueMailbox || mailbox == info.ScheduledMailbox)
}

// Detach closes an account, which is going to be removed.
func (b *Boxes) Detach(account string) {
	b.mu.Lock()
	w := b.shown[account]
	delete(b.shown, account)
	delete(b.touched, account)
	b.mu.Unlock()
	if w != nil {
		w.close()
	}
}

// touch has an account looked at, at a time or sooner.
func (b *Boxes) touch(account string, at time.Time) {
	b.mu.Lock()
	if not := b.looked[account]; at.Before(not) {
		at = not
	}
	if have, ok := b.touched[account]; !ok || at.Before(have) {
		b.touched[account] = at
	}
	b.mu.Unlock()
	b.signal()
}

func (b *Boxes) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Run shows what is in the queue until ctx ends.
func (b *Boxes) Run(ctx context.Context) {
	defer b.closeAll()
	b.Touch("")
	b.lookMarked(ctx)
	close(b.ready)
	for ctx.Err() == nil {
		b.touchAll(ctx)
		name, wait := b.next()
		if name != "" {
			b.look(ctx, name)
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-b.wake:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// lookMarked looks at the accounts that had messages shown when the server ended: their users may
// have taken some away, or they may have left the queue, without that being noticed.
func (b *Boxes) lookMarked(ctx context.Context) {
	for name := range b.c.Config().Accounts {
		if ctx.Err() == nil && b.marked(name) {
			b.look(ctx, name)
		}
	}
}

// Ready is closed once Run knows of all that users took away before the server ended, and has
// put it on hold: nothing should be sent before.
func (b *Boxes) Ready() <-chan struct{} { return b.ready }

// touchAll touches all accounts that have or had something in the queue, if that is wanted.
func (b *Boxes) touchAll(ctx context.Context) {
	b.mu.Lock()
	all := b.all
	b.all = false
	var names []string
	for name := range b.shown {
		names = append(names, name)
	}
	b.mu.Unlock()
	if !all {
		return
	}
	queued, err := b.c.Queue.Accounts(ctx)
	if err != nil && ctx.Err() == nil {
		b.c.Log.Error("looking for accounts in the queue", "err", err)
	}
	for _, name := range append(names, queued...) {
		b.touch(name, b.c.Now())
	}
}

// idle is how long nobody needs to look.
const idle = time.Hour

// next takes an account whose time has come, or tells how long to wait for one.
func (b *Boxes) next() (string, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return upkeep.Due(b.touched, b.c.Now(), idle)
}

// look brings the mailboxes of an account up to date.
func (b *Boxes) look(ctx context.Context, name string) {
	start := b.c.Now()
	again, err := b.safely(ctx, name)
	now := b.c.Now()
	// An account with much in the queue must not keep us busy.
	b.mu.Lock()
	b.looked[name] = now.Add(max(b.c.Limits.Pace, 20*now.Sub(start)))
	if len(b.looked) > 10_000 {
		clear(b.looked)
	}
	b.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		b.c.Log.Error("showing messages of the queue", "err", err, "account", name)
		again = now.Add(b.c.Limits.Retry)
	}
	if !again.IsZero() {
		b.touch(name, again)
	}
}

func (b *Boxes) safely(ctx context.Context, name string) (again time.Time, err error) {
	defer func() {
		if v := recover(); v != nil {
			if b.c.Panic != nil {
				b.c.Panic()
			}
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	n, err := b.c.Queue.Queued(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	// The usual case: it was delivered already.
	if n == 0 && b.watcher(name) == nil && !b.marked(name) {
		return time.Time{}, nil
	}
	acc, err := b.c.Store.Account(ctx, name)
	if errors.Is(err, store.ErrNoAccount) {
		return time.Time{}, nil
	} else if err != nil {
		return time.Time{}, err
	}
	defer acc.Release()
	return b.sync(ctx, acc)
}

// markName is an empty file in the directory of an account that has messages shown. It
// saves opening all accounts at the start.
const markName = "queuebox"

func (b *Boxes) markPath(account string) string {
	return filepath.Join(b.c.Store.AccountDir(account), markName)
}

func (b *Boxes) marked(account string) bool {
	_, err := os.Stat(b.markPath(account))
	return err == nil
}

// mark notes that an account has messages shown, or not, and follows what its user does
// to them.
func (b *Boxes) mark(ctx context.Context, acc *store.Account, rows *rows, before map[store.MailboxID]store.ModSeq) error {
	name := acc.Name()
	w := b.watcher(name)
	switch {
	case rows.len() == 0 && w == nil:
		return remove(b.markPath(name))
	case rows.len() == 0:
		b.mu.Lock()
		delete(b.shown, name)
		b.mu.Unlock()
		w.close()
		return remove(b.markPath(name))
	case w == nil:
		if err := os.WriteFile(b.markPath(name), nil, 0o600); err != nil {
			return fmt.Errorf("marking account: %w", err)
		}
		held, err := b.c.Store.Account(ctx, name)
		if err != nil {
			return err
		}
		w = watch(held, func() { b.touch(name, b.c.Now()) })
		if !b.keep(name, w) {
			w.close()
			return nil
		}
	}
	boxes := map[store.MailboxID]store.ModSeq{}
	for _, id := range rows.boxes() {
		boxes[id] = before[id]
	}
	if w.follow(boxes) {
		b.touch(name, b.c.Now())
	}
	return nil
}

// keep keeps a watcher, unless all has ended.
func (b *Boxes) keep(name string, w *watcher) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.shown[name] = w
	}
	return !b.ended
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("unmarking account: %w", err)
	}
	return nil
}

func (b *Boxes) watcher(name string) *watcher {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shown[name]
}

func (b *Boxes) closeAll() {
	b.mu.Lock()
	shown := b.shown
	b.shown, b.ended = map[string]*watcher{}, true
	b.mu.Unlock()
	for _, w := range shown {
		w.close()
	}
}
