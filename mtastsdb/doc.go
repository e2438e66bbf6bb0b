// Package mtastsdb remembers the MTA-STS policies of domains (RFC 8461), which protect
// deliveries only if they are known from earlier ones.
//
// [DB.Get] returns the policy in force. Each time it looks up the record in DNS, and fetches
// the policy if the record has another id than the one that is known. What fails leaves
// the known policy in force until it expires: neither forged answers from DNS nor a server
// that cannot be reached do away with it (RFC 8461 5.1, 10.2). Where none is known, that
// there is none is remembered for five minutes (RFC 8461 3.3).
//
// [DB.Run] fetches policies again each day, so that they do not expire, and forgets those
// that were not asked for in 180 days.
//
// # Files
//
// "mtasts.db" in the data directory, a database of package db. Domains without a record
// leave nothing in it. A file that is damaged or of a newer release is renamed to "mtasts.db.aside" and begun anew:
// that the next deliveries are protected less is better than that there are none.
//
// Files: db.go opening, options; get.go; rows.go; run.go.
//
// # Goroutines and locks
//
// Each fetch has a goroutine, one at a time for a domain and id, and 16 in all at most; who
// asks for the same waits for it. Run is the caller's goroutine. Close ends fetches and
// waits for them. DB.mu guards which fetches are under way; nothing else is locked while
// it is held.
package mtastsdb
