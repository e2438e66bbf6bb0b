// Package deliver puts messages into accounts: it expands aliases, writes the trace
// fields of each recipient above the message, and has store keep it. What becomes of a
// message is decided by the caller's Judge, for each account: refused (with a copy in
// the mailbox for rejects), delayed, accepted.
//
// Fields added on delivery, from top to bottom: those of the judgment (X-Mox-Reason),
// Delivered-To, Return-Path, those that the caller gives (Authentication-Results, ...),
// Received.
//
// An account that is about to be full gets a message that says so.
//
// When some recipients of a message could be served and others not, the sender is told
// that it failed, and may send it again to all. Deliverer remembers, in memory and for
// some days, to whom it was delivered, and does not deliver it there again.
//
// A destination can have messages passed on to other addresses ([Forwarder]), once its copy
// is stored. What is junk stays here, and what was forwarded from here before is refused.
//
// RFCs: 5321 4.4 (trace information), 3848 and 6531 4.3 (protocol names), 9228
// (Delivered-To, by which forwarding loops are found).
//
// Goroutines: a message with several recipients is delivered by some at a time; all
// have ended when Deliver returns. Lock order: Deliverer.mu is a leaf.
package deliver
