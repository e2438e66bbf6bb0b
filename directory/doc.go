// Package directory answers who an address belongs to: an account, an alias, the
// postmaster, a report address, or nobody, from a [config.Snapshot].
//
// An address is looked up, in its domain (RFC 5321 2.3.11: only the domain's host may
// interpret a localpart)
//
//  1. as it is, in lower case unless the domain cares for case,
//  2. without the first separator of the domain and what follows ("you+detail"),
//  3. as postmaster (RFC 5321 4.5.1), in any case, for every domain and host name,
//  4. as any address of the domain, if an account has its catchall.
//
// It also says what users and groups are called in access control lists of mailboxes (RFC
// 4314), and who may share mailboxes with whom.
//
// Lookups are a few accesses of maps, need no lock and may be made concurrently. No
// files, no goroutines.
package directory
