// Package imapimport takes the mail of an account of another IMAP server over into an account
// of this one, as often as wanted until the old server is switched off: the first run adds all
// messages, later ones what has changed since.
//
// The command runs [Run] in its own process, with the network; the account is a [Target],
// which is [Local] where the store is open, or speaks to the running server.
//
// For each mailbox of the source, a record in the account (a setting "imapimport/HASH") pairs
// UIDs of the source with UIDs here, and has the flags that the source had. It is written when
// the mailbox is done. Messages without record, also after an interruption, are paired by
// Message-ID and size with those that are there; only what is left over is fetched, and
// package transfer leaves out what the mailbox has by its content. So nothing is there
// twice however often it is run, and what was deleted here does not come back.
//
// RFC 9051 (and 3501), 6154 (special use), 7162 (CONDSTORE), 2342 (namespaces), and the
// extension X-GM-EXT-1 of Gmail.
//
// Memory is some 100 bytes for each message of one mailbox at a time; contents above 1 MiB go
// through a temporary file. Run starts no goroutines but those of its Target.
package imapimport
