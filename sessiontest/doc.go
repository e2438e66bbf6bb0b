// Package sessiontest plays transcripts of line-oriented protocols against a server
// or a client in tests.
//
// A transcript is a text file; each line that is not empty and no comment is a step:
//
//	# RFC 5321 4.1.4: RCPT before MAIL is out of sequence.
//	S: 220 mx.example ESMTP
//	C: RCPT TO:<a@mx.example>
//	S: 503 5.5.1 ...
//
//	# ...             comment; the first one is the title
//	C: text           the client says the line text; lines in a row go out in one write
//	C= "text"         the client says exactly the Go string, no line end being added
//	C*1000: text      the client says the line 1000 times
//	S: pattern        the server says a line
//	S...              the server says any lines until one fits the next S step
//	! starttls        TLS from here on
//	! compress        DEFLATE from here on
//	! uncompress      no longer
//	! eof             the connection ends, from the server's side
//	! close           the client closes the connection
//	! quiet 50ms      nothing comes for that long
//	! sleep 1s        time passes
//	! NAME ARGS       any other name is looked up in Options.Actions
//
// In a pattern, "..." stands for any text, ${name} for the value of a variable, and
// ${name=} for any text, which becomes the variable's value. In what the client says,
// ${name} is replaced; "${" is not possible otherwise.
//
// A digit or name after the letter, as in "C2: NOOP" or "!2 eof", is another
// connection, made at its first use. A step that starts with "S" for a new connection
// makes it too.
//
// Played with Options.Client, the same file drives a client: the player says the S
// steps, in which "..." then says nothing, and expects the C steps.
//
// [Listener] is a net.Listener in memory, for tests in a testing/synctest bubble.
// [Certificate] and [TCPPair] are for tests that need TLS or real sockets.
package sessiontest
