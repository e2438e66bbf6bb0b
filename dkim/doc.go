// Package dkim signs messages and verifies their signatures: DKIM (RFC 6376), without
// rsa-sha1 and short keys (RFC 8301), with Ed25519 (RFC 8463) and internationalized
// mail (RFC 8616). Its parts are also those of ARC, see package arc.
//
// [Verify] checks all signatures of a message in one pass over its body, with all key
// records looked up at once. [Sign] makes a field for each of several keys, again in
// one pass. Messages are read from an io.ReaderAt; the header is held in memory,
// within a bound, the body is streamed.
//
// # What counts as signed
//
// Statuses are those of RFC 8601 2.7.1, see [Status]. Only [StatusPass] says that the
// domain of a signature vouches for all of the message that a reader sees. A
// signature that verifies but leaves something open has status policy:
//
//   - l= covers only the start of the body (RFC 6376 8.2),
//   - there are more From fields than it signs (RFC 6376 8.15),
//   - it is expired, or from the future.
//
// The header is read as package message reads it: it ends at the empty line or at the
// first line that is no field, so that what is verified is what is shown. A LF without
// CR is a line end.
//
// # Files
//
// verify.go and sign.go: the two actions. tags.go, signature.go, record.go: syntax of
// fields and key records. field.go: printing fields. message.go, canonical.go, body.go:
// header and body of a message, canonicalized and hashed. keys.go: lookup of key
// records. check.go: a signature and a key. status.go: statuses and errors.
//
// # Concurrency
//
// Functions may be called concurrently. Verify starts a goroutine for each key record to
// be looked up, at most 16 at a time, and waits for all of them before it returns. A
// [Message] may be used concurrently, other values belong to one goroutine.
package dkim
