package moxtest_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/admin"
	"mox/config"
	"mox/moxtest"
)

// TestDrill restores a backup beside the running server; then, with one block of it damaged,
// fails loudly: in the outcome that is kept, in the metric, in the postmaster's mailbox.
func TestDrill(t *testing.T) {
	ctx := context.Background()
	repo := filepath.Join(t.TempDir(), "repo")
	s := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithLog(20), moxtest.WithConfig(func(st *config.Static, _ *config.Dynamic) {
		st.Backup = &config.Backup{Repository: repo}
	}))
	to := "mox@" + moxtest.Domain
	for range 20 {
		s.Send(t, "a@remote.example", to, "From: a@remote.example\r\nSubject: x\r\n\r\nText.\r\n")
	}
	m := s.Admin.Backups
	if r, err := m.Backup(ctx, nil); err != nil || r.Stats.NewChunks == 0 {
		t.Fatal(r, err)
	}
	s.Send(t, "a@remote.example", to, "From: a@remote.example\r\nSubject: later\r\n\r\nText.\r\n")
	p, err := s.Admin.BackupDrill(ctx, admin.Actor("test"))
	if err != nil || !p.OK || p.Accounts != 1 || p.Compared < 20 {
		t.Fatalf("%+v, %v", p, err)
	}
	if last := m.Drill().Last(); last.Snapshot != p.Snapshot {
		t.Errorf("last proven restore: %+v", last)
	}
	gauge := func(name string) float64 {
		g, err := s.Registry.Gather(name)
		if err != nil {
			t.Fatal(err)
		}
		for labels, v := range g {
			if labels == "" || strings.Contains(labels, "drill") {
				return v
			}
		}
		t.Fatalf("no metric %s: %v", name, g)
		return 0
	}
	if gauge("mox_backup_failing") != 0 || gauge("mox_backup_last_proven_timestamp_seconds") == 0 {
		t.Error("metrics after a drill that succeeded")
	}

	packs, err := filepath.Glob(filepath.Join(repo, "packs/*/*"))
	if err != nil || len(packs) == 0 {
		t.Fatal(packs, err)
	}
	b, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 1
	if err := os.WriteFile(packs[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	failed, err := s.Admin.BackupDrill(ctx, admin.Actor("test"))
	if err == nil || failed.OK || len(failed.Failures) == 0 {
		t.Fatalf("a damaged backup passes: %+v, %v", failed, err)
	}
	if st := m.Drill().State(); st.Last.OK || st.Proven.Snapshot != p.Snapshot {
		t.Errorf("state: %+v", st)
	}
	if gauge("mox_backup_failing") != 1 {
		t.Error("the metric does not tell")
	}
	var mail string
	for _, l := range contentsOf(t, s.Store, "mox") {
		if strings.HasPrefix(l, "Postmaster ") {
			mail = l
		}
	}
	if mail == "" {
		t.Errorf("no mail to postmaster: %q", contentsOf(t, s.Store, "mox"))
	}
	left, err := filepath.Glob(filepath.Join(s.Dir, "data/tmp/drill-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the scratch directory: %q", left)
	}
}
