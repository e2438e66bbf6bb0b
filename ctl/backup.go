package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mox/admin"
	"mox/backup"
)

// backupStreams send backups, and make them, which takes long.
var backupStreams = map[string]streamEntry{
	// Output is for backup.Decode.
	"backup": {0, false, func(ctx context.Context, a *admin.Admin, _ []string, _ io.Reader, out io.Writer) error {
		return a.Backup(ctx, actor, out)
	}},
	// Parameters: "verbose" or empty, "json" or empty.
	"backuprun": {2, false, func(ctx context.Context, a *admin.Admin, p []string, _ io.Reader, out io.Writer) error {
		res, err := a.BackupRun(ctx, actor, func(text string) {
			if p[0] != "" || p[1] == "" && (strings.HasPrefix(text, "warning: ") || strings.HasPrefix(text, "error: ")) {
				fmt.Fprintln(out, text)
			}
		})
		if res.Snapshot == "" {
			return err
		}
		return errors.Join(PrintBackup(out, p[1] != "", res), err)
	}},
	// Parameter: "json" or empty.
	"backupdrill": {1, false, func(ctx context.Context, a *admin.Admin, p []string, _ io.Reader, out io.Writer) error {
		proven, err := a.BackupDrill(ctx, actor)
		if proven.Time.IsZero() {
			return err
		}
		return errors.Join(PrintDrill(out, p[0] != "", proven), err)
	}},
}

// PrintBackup prints what a backup has done.
func PrintBackup(out io.Writer, asJSON bool, r backup.Result) error {
	if asJSON {
		return printJSON(out, r)
	}
	s := r.Stats
	_, err := fmt.Fprintf(out, "%s: %d files of %d MiB, of which %d were not changed; %d MiB read, %d KiB stored, in %s\n",
		r.Snapshot, s.Files, s.Size>>20, s.Unchanged, s.Read>>20, (s.NewStored+1023)>>10, r.Ended.Sub(r.Time).Round(time.Millisecond))
	return err
}

// PrintDrill prints what a drill has found.
func PrintDrill(out io.Writer, asJSON bool, p backup.Proven) error {
	if asJSON {
		return printJSON(out, p)
	}
	for _, f := range p.Failures {
		if _, err := fmt.Fprintf(out, "error: %s\n", f); err != nil {
			return err
		}
	}
	if !p.OK {
		return nil
	}
	_, err := fmt.Fprintf(out, "OK: %s\n", p)
	return err
}

// backupStatus tells of the last backup and drill. Parameter: "json" or empty.
func backupStatus(_ context.Context, a *admin.Admin, p []string, out io.Writer) error {
	if a.Backups == nil {
		return admin.ErrNoBackups
	}
	m, d := a.Backups.State(), a.Backups.Drill().State()
	if p[0] != "" {
		return printJSON(out, struct {
			Backup backup.ManagerState
			Drill  backup.DrillState
		}{m, d})
	}
	if m.Good.Snapshot == "" {
		fmt.Fprintln(out, "No backup was made yet.")
	} else {
		fmt.Fprintf(out, "Last backup: %s, made on %s.\n", m.Good.Snapshot, m.Good.Ended.Local().Format("2006-01-02 15:04"))
	}
	if m.Last.Err != "" {
		fmt.Fprintf(out, "The last attempt, on %s, failed: %s\n", m.Last.Time.Local().Format("2006-01-02 15:04"), m.Last.Err)
	}
	fmt.Fprintf(out, "Last proven restore: %s.\n", d.Proven)
	if !d.Last.OK && !d.Last.Time.IsZero() {
		fmt.Fprintf(out, "But %s.\n", d.Last)
	}
	return nil
}
