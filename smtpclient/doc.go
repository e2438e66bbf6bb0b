// Package smtpclient sends mail by SMTP and LMTP: it speaks with one server over a
// connection that its caller made, and says for each recipient what came of it.
//
// [New] reads the greeting and settles EHLO, STARTTLS and AUTH; [Client.Deliver] sends
// a message, as often as wanted; [Client.Close] says QUIT. Whom to connect to, which
// certificates to believe and what to do about a refusal are the caller's decisions.
//
// A message is streamed from its reader, by BDAT where the server has CHUNKING and by
// DATA otherwise; it is never in memory as a whole. Commands are pipelined where the
// server allows that, in groups that fit in any receive buffer. A message that needs
// an extension which the server lacks is not sent: the error says which ([ErrSMTPUTF8],
// [Err8BitMIME], [ErrRequireTLS] and so on), so that the caller can convert or return
// the message.
//
// All errors are [*Error]s, with the server's reply or with what went wrong without
// one. Error.MayBeDelivered says that the connection was lost after the end of a
// message was sent, and before the reply: it may be there (RFC 5321 4.2.5, 6.1).
//
// RFCs: 5321 (SMTP), 1870 (SIZE), 2033 (LMTP), 2034 (enhanced codes), 2920
// (PIPELINING), 3030 (CHUNKING, BINARYMIME), 3207 (STARTTLS), 3461 (DSN), 4865
// (FUTURERELEASE), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8), 8314 (implicit TLS),
// 8689 (REQUIRETLS), 9422 (LIMITS).
//
// Files on disk and goroutines: none. A Client belongs to one goroutine. Every wait is
// bounded by [Limits] and by the context given to the method, whose end closes the
// connection.
package smtpclient
