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
// for anything.
//
// RFCs: 5321 (SMTP), 6409 (submission), 2033 (LMTP), 1870 (SIZE), 2034 (enhanced
// status codes), 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS), 4954 (AUTH),
// 6152 (8BITMIME), 6531 (SMTPUTF8), 8314 (implicit TLS), 9422 (LIMITS).
//
// Goroutines: Serve runs one for each connection, which ends with it; Shutdown waits
// for all. Lock order: Server.mu is taken alone.
package smtpserver
