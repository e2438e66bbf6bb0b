// Package tracelog is the log of recent decisions about messages, accepted and refused,
// of all accounts: it tells what became of a message, and why.
//
// # Files
//
// "trace.db" in the data directory, a database of package db. It is a log: nothing that
// was promised depends on it, so commits are not synced (synchronous=NORMAL), and a file
// that is damaged or of a newer version is renamed to "trace.db.aside" and begun anew. Entries
// are kept for 30 days, and at most 100,000 of them: 84 MB when traces have 2 KB each.
//
// # How it is searched
//
// Each entry has rows in the table lookup, of hashes of its message-id, its addresses and
// their domains, the client's address, the log id and the account. They are clustered by
// spans of 4096 entries: a search costs one seek for each span, from the newest to the
// oldest, and adding touches few pages. The schema says more.
//
// # Goroutines and locks
//
// A Log has one goroutine that writes: what waits is committed together, 200 ms after the
// first of it came, when there are 256, or when somebody searches. The same goroutine
// removes what is old, in small steps. Close ends it and waits.
//
// Log.mu guards what waits, and Log.file which database is open; neither is taken while
// the other is held.
package tracelog
