package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"mox/atomicfile"
	"mox/backup"
	"mox/config"
	"mox/ctl"
	"mox/db"
	"mox/message"
	"mox/replica"
	"mox/store"
	"mox/transfer"
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

// dirBackup is a backup in a directory.
type dirBackup struct {
	root string
	m    *backup.DirManifest
}

func (d *dirBackup) name() string {
	return fmt.Sprintf("%s, made on %s", d.root, d.m.Started.Local().Format("2006-01-02 15:04"))
}
func (d *dirBackup) close() {}
func (d *dirBackup) paths() (l []string) {
	for _, f := range d.m.Files {
		l = append(l, f.Path)
	}
	return l
}

func (d *dirBackup) write(_ context.Context, want func(string) bool, to backup.Sink) error {
	for _, f := range d.m.Files {
		if want != nil && !want(f.Path) {
			continue
		}
		if err := d.file(&f, to); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return nil
}

func (d *dirBackup) file(f *backup.DirFile, to backup.Sink) error {
	in, err := os.Open(filepath.Join(d.root, filepath.FromSlash(f.Path)))
	if err != nil {
		return err
	}
	defer in.Close()
	h := sha256.New()
	if err := to.File(backup.Item{Path: f.Path, Size: f.Size, Database: f.Database}, io.TeeReader(in, h)); err != nil {
		return err
	}
	if !slices.Equal(h.Sum(nil), f.SHA256) {
		return fmt.Errorf("%w: it is not what was backed up; \"mox backup check -dir\" tells where", backup.ErrDamaged)
	}
	return nil
}

// repositoryBackup is a snapshot in a repository, with databases of the replica.
type repositoryBackup struct {
	r       *backup.Repository
	s       *backup.Snapshot
	warn    func(text string)
	release func()

	at      time.Time
	replica map[string]bool // paths of databases that the replica has
}

// useReplica looks what the replica has.
func (b *repositoryBackup) useReplica(ctx context.Context, at time.Time) error {
	names, err := replica.Names(ctx, b.r)
	if err != nil {
		return err
	}
	b.at, b.replica = at, map[string]bool{}
	for _, name := range names {
		b.replica["data/"+name] = true
	}
	return nil
}

func (b *repositoryBackup) name() string {
	if len(b.replica) == 0 {
		return b.s.Name
	} else if b.at.IsZero() {
		return b.s.Name + " and what was replicated since"
	}
	return b.s.Name + " and what was replicated until " + b.at.Local().Format("2006-01-02 15:04:05")
}

func (b *repositoryBackup) close() {
	b.release()
	b.r.Close()
}

func (b *repositoryBackup) paths() (l []string) {
	for _, f := range b.s.Files {
		l = append(l, f.Path)
	}
	for path := range b.replica {
		if !slices.Contains(l, path) {
			l = append(l, path) // an account that is newer than the snapshot
		}
	}
	slices.Sort(l)
	return l
}

func (b *repositoryBackup) write(ctx context.Context, want func(string) bool, to backup.Sink) error {
	done := map[string]bool{}
	for path := range b.replica {
		if want != nil && !want(path) {
			continue
		}
		ok, err := b.replicated(ctx, path, to)
		if err != nil {
			return err
		}
		done[path] = ok
	}
	return b.r.Restore(ctx, b.s, func(path string) bool { return !done[path] && (want == nil || want(path)) }, to)
}

// replicated restores a database from the replica. False: the snapshot is newer, or the replica
// has nothing as of that time.
func (b *repositoryBackup) replicated(ctx context.Context, path string, to backup.Sink) (bool, error) {
	dir, err := os.MkdirTemp("", "mox-restore-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "x.db")
	res, err := replica.Restore(ctx, b.r, strings.TrimPrefix(path, "data/"), b.at, file)
	if errors.Is(err, replica.ErrNone) {
		return false, nil
	} else if errors.Is(err, backup.ErrDamaged) && res.Name != "" {
		b.warn(fmt.Sprintf("replica of %s is damaged after %s: %v", path, res.Last.Local().Format("2006-01-02 15:04:05"), err))
	} else if err != nil {
		return false, err
	}
	// A base that is not followed by anything is older when the last has failed.
	if f, ok := b.s.File(path); ok && f.Time.After(res.Last) {
		return false, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return true, to.File(backup.Item{Path: path, Database: true, Time: res.Last}, f)
}

// files is a Sink that writes the files of an account to a directory.
type files struct{ root, prefix string }

func (f files) Unchanged(backup.Item) (bool, error) { return false, nil }
func (f files) Warn(string) error                   { return nil }
func (f files) Fail(text string) error              { return errors.New(text) }
func (f files) File(it backup.Item, r io.Reader) error {
	rel, ok := strings.CutPrefix(it.Path, f.prefix)
	if !ok || !filepath.IsLocal(filepath.FromSlash(rel)) {
		return fmt.Errorf("%q is no path of an account", it.Path)
	}
	path := filepath.Join(f.root, filepath.FromSlash(rel))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r)
	return errors.Join(err, out.Sync(), out.Close())
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

func (r *restore) list(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return r.listAll()
	}
	return r.with(ctx, args[0], func(acc *store.Account) error {
		if len(args) == 1 {
			for _, m := range acc.Mailboxes() {
				text := fmt.Sprintf("%s: %d messages, %s", m.Name, m.Messages, size(m.Size))
				if err := r.tell(text, restorableMailbox{m.Name, int64(m.Messages), m.Size}); err != nil {
					return err
				}
			}
			return nil
		}
		box, ok := acc.MailboxByName(args[1])
		if !ok {
			return fmt.Errorf("mailbox %q is not in the backup", args[1])
		}
		list, err := acc.MessagesAt(ctx, box.ID, store.AllUIDs())
		if err != nil {
			return err
		}
		for i := range list {
			if err := r.tellMessage(ctx, acc, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Lines of JSON of "restore list".
type (
	restorable        struct{ Backup, Account, File string }
	restorableMailbox struct {
		Mailbox        string
		Messages, Size int64
	}
	restorableMessage struct {
		UID           store.UID
		Received      time.Time
		Size          int64
		Flags         []string
		From, Subject string
	}
)

// tell prints a line, of text or of JSON.
func (r *restore) tell(text string, v any) error {
	if r.asJSON {
		return printJSONLine(r.p.stdout, v)
	}
	_, err := fmt.Fprintln(r.p.stdout, text)
	return err
}

// listAll prints the accounts of a backup, and its other files.
func (r *restore) listAll() error {
	name := r.src.name()
	if !r.asJSON {
		fmt.Fprintf(r.p.stdout, "backup %s\n", name)
	}
	for _, account := range r.accounts() {
		if err := r.tell("account "+account, restorable{Backup: name, Account: account}); err != nil {
			return err
		}
	}
	for _, path := range r.src.paths() {
		if _, ok := backup.AccountOf(path); ok {
			continue
		}
		if err := r.tell("file "+path, restorable{Backup: name, File: path}); err != nil {
			return err
		}
	}
	return nil
}

// tellMessage prints a line about a message.
func (r *restore) tellMessage(ctx context.Context, acc *store.Account, m *store.Message) error {
	from, subject := headerOf(ctx, acc, m.Body)
	v := restorableMessage{m.UID, m.ReceivedTime().UTC(), int64(m.Size), append(m.Flags.Names(), acc.Keywords(m.Keywords)...), from, subject}
	return r.tell(fmt.Sprintf("%d  %s  %s  [%s]  %s  %s", m.UID, v.Received.Local().Format("2006-01-02 15:04"), size(v.Size), strings.Join(v.Flags, " "), from, subject), v)
}

// message adds one message.
func (r *restore) message(ctx context.Context, args []string) error {
	return r.with(ctx, args[0], func(acc *store.Account) error {
		box, ok := acc.MailboxByName(args[1])
		if !ok {
			return fmt.Errorf("mailbox %q is not in the backup", args[1])
		}
		var set store.UIDSet
		if uid, err := strconv.ParseUint(args[2], 10, 32); err == nil && uid > 0 {
			set = store.NewUIDSet(store.UID(uid))
			if l, err := acc.MessagesAt(ctx, box.ID, set); err != nil || len(l) == 0 {
				return errors.Join(fmt.Errorf("mailbox %q has no message with UID %d in the backup", box.Name, uid), err)
			}
		} else if set, err = acc.FindMessageID(ctx, box.ID, args[2]); err != nil {
			return err
		} else if set.Len() == 0 {
			return fmt.Errorf("mailbox %q has no message with Message-ID %q in the backup", box.Name, args[2])
		}
		return r.add(ctx, args[0], acc, transfer.Selection{Mailbox: box.Name, Single: true, UIDs: set})
	})
}

// mailbox adds the messages of a mailbox.
func (r *restore) mailbox(ctx context.Context, args []string) error {
	return r.with(ctx, args[0], func(acc *store.Account) error {
		box, ok := acc.MailboxByName(args[1])
		if !ok {
			return fmt.Errorf("mailbox %q is not in the backup", args[1])
		}
		return r.add(ctx, args[0], acc, transfer.Selection{Mailbox: box.Name, Single: !r.below})
	})
}

func (r *restore) account(ctx context.Context, args []string) error {
	if r.whole {
		return r.replace(ctx, args[0])
	}
	return r.with(ctx, args[0], func(acc *store.Account) error { return r.add(ctx, args[0], acc, transfer.Selection{}) })
}

// add adds messages to the live account.
func (r *restore) add(ctx context.Context, account string, from *store.Account, sel transfer.Selection) error {
	c := &importCommand{p: r.p, json: r.asJSON}
	var src transfer.Source = transfer.FromAccount(from, sel)
	if r.to != "" {
		src = renamed{src, sel.Mailbox, strings.Trim(r.to, "/")}
	}
	client, err := r.p.dial(ctx)
	if errors.Is(err, ctl.ErrNotRunning) {
		snap, lerr := config.LoadOptions(r.p.configPath, config.Options{SkipFiles: true})
		if lerr != nil {
			return lerr
		}
		err = c.into(ctx, snap.DataPath(""), account, snap, src)
	} else if err == nil {
		defer client.Close()
		err = c.through(ctx, client, account, src)
	}
	if err := c.end(err); err != nil {
		return err
	}
	if c.last.Problems > 0 {
		return exitStatus(1)
	}
	return nil
}

// renamed is a Source with another name for a folder.
type renamed struct {
	transfer.Source
	from, to string
}

// Send implements transfer.Source.
func (r renamed) Send(ctx context.Context, to transfer.Receiver) error {
	return r.Source.Send(ctx, renaming{to, r})
}

type renaming struct {
	transfer.Receiver
	r renamed
}

func (x renaming) name(s string) string {
	if rest, ok := strings.CutPrefix(s, x.r.from); ok && (rest == "" || rest[0] == '/') && x.r.from != "" {
		return x.r.to + rest
	}
	if x.r.from == "" {
		return x.r.to + "/" + s
	}
	return s
}

// Folder implements transfer.Receiver.
func (x renaming) Folder(f transfer.Folder) error {
	f.Name = x.name(f.Name)
	return x.Receiver.Folder(f)
}

// Message implements transfer.Receiver.
func (x renaming) Message(m *transfer.Message) error {
	m.Folder = x.name(m.Folder)
	return x.Receiver.Message(m)
}

// replace puts the account's files in place of the present ones.
func (r *restore) replace(ctx context.Context, account string) error {
	if client, err := r.p.dial(ctx); err == nil {
		client.Close()
		return errors.New("the server is running: stop it to replace an account, or leave out -replace to add what is missing")
	} else if !errors.Is(err, ctl.ErrNotRunning) {
		return err
	}
	if !slices.Contains(r.accounts(), account) {
		return fmt.Errorf("account %q is not in backup %s; it has: %s", account, r.src.name(), strings.Join(r.accounts(), ", "))
	}
	snap, err := config.LoadOptions(r.p.configPath, config.Options{SkipFiles: true})
	if err != nil {
		return err
	}
	if snap.Accounts[account] == nil {
		fmt.Fprintf(r.p.stderr, "warning: account %q is not in the configuration: nobody can use it until it is\n", account)
	}
	data := snap.DataPath("")
	if err := checkOwner(data); err != nil {
		return err
	}
	lock, err := db.LockFile(filepath.Join(data, "lock"))
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	defer lock.Close()
	staged, err := os.MkdirTemp(filepath.Join(data, "tmp"), "restore-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(staged)
	fresh, prefix := filepath.Join(staged, "accounts", account), "data/accounts/"+account+"/"
	if err := r.src.write(ctx, func(p string) bool { return strings.HasPrefix(p, prefix) }, files{fresh, prefix}); err != nil {
		return err
	}
	if err := integrityOf(ctx, filepath.Join(fresh, "account.db")); err != nil {
		return err
	}
	// RFC 9051 2.3.1.1: a UID never stands for another message. Those that messages got since the
	// backup are given again, so that clients must forget what they know of them.
	err = r.p.withAccount(ctx, staged, account, nil, func(acc *store.Account) error {
		_, err := acc.BumpUIDValidity(ctx, "")
		return err
	})
	if err != nil {
		return err
	}
	return r.swap(data, account, fresh)
}

// integrityOf checks a database file.
func integrityOf(ctx context.Context, path string) error {
	d, err := db.Open(path, db.Options{})
	if err != nil {
		return err
	}
	lines, err := d.IntegrityCheck(ctx, 3)
	if len(lines) > 0 {
		err = fmt.Errorf("the account in the backup is damaged: %s", lines[0])
	}
	return errors.Join(err, d.Close())
}

// swap moves the present directory of an account away, and the new one in its place.
func (r *restore) swap(data, account, fresh string) error {
	present := filepath.Join(data, "accounts", account)
	aside := ""
	if _, err := os.Stat(present); err == nil {
		dir := filepath.Join(data, "backup", "replaced")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		aside = filepath.Join(dir, account+"-"+time.Now().UTC().Format("20060102T150405.000000000Z"))
		if err := os.Rename(present, aside); err != nil {
			return err
		}
		if err := atomicfile.SyncDir(dir); err != nil {
			return err
		}
	}
	if err := os.Rename(fresh, present); err != nil {
		if aside != "" {
			err = errors.Join(err, os.Rename(aside, present))
		}
		return err
	}
	if err := atomicfile.SyncDir(filepath.Dir(present)); err != nil {
		return err
	}
	// Which mailboxes accounts share is found out anew.
	if err := os.Remove(filepath.Join(data, "shares")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if r.asJSON {
		return printJSONLine(r.p.stdout, restored{r.src.name(), account, aside})
	}
	fmt.Fprintf(r.p.stdout, "account %s is restored from backup %s\n", account, r.src.name())
	if aside != "" {
		fmt.Fprintf(r.p.stdout, "what it was before is in %s; remove that when it is not needed any more\n", aside)
	}
	return nil
}

// restored is the account of a backup in place of the present one, which is in Aside if there was one.
type restored struct{ Backup, Account, Aside string }

// restoredAll is a backup that is written to a directory.
type restoredAll struct{ Backup, Dir string }

// all writes everything to a directory.
func (r *restore) all(ctx context.Context, args []string) error {
	root, err := filepath.Abs(args[0])
	if err != nil {
		return err
	}
	d, err := backup.CreateDir(root, version(), time.Now())
	if err != nil {
		return err
	}
	d.Problem = func(text string, missing bool) {
		fmt.Fprintf(r.p.stderr, "error: %s\n", text)
	}
	if err := r.src.write(ctx, nil, d); err != nil {
		return err
	}
	if err := d.Close(time.Now()); err != nil {
		return err
	}
	if n := d.Failures(); n > 0 {
		return fmt.Errorf("restored, but %d files are damaged in the backup and missing", n)
	}
	if r.asJSON {
		return printJSONLine(r.p.stdout, restoredAll{r.src.name(), root})
	}
	fmt.Fprintf(r.p.stdout, "backup %s is restored to %s\ncheck it with: mox verifydata %s\n", r.src.name(), root, filepath.Join(root, "data"))
	return nil
}

// maxShownHeader bounds what of a header is read to show From and Subject.
const maxShownHeader = 64 << 10

// headerOf returns From and Subject for people.
func headerOf(ctx context.Context, acc *store.Account, id store.BodyID) (from, subject string) {
	b, err := acc.OpenBody(ctx, id)
	if err != nil {
		return "(" + err.Error() + ")", ""
	}
	defer b.Close()
	h, err := message.ReadHeader(bufio.NewReader(io.NewSectionReader(b, 0, min(b.Size(), maxShownHeader))), maxShownHeader)
	if err != nil {
		return "(no header)", ""
	}
	show := func(name string) string {
		return strings.Map(func(c rune) rune {
			if unicode.IsControl(c) {
				return ' '
			}
			return c
		}, strings.TrimSpace(message.DecodeWords(h.Get(name))))
	}
	return show("From"), show("Subject")
}
