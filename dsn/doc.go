// Package dsn has delivery status notifications: it composes the messages by which a
// sender hears what became of a message, and parses those of others.
//
// A notification is a multipart/report of a text for people, a [Status] for programs,
// and the returned message or its header. It is sent with the null reverse-path, and
// never about a message that has that itself: this is up to the caller.
//
// [ParsePart] reads notifications of RFC 3464, however they are put together; [Guess] those
// that are text only, of the programs that it knows; [Any] both. A [Report] tells which it was. What
// it says is not more certain than its sender is: anybody can write one.
//
// RFCs: 3464 (status), 6522 (multipart/report), 3461 (what a sender may ask for), 6533
// (UTF-8), 3834 5 (Auto-Submitted), 3463 (status codes).
//
// Files: dsn.go has the types, status.go prints and parsestatus.go parses a status,
// compose.go makes messages, text.go the text for people, parse.go reads messages,
// guess.go texts, formats.go has the programs that write these, codes.go finds codes in them.
package dsn
