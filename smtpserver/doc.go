// Package smtpserver has the sessions of SMTP, message submission and LMTP: a file per
// verb, the limits, and the order of things. What a message means is up to a
// [Transaction], which the session begins at MAIL; who a client is, to an
// [Authenticator].
//
// A session goes through states; the table in commands.go says in which of them a
// command is allowed. One place, session.reply, turns an error into a
// reply and a line of the log.
//
// Nothing a client says is answered before it is done: replies of pipelined commands
// (RFC 2920) are collected and sent when there is no more to read, or before waiting
// for anything. While a transaction takes its time to finish, the connection holds no
// buffers and is watched for its end.
//
// A client that is suspected (slow.go) is served an octet a second: it is kept busy at
// the cost of a goroutine. There is a bound on how many; more are closed.
//
// RFCs: 5321 (SMTP), 6409 (submission), 2033 (LMTP), 1870 (SIZE), 2034 (enhanced
// status codes), 2920 (PIPELINING), 3030 (CHUNKING, BINARYMIME), 3207 (STARTTLS), 3461
// (DSN), 4468 (BURL), 4865 (FUTURERELEASE), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8), 6533 (DSN with UTF-8), 8314
// (implicit TLS), 8689 (REQUIRETLS), 9422 (LIMITS).
//
// Goroutines: Serve runs one for each connection, which ends with it; Shutdown waits
// for all. A delivery of more than a second has another. Lock order: Server.mu is taken alone.
package smtpserver
