// Package queue keeps outgoing messages until they are delivered or have failed: one
// database, no network. Who sends asks what is [Queue.Due], and tells by [Queue.Record]
// what an attempt gave.
//
// # What is promised
//
// [Queue.Add] returns once the messages are durable; then the queue owns them, and each
// recipient leaves by exactly one commit: of Record, or of an administrator's [Queue.Fail]
// or [Queue.Drop]. All consequences are in that commit: the history that is kept for a
// while ("retired" messages), calls of webhooks, the suppression list, and notifications
// to the sender (DSN), which enter the queue as messages of their own. A crash leaves all
// of it or none, so a notification is sent exactly once.
//
// An attempt is not recorded before it begins. It need not be: after a crash, those
// messages are sent again whose outcome was not recorded, whether or not it is known that
// somebody tried, as SMTP wants it (RFC 5321 4.2.5: the client keeps the responsibility
// until it has the reply). What [Queue.Begin] notes serves another end: a message that makes
// the server crash should not be tried for ever. The note is written with whatever is
// committed next, at the latest after a second, and most attempts are recorded before;
// so it costs nothing then. A note that is found by Open counts as an attempt that failed.
//
// # Files
//
// "queue.db" in the data directory, a database of package db; see schema. A message with
// many recipients is a row for each, and one content in chunks of 128 KiB, freed with
// the last of the recipients. It is not compressed, as most of it is there for a moment only; that of
// messages just queued is in memory too, at most 8 MiB. Content of more than 2 MiB is written in slices before the
// commit that adds its messages, and freed in slices afterwards, so that others never wait
// long.
//
// # Notifications
//
// Servers tell later of messages that they took. So what was delivered to others for an account is
// remembered for Limits.Bounces, with little in it when the account keeps no history, or does not
// any more: rows of table retired whose shown_until is 0, which no list shows. [Queue.RecordDSN] finds
// messages by unique sender, or by Message-ID and recipient; whom to believe is up to the caller.
//
// # Who is next
//
// Messages for one destination (a domain, an address literal, or this server) with one
// priority are a lane, which has its own row that says when the first of them is due.
// Due goes through the lanes, not through messages: one destination with a hundred
// thousand messages takes nothing from others. Times are kept in milliseconds.
//
// # RFCs
//
// 5321 4.5.4 (queueing), 3461 (what the sender wants to be told), 3464 by way of
// callbacks (DSN), 5965 (complaints), 4865 (future release), 8689 (REQUIRETLS and TLS-Required).
//
// # Goroutines and locks
//
// One commits (see db.Committer), one cleans up every hour and frees large content. Close
// ends both. Queue.mu guards the notes of Begin; it is taken by the committer, and held
// while nothing else is taken. Callbacks of Options run outside of transactions, except
// Hooks and Retired, which run inside: they must be quick and call nothing of the Queue.
package queue
