// Package publicsuffix tells where the part of a domain name begins that its owner has
// registered: below a public suffix, such as "com" or "co.uk".
//
// It knows the list of publicsuffix.org, which is part of the program as list.flate, made
// by "make publicsuffix" from the published file. The list is under the Mozilla Public
// License 2.0. It has two parts: suffixes of registries (ICANN), and private ones of
// companies that give names below theirs to others, such as "github.io".
//
// RFCs: 7489 (3.2, organizational domain); the algorithm is that of publicsuffix.org.
//
// Files: list.go format and lookup, publicsuffix.go results, gen the command that makes
// list.flate.
//
// Goroutines: none. The list is read on first use and takes 180 KB.
package publicsuffix
