package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/backup"
	"mox/store"
)

// restoreCommands bring back what is in backups.
func restoreCommands() []command {
	return []command{
		{words: "restore list", args: "[account [mailbox]]", short: "list accounts, mailboxes or messages of a backup", max: 2, setup: setupRestore((*restore).list), help: restoreListHelp + restoreHelp},
		{words: "restore message", args: "account mailbox uid|message-id", short: "bring a message back from a backup", min: 3, max: 3, setup: setupRestore((*restore).message), help: restoreMailHelp + restoreHelp},
		{words: "restore mailbox", args: "account mailbox", short: "bring the messages of a mailbox back from a backup", min: 2, max: 2, setup: setupRestore((*restore).mailbox), help: restoreMailHelp + restoreHelp},
		{words: "restore account", args: "account", short: "bring an account back from a backup", min: 1, max: 1, setup: setupRestore((*restore).account), help: restoreAccountHelp + restoreHelp},
		{words: "restore all", args: "destdir", short: "write a whole backup to a directory", min: 1, max: 1, setup: setupRestore((*restore).all), help: restoreAllHelp + restoreHelp},
	}
}

const restoreHelp = `
The backup is the newest of the repository in mox.conf. With -from it is that of another
repository (a directory, s3:// or sftp:// URL), or a directory that "mox backup" has
written. With -at it is the newest that is not younger than a time, as 2026-01-31,
"2026-01-31 14:05" (local time) or in RFC 3339, or the backup of that name. Where databases are
replicated (Replicate of Backup in mox.conf), accounts and the queue are as of that time, or with
everything that was replicated, and not only as of the backup.`

const restoreListHelp = `
Nothing is changed. Without account, what is in the backup; messages are shown with UID, time,
size, flags, From and Subject. With -json, a line each: Backup and Account or File; of an account Mailbox,
Messages and Size; of a mailbox UID, Received, Size, Flags, From and Subject.
`

const restoreMailHelp = `
Messages are added to the account through the running server, or to its files when it does not
run, with their flags and times, to the mailbox of the same name, or to that of -to; mailboxes
that are missing are made. What the mailbox has already is left out, so that the same once more
changes nothing. Nothing is removed. A mailbox is restored without those below it unless -below
is given. With -json, as "mox import mbox" prints.
`

const restoreAccountHelp = `
Adds all messages that are missing, as "restore mailbox" does for each mailbox; the server may
be running. With -replace, the account becomes what it was at the time of the backup, with all
settings and the password, and mail that came later is not in it; mailboxes get a new UIDVALIDITY, so that mail
programs fetch them anew. The server must not be running, and the account's present files are moved to backup/replaced in the data directory. Without
-replace the account must exist. With -json, as "mox import mbox" prints, or with -replace Backup, Account, and Aside: where
what it was before is.
`

const restoreAllHelp = `
Writes destdir/config and destdir/data, which must not exist, and a manifest, as "mox backup"
does. "mox verifydata destdir/data" checks it. To go on with it: stop the server, move its
config and data directories away, move these in their place, see that they belong to the
user that mox runs as, and start it. When mail came after the backup, run "mox bumpuidvalidity
account" for each account before: mail programs know UIDs that will be given again. With -json, an object:
Backup and Dir.
`

// restore is one run of a restore command.
type restore struct {
	p         *program
	place     placeFlags
	from      string
	at        string
	to        string
	below     bool
	whole     bool // -replace
	noReplica bool
	asJSON    bool

	src restoreSource
	dir string // for scratch files
}

// restoreSource is an opened backup.
type restoreSource interface {
	name() string
	paths() []string
	// write restores files for which want is true.
	write(ctx context.Context, want func(path string) bool, to backup.Sink) error
	close()
}

