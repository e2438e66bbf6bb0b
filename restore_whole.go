package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/atomicfile"
	"mox/backup"
	"mox/config"
	"mox/ctl"
	"mox/db"
	"mox/store"
)

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
