package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"mox/atomicfile"
)

// shares is the index of who shares mailboxes with whom: for each identifier of an access
// control list, the accounts that have it in one. It spares opening every account to find
// what a user may see. It may know too much, which the account's own lists tell, never
// too little: an identifier comes in before it is put into a list, and goes after. Opening
// an account puts in what is missing, for one that was restored from a backup.
//
// The file "shares" has all of it, in JSON, and is replaced whole. Without the file, or
// when it is damaged, the lists of all accounts are read, in the background.
type shares struct {
	path string

	mu       sync.Mutex // guards the fields below, and is held while the file is written
	owners   map[string]map[string]bool
	complete bool // all accounts have been looked at: the file is there
	watchers []func()
}

// WatchShares has f called after access control lists have changed, in the goroutine that has
// changed them and with locks held: it must not block, nor call into the store.
func (s *Store) WatchShares(f func()) {
	s.shares.mu.Lock()
	defer s.shares.mu.Unlock()
	s.shares.watchers = append(s.shares.watchers, f)
}

// changed calls the watchers.
func (x *shares) changed() {
	x.mu.Lock()
	watchers := slices.Clone(x.watchers)
	x.mu.Unlock()
	for _, f := range watchers {
		f()
	}
}

// sharesFile is the content of the file.
type sharesFile struct {
	Owners map[string][]string // by identifier
}

func newShares(dir string) *shares {
	return &shares{path: filepath.Join(dir, "shares"), owners: map[string]map[string]bool{}}
}

// load reads the file; an error means that it has to be made anew.
func (x *shares) load() error {
	b, err := os.ReadFile(x.path)
	if err != nil {
		return err
	}
	var f sharesFile
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	for id, owners := range f.Owners {
		for _, o := range owners {
			x.put(o, id)
		}
	}
	x.complete = true
	return nil
}

// put and take change what is in memory. x.mu is held.
func (x *shares) put(owner, identifier string) {
	if x.owners[identifier] == nil {
		x.owners[identifier] = map[string]bool{}
	}
	x.owners[identifier][owner] = true
}

func (x *shares) take(owner, identifier string) {
	delete(x.owners[identifier], owner)
	if len(x.owners[identifier]) == 0 {
		delete(x.owners, identifier)
	}
}

// write makes what is in memory durable. While accounts are still being looked at there
// is nothing to write: after a crash, they are looked at again. x.mu is held.
func (x *shares) write() error {
	if !x.complete {
		return nil
	}
	f := sharesFile{Owners: map[string][]string{}}
	for id, owners := range x.owners {
		f.Owners[id] = slices.Sorted(maps.Keys(owners))
	}
	b, err := json.Marshal(f)
	if err == nil {
		err = atomicfile.Write(x.path, append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing index of shared mailboxes: %w", err)
	}
	return nil
}

// add notes that owner has the identifiers in lists. It is durable on return.
func (x *shares) add(owner string, identifiers ...string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	changed := false
	for _, id := range identifiers {
		if !x.owners[id][owner] {
			x.put(owner, id)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return x.write()
}

// remove notes that owner no longer has an identifier in a list.
func (x *shares) remove(owner, identifier string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.owners[identifier][owner] {
		return nil
	}
	x.take(owner, identifier)
	return x.write()
}

// forget removes an account that shared.
func (x *shares) forget(owner string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id := range x.owners {
		x.take(owner, id)
	}
	return x.write()
}

// finish ends the first look at all accounts.
func (x *shares) finish() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.complete = true
	err := x.write()
	x.complete = err == nil
	return err
}

// of returns the accounts that have one of the identifiers, or "anyone", in a list.
func (x *shares) of(identifiers []string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := maps.Clone(x.owners[Anyone])
	for _, id := range identifiers {
		if all == nil {
			all = map[string]bool{}
		}
		maps.Copy(all, x.owners[id])
	}
	return slices.Sorted(maps.Keys(all))
}

// has reports whether owner has one of the identifiers, or "anyone", in a list.
func (x *shares) has(owner string, identifiers []string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.owners[Anyone][owner] || slices.ContainsFunc(identifiers, func(id string) bool { return x.owners[id][owner] })
}

// Sharers returns the accounts that may share mailboxes with a user to whom the
// identifiers apply, sorted. They may no longer: see [Account.Shared]. No account is opened.
func (s *Store) Sharers(identifiers []string) []string { return s.shares.of(identifiers) }

// Shares reports whether an account may share mailboxes with a user to whom the
// identifiers apply, like Sharers.
func (s *Store) Shares(owner string, identifiers []string) bool {
	return s.shares.has(owner, identifiers)
}

// openShares reads the index, or begins to make it.
func (s *Store) openShares() {
	s.shares = newShares(s.dir)
	err := s.shares.load()
	if err == nil {
		return
	}
	if !errors.Is(err, fs.ErrNotExist) {
		s.o.Log.Error("index of shared mailboxes cannot be read: it is made anew", "path", s.shares.path, "err", err)
	}
	names, err := s.Names()
	if err != nil {
		s.o.Log.Error("making index of shared mailboxes", "err", err)
		return
	}
	if len(names) == 0 {
		s.finishShares()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stopShares = cancel
	s.background.Go(func() { s.makeShares(ctx, names) })
}

// makeShares looks at all accounts: opening one puts what it shares into the index.
func (s *Store) makeShares(ctx context.Context, names []string) {
	for _, name := range names {
		a, err := s.Account(ctx, name)
		if ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return
		} else if err != nil {
			// It will be looked at when it can be opened.
			s.o.Log.Error("looking for shared mailboxes", "account", name, "err", err)
			continue
		}
		a.Release()
	}
	s.finishShares()
}

func (s *Store) finishShares() {
	if err := s.shares.finish(); err != nil {
		s.o.Log.Error("making index of shared mailboxes", "err", err)
	}
}

// forgetUser removes an account from the access control lists of all others: whoever gets
// its name next must not get what was meant for someone else.
func (s *Store) forgetUser(ctx context.Context, name string) error {
	owners, complete := s.shares.naming(name)
	if !complete {
		var err error
		if owners, err = s.Names(); err != nil {
			return err
		}
	}
	var errs []error
	for _, owner := range owners {
		if owner == name {
			continue
		}
		a, err := s.Account(ctx, owner)
		if errors.Is(err, ErrNoAccount) {
			continue
		}
		if err == nil {
			if slices.Contains(a.grantees(), name) {
				err = a.dropIdentifier(ctx, name)
			}
			a.Release()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("access control lists of account %s: %w", owner, err))
		}
	}
	return errors.Join(errs...)
}

// naming returns the accounts that have an identifier in a list, and whether these are all.
func (x *shares) naming(identifier string) ([]string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Sorted(maps.Keys(x.owners[identifier])), x.complete
}
