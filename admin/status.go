package admin

import (
	"cmp"
	"context"
	"time"

	"mox/queue"
	"mox/status"
)

// maxStatusMessages bounds the messages of the queue that are looked at, those that have waited
// longest first.
const maxStatusMessages = 5000

// Status tells how the server is, for people.
func (a *Admin) Status(ctx context.Context) (status.Report, error) {
	if a.Process == nil {
		return status.Report{}, ErrNoProcess
	}
	f := a.Process.Facts(ctx)
	f.Now, f.Certificates = a.Now(), a.CertificateList()
	for _, w := range a.Config.Snapshot().Warnings {
		f.Warnings = append(f.Warnings, w.Error())
	}
	if a.Queue != nil {
		if err := a.queueFacts(ctx, &f); err != nil {
			f.Unknown = append(f.Unknown, "queue: "+err.Error())
		}
	}
	if m := a.Backups; m != nil {
		f.Backup = &status.Backup{Interval: cmp.Or(a.Config.Snapshot().Static.Backup.Interval, 24*time.Hour), State: m.State(), Drill: m.Drill().State()}
	}
	up := a.Process.UpgradeStatus()
	f.Upgrade = status.Upgrade{Failed: up.State == UpgradeRolledBack || up.State == UpgradeForward, Undone: up.State == UpgradeRolledBack, Reason: up.Reason}
	return f.Report(), nil
}

func (a *Admin) queueFacts(ctx context.Context, f *status.Facts) error {
	l, err := a.Queue.List(ctx, queue.Filter{Max: maxStatusMessages + 1}, queue.Sort{Field: "queued", Asc: true})
	if err != nil {
		return err
	}
	for i := range l[:min(len(l), maxStatusMessages)] {
		f.Queue.Add(&l[i], f.Now)
	}
	if len(l) <= maxStatusMessages {
		return nil
	}
	st, err := a.Queue.Stats(ctx)
	f.Queue.Messages, f.Queue.More = st.Messages, true
	return err
}
