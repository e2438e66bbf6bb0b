package db

import (
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"
)

// syncData syncs the content of the system's file, without metadata that is not needed to
// read it again: the log is mostly written over, and the time of its last change, which
// fsync writes too, costs a commit of the file system's journal. SQLite does the same where
// it is built to. False: not here.
func syncData(file uintptr) (int32, bool) {
	fd := int((*sqlite3.TunixFile)(pointer(file)).Fh)
	for {
		switch err := syscall.Fdatasync(fd); err {
		case nil:
			return sqlite3.SQLITE_OK, true
		case syscall.EINTR:
		default:
			return sqlite3.SQLITE_IOERR_FSYNC, true
		}
	}
}
