package db

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// companions are what SQLite keeps beside a database file, see the package comment.
var companions = []string{"-wal", "-shm"}

// SetAside renames a database that no process has open to another name, with its log, in
// place of one that has that name. That there is none at path is no error.
func SetAside(path, as string) error {
	for _, suffix := range append([]string{""}, companions...) {
		if err := os.Remove(as + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("setting database aside: %w", err)
		}
		if err := os.Rename(path+suffix, as+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("setting database aside: %w", err)
		}
	}
	return nil
}

// Remove removes a database that no process has open, with its log. The file itself goes
// last: as long as it is there, its log is not taken for that of another one.
func Remove(path string) error {
	for _, suffix := range append(companions[:len(companions):len(companions)], "") {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing database: %w", err)
		}
	}
	return nil
}

// OpenAnew is [Open] for data that can be done without: a file that is damaged, or that a newer
// release wrote, is set aside as path+".aside", which is logged, and begun anew.
func OpenAnew(path string, o Options) (*DB, error) {
	d, err := Open(path, o)
	what := "database is damaged"
	if errors.Is(err, ErrNewer) {
		what = "database is of a newer version"
	} else if !errors.Is(err, ErrCorrupt) {
		return d, err
	}
	aside := path + ".aside"
	if o.Log != nil {
		o.Log.Error(what+": it is set aside and begun anew", "path", path, "aside", aside, "err", err)
	}
	if err := SetAside(path, aside); err != nil {
		return nil, err
	}
	return Open(path, o)
}

// Schema returns the directory "schema" of files that a package embeds, for
// Options.Migrations.
func Schema(files fs.FS) fs.FS {
	sub, err := fs.Sub(files, "schema")
	if err != nil {
		panic(err) // the name is valid
	}
	return sub
}
