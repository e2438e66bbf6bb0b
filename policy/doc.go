// Package policy decides about a message: [Decide] makes of facts a verdict with its
// reasons. It is a pure function, so that what happened can be explained, replayed with
// other settings, and tested with files of facts and verdicts (testdata).
//
// Facts that cost something are looked for only when they matter: a verdict may name a
// fact that is missing ([Decision.Need]); whoever gathers facts adds it and asks again.
//
// The checks, in their order, the first that is sure decides:
//
//	trusted             a submission, or a program on our network
//	high-rate           too many messages from this network for this recipient
//	from                more than one author: nobody can be held to it
//	list-allow          a mailing list that the user let in
//	dmarc-policy        From is not verified, and its domain asks to refuse that
//	msg-auth-required   the recipient takes verified mail only
//	reputation          what the user thought of earlier mail of this sender
//	spf-policy          unknown sender, and SPF says it is not from where it should be
//	iprev               doubtful network without a confirmed name
//	subjectpass         the subject has a token that we gave out
//	junk-content        the words
//	dns-blocklisted     the address is listed
//	no-bad-signals      nothing is against it
//
// RFCs: 9989 (DMARC), 7208 (SPF), 8617 (ARC), 7372 (codes for failed authentication).
//
// No state, no goroutines.
package policy
