package webimport

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"mox/admin"
	"mox/transfer"
)

// Errors of imports, for users.
var (
	ErrRunning  = errors.New("another import to the account has not ended yet")
	ErrBusy     = errors.New("too many imports at the moment, try again later")
	ErrNotFound = errors.New("the account has no such import, or not any more")
	ErrEmpty    = errors.New("the file is empty")
	ErrTooLarge = errors.New("the file is too large")
	ErrDisk     = errors.New("the disk of the server has no room for the file")
	ErrFile     = errors.New("the file cannot be read")
	// ErrAborted is why an import ended that the user has stopped, ErrGone that of an account that is removed, ErrStopping
	// that of a server that stops.
	ErrAborted  = errors.New("the import was stopped")
	ErrGone     = errors.New("the account is not there any more")
	ErrStopping = errors.New("the server stops or is started anew: the same import once more goes on from there")
)

// Limits bound imports. Zero fields have the defaults.
type Limits struct {
	File    int64         // octets of a file that is sent; 0: 20 GiB, what years of mail are
	Reserve uint64        // octets of the disk that stay free, for mail; 0: 512 MiB
	Open    int           // imports of all accounts, those that are being sent with them; 0: 16
	Running int           // imports that add messages; others wait. 0: 4
	Kept    time.Duration // after its end; 0: 1 minute
	// Transfer are those of what is in files. The directory of a zip file may have 32 MiB, which are 250,000 messages, as it
	// takes several times as much memory.
	Transfer transfer.Limits
}

func (l *Limits) setDefaults() {
	l.File = cmp.Or(l.File, 20<<30)
	l.Reserve = cmp.Or(l.Reserve, 512<<20)
	l.Open = cmp.Or(l.Open, 16)
	l.Running = cmp.Or(l.Running, 4)
	l.Kept = cmp.Or(l.Kept, time.Minute)
	l.Transfer.Directory = cmp.Or(l.Transfer.Directory, 32<<20)
}

// Config is what Imports need. It must not change once in use.
type Config struct {
	// Import adds mail to an account: that of package admin.
	Import func(ctx context.Context, actor admin.Actor, account string, src transfer.Source, o transfer.Options) (transfer.Result, error)
	Dir    string                           // for temporary files
	Free   func(dir string) (uint64, error) // octets of its disk; nil: it is not looked at
	NextID func() int64                     // ids for the log
	Panic  func()                           // is told of panics; nil: nobody is
	Limits Limits
	Log    *slog.Logger
}

// Imports are those of a server. Methods may be called concurrently.
type Imports struct {
	c       Config
	ctx     context.Context
	cancel  context.CancelCauseFunc
	turns   chan struct{} // has one for each that adds messages
	running sync.WaitGroup

	mu     sync.Mutex // guards:
	closed bool
	all    map[string]*Import // by token
}

// New returns Imports, which must be closed.
func New(c Config) *Imports {
	c.Limits.setDefaults()
	s := &Imports{c: c, turns: make(chan struct{}, c.Limits.Running), all: map[string]*Import{}}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// keptEach is how many imports of an account that have ended are known at most.
const keptEach = 4

// Begin makes an import to an account, or returns ErrRunning, ErrBusy or ErrStopping. Either Start or Drop must be called.
func (s *Imports) Begin(account string, actor admin.Actor) (*Import, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrStopping
	}
	open := 0
	var ended []*Import
	for _, im := range s.all {
		over := im.over()
		switch {
		case !over && im.account == account:
			return nil, ErrRunning
		case !over:
			open++
		case im.account == account:
			ended = append(ended, im)
		}
	}
	if open >= s.c.Limits.Open {
		return nil, ErrBusy
	}
	slices.SortFunc(ended, func(a, b *Import) int { return a.begun.Compare(b.begun) })
	for len(ended) >= keptEach {
		s.forget(ended[0])
		ended = ended[1:]
	}
	im := &Import{s: s, token: rand.Text(), account: account, actor: actor, begun: time.Now(), changed: make(chan struct{}), counts: map[string]int{}}
	im.ctx, im.cancel = context.WithCancelCause(s.ctx)
	s.all[im.token] = im
	return im, nil
}

// forget is called with the lock.
func (s *Imports) forget(im *Import) {
	delete(s.all, im.token)
	if im.timer != nil {
		im.timer.Stop()
	}
}

// keep has an import that has ended be known for a while.
func (s *Imports) keep(im *Import) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	im.timer = time.AfterFunc(s.c.Limits.Kept, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, im.token)
	})
}

// Find returns the import with a token, or ErrNotFound.
func (s *Imports) Find(token string) (*Import, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if im := s.all[token]; im != nil && im.started {
		return im, nil
	}
	return nil, ErrNotFound
}

// Abort has an import of an account end soon; it is nothing for one that has ended.
func (s *Imports) Abort(account, token string) error {
	im, err := s.Find(token)
	if err != nil || im.account != account {
		return ErrNotFound
	}
	im.cancel(ErrAborted)
	return nil
}

// Running tells whether an account has an import that has not ended.
func (s *Imports) Running(account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, im := range s.all {
		if im.account == account && !im.over() {
			return true
		}
	}
	return false
}

// Detach has the imports of an account end, which is being removed. It does not wait for that.
func (s *Imports) Detach(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, im := range s.all {
		if im.account == account {
			im.cancel(ErrGone)
		}
	}
}

// Close ends all imports, and waits for those in the background.
func (s *Imports) Close() {
	s.mu.Lock()
	s.closed = true
	for _, im := range s.all {
		if im.timer != nil {
			im.timer.Stop()
		}
	}
	s.mu.Unlock()
	s.cancel(ErrStopping)
	s.running.Wait()
}

// Most is how large a file may be for an account with a quota of bytes; 0: none. Mail of more than the quota cannot be added,
// but may be there already, and what is around it in a file takes room too: twice as much is more than enough.
func (s *Imports) Most(quota int64) int64 {
	if most := 64<<20 + quota; quota > 0 && most < s.c.Limits.File-quota {
		return most + quota
	}
	return s.c.Limits.File
}

// room returns ErrDisk when so many more octets are too many for the disk.
func (s *Imports) room(more int64) error {
	if s.c.Free == nil {
		return nil
	}
	free, err := s.c.Free(s.c.Dir)
	if err != nil {
		return fmt.Errorf("looking for room on the disk: %w", err)
	}
	if free < s.c.Limits.Reserve || free-s.c.Limits.Reserve < uint64(more) {
		return ErrDisk
	}
	return nil
}

// createTemp makes a file without a name, where the system can do that.
func createTemp(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "import-")
	if err == nil {
		_ = os.Remove(f.Name()) // closing tries again
	}
	return f, err
}
