package db

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// migration is one numbered file: "0003_threads.sql" brings version 2 to 3.
type migration struct {
	version int
	// compatible is the lowest version that a program has to know to use the database after this
	// migration: its own, unless its file begins with a line "-- compatible: 2". That is for
	// migrations that only add what earlier programs leave alone without doing harm.
	compatible int
	name       string
	sql        string
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
		m := migration{version: n, compatible: n, name: name, sql: string(b)}
		line, _, _ := strings.Cut(m.sql, "\n")
		if text, ok := strings.CutPrefix(line, "-- compatible: "); ok {
			m.compatible, err = strconv.Atoi(strings.TrimSpace(text))
			if err != nil || m.compatible < 1 || m.compatible > n {
				return nil, fmt.Errorf("migration %s: compatible must be a version from 1 to %d", name, n)
			}
		}
		all = append(all, m)
	}
	return all, nil
}

// Version is that of a database's schema.
type Version struct {
	Schema int // as many migrations were applied
	// Compatible is the lowest schema that a program has to know to use it; at most Schema.
	Compatible int
}

// PRAGMA user_version has both: the schema in the lower 16 bits, and above them what it is
// compatible with, or 0 for only itself.
func parseVersion(v int64) Version {
	r := Version{Schema: int(v & 0xffff), Compatible: int(v >> 16)}
	if r.Compatible <= 0 || r.Compatible > r.Schema {
		r.Compatible = r.Schema
	}
	return r
}

func (v Version) pragma() int {
	if v.Compatible == v.Schema {
		return v.Schema
	}
	return v.Compatible<<16 | v.Schema
}

// versionAfter is the version of a database to which the first n of all migrations were applied.
func versionAfter(all []migration, n int) Version {
	v := Version{Schema: n, Compatible: n}
	for know := n - 1; know >= 1; know-- {
		// A program that knows that many must be good enough for each that came after.
		for _, m := range all[know:n] {
			if m.compatible > know {
				return v
			}
		}
		v.Compatible = know
	}
	return v
}

// FileVersion reads the version of a database that no process has open, and that has no log, as a
// copy made by [DB.Backup].
func FileVersion(path string) (Version, error) {
	f, err := os.Open(path)
	if err != nil {
		return Version{}, err
	}
	defer f.Close()
	var header [100]byte
	if _, err := io.ReadFull(f, header[:]); err != nil || string(header[:16]) != "SQLite format 3\x00" {
		return Version{}, errors.Join(fmt.Errorf("%s: %w", path, ErrCorrupt), err)
	}
	// https://www.sqlite.org/fileformat.html 1.3: the user version is at offset 60.
	return parseVersion(int64(int32(binary.BigEndian.Uint32(header[60:])))), nil
}

// migrate brings the schema up to date, a transaction for each version: a crash in
// between leaves a whole version. One of a newer program is taken as it is, if that says that
// this program can use it.
func (d *DB) migrate() error {
	all, err := readMigrations(d.o.Migrations)
	if err != nil {
		return err
	}
	n, _, err := d.w.QueryInt64("PRAGMA user_version")
	if err != nil {
		return err
	}
	v := parseVersion(n)
	if d.o.Migrations != nil && v.Compatible > len(all) {
		return fmt.Errorf("%w: it has version %d, this program knows up to %d", ErrNewer, v.Schema, len(all))
	}
	for _, m := range all[min(v.Schema, len(all)):] {
		err := d.transaction(func(c *Conn) error {
			if err := c.Script(m.sql); err != nil {
				return err
			}
			return c.Script(fmt.Sprintf("PRAGMA user_version=%d", versionAfter(all, m.version).pragma()))
		})
		if err != nil {
			return fmt.Errorf("applying %s: %w", m.name, err)
		}
	}
	return nil
}
