package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mox/db"
)

// Dir is the directory of upgrades, in the data directory.
const Dir = "upgrade"

// dataFile is a file of a data directory.
type dataFile struct {
	rel      string
	size     int64 // with its log
	database bool
}

// dataFiles lists what is to be copied: databases, and small files. Search indexes are not, as
// they are made anew from the rest where they are missing or of another version; temporary files,
// sockets and what is left of upgrades neither.
func dataFiles(dir string) (files []dataFile, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, rerr := filepath.Rel(dir, path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && rel != ".":
			return nil // removed meanwhile
		case err != nil || rerr != nil:
			return errors.Join(err, rerr)
		case d.IsDir() && (rel == "tmp" || rel == Dir || rel == "config"):
			return filepath.SkipDir
		case !d.Type().IsRegular() || strings.HasSuffix(rel, "-wal") || strings.HasSuffix(rel, "-shm"):
			return nil
		case strings.HasPrefix(d.Name(), "search.db") || d.Name() == "lock":
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		f := dataFile{rel: rel, size: info.Size(), database: strings.HasSuffix(rel, ".db")}
		if !f.database && f.size > 1<<20 {
			return nil // nothing of ours
		}
		if log, err := os.Stat(path + "-wal"); err == nil {
			f.size += log.Size()
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// DataSize is how many bytes [CopyData] would write.
func DataSize(dir string) (n int64, err error) {
	files, err := dataFiles(dir)
	for _, f := range files {
		n += f.size
	}
	return n, err
}

// CopyData copies the databases of a data directory to a new one, each as it is at one moment,
// while a server uses them. The queue comes last, so that no message is in neither it nor the
// account that it came from.
func CopyData(ctx context.Context, src, dst string) error {
	files, err := dataFiles(src)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dst, "accounts"), 0o770); err != nil {
		return err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := filepath.Join(dst, f.rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o770); err != nil {
			return err
		}
		copyOne := copySmall
		if f.database {
			copyOne = copyDatabase
		}
		if err := copyOne(ctx, filepath.Join(src, f.rel), to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("copying %s: %w", f.rel, err)
		}
	}
	return nil
}

// copyDatabase copies through SQLite, as another process may be writing.
func copyDatabase(ctx context.Context, src, dst string) error {
	if _, err := os.Stat(src); err != nil {
		return err // Open would make it
	}
	d, err := db.Open(src, db.Options{})
	if err != nil {
		return err
	}
	return errors.Join(d.Backup(ctx, dst), d.Close())
}

func copySmall(_ context.Context, src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, 1<<20))
	return errors.Join(err, out.Close())
}

// versions are those of the databases of a copy, by path below it.
func versions(dir string) (map[string]db.Version, error) {
	files, err := dataFiles(dir)
	if err != nil {
		return nil, err
	}
	m := map[string]db.Version{}
	for _, f := range files {
		if !f.database {
			continue
		}
		v, err := db.FileVersion(filepath.Join(dir, f.rel))
		if err != nil {
			return nil, err
		}
		m[f.rel] = v
	}
	return m, nil
}