func setupRestore(run func(*restore, context.Context, []string) error) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		r := &restore{}
		r.place.define(fs)
		fs.StringVar(&r.from, "from", "", "`place` of the backup: directory of a backup, repository, or its URL")
		fs.StringVar(&r.at, "at", "", "`time` as of which to restore, or name of a backup")
		fs.StringVar(&r.to, "to", "", "add to this `mailbox`")
		fs.BoolVar(&r.below, "below", false, "with mailboxes below it")
		fs.BoolVar(&r.whole, "replace", false, "put the account of the backup in place of the present one")
		fs.BoolVar(&r.noReplica, "no-replica", false, "only what the backup itself has, not what was replicated since")
		fs.BoolVar(&r.asJSON, "json", false, "print the result as JSON")
		return func(ctx context.Context, p *program, args []string) error {
			ctx, stop := interruptible(ctx)
			defer stop()
			r.p = p
			if err := r.open(ctx); err != nil {
				return err
			}
			defer r.src.close()
			var err error
			if r.dir, err = os.MkdirTemp("", "mox-restore-"); err != nil {
				return err
			}
			defer os.RemoveAll(r.dir)
			return run(r, ctx, args)
		}
	}
}

// open finds the backup.
func (r *restore) open(ctx context.Context) error {
	if r.from != "" {
		if m, err := backup.ReadManifest(r.from); err == nil {
			if r.at != "" {
				return usagef("%s is one backup: -at is for repositories", r.from)
			}
			r.src = &dirBackup{r.from, m}
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if r.place.repository != "" {
			return usagef("-from and -repository mean the same")
		}
		r.place.repository = r.from
	}
	repo, err := r.place.open(ctx, r.p, false)
	if err != nil {
		if r.from != "" && errors.Is(err, backup.ErrNoRepository) {
			return fmt.Errorf("%s is neither a finished backup (it has no %s) nor a repository", r.from, backup.ManifestName)
		}
		return err
	}
	src := &repositoryBackup{r: repo, warn: r.warn, release: func() {}}
	if release, lerr := repo.Use(ctx); errors.Is(lerr, backup.ErrLocked) {
		repo.Close()
		return lerr
	} else if lerr != nil {
		// It may be read only.
		r.warn(lerr.Error() + "; what is needed may be removed meanwhile")
	} else {
		src.release = release
	}
	t, ok := parseAt(r.at)
	if ok {
		src.s, err = repo.At(ctx, t)
	} else {
		src.s, err = repo.Snapshot(ctx, r.at)
	}
	if err == nil && ok && !r.noReplica {
		err = src.useReplica(ctx, t)
	}
	if err != nil {
		src.close()
		return err
	}
	r.src = src
	return nil
}

func (r *restore) warn(text string) { fmt.Fprintf(r.p.stderr, "warning: %s\n", text) }

// parseAt reads a time; a day is its end.
func parseAt(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, true
		}
	}
	if t, err := time.ParseInLocation("2006-01-02", s, time.Local); err == nil {
		return t.AddDate(0, 0, 1).Add(-time.Second), true
	}
	return time.Time{}, false
}

// accounts are the names of accounts in the backup.
func (r *restore) accounts() (l []string) {
	for _, path := range r.src.paths() {
		if name, ok := backup.AccountOf(path); ok && strings.HasSuffix(path, "/account.db") {
			l = append(l, name)
		}
	}
	return l
}

// with opens a copy of an account of the backup.
func (r *restore) with(ctx context.Context, account string, fn func(*store.Account) error) error {
	if !slices.Contains(r.accounts(), account) {
		return fmt.Errorf("account %q is not in backup %s; it has: %s", account, r.src.name(), strings.Join(r.accounts(), ", "))
	}
	prefix := "data/accounts/" + account + "/"
	path := prefix + "account.db"
	scratch := filepath.Join(r.dir, "data")
	if err := r.src.write(ctx, func(p string) bool { return p == path }, files{filepath.Join(scratch, "accounts", account), prefix}); err != nil {
		return err
	}
	s, err := store.Open(scratch, store.Options{Log: r.p.errorLog("store")})
	if err != nil {
		return err
	}
	err = func() error {
		acc, err := s.Account(ctx, account)
		if err != nil {
			return err
		}
		defer acc.Release()
		return fn(acc)
	}()
	return errors.Join(err, s.Close())
}
