// Package reportcard tells what others see of a message of this server before they see it: [Make].
//
// The message is checked as a receiver would check it, by package msgauth, as if it came from each of
// the addresses that mail of this server comes from: reverse DNS, SPF, DKIM and DMARC with their alignment.
// Block lists are asked, and what TLS the servers of the recipient are owed is found out (DANE, MTA-STS).
// What became of it in the queue is put into words by package refusal.
//
// Goroutines for lookups end before Make returns.
//
// RFCs: 7208, 6376, 9989 (through msgauth), 7672, 8461, 5321 4.1.1.1, 5322 3.6.
package reportcard
