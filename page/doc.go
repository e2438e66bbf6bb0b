// Package page has what the pages that people open once share: one look, which follows the system's choice of
// light or dark, and headers that let nothing in from elsewhere and leave nothing behind.
//
// The package keeps no state and starts no goroutines.
package page
