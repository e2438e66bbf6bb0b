package serve

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mox/admin"
	"mox/atomicfile"
	"mox/search"
)

// What a snapshot before an upgrade is: copies of closed databases, below "upgrade" in the data
// directory, under their own paths. It is whole when the file snapshotComplete is there, and to
// be put back when snapshotRestore is; that is gone on with at any start.
const (
	snapshotDir      = "upgrade/before"
	snapshotComplete = "complete"
	snapshotRestore  = "restore"

	// envRestore has a worker put back the snapshot before it opens anything.
	envRestore = "MOX_RESTORE"
)

// takeSnapshot copies the databases with the given names, or all for [admin.AllDatabases], which nobody may
// have open.
func takeSnapshot(data string, names []string) error {
	dir := filepath.Join(data, snapshotDir)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o770); err != nil {
		return err
	}
	err := eachDatabase(data, names, func(rel string) error {
		for _, suffix := range []string{"", "-wal"} {
			err := copyFile(filepath.Join(data, rel+suffix), filepath.Join(dir, "files", rel+suffix))
			if err != nil && !(suffix != "" && errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		os.RemoveAll(dir)
		return fmt.Errorf("snapshot: %w", err)
	}
	return atomicfile.Write(filepath.Join(dir, snapshotComplete), nil, 0o640)
}

// eachDatabase calls do for files of the data directory that have one of the names. All databases are without
// search indexes, which are made anew where they cannot be used.
func eachDatabase(data string, names []string, do func(rel string) error) error {
	all := slices.Contains(names, admin.AllDatabases)
	wanted := func(name string) bool {
		return slices.Contains(names, name) || all && strings.HasSuffix(name, ".db") && name != search.FileName
	}
	data, err := filepath.EvalSymlinks(data) // the directory itself may be behind a link
	if err != nil {
		return err
	}
	return filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(data, path)
		if err != nil {
			return err
		}
		if d.IsDir() && (rel == "tmp" || rel == "upgrade") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() && wanted(d.Name()) {
			return do(rel)
		}
		return nil
	})
}

// copyFile makes a durable copy, sharing blocks where the file system can.
func copyFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dst), 0o770); err != nil {
		return err
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	if !reflink(out, in) {
		_, err = io.Copy(out, in)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// restoreSnapshot puts back what an upgrade had changed, if that was asked for now (ask) or
// before a crash. Nobody may have the databases open.
func restoreSnapshot(data string, ask bool) (restored int, err error) {
	dir := filepath.Join(data, snapshotDir)
	if ask {
		if _, err := os.Stat(filepath.Join(dir, snapshotComplete)); err != nil {
			return 0, fmt.Errorf("databases from before the upgrade: %w", err)
		}
		if err := atomicfile.Write(filepath.Join(dir, snapshotRestore), nil, 0o640); err != nil {
			return 0, err
		}
	} else if _, err := os.Stat(filepath.Join(dir, snapshotRestore)); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	files := filepath.Join(dir, "files")
	err = filepath.WalkDir(files, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".db-wal" {
			return err
		}
		rel, err := filepath.Rel(files, path)
		if err != nil {
			return err
		}
		restored++
		return putBack(path, filepath.Join(data, rel))
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // none was left
	}
	if err != nil {
		return restored, fmt.Errorf("putting back databases from before the upgrade: %w", err)
	}
	return restored, os.RemoveAll(dir)
}

// putBack moves a database, with its log if it has one, over what is there. The database goes
// last: as long as it is there, all is done again.
func putBack(src, dst string) error {
	if err := os.Remove(dst + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// The log of the newer database must not be read into the older one.
	if err := os.Remove(dst + "-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := copyFile(src+"-wal", dst+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(src, dst); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(dst))
}

func removeSnapshot(data string) error { return os.RemoveAll(filepath.Join(data, snapshotDir)) }
