package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mox/admin"
	"mox/backup"
	"mox/config"
	"mox/ctl"
	"mox/replica"
	"mox/sftp"
)

const backupPlaceHelp = `
The repository is that of Backup in mox.conf, unless -repository names another one: a directory,
s3://host/bucket/prefix with -accesskeyfile, or sftp://user@host[:port]/directory with -sshkeyfile and -hostkey.`

const backupRunHelp = `
Stores what has changed since the last backup. Databases of which nothing was written are not
read; of others only parts are stored that the repository has not, compressed and, with a key,
encrypted. Each backup can be restored on its own. The repository is made when there is none.

For the repository of mox.conf the running server does it, which also removes backups that
are not to be kept any more, as it does by itself at the configured Interval.` + backupPlaceHelp

const backupCheckHelp = `
Of a repository, that all backups have all of their content, and that it is what was stored:
every byte is read unless -quick. With -repair, content that is damaged is forgotten, so that
the next backup stores it again if the server still has it; older backups that need it stay
damaged. With -dir, the files of a backup in a directory are compared with their checksums.
Prints each problem; exit status 1 when there are any.` + backupPlaceHelp

const backupPruneHelp = `
Keeps the last backup of each of so many hours, days, weeks, months and years, and the last
ones, as the flags say; without flags as mox.conf says. Content that no backup needs any more is
removed.` + backupPlaceHelp

const backupDrillHelp = `
The newest backup is restored, one account after the other, and checked as by "mox
verifydata"; random messages are compared with those of the server. The outcome is kept; "mox
backup status" and "mox status" show it. The running server does so by itself, by default once a week. Exit status 1 when
something is wrong.`

const backupKeyHelp = `
Writes a new random key to the file, which must not exist; or, with -passphrase, one that is
derived from a passphrase, read as a line from standard input. Name the file as KeyFile of
Backup in mox.conf, before the first backup. Keep a copy of it, or the passphrase, where it is
not lost together with the server: without it nothing can be restored.`

// placeFlags are flags that say which repository is meant.
type placeFlags struct {
	repository, region, accessKey, sshKey, key string
	hostKeys                                   []string
}

func (f *placeFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.repository, "repository", "", "`place` of the repository, in place of that of mox.conf")
	fs.StringVar(&f.region, "region", "", "`region` of an object store")
	fs.StringVar(&f.accessKey, "accesskeyfile", "", "`file` with the access key of an object store")
	fs.StringVar(&f.sshKey, "sshkeyfile", "", "`file` with the private SSH key for SFTP")
	fs.Func("hostkey", "`key` of the SFTP server or its fingerprint, as in HostKeys of mox.conf; can be repeated", func(s string) error {
		f.hostKeys = append(f.hostKeys, s)
		_, err := sftp.ParseHostKeys(f.hostKeys)
		return err
	})
	fs.StringVar(&f.key, "keyfile", "", "`file` with the key of an encrypted repository")
}

// place returns the repository's place; nil configuration: -repository is given.
func (f *placeFlags) place(p *program) (backup.Place, *config.Snapshot, error) {
	if f.repository != "" {
		pl := backup.Place{Repository: f.repository, Region: f.region, AccessKeyFile: f.accessKey, SSHKeyFile: f.sshKey, HostKeys: f.hostKeys, KeyFile: f.key}
		if strings.HasPrefix(pl.Repository, "sftp:") && len(pl.HostKeys) == 0 {
			at, err := sftp.ParseURL(pl.Repository)
			if err != nil {
				return pl, nil, usagef("-repository %v", err)
			}
			return pl, nil, usagef("-hostkey is needed: \"mox backup hostkeys %s\" prints the keys that the server shows, to be compared with what its operator says", at.Address())
		}
		if pl.IsDirectory() {
			abs, err := filepath.Abs(pl.Repository)
			if err != nil {
				return pl, nil, err
			}
			pl.Repository = abs
		}
		return pl, nil, nil
	}
	snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
	if err != nil {
		return backup.Place{}, nil, err
	}
	pl, ok := admin.BackupPlace(snap)
	if !ok {
		return pl, snap, errors.New("mox.conf has no Backup: configure it, or name a repository with -repository")
	}
	return pl, snap, nil
}

