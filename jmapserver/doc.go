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
// of one message in several mailboxes are one Email in several mailboxes. The state of all types is the ModSeq of the account.
//
// Who calls is found out by a [Login]: credentials or tokens for programs, sessions for the webmail.
//
// RFCs: 8620 (core), 8621 (mail), 8474 (ids).
//
// Goroutines: none of its own but those of requests. A [Server] is safe for concurrent use.
package jmapserver
