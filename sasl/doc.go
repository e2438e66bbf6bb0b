// Package sasl has the authentication mechanisms, both sides: PLAIN, LOGIN, CRAM-MD5,
// SCRAM-SHA-1 and SCRAM-SHA-256 with and without channel binding, and EXTERNAL; and the client's
// side of OAUTHBEARER and XOAUTH2.
//
// The server side asks a [Backend] for what is stored; it decides nothing else: who an
// authentication identity is, and whether it may act as the authorization identity, is
// up to the caller. Protocols carry the messages: base64 and "cancel" are theirs.
//
// RFCs: 4422 (SASL), 4616 (PLAIN), 2195 (CRAM-MD5), 5802 and 7677 (SCRAM), 5929 and
// 9266 (channel bindings), 8265 (PRECIS for names and passwords), 7628 (OAUTHBEARER); LOGIN is
// draft-murchison-sasl-login, XOAUTH2 what Google and Microsoft describe.
//
// Goroutines: none. A Server or Client belongs to one goroutine.
package sasl
