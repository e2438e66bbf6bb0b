// Package jmapserver is the JMAP server: mail for programs that speak JSON over HTTP, the webmail among them.
//
// Paths below where it is mounted (which must be stripped):
//
//	session                        GET, the session resource
//	api                            POST, requests
//	upload/ACCOUNT                 POST, a blob
//	download/ACCOUNT/BLOB/NAME     GET, a blob; ?type= is its media type
//	eventsource                    GET, a stream of state changes
//
// A request runs its calls one after the other (dispatch.go). A call is a [method] of the table in methods.go, which
// gets its arguments decoded, with result references resolved. Emails are contents, by their EMAILID (RFC 8474): copies
// of one message in several mailboxes are one Email in several mailboxes. The state of all types is the ModSeq of the account, after
// the UIDVALIDITY of its Inbox, which is another one after a restore, and for another account of the name.
//
// All Emails of an account are in memory while it is used (mails.go): a version for each moment, of which the next one shares
// all that did not change. Queries, threads and counts go by it; what is shown of an Email comes from what the store has rendered,
// and only texts from the message itself. What changed since a state is computed from the change log (changes.go), and the
// results of a query that can be others from what changed: no state of a client is kept.
//
// What changes mail (set.go, mailbox_set.go, email_set.go) are operations of the store, as few as can be. An Email that is
// created is a draft (draft.go), checked first and then written. Identities and submissions are settings of the account
// (kept.go), so that its change log is theirs. A submission is sent by package submit, and what became of it is what the queue tells
// when somebody asks.
//
// Push subscriptions (push.go) are settings of the account too, with the name of the credentials that made them. [Pushes] (pusher.go) tells
// push services of changes: of a subscription that was not verified the code alone, of others the types that changed since what
// was told last. It is told by the store when an account has changed, so none is kept open. The file jmappush.json of the data directory
// (pushindex.go) has the accounts with subscriptions, and how far they are; it is an index that can be deleted.
//
// Who calls is found out by a [Login]: credentials or tokens for programs, sessions for the webmail.
//
// RFCs: 8620 (core), 8621 (mail), 8474 (ids), 8030 (requests to push services).
//
// Goroutines: those of requests, and a timer that drops accounts from memory; [Pushes.Run] has one that looks at accounts, and one for each
// request to a push service, for which it waits. A [Server] is safe for
// concurrent use. Lock order: mailsEntry.mu, held while an account is brought up to date; then mailsCache.mu, threads.mu or
// derived.mu, with which nothing is taken. Pushes.saving, then Pushes.mu, with which nothing is taken.
package jmapserver
