package db

import (
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"
)

// Errors, to be tested with errors.Is on what this package returns.
var (
	ErrFull       = errors.New("disk is full")
	ErrCorrupt    = errors.New("database file is damaged")
	ErrBusy       = errors.New("database is busy")
	ErrConstraint = errors.New("constraint failed")
	ErrInUse      = errors.New("in use by another process")
	ErrNewer      = errors.New("database was written by a newer version")
	ErrClosed     = errors.New("database is closed")
	ErrInterrupt  = errors.New("interrupted")
)

// Error is an error of SQLite. errors.Is tells its class: ErrFull, ErrCorrupt, ...
type Error struct {
	Code int    // extended result code
	Msg  string // SQLite's text; names tables and columns, never values
}

func (e *Error) Error() string { return fmt.Sprintf("sqlite: %s (%d)", e.Msg, e.Code) }

// classes maps primary result codes, and extended ones that differ from their primary
// code's class, to the errors above.
var classes = map[int]error{
	sqlite3.SQLITE_FULL:             ErrFull,
	sqlite3.SQLITE_IOERR_SHMSIZE:    ErrFull, // extending the log's index failed: no space
	sqlite3.SQLITE_CORRUPT:          ErrCorrupt,
	sqlite3.SQLITE_NOTADB:           ErrCorrupt,
	sqlite3.SQLITE_IOERR_SHORT_READ: ErrCorrupt,
	sqlite3.SQLITE_IOERR_DATA:       ErrCorrupt,
	sqlite3.SQLITE_IOERR_CORRUPTFS:  ErrCorrupt,
	sqlite3.SQLITE_BUSY:             ErrBusy,
	sqlite3.SQLITE_LOCKED:           ErrBusy,
	sqlite3.SQLITE_CONSTRAINT:       ErrConstraint,
	sqlite3.SQLITE_INTERRUPT:        ErrInterrupt,
}

// Is reports whether the error is of the class that target names.
func (e *Error) Is(target error) bool {
	class, ok := classes[e.Code]
	if !ok {
		class, ok = classes[e.Code&0xff]
	}
	return ok && class == target
}
