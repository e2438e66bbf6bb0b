// Package srs rewrites the reverse-path of messages that are forwarded (Sender Rewriting
// Scheme): to an address of the forwarding server, so that SPF passes at the next one and
// notifications come back, which can then be passed on to the original sender.
//
// The original address is in the localpart, as other servers write it too:
//
//	SRS0=hash=tt=domain=localpart  from localpart@domain
//	SRS1=hash=domain=rest          from SRS0 and rest at domain, which is another forwarder's
//
// tt is a day, and in SRS1, where others leave no place for it, the first two characters of
// hash are. hash is a part of an HMAC-SHA256, so that only addresses that were made here, and
// lately, are taken back; letters of the localpart may change their case on the way. There
// is no RFC about this: the form is that of the description of the scheme (M. Weng, 2003),
// hash and time are nobody else's business.
//
// Files on disk and goroutines: none. A Rewriter may be used concurrently.
package srs
