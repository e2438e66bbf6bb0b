package db

import (
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// lockPerDescriptor makes SQLite lock the database file by open file description, so
// that code elsewhere in the process that opens and closes the file cannot drop the
// lock. It has effect before the first lock; later calls change nothing.
func lockPerDescriptor() {
	tls := libc.NewTLS()
	defer tls.Close()
	sqlite3.Xmodernc_ofd_locking(tls, 1)
}
