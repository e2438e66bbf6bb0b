// Package store keeps mail: accounts with mailboxes, messages and what is said about
// them. Only this package opens their files.
//
// # RFCs
//
// It provides what these need: RFC 9051 and 3501 (IMAP), 4314 (ACL), 4315 (UIDPLUS), 4467
// (URLAUTH), 5256 and 5957 (SORT, THREAD), 5257 (ANNOTATE), 5464 (METADATA), 6154 (special use), 6851 (MOVE),
// 7162 (CONDSTORE, QRESYNC), 8474 (OBJECTID), 8508 (REPLACE), 8514 (SAVEDATE), 8970 (PREVIEW), 9208 (QUOTA).
//
// # Files
//
//	lock                         held by the process that has the directory open; has its pid
//	accounts/NAME/account.db     everything of an account (and -wal, -shm, see package db)
//	shares                       which accounts share mailboxes with whom, see shares.go
//	tmp/                         spools, accounts half made or half removed; emptied by Open
//
// Others may keep files in an account's directory ([Account.Dir]); they move and go with it.
// The schema is in schema/*.sql, a numbered file for each version, and described there.
// The tables, from often to seldom touched:
//
//	message     a row for each message in a mailbox: what SELECT, STORE and FETCH FLAGS need
//	body        content, shared by copies: reference count, hash, size, thread
//	body_env    what FETCH answers with, as wire bytes; body_key: sort keys, text to search
//	chunk       128 KiB of content each, compressed on its own
//	lookup      hashes of Message-ID and base subject, to find threads; of references that were not there yet
//	expunge     what left a mailbox, for QRESYNC; held: expunged messages until their bodies are released
//	annotation  what clients keep with messages
//	gone_body   threads of bodies that were deleted, as long as the change log has their messages
//	upload      files for messages that are to be made; upload_chunk: their content
//	change      the change log: what each operation did to each mailbox
//	mailbox, acl, subscription, metadata, keyword_set, setting, url_key, account
//
// # Operations
//
// Each change is one operation: it takes the account's next ModSeq, runs in a savepoint
// on the committer's goroutine, and returns once it is durable, together with all that
// were committed with it. Its rows are written from what is in memory, in runs: a
// statement for each run of messages that get the same, never one for each message.
// Whatever takes long is done before (parsing, compressing, hashing; content of more
// than 2 MiB is written in advance, with reference count 0) or after (expunged messages
// leave the tables at once, their bodies in small operations in the background).
//
// An operation that fails leaves nothing, in the file or in memory: it works on an
// overlay, which is joined to that of the commit when it succeeds, and that becomes
// visible when the commit has. See state.go.
//
// Messages that are delivered, moved or copied into a mailbox get the flags that
// Options.AutoFlags has for it: COPY thus does not always preserve flags, as RFC 9051 6.4.7
// would have it, on purpose; APPEND leaves them as the client says.
//
// # Muted threads
//
// What Deliver puts into a thread of which a message has the keyword [KeywordMuted] gets it too,
// and \Seen. Which threads these are is kept in memory, found out by a look at all messages when
// it is first needed, before the operation; changes of such keywords, and messages with them that come or go
// otherwise, make it unknown again. An account without such a keyword set never looks.
//
// # States of a body
//
//	staged     refs = 0, freed in the future: its message is to come; freed after an hour
//	in use     refs > 0: messages, and expunged ones not yet released
//	unused     refs = 0: readable for the grace time, for sessions with an older view
//	gone       its rows are deleted
//	damaged    body.location = 1: a repair found that it is not what was stored; reading it is
//	           ErrDamaged, and it is shared with no new message
//
// # Repairs
//
// [Account.Repair] changes rows in an operation that is alone in its commit, reads the state
// anew in it, and that takes the place of what is in memory when the commit is durable. Views of
// mailboxes whose messages it changed become those of a deleted mailbox.
//
// # Views
//
// A mailbox that is open has one [View] in memory, immutable, of which each commit makes
// a new version that shares all that did not change. It is read in one snapshot;
// messages that are added meanwhile are kept aside and joined. All operations on
// existing messages go by the view, and check that the file agrees.
//
// # Sort keys in memory
//
// What SORT and THREAD compare is read by column: a number or the rank of a text for each
// message of a mailbox (column.go). Bodies never change, so that a column is only ever
// added to; it stays in memory while the mailbox is open and the column in use, within
// Options.SortMemory for all accounts together. 100,000 messages take about 1 MB for a
// date, 4 to 8 MB for a text, 5 MB for what threads are made of.
//
// # Goroutines
//
// For each open account: the committer and the background goroutine of package db, and
// while there is something to free, a timer. The [Store] has a timer that closes
// accounts nobody uses, and one that drops sort keys nobody uses. Where the index of shares
// is missing, a goroutine looks at all accounts once. Close ends and waits for all. Besides,
// a view that is superseded has one that calls the alarms of those who wait for that, or as
// many as there are processors where many wait, and a [ReadAhead] one until it is closed.
//
// # Lock order
//
// Account.moving, which is waited for without holding anything; then Account.sharing, held
// while an access control list changes; then Store.mu; then Account.mu; then reaper.mu,
// columnCache.mu or the index of shares. Messages that go from one account to another are
// read there and then added here: no operation waits for one of another account. The
// committer's goroutine takes Account.mu to publish, never while an operation runs; nobody
// waits for an operation or reads the database with any of the last four held. The lock of a
// view's alarms comes after all of them, and nothing is taken with it held.
package store
