// Package dnsbl asks lists of addresses in DNS (DNSBLs) about an address.
//
// [Lookup] asks one list, [CheckHealth] whether a list works at all: one that lists
// everything, or nothing, is broken or gone. [Checker] is both for a server: it asks
// several lists at once and leaves broken ones out.
//
// RFCs: 5782.
//
// Goroutines: those of a Check end before it returns.
package dnsbl
