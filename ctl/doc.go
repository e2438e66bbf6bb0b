// Package ctl is the control socket: a door for subcommands of mox to the running
// server. It is a unix stream socket in the data directory that only its owner and
// group can open; whoever can open it administers the server.
//
// The protocol is private between equal versions. The server greets with the line
// "ctlv0". The client sends one [Request] as a line of JSON, at most 64 KiB. The server
// answers "ok", followed by output in chunks (a line with the number of bytes, then the
// bytes; a chunk of 0 ends it), or a line "error " and a quoted text. A connection carries
// requests one after the other.
//
// For a command whose request has "stream", "ok" comes before it runs; then its input, if it
// has any, and its output flow at the same time, each in chunks, and after those of the output
// comes a line "ok" or "error" that says how it ended. After an error, and when the client is
// gone, the connection ends, and with it the command.
//
// After "ok" to the request "imapserve" the connection is one of IMAP, of a user who has logged in.
//
// A Server has one goroutine that accepts and one for each connection; Close ends them
// and waits.
package ctl