// open opens the repository, which is made where there is none if create is set.
func (f *placeFlags) open(ctx context.Context, p *program, create bool) (*backup.Repository, error) {
	pl, _, err := f.place(p)
	if err != nil {
		return nil, err
	}
	return pl.Open(ctx, create)
}

// inServer has the running server do it, if there is one and no other repository is named. done is
// false when it is still to be done.
func (f *placeFlags) inServer(ctx context.Context, p *program, command string, params ...string) (done bool, err error) {
	if f.repository != "" {
		return false, nil
	}
	client, err := p.dial(ctx)
	if errors.Is(err, ctl.ErrNotRunning) {
		return false, nil
	} else if err != nil {
		return true, err
	}
	defer client.Close()
	return true, client.Stream(ctx, ctl.Request{Command: command, Params: params}, nil, p.stdout)
}

func setupBackupRun(fs *flag.FlagSet) runFunc {
	var f placeFlags
	f.define(fs)
	verbose := fs.Bool("verbose", false, "print each file that is read")
	asJSON := fs.Bool("json", false, "print the result as JSON")
	return func(ctx context.Context, p *program, _ []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		if done, err := f.inServer(ctx, p, "backuprun", word(*verbose, "verbose"), word(*asJSON, "json")); done {
			return err
		}
		r, err := f.open(ctx, p, true)
		if err != nil {
			return err
		}
		defer r.Close()
		src, end, err := p.backupSender(ctx)
		if err != nil {
			return err
		}
		defer end()
		progress := func(text string) {
			if *verbose || strings.HasPrefix(text, "warning: ") || strings.HasPrefix(text, "error: ") {
				fmt.Fprintln(p.stderr, text)
			}
		}
		snap, err := r.Run(ctx, src, version(), progress)
		if snap == nil {
			return err
		}
		return errors.Join(ctl.PrintBackup(p.stdout, *asJSON, backup.Result{Time: snap.Time, Ended: snap.Ended, Snapshot: snap.Name, Stats: snap.Stats}), err)
	}
}

func word(set bool, s string) string {
	if set {
		return s
	}
	return ""
}

