package db

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// migration is one numbered file: "0003_threads.sql" brings version 2 to 3.
type migration struct {
	version int
	name    string
	sql     string
}

// readMigrations reads the .sql files of fsys, which must be numbered 1, 2, 3, ...
func readMigrations(fsys fs.FS) ([]migration, error) {
	if fsys == nil {
		return nil, nil
	}
	names, err := fs.Glob(fsys, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, name := range names {
		digits, _, _ := strings.Cut(path.Base(name), "_")
		n, err := strconv.Atoi(digits)
		if err != nil || n != len(all)+1 {
			return nil, fmt.Errorf("migration %s: number must be %d", name, len(all)+1)
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		all = append(all, migration{n, name, string(b)})
	}
	return all, nil
}

// migrate brings the schema up to date, a transaction for each version: a crash in
// between leaves a whole version. PRAGMA user_version is the version.
func (d *DB) migrate() error {
	all, err := readMigrations(d.o.Migrations)
	if err != nil {
		return err
	}
	v, _, err := d.w.QueryInt64("PRAGMA user_version")
	if err != nil {
		return err
	}
	if d.o.Migrations != nil && int(v) > len(all) {
		return fmt.Errorf("%w: it has version %d, this program knows up to %d", ErrNewer, v, len(all))
	}
	for _, m := range all[min(int(v), len(all)):] {
		err := d.transaction(func(c *Conn) error {
			if err := c.Script(m.sql); err != nil {
				return err
			}
			return c.Script(fmt.Sprintf("PRAGMA user_version=%d", m.version))
		})
		if err != nil {
			return fmt.Errorf("applying %s: %w", m.name, err)
		}
	}
	return nil
}
