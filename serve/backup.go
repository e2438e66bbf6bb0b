package serve

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"sync/atomic"
	"time"

	"mox/admin"
	"mox/backup"
	"mox/config"
	"mox/db"
	"mox/message"
	"mox/metrics"
	"mox/mlog"
	"mox/replica"
	"mox/store"
)

// makeBackupDir makes the directory of the repository, as that cannot be done any more once the
// process is confined.
func (s *Server) makeBackupDir(snap *config.Snapshot) {
	p, ok := admin.BackupPlace(snap)
	if !ok || !p.IsDirectory() {
		return
	}
	if err := os.MkdirAll(p.Repository, 0o700); err != nil {
		s.Log.Error("directory for backups: make it, for the user that mox runs as, and restart", "err", err)
	}
}

// backupDirs are directories that are needed for backups.
func backupDirs(snap *config.Snapshot) []string {
	p, ok := admin.BackupPlace(snap)
	if !ok || !p.IsDirectory() {
		return nil
	}
	if _, err := os.Stat(p.Repository); err != nil {
		return nil // told already
	}
	return []string{p.Repository}
}

// buildBackups makes what makes backups, if they are configured.
func (s *Server) buildBackups(snap *config.Snapshot) {
	place, ok := admin.BackupPlace(snap)
	if !ok {
		return
	}
	c := snap.Static.Backup
	log := mlog.New("backup", s.Log)
	drill := &backup.Drill{
		Open:    func(ctx context.Context) (*backup.Repository, error) { return place.Open(ctx, false) },
		Scratch: snap.DataPath("tmp"), StateFile: snap.DataPath(admin.DrillStateFile), Live: s.Store, Now: s.Now, Log: log,
		More: func(ctx context.Context, r *backup.Repository, problem func(string)) error {
			_, err := replica.Check(ctx, r, problem)
			return err
		},
	}
	every := cmp.Or(c.DrillInterval, 7*24*time.Hour)
	if c.NoDrill {
		every = 0
	}
	failing := s.Registry.Gauge(metrics.BackupFailing)
	set := func(what string, failed bool) {
		v := 0.0
		if failed {
			v = 1
		}
		failing.Set(v, what)
	}
	m := backup.NewManager(backup.ManagerConfig{
		Open:     func(ctx context.Context) (*backup.Repository, error) { return s.openRepository(ctx, place) },
		Source:   s.Admin.BackupSource,
		Keep:     admin.BackupKeep(snap),
		Interval: cmp.Or(c.Interval, 24*time.Hour), Drill: drill, DrillInterval: every,
		StateFile: snap.DataPath(admin.BackupStateFile), Version: s.Version, Now: s.Now, Log: log,
		Made:    func(r backup.Result) { set("backup", r.Err != "") },
		Drilled: func(p backup.Proven) { set("drill", !p.OK) },
		Alarm: func(ctx context.Context, subject, text string) {
			if err := s.mailPostmaster(ctx, ownMail{subject: subject, text: text}); err != nil {
				log.ErrorContext(ctx, "mail to postmaster", "err", err)
			}
		},
	})
	set("backup", m.State().Last.Err != "")
	last := drill.State().Last
	set("drill", !last.Time.IsZero() && !last.OK)
	s.Registry.GaugeFunc(metrics.BackupLast, func() float64 { return seconds(m.State().Good.Ended) })
	s.Registry.GaugeFunc(metrics.BackupProven, func() float64 { return seconds(drill.Last().Ended) })
	s.Admin.Backups = m
}

// openRepository opens the repository, or makes it: backups and the replica, which begin at the same time,
// must not both make one.
func (s *Server) openRepository(ctx context.Context, place backup.Place) (*backup.Repository, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	return place.Open(ctx, true)
}

// newReplicator makes what follows the databases, if it is wanted.
func (s *Server) newReplicator(snap *config.Snapshot) {
	place, ok := admin.BackupPlace(snap)
	if !ok || !snap.Static.Backup.Replicate {
		return
	}
	var stored atomic.Int64
	s.replica = replica.New(replica.Config{
		Open:    func(ctx context.Context) (*backup.Repository, error) { return s.openRepository(ctx, place) },
		DataDir: snap.DataPath("."), StateFile: snap.DataPath("backup/replica.json"), Now: s.Now,
		Log: mlog.New("replica", s.Log), Stored: func() { stored.Add(1) },
	})
	s.Registry.GaugeFunc(metrics.ReplicaLag, func() float64 { return s.replica.Lag().Seconds() })
	s.Registry.GaugeFunc(metrics.ReplicaSnapshots, func() float64 { return float64(stored.Load()) })
}

// watcher is told of databases that are opened.
func (s *Server) watcher() db.Watcher {
	if s.replica == nil {
		return nil
	}
	return s.replica
}

// startReplica begins to replicate. It ends after the databases are closed.
func (s *Server) startReplica() {
	if s.replica == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.replica.Run(ctx, Drain)
	}()
	s.endReplica = func() {
		cancel()
		<-ended
	}
}

// seconds is a time as metrics have it.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// startBackups begins to make backups by their schedule.
func (s *Server) startBackups() {
	s.startReplica()
	if m := s.Admin.Backups; m != nil {
		s.serving.Go(func() { m.Run(s.ctx) })
	}
}

// ownMail is a message about this server to the postmaster.
type ownMail struct {
	subject, text string
	// id is the part of the Message-ID before the host: a message that the account has is not put there
	// again. "": any.
	id    string
	flags store.Flags
}

// mailPostmaster puts a message into the postmaster's mailbox.
func (s *Server) mailPostmaster(ctx context.Context, m ownMail) error {
	snap := s.Config.Snapshot()
	to := snap.Static.Postmaster
	acc, err := s.Store.Account(ctx, to.Account)
	if err != nil {
		return err
	}
	defer acc.Release()
	host := snap.Hostname.ASCII
	id := m.id + "@" + host
	if m.id == "" {
		id, err = message.NewMessageID(host, nil)
	} else if has, herr := hasMessage(ctx, acc, "<"+id+">"); has || herr != nil {
		return herr
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	c := message.NewComposer(&b, message.ComposeOptions{})
	c.Raw("From", "mox <postmaster@"+host+">")
	c.Raw("To", "postmaster@"+host)
	c.Text("Subject", m.subject)
	c.Date(s.Now())
	c.MessageIDs("Message-ID", id)
	c.Raw("Auto-Submitted", "auto-generated") // RFC 3834 5
	if err := c.WriteBody(message.TextBody(m.text, false)); err != nil {
		return err
	}
	spool := acc.NewSpool()
	defer spool.Close()
	if _, err := b.WriteTo(spool); err != nil {
		return err
	}
	if err := spool.Finish(); err != nil {
		return err
	}
	_, err = acc.Deliver(ctx, to.Mailbox, store.NewMessage{Spool: spool, Own: true, Flags: m.flags})
	return err
}

// hasMessage tells whether an account has a message with a Message-ID.
func hasMessage(ctx context.Context, acc *store.Account, id string) (bool, error) {
	for _, box := range acc.Mailboxes() {
		if uids, err := acc.FindMessageID(ctx, box.ID, id); err != nil || len(uids) > 0 {
			return err == nil, err
		}
	}
	return false, nil
}
