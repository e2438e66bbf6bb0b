// Package inbound is what port 25 means: it takes mail of other servers for local
// addresses, and no other. A [Transaction] is for a door, which runs the protocol.
//
// A message goes through facts (who connects, what msgauth finds out, what the recipient
// has taught), a verdict of policy, and delivery, in that order. Notifications that senders
// ask for (DSN) are not offered: they would have to be sent to other servers.
//
// RFCs: 5321 (4.4 trace, 4.5.1 postmaster, 4.5.3 limits).
//
// Goroutines: a Transaction looks up the client's name while the message comes in; it
// has ended with the transaction.
package inbound
