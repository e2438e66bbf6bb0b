// Package mbox reads and writes files of many messages, each behind a line that begins
// with "From " (RFC 4155).
//
// # Reading
//
// What programs call mbox differs in how a line of a message that looks like such a
// separator is told from one:
//
//	mboxo    "From " becomes ">From ", and ">From " stays, so that it cannot be undone surely
//	mboxrd   one ">" is put before any number of ">" and "From "
//	mboxcl   as mboxo, and a field Content-Length gives the octets of the body
//	mboxcl2  a field Content-Length, and nothing is quoted
//
// Unless it is told which it is, a [Reader] believes a Content-Length when a separator or the
// end of the file is where it says; in a file where such a body has an unquoted "From " line
// at its beginning, nothing is unquoted from then on. Otherwise one ">" is taken off, which
// is right for mboxrd, and for mboxo but where it quotes a quoted line. A separator is a line
// that has a date at its end, behind an empty line or in front of a header, or one behind
// an empty line and in front of a header.
//
// Flags are in fields of the header, which are removed: Status (R: seen), X-Status (A answered,
// F flagged, T deleted, D draft; but T draft and D deleted in files of Dovecot and UW IMAP, which
// are known by their fields X-UID and X-IMAPbase), X-Keywords. X-Mozilla-Status and
// X-Gmail-Labels are understood too, and stay.
//
// # Writing
//
// A [Writer] writes mboxrd with Status, X-Status and X-Keywords. Fields of those names, and
// Content-Length, that a message has itself get "X-Mox-Original-" put before their name, which a
// Reader takes off again, so that what comes back is what was written; only a line ending is added
// where the last line has none.
package mbox
