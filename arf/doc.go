// Package arf reads feedback reports: a person or program complains about a message, as
// abuse or because it was not authenticated. They come from mailbox providers to those who
// send, and, as failure reports of DMARC, to the owners of domains.
//
// [Parse] finds a report in a message. It takes what others send, bounded: fields that are
// missing or cannot be understood are left at zero.
//
// RFCs: 5965 (format), 6591 (reports of authentication failures), 9991 (those of DMARC),
// 6692 (Source-Port).
//
// The package has no state and starts no goroutines. All functions are safe for concurrent
// use.
package arf
