// Package submit is everything that sends: it takes messages of authenticated users,
// checks that the sender is theirs to use, completes and signs the header, and brings the
// message on its way. A [Transaction] is for a door, which runs the protocol;
// [Submit.Send] for programs, with the same checks.
//
// Recipients of this server are delivered to at once. Those of other servers are queued,
// together with those here who cannot have the message for now, and with what the sender
// is to be told already, in one commit. Only then there is success. When that commit fails,
// who has the message is remembered, as the client will send it again. A message for later
// (FUTURERELEASE) and one whose request may be repeated (Request.Key) are queued for all.
//
// How many recipients an account may send to in a day is limited (limits.go). It is checked
// at RCPT, where a client can tell its user which recipient was too much, and counted once
// for the message.
//
// A sender is told what became of a message (notify.go) as it asks by DSN: what was
// delivered, in a notification if that is wanted; what failed for all recipients, in the
// session; what failed for some only, in a notification, so that the others do not get the
// message again. Only where a notification is not allowed, with NOTIFY=NEVER or for the null
// reverse-path, the session tells that too, and nothing is queued for others.
//
// What is changed in a message: fields Bcc, Resent-Bcc and Return-Path are removed, Date and
// Message-ID added when missing, DKIM signatures of the domains of its authors put above
// (sign.go), and trace fields that do not tell where it was sent from.
//
// Clients without account may send for configured domains from configured networks, and
// accounts for more domains than their own (relay.go). Without configuration nobody may.
//
// [Forwarder] passes on what came for addresses of accounts that want that, with the content
// as it came, and takes notifications back (forward.go). That does not count against the
// limits of the account.
//
// RFCs: 6409 (submission; 6.1 sender checks, 8 completing the header), 5321, 5322
// (3.6.1 to 3.6.6), 6532 (UTF-8 headers), 8601 (Authentication-Results), 3461 and 3464 (DSN),
// 4865 (FUTURERELEASE), 6376 (DKIM), 8617 (ARC, of what is forwarded), 8689 (REQUIRETLS,
// TLS-Required).
//
// Goroutines: none of its own. Lock order: Submit.mu and relayLimits.mu are leaves.
package submit
