// Package imapserver serves IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051), with the
// extensions in the table of extensions.go, from accounts of package store.
//
// [Server] accepts connections; each has a session, one goroutine that reads a
// command, looks it up in the table of commands.go, runs it, reports what changed in
// the selected mailbox, and sends the tagged response. A command has its own file,
// cmd_NAME.go. In IDLE the goroutine that calls the alarms of the mailbox's view tells the client, or
// wakes the session where that may take time (ring.go); NOTIFY adds a goroutine
// that waits for the account to change and lives until the client wants no more news,
// APPEND of several messages one that prepares a message while the next one comes in, reading the
// contents of several messages one that reads ahead.
//
// # News of other mailboxes
//
// A client that has asked for them (ENABLE METADATA, NOTIFY) has a position in the
// account's change log (news.go). At the end of commands, in IDLE, and with NOTIFY
// whenever the account changes, the session reads on from there and tells.
//
// # Mailboxes of others
//
// A mailbox name leads to a place (access.go): an account, a mailbox and the user's rights
// there, which each command checks by RFC 4314 4. The account of another user is held for
// the command, or while its mailbox is selected; the selected mailbox knows its own account.
// Rights are looked at anew for each command, and in IDLE when the mailbox gets a new view.
//
// Each capability of that table is shown by a transcript in testdata/session, which says so at
// its top by a line "# CAPABILITY: NAME"; TestConformance demands it. "make docs" writes the
// table into docs/imap.md.
//
// URLs that give access to messages are in urlauth.go; what a URL stands for is found in
// urldata.go, for sessions and, by [Server.OpenURL], for message submission.
//
// # Sequence numbers
//
// A session holds the immutable view of its mailbox that it last told its client
// about (selected.go). At safe points it takes the newest view and reports the
// difference. Messages that others have expunged while the client may not be told
// (RFC 9051 7.5.1: during FETCH, STORE and SEARCH) stay as ghosts with their
// sequence numbers until it may be; their content remains readable in the store for
// a while, so that FETCH still answers for them (RFC 2180 4.1).
//
// # Output
//
// Responses are appended to one buffer of the session, from a pool and given back
// when the session waits; it is written out whenever it is full, so that a response
// of any size needs bounded memory, and a client that does not read blocks only its
// own session, until the write deadline.
//
// # Compression
//
// COMPRESS puts a [mox/deflate.Conn] below the session's connection. What it has decompressed
// and not given out is read before the network is, so that a session may wait as without it;
// UNAUTHENTICATE ends it, and leaves the connection where it was.
//
// # Files on disk, locks
//
// The package has no files. Server.mu guards the set of sessions and is never held
// while anything else is done. Sessions share nothing else.
package imapserver
