// Package msgauth gathers what can be found out about the sender of a message: the name
// of the client's address (iprev), SPF, DKIM, DMARC, ARC, and block lists. It judges
// nothing; see package policy.
//
// A [Check] begins with the MAIL command: what depends on client and reverse-path only is
// looked up while the message comes in. What depends on the message follows, all of it
// side by side. Each half has one deadline, after which checks that are not done are
// temporary errors: a slow domain holds up its own mail for that long and no more.
//
// RFCs: 8601 (iprev, Authentication-Results), 7208 (SPF), 6376 (DKIM), 9989 (DMARC), 8617
// (ARC), 5782 (block lists), 7505 (null MX), 6008 (header.b).
//
// Goroutines: one for each check under way; Check.End waits for them.
package msgauth
