// Package mailops has the operations on messages that several doors offer to people and
// programs who know a message by its id: read it as parts, flag, move, delete.
// It is for the HTTP API and its webhooks, and whatever else is
// not a session of a mailbox.
//
// A message is looked up by id, then worked on by mailbox and UID. Another session may move
// it in between: operations see that nothing was done and look it up again.
//
// RFCs: 5322 and 2045 to 2049 by package message, 9051 2.3.2 (flags), 3464 and 6522 (what a
// delivery status notification looks like).
//
// Goroutines and files: none of its own.
package mailops
