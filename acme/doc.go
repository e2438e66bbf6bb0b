// Package acme is a client of ACME, the protocol by which certificates are asked for.
//
// [Client] makes one request per call: it keeps nothing but the directory, nonces and the
// account's key and URL, repeats a request only for a nonce that was refused, and never
// waits by itself but in [Client.Wait]. When to ask, and when to ask again, is the caller's:
// what a server says about that is in [Error] and [Order].
//
// RFCs: 8555 (ACME), 7515, 7517, 7518, 7638 (JWS, keys and their thumbprints), 8737
// (tls-alpn-01), 9773 (renewal information), 7807 (problem documents).
//
// Files: client.go requests; jws.go signatures; account.go; order.go; challenge.go answers to
// challenges; renewal.go.
//
// No goroutines. Client.mu guards the directory, nonces and the account; no request is made
// while it is held.
package acme
