package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"mox/admin"
	"mox/backup"
	"mox/config"
	"mox/ctl"
	"mox/db"
)

// backupCommands make copies of everything, look at them, and bring back what is in them.
func backupCommands() []command {
	return []command{
		{words: "backup", args: "destdir", prints: printsDone, short: "write a consistent copy of configuration and data to a directory", min: 1, max: 1, setup: setupBackup, help: backupHelp},
		{words: "backup run", short: "make a backup in a repository", max: 0, setup: setupBackupRun, help: backupRunHelp},
		{words: "backup list", short: "list the backups of a repository", max: 0, setup: setupBackupList, help: backupPlaceHelp},
		{words: "backup check", short: "look for damage in a repository or directory", max: 0, setup: setupBackupCheck, help: backupCheckHelp},
		{words: "backup prune", short: "remove old backups from a repository", max: 0, setup: setupBackupPrune, help: backupPruneHelp},
		{words: "backup drill", short: "restore the newest backup into a scratch directory and check it", max: 0, setup: setupBackupDrill, help: backupDrillHelp},
		{words: "backup status", short: "tell of the last backup and the last proven restore", max: 0, setup: setupBackupStatus},
		{words: "backup key", args: "file", prints: printsDone, short: "make the key of an encrypted repository", min: 1, max: 1, setup: setupBackupKey, help: backupKeyHelp},
		{words: "backup sshkey", args: "file", short: "make the SSH key for a repository by SFTP, and print its public half", min: 1, max: 1, setup: setupBackupSSHKey, help: backupSSHKeyHelp},
		{words: "backup hostkeys", args: "host[:port]", short: "print the host keys that an SSH server shows", min: 1, max: 1, setup: setupBackupHostKeys, help: backupHostKeysHelp},
	}
}

const backupHelp = `
Writes destdir/config and destdir/data, while the server works, and last the file
destdir/manifest.json with checksums; a backup without that file was not finished. Nothing is
overwritten. Each database is copied as it is at one moment, the queue before the accounts, so
that no message is in neither. Indexes for searches are left out: they are made anew.

Progress (with -verbose), warnings and errors go to standard error. When something cannot be
read, the rest is copied nevertheless, and the exit status is 1.

The files are written by this command, which must be allowed to; without running server it
also reads them. "mox verifydata destdir/data" checks the copy, "mox restore" brings things
back from it. For backups that keep many days in little space, see "mox help backup run".`

func setupBackup(fs *flag.FlagSet) runFunc {
	verbose := fs.Bool("verbose", false, "print each file")
	return func(ctx context.Context, p *program, args []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		root, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		src, end, err := p.backupSender(ctx)
		if err != nil {
			return err
		}
		defer end()
		dir, err := backup.CreateDir(root, version(), time.Now())
		if err != nil {
			return err
		}
		dir.Problem = func(text string, missing bool) {
			kind := "warning"
			if missing {
				kind = "error"
			}
			fmt.Fprintf(p.stderr, "%s: %s\n", kind, text)
		}
		if *verbose {
			dir.Log = func(text string) { fmt.Fprintln(p.stderr, text) }
		}
		if err := src.Send(ctx, dir); err != nil {
			return err
		}
		if err := dir.Close(time.Now()); err != nil {
			return err
		}
		if n := dir.Failures(); n > 0 {
			return fmt.Errorf("backup is made, but %d things are missing in it", n)
		}
		return nil
	}
}

// backupSender returns what sends all of the running server, or of its files when it does not
// run, and what ends it.
func (p *program) backupSender(ctx context.Context) (backup.Sender, func() error, error) {
	client, err := p.dial(ctx)
	if err == nil {
		return serverSender{client}, client.Close, nil
	} else if !errors.Is(err, ctl.ErrNotRunning) {
		return nil, nil, err
	}
	snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
	if err != nil {
		return nil, nil, err
	}
	if err := checkOwner(snap.DataPath(".")); err != nil {
		return nil, nil, err
	}
	lock, err := db.LockFile(snap.DataPath("lock"))
	if err != nil {
		return nil, nil, fmt.Errorf("data directory: %w", err)
	}
	return admin.BackupSource(snap), lock.Close, nil
}

// serverSender sends what the running server does.
type serverSender struct{ client *ctl.Client }

// Send implements backup.Sender.
func (s serverSender) Send(ctx context.Context, to backup.Sink) error {
	pr, pw := io.Pipe()
	decoded := make(chan error, 1)
	go func() {
		err := backup.Decode(pr, to)
		pr.CloseWithError(err)
		decoded <- err
	}()
	err := s.client.Stream(ctx, ctl.Request{Command: "backup"}, nil, pw)
	pw.CloseWithError(err)
	if derr := <-decoded; derr != nil && (err == nil || !errors.Is(derr, err)) {
		return derr
	}
	return err
}
