// Package message reads and writes mail messages: RFC 5322 headers and MIME
// (RFC 2045 to 2049, 2183, 2231, 3282, 6532), and renders what IMAP says about
// them (RFC 3501, RFC 9051).
//
// [Parse] makes one pass over a reader and returns a tree of [Part] values that
// hold byte offsets and the decoded MIME fields, never content: a message of any
// size needs a bounded amount of memory. It never fails on what is in a message,
// only when its reader does; broken MIME degrades to parts that a reader of the
// mail can still use. Content is read later through the offsets, from any
// [io.ReaderAt] over the same bytes.
//
// A tree has a compact binary form ([Part.AppendBinary], [DecodePart]) so that a
// store keeps it next to the message and no later access parses again.
//
// # Files
//
// The parser: parse.go (the pass over a message), lines.go (its buffer), field.go (the
// header fields it keeps), contenttype.go (parameters), limits.go. The tree: part.go,
// section.go, read.go and decode.go (readers over content), binary.go. Words of a
// header: address.go, addressparse.go, authors.go, date.go, msgid.go, encodedword.go, charset.go,
// utf7.go. IMAP: envelope.go, bodystructure.go, subject.go, sort.go, preview.go,
// htmltext.go and htmltag.go. Whole headers and composing: header.go, compose.go,
// composebody.go, encode.go. Conversion for servers without 8BITMIME: sevenbit.go.
//
// # RFCs
//
// RFC 5322 (and obsolete syntax of its section 4), 2045, 2046, 2047, 2049, 2183,
// 2231, 3282, 3676 (format=flowed), 6532, 3501, 9051, 5256, 5957, 5051, 8970, 2152 (UTF-7).
//
// # Concurrency
//
// The package has no state and starts no goroutines. Functions may be called
// concurrently; a *Part may be read concurrently and is never changed by its
// methods. Readers, a [Header] and a [Composer] belong to one goroutine.
package message
