package admin

import (
	"cmp"
	"context"
	"errors"
	"time"

	"mox/backup"
	"mox/config"
	"mox/queue"
	"mox/status"
)

// maxStatusMessages bounds the messages of the queue that are looked at, those that have waited
// longest first.
const maxStatusMessages = 5000

// Status tells how the server is, for people: in a few sentences, or with all there is to say.
func (a *Admin) Status(ctx context.Context, all bool) (status.Report, error) {
	if a.Process == nil {
		return status.Report{}, ErrNoProcess
	}
	f := a.facts(ctx)
	if all {
		return f.All(), nil
	}
	return f.Report(), nil
}

func (a *Admin) facts(ctx context.Context) status.Facts {
	f := a.Process.Facts(ctx)
	f.Now, f.Certificates = a.Now(), a.CertificateList()
	for _, w := range a.Config.Snapshot().Warnings {
		f.Warnings = append(f.Warnings, w.Error())
	}
	if a.Queue != nil {
		if err := QueueFacts(ctx, a.Queue, &f); err != nil {
			f.Unknown = append(f.Unknown, "queue: "+err.Error())
		}
	}
	if m := a.Backups; m != nil {
		f.Backup = backupFacts(a.Config.Snapshot(), m.State(), m.Drill().State())
	}
	up := a.Process.UpgradeStatus()
	f.Upgrade = status.Upgrade{Failed: up.State == UpgradeRolledBack || up.State == UpgradeForward, Undone: up.State == UpgradeRolledBack, Reason: up.Reason}
	return f
}

func backupFacts(snap *config.Snapshot, st backup.ManagerState, drill backup.DrillState) *status.Backup {
	return &status.Backup{Interval: cmp.Or(snap.Static.Backup.Interval, 24*time.Hour), State: st, Drill: drill}
}

// BackupFacts are those of a server that does not run; nil: no backups are configured.
func BackupFacts(snap *config.Snapshot) (*status.Backup, error) {
	if snap.Static.Backup == nil {
		return nil, nil
	}
	st, err := backup.ReadState(snap.DataPath(BackupStateFile))
	drill, derr := backup.ReadDrillState(snap.DataPath(DrillStateFile))
	return backupFacts(snap, st, drill), errors.Join(err, derr)
}

// Files below the data directory in which outcomes of backups and of drills are kept.
const (
	BackupStateFile = "backup/last.json"
	DrillStateFile  = "backup/drill.json"
)

// QueueFacts adds what is in a queue. f.Now has to be set.
func QueueFacts(ctx context.Context, q *queue.Queue, f *status.Facts) error {
	l, err := q.List(ctx, queue.Filter{Max: maxStatusMessages + 1}, queue.Sort{Field: "queued", Asc: true})
	if err != nil {
		return err
	}
	for i := range l[:min(len(l), maxStatusMessages)] {
		f.Queue.Add(&l[i], f.Now)
	}
	if len(l) <= maxStatusMessages {
		return nil
	}
	st, err := q.Stats(ctx)
	f.Queue.Messages, f.Queue.More = st.Messages, true
	return err
}
