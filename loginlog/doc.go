// Package loginlog records logins, and attempts to log in, by all protocols, for users and administrators to
// see. Those that are alike in all but their time are counted as one ([Attempt]).
//
// # Bounds
//
// An attempt is remembered for 30 days after its last time, and of each account the last [MaxAttempts]; those that lead to
// no account count as one account. Texts that clients choose are cut.
//
// # Files
//
// login.db (SQLite, see db) in the data directory: schema/*.sql say what is in it. Opened anew when it is
// damaged, without what was in it.
//
// # Goroutines
//
// One for each [Log], which writes what was recorded a few seconds later, all of it in one commit, so that no login
// waits for it. While it cannot be written, [MaxWaiting] different ones are kept, and more are left out. Close
// writes what waits and ends it. A Log is safe for concurrent use.
package loginlog
