// Package classifier says from the words of a message how probable it is that the
// message is junk, after it was shown messages of both kinds. It knows nothing of
// accounts, and keeps nothing: who uses it keeps the counts, in any store.
//
// [Tokens] turns a message into tokens: words, pairs of words, hosts of links, facts of
// the header and of the markup. Training is counting: for each token of a message one
// is added to the token's [Counts], and one to the totals. Taking a message back
// subtracts the same, exactly. [Params.Classify] takes a message's tokens, their counts
// and the totals and gives a [Result] that explains itself word by word. The method,
// and what was measured to choose it, is in docs/junk.md.
//
// # Files
//
// tokens.go (gathering), words.go (splitting text, folding), header.go, html.go, url.go;
// classify.go (the method); file.go (a store of counts in one file, for the offline
// commands), migrations/ (its tables).
//
// # On disk
//
// What others store are hashes of tokens: FNV-1a, 64 bits, over a byte with [Version]
// and the token's text. A release that makes other tokens has another Version, with
// which no old hash is found.
//
// # Concurrency
//
// Functions may be called concurrently. A [File] is safe for concurrent use. There are no
// goroutines but those of package db.
package classifier
