package admin

import (
	"context"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"mox/backup"
	"mox/config"
	"mox/directory"
)

// BackupSource is what a backup of a configuration's server consists of.
func BackupSource(snap *config.Snapshot) *backup.Source {
	s := &backup.Source{ConfigPath: absolute(snap.Path), DataDir: absolute(snap.DataPath(".")), Accounts: map[string]bool{}}
	for name := range snap.Accounts {
		s.Accounts[name] = true
	}
	// What "mox restore account -replace" has put aside.
	// The log is of this server only.
	s.Exclude = []string{filepath.Join(s.DataDir, "backup", "replaced"), filepath.Join(s.DataDir, "log")}
	if p, ok := BackupPlace(snap); ok && p.IsDirectory() {
		s.Exclude = append(s.Exclude, p.Repository)
	}
	return s
}

// BackupPlace is the repository of a configuration, if it has one.
func BackupPlace(snap *config.Snapshot) (backup.Place, bool) {
	b := snap.Static.Backup
	if b == nil {
		return backup.Place{}, false
	}
	file := func(path string) string {
		if path == "" {
			return ""
		}
		return snap.ConfigPath(path)
	}
	p := backup.Place{Repository: b.Repository, Region: b.Region, AccessKeyFile: file(b.AccessKeyFile), SSHKeyFile: file(b.SSHKeyFile), HostKeys: b.HostKeys, KeyFile: file(b.KeyFile)}
	if p.IsDirectory() {
		p.Repository = absolute(snap.ConfigPath(p.Repository))
	}
	return p, true
}

// BackupSource is what a backup of this server consists of.
func (a *Admin) BackupSource() *backup.Source {
	s := BackupSource(a.Config.Snapshot())
	if a.HoldLocal != nil && a.Queue != nil {
		s.Moving = a.moving
	}
	return s
}

// maxMoving bounds the addresses with mail in the queue that are looked at.
const maxMoving = 1000

// moving holds deliveries from the queue to accounts back, and returns the accounts that mail in
// it is for.
func (a *Admin) moving(ctx context.Context) (accounts []string, release func(), err error) {
	if release, err = a.HoldLocal(ctx); err != nil {
		return nil, nil, err
	}
	to, err := a.Queue.LocalRecipients(ctx, maxMoving)
	if err != nil {
		release()
		return nil, nil, err
	}
	view := directory.New(a.Config.Snapshot)
	names := map[string]bool{}
	for _, p := range to {
		res, err := view.ResolvePath(p)
		if err != nil {
			continue // it will fail, and go to nobody
		}
		if res.Account != nil {
			names[res.Account.Name] = true
		}
		if res.Alias != nil {
			for _, m := range res.Alias.Members {
				names[m.Account] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), release, nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// BackupKeep is which backups are kept.
func BackupKeep(snap *config.Snapshot) backup.Keep {
	b := snap.Static.Backup
	if b == nil {
		return backup.Keep{}
	}
	k := backup.Keep{Daily: b.KeepDaily, Weekly: b.KeepWeekly, Monthly: b.KeepMonthly, Yearly: b.KeepYearly}
	if !k.Any() {
		k = backup.Keep{Daily: 7, Weekly: 5, Monthly: 12}
	}
	// Also when the clock was wrong for a while.
	k.Last = 3
	return k
}

// ErrNoBackups is that the configuration has no repository.
var ErrNoBackups = errors.New("mox.conf has no Backup: configure it and restart, or name a repository with -repository")

// Backup sends a consistent copy of the configuration and all data, in the form of
// [backup.Decode], while the server works.
func (a *Admin) Backup(ctx context.Context, actor Actor, w io.Writer) (rerr error) {
	defer func() { a.audit(ctx, actor, "backup", rerr) }()
	e := backup.NewEncoder(w)
	return errors.Join(a.BackupSource().Send(ctx, e), e.Close())
}

// BackupRun makes a backup in the repository of the configuration.
func (a *Admin) BackupRun(ctx context.Context, actor Actor, progress func(string)) (res backup.Result, rerr error) {
	defer func() { a.audit(ctx, actor, "backup to repository", rerr, "snapshot", res.Snapshot) }()
	if a.Backups == nil {
		return res, ErrNoBackups
	}
	return a.Backups.Backup(ctx, progress)
}

// BackupDrill restores the newest backup and checks it.
func (a *Admin) BackupDrill(ctx context.Context, actor Actor) (p backup.Proven, rerr error) {
	defer func() { a.audit(ctx, actor, "backup drill", rerr, "snapshot", p.Snapshot) }()
	if a.Backups == nil {
		return p, ErrNoBackups
	}
	return a.Backups.RunDrill(ctx)
}
