// Package authres reads and writes Authentication-Results and ARC-Authentication-Results
// header fields: what a mail server found out about who sent a message.
//
// [Results] prints as a folded field, safe whatever strings it is made of. [Parse] and
// [ParseARC] are lenient to what servers write, within bounds. [Claims] tells which fields of
// an incoming message must be removed because they claim to be of one's own server.
//
// # RFCs
//
// RFC 8601 (and 7601, whose grammar it has), RFC 8617 4.1.1 (the instance of ARC), RFC 8616
// section 6 (UTF-8), RFC 5321 4.1.2 (Keyword), RFC 2045 5.1 (value), RFC 5322 3.2 (CFWS).
//
// # Files
//
// authres.go (types), print.go, parse.go, lexer.go, claims.go.
//
// # Concurrency
//
// The package has no state and starts no goroutines. Functions may be called concurrently.
package authres
