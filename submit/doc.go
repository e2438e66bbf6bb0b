// Package submit is everything that sends: it takes messages of authenticated users,
// checks that the sender is theirs to use, completes the header and hands the message
// on. A [Transaction] is for a door, which runs the protocol.
//
// Recipients of this server are delivered to at once, all of them before success is
// reported. There is no way to other servers yet: such recipients are refused when
// they are given.
//
// How many recipients an account may send to in a day is limited (limits.go). It is checked
// at RCPT, where a client can tell its user which recipient was too much, and counted once
// for the message.
//
// A sender is told what became of a message (notify.go) as it asks by DSN: what was
// delivered, in a notification if that is wanted; what failed for all recipients, in the
// session; what failed for some only, in a notification, so that the others do not get the
// message again. Only where a notification is not allowed, with NOTIFY=NEVER or for the null
// reverse-path, the session tells that too.
//
// What is changed in a message: fields Bcc and Return-Path are removed, Date and
// Message-ID added when missing, and trace fields are put above it that do not tell
// where it was sent from.
//
// RFCs: 6409 (submission; 6.1 sender checks, 8 completing the header), 5321, 5322
// (3.6.1 to 3.6.4), 6532 (UTF-8 headers), 8601 (Authentication-Results), 3461 and 3464 (DSN).
//
// Goroutines: none of its own.
package submit
