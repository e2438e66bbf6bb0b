// Package lineio is the bounded, line oriented connection below the SMTP and IMAP
// doors and clients.
//
// A [Conn] reads lines and literals and writes replies through buffers that it
// takes from a pool when there is something to hold and gives back when the
// connection is idle: a connection that waits in [Conn.WaitInput] holds none.
// Every read has a bound on its length and a deadline; a line that is too long is
// discarded, within a bound, and reported.
//
// [DotReader] and [DotWriter] are the transparency of RFC 5321 4.5.2. The reader
// takes only CRLF "." CRLF for the end of the data (RFC 5321 4.1.1.4) and names
// every sequence that another implementation might have taken for it.
//
// RFCs: 5321 (sections 2.3.8, 4.1.1.4, 4.5.2, 4.5.3.1), 9051 (literals).
//
// Goroutines: none of its own, but for one that Watch may begin, which has ended when
// the function it returns has. One goroutine owns a Conn; only Close and Interrupt may
// be called from others, and TryWrite while the owner waits. Lock order: Conn.mu is a leaf.
package lineio
