// Package hook calls webhooks: HTTP URLs of accounts that want to hear what becomes of the
// messages they send, and what messages come in.
//
// # Outgoing
//
// [Outgoing] makes the call for an event of the queue, which stores it in the commit of the
// event itself: none is lost, and none is made for what did not happen.
//
// # Incoming
//
// What is delivered to an account is found by following the ids of bodies, which ascend: the
// last one seen is kept as a setting of the account. A message counts when it has a decision
// trace, as those have that were received, and was not refused; copies, and messages that
// clients put there, do not. First calls are stored, then the new position: after a crash in
// between, a call can be made twice, and its MsgID tells that. A
// position begins when an account gets its first webhook. What was received longer ago than
// Limits.CatchUp is passed over.
//
// # Notifications
//
// All accounts with messages that a notification can be about (see queue.Limits.Bounces) are
// followed for these, with a position of its own; the latest thousand messages are looked at
// when there is none. The messages stay where they are.
//
// A message to a unique sender address (you+id@domain, see FromIDLoginAddresses) whose id the
// queue knows is not incoming: it is a DSN, which the queue records and makes an event of, or
// an event of its own, "unrecognized". Nobody else knows the address.
//
// Any other DSN is matched by the Message-ID of the original, for recipients to which the
// account has sent that. Who else got the message can forge it: so it goes into the history,
// and to webhooks, but a recipient comes onto the suppression list only if the DSN has the null
// reverse-path, and SPF, DKIM, DMARC or iprev verify a domain of the organization of the
// recipient's domain or of the server that took the message, or that server itself brings it.
//
// Feedback reports (ARF) are matched by a unique sender in Original-Mail-From, of whatever account,
// as reports go to an address that was registered; otherwise by Message-ID and recipient, like a
// DSN. They make the event "complained", and abuse puts the recipient onto the suppression list.
//
// Notifications of this server itself are passed over: what they say was recorded before.
//
// # Calls
//
// A POST of JSON; only status 200 is success. At most Limits.Parallel at the same time, one to
// a URL. A call that fails is repeated after 1, 2, 4, 7.5, 15 and 30 minutes, 1, 2, 4, 8 and
// 16 hours, and then given up. While a URL cannot be reached at all, it is tried with one call
// only, at least every minute, and the others keep their attempts. A call that was answered,
// but not recorded because of a crash, is repeated with the same X-Mox-Webhook-ID.
//
// Who configures the server chooses the URLs; services on this machine and in its network
// are usual ones. Redirects are not followed, proxies of the environment not used, and
// link-local addresses, where clouds keep credentials, not called, whatever a name resolves to.
//
// # RFCs
//
// 9110 (HTTP), 3464 (DSN), 5965 (feedback reports), 5322 and 3834 (what is automatic).
//
// # Goroutines and locks
//
// Run has one that starts calls, one for each call, and one that follows deliveries; it waits
// for them. Hooks.mu guards what is under way and is held while nothing else is taken.
package hook
