// Package dnscheck tells what is wrong with the DNS of a configured domain, with the services
// that DNS leads to, and what to do about it: [Check].
//
// A check looks up what others look up, and connects as they do: to port 25 of the hosts in MX
// records, with STARTTLS, and to port 443 of the names for policies and settings. All
// sections of the result are made at the same time, in at most [DefaultTimeout].
//
// What is expected in DNS is what package dnsrecords makes; the records that are missing are in
// the instructions.
//
// # Goroutines
//
// Those of a check end before it returns.
package dnscheck
