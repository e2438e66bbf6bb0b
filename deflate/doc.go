// Package deflate compresses connections with DEFLATE (RFC 1951), as COMPRESS=DEFLATE of IMAP
// does (RFC 4978).
//
// Peers end what they want to be read with any of the flushes that there are: an empty stored
// block, an empty block with fixed codes of which the last bits come later (Z_PARTIAL_FLUSH of
// zlib), or the end of a block. Readers that wait for a stored block before they give out what
// they have would wait for ever. The inflater here gives out each octet as soon as its bits
// are there, and goes on at any bit.
//
// A connection that waits for input holds what the peer may still refer to, at most 32 KiB and
// no more than it has sent, and the last KiB of what was sent to it.
//
// The package has no files, goroutines or locks but the one of [Conn].
package deflate
