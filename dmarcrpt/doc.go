// Package dmarcrpt has aggregate reports of DMARC: what receivers of mail tell the owner of
// a domain about mail that claims to be from it.
//
// [Parse] reads a report: XML, plain or compressed with gzip or in a zip file, of RFC 9990
// or RFC 7489 or nearly so. [ParseMessage] finds it in a message. Both take what others send,
// bounded, as long as it can be understood; but not what is cut off. [Feedback.XML] and
// [Message.Compose] make reports as RFC 9990 has them, and [ErrorMessage] the mail that
// tells of a report too large for its receiver.
//
// RFCs: 9990 (reports), 7489 7.2 and appendix C (as before), 7489 7.2.2 (reports of errors).
//
// Files: feedback.go has the types, compose.go makes reports and mails, parse.go reads
// reports, unpack.go gets at their XML, message.go finds them in mails.
//
// The package has no state and starts no goroutines. All functions are safe for concurrent
// use.
package dmarcrpt
