// Package imapclient is an IMAP client: for tests, and for importing mail from other
// servers. It speaks IMAP4rev1 and IMAP4rev2 (RFC 3501, RFC 9051) with the extensions
// of package imap, where the server has them.
//
// A [Client] is one connection. Its methods send a command, collect the responses that
// belong to it, and return when the tagged response has come; NO and BAD become an
// [*imap.Error]. Responses that belong to no command go to Options.Unsolicited.
//
// Every wait is bounded by the context and by Options.Timeout. The package starts no
// goroutines and keeps no files; a Client belongs to one goroutine.
package imapclient
