// Package db is the SQLite driver behind a few functions: open, read, group commit,
// migrate, check, back up. It is the only package that knows the driver, and says
// nothing about what is stored.
//
// It uses the transpiled SQLite library (modernc.org/sqlite/lib) directly and not
// through database/sql: a row of nine integers costs 0.8 µs so against 3.0 µs, which is
// what a SELECT of a large mailbox is made of.
//
// # Files
//
// For a database "x.db" SQLite keeps "x.db-wal" (the write-ahead log: a commit is one
// append and one fsync, synchronous=FULL) and "x.db-shm" (its index; worthless after a
// crash). The log is longer than what is in it: zeros follow, since a file that grows is slower to
// sync. It is begun anew every 16 MiB. Nothing else in the process may open these files: closing any descriptor of
// a file drops the process's POSIX locks on it. Backups go through [DB.Backup].
//
// # Connections and goroutines
//
// A [DB] has one connection that writes, used by one goroutine at a time, and a pool of
// connections that read, made when wanted and closed when idle. A read transaction sees
// one snapshot and never waits for the writer. Reads must be short: the log can only be
// started anew at a moment without readers, so [DB.Read] callers take what they need,
// return, and then talk to slow peers.
//
// A [Committer] is one goroutine that gathers operations and commits them together.
// One more goroutine for each DB copies the log into the database file (a checkpoint)
// off the commit path, and closes idle readers; [DB.Close] stops it and waits.
//
// # Lock order
//
// DB.copying (held by a checkpoint), then DB.gate (held for reading by every read transaction, for
// writing by a checkpoint that has to reset the log), then DB.write (the writing connection), then DB.mu (the pool). Who
// has DB.write may try for DB.gate, and must not wait for it.
package db
