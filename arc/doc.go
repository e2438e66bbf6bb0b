// Package arc verifies and extends Authenticated Received Chains (RFC 8617): sets of
// header fields in which each server that handled a message says how it was
// authenticated when it arrived, and signs that.
//
// [Verify] checks the structure of the chain, the newest ARC-Message-Signature, every
// ARC-Seal, and which older message signatures still hold. [Seal] adds a set.
//
// All failures are permanent (RFC 8617 5.2.1): the chain of a message whose keys could not
// be looked up has failed as well; [Result.Temporary] tells those apart for who can let a
// message come again. A chain that fails must be treated like none. One that passes says
// who sealed, not that they can be trusted.
//
// # Files
//
// set.go: fields of a chain and its structure. verify.go and seal.go: the two actions.
//
// # Concurrency
//
// Functions may be called concurrently. Goroutines are those of the key lookups of package
// dkim, and end before Verify returns.
package arc
