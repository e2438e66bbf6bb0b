// Package submit is everything that sends: it takes messages of authenticated users,
// checks that the sender is theirs to use, completes the header and hands the message
// on. A [Transaction] is for a door, which runs the protocol.
//
// Recipients of this server are delivered to at once, all of them before success is
// reported. There is no way to other servers yet: such recipients are refused when
// they are given.
//
// What is changed in a message: fields Bcc and Return-Path are removed, Date and
// Message-ID added when missing, and trace fields are put above it that do not tell
// where it was sent from.
//
// RFCs: 6409 (submission; 6.1 sender checks, 8 completing the header), 5321, 5322
// (3.6.1 to 3.6.4), 6532 (UTF-8 headers), 8601 (Authentication-Results).
//
// Goroutines: none of its own.
package submit
