// Package dns has domain names (IDNA) and the resolver interface that the rest of
// the server looks names up with, whose answers tell whether DNSSEC vouched for
// them.
//
// [StdResolver] asks the system's resolver, through the Go standard library, which
// does not tell about DNSSEC. [MockResolver] answers from tables, in tests.
//
// Names go in and come out without a final dot and are always absolute: no search
// list is applied.
//
// RFCs: 1034, 1035, 1123 (2.1), 2181, 5890 to 5893 (IDNA2008), 7505 (null MX);
// Unicode UTS #46.
//
// Goroutines: none of its own.
package dns
