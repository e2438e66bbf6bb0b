// Package iprev checks reverse DNS with forward confirmation: whether a name of an
// address leads back to the address.
//
// RFCs: 8601 (2.7.3, 3, 7.4).
//
// Goroutines: those of a Lookup end before it returns.
package iprev
