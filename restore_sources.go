package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/backup"
	"mox/replica"
)

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
