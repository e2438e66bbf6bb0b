// Package auth decides who someone is. Every door (SMTP submission, IMAP, web, API)
// ends a login with a [Principal] that came out of an [Attempt]; there is no other way
// to get one.
//
// # Secrets
//
// A password is normalised (RFC 8265 OpaqueString) and kept only as derived secrets,
// in the account's own database: an argon2id hash (RFC 9106) for mechanisms that show
// the password, SCRAM verifiers (RFC 5802, RFC 7677) and the two MD5 states of CRAM-MD5
// (RFC 2195). All are made anew when the password is set. See [Credentials].
//
// An API token is 160 random bits, of which the SHA-256 is kept, in the account's database
// too. It allows what its scopes say, see [Token] and [Principal.May].
//
// A TLS public key, by which the certificate of a TLS client logs in (EXTERNAL, RFC 4422 appendix
// A, and PREAUTH of IMAP), is in the account's database as well, see [TLSKey]. A file
// tlspubkeys.json in the data directory says in which account: an index that can be deleted.
//
// # Cost
//
// argon2id is slow by design, so verified passwords are remembered in memory for a
// quarter of an hour under a hash that is keyed with a secret of this process and bound
// to the stored hash: a changed password is never found there. At most a few hashes are
// computed at the same time, which bounds the memory that a flood of logins takes.
//
// # Throttling
//
// Failed attempts count per address and per network (data reference: 10, 30, 90 a minute
// and 50, 150, 450 a day for the three classes of addresses). Above the limit an attempt
// is refused before its password is looked at; the refusal lifts by itself. Unknown
// accounts cost the same time as known ones and get the same answer.
//
// A Service is safe for concurrent use. It has no goroutines.
package auth
