// Package inbound is what port 25 means: it takes mail of other servers for local
// addresses, and no other. A [Transaction] is for a door, which runs the protocol.
//
// A message goes through facts (who connects, what msgauth finds out, what the recipient
// has taught), a verdict of policy, and delivery, in that order.
//
// A sender may ask for notifications (DSN), and gets them if SPF or DMARC says that the
// reverse-path is its own: they must not hit others, whom somebody claimed to be
// ("backscatter"). Likewise a message that fails for good for some of its recipients is
// accepted, and the sender told of those by a notification, only then; otherwise the
// session tells, and the client may send it again, which is delivered to nobody twice.
//
// Addresses that were made for forwarded messages (package srs) take notifications only,
// which are passed back to the original sender.
//
// RFCs: 5321 (4.4 trace, 4.5.1 postmaster, 4.5.3 limits), 3461 (DSN).
//
// Goroutines: a Transaction looks up the client's name while the message comes in; it
// has ended with the transaction.
package inbound