func setupBackupList(fs *flag.FlagSet) runFunc {
	var f placeFlags
	f.define(fs)
	asJSON := fs.Bool("json", false, "print a line of JSON for each")
	return func(ctx context.Context, p *program, _ []string) error {
		r, err := f.open(ctx, p, false)
		if err != nil {
			return err
		}
		defer r.Close()
		names, err := r.SnapshotNames(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			s, err := r.Snapshot(ctx, name)
			if err != nil {
				fmt.Fprintf(p.stderr, "%s: %v\n", name, err)
				continue
			}
			if *asJSON {
				s.Files = nil
				err = printJSONLine(p.stdout, s)
			} else {
				_, err = fmt.Fprintf(p.stdout, "%s  %s  %d files, %s, %s stored%s\n", name, s.Time.Local().Format("2006-01-02 15:04"), s.Stats.Files, size(s.Stats.Size), size(s.Stats.NewStored), incomplete(s))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func incomplete(s *backup.Snapshot) string {
	if len(s.Failures) == 0 {
		return ""
	}
	return fmt.Sprintf(", %d things missing", len(s.Failures))
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", (n+1023)>>10)
}

func setupBackupCheck(fs *flag.FlagSet) runFunc {
	var f placeFlags
	f.define(fs)
	var o backup.CheckOptions
	fs.BoolVar(&o.Quick, "quick", false, "do not read content")
	fs.BoolVar(&o.Repair, "repair", false, "forget damaged content, so that the next backup stores it again")
	dir := fs.String("dir", "", "check the backup in a `directory`, as \"mox backup\" makes, instead")
	asJSON := fs.Bool("json", false, "print the result as JSON")
	return func(ctx context.Context, p *program, _ []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		var problems []string
		problem := func(text string) {
			problems = append(problems, text)
			if !*asJSON {
				fmt.Fprintf(p.stdout, "error: %s\n", text)
			}
		}
		var c backup.Checked
		if *dir != "" {
			m, err := backup.ReadManifest(*dir)
			if err != nil {
				return err
			}
			backup.CheckDir(*dir, "", m, func(x backup.Problem) { problem(x.Path + ": " + x.Text) })
		} else {
			r, err := f.open(ctx, p, false)
			if err != nil {
				return err
			}
			defer r.Close()
			if c, err = r.Check(ctx, o, problem); err != nil {
				return err
			}
			if !o.Quick {
				if _, err := replica.Check(ctx, r, problem); err != nil {
					return err
				}
			}
		}
		if *asJSON {
			if err := printJSONLine(p.stdout, struct {
				Problems []string
				backup.Checked
			}{problems, c}); err != nil {
				return err
			}
		}
		if len(problems) > 0 {
			return exitStatus(1)
		}
		if !*asJSON {
			fmt.Fprintf(p.stdout, "OK: %d backups, %d packs, %d chunks, %s read\n", c.Snapshots, c.Packs, c.Chunks, size(c.Read))
		}
		return nil
	}
}

func setupBackupPrune(fs *flag.FlagSet) runFunc {
	var f placeFlags
	f.define(fs)
	var k backup.Keep
	for name, n := range map[string]*int{"last": &k.Last, "hourly": &k.Hourly, "daily": &k.Daily, "weekly": &k.Weekly, "monthly": &k.Monthly, "yearly": &k.Yearly} {
		fs.IntVar(n, "keep-"+name, 0, "keep `n` "+name+" backups")
	}
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, _ []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		pl, snap, err := f.place(p)
		if err != nil {
			return err
		}
		if !k.Any() && snap != nil {
			k = admin.BackupKeep(snap)
		}
		if !k.Any() {
			return usagef("say what to keep")
		}
		r, err := pl.Open(ctx, false)
		if err != nil {
			return err
		}
		defer r.Close()
		done, err := r.Prune(ctx, k)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSONLine(p.stdout, done)
		}
		fmt.Fprintf(p.stdout, "%d backups removed, %d kept; %s freed, %s moved\n", done.Removed, done.Kept, size(done.Freed), size(done.Moved))
		return nil
	}
}

func setupBackupDrill(fs *flag.FlagSet) runFunc {
	var f placeFlags
	f.define(fs)
	scratch := fs.String("scratch", "", "`directory` in which the backup is restored, without running server; it needs as much space as the largest account (default the system's for temporary files)")
	asJSON := fs.Bool("json", false, "print the result as JSON")
	return func(ctx context.Context, p *program, _ []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		if done, err := f.inServer(ctx, p, "backupdrill", word(*asJSON, "json")); done {
			return err
		}
		pl, _, err := f.place(p)
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp(*scratch, "mox-drill-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		d := &backup.Drill{
			Open:    func(ctx context.Context) (*backup.Repository, error) { return pl.Open(ctx, false) },
			Scratch: dir, StateFile: filepath.Join(dir, "state.json"), Now: time.Now, Log: p.errorLog("backup"),
		}
		proven, err := d.Run(ctx)
		return errors.Join(ctl.PrintDrill(p.stdout, *asJSON, proven), err)
	}
}

func setupBackupStatus(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print it as JSON")
	return func(ctx context.Context, p *program, _ []string) error {
		return p.request(ctx, "backupstatus", word(*asJSON, "json"))
	}
}

func setupBackupKey(fs *flag.FlagSet) runFunc {
	pass := fs.Bool("passphrase", false, "derive the key from a passphrase, a line on standard input")
	return func(_ context.Context, p *program, args []string) error {
		text := backup.NewKey()
		if *pass {
			line, err := bufio.NewReader(io.LimitReader(p.stdin, 4096)).ReadString('\n')
			if err != nil && err != io.EOF {
				return err
			}
			if text, err = backup.PassphraseFile(strings.TrimRight(line, "\r\n")); err != nil {
				return err
			}
		}
		if err := writeKeyFile(args[0], text); err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "%s is made. Keep a copy of it where it is not lost together with this machine: without it nothing can be restored.\n", args[0])
		return nil
	}
}

// writeKeyFile makes a file with a secret, which must not exist.
func writeKeyFile(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
