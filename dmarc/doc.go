// Package dmarc finds the DMARC policy of a domain and says whether a message, given
// what SPF and DKIM found, complies with it.
//
// [Verify] is the whole mechanism for one message: it discovers the policy record of
// the author's domain, finds organizational domains by DNS tree walks, compares the
// authenticated identifiers and returns what the domain owner wants done.
// [Lookup] does policy discovery alone, [OrganizationalDomain] a tree walk alone,
// [CheckReportURIs] tells which addresses have agreed to receive reports. [Parse]
// reads a record.
//
// SPF and DKIM are not imported: their results come in as plain values.
//
// # Decisions where the RFC leaves room
//
// A message with several author domains is evaluated for each, at most [MaxAuthors],
// and the worst result counts (RFC 9989 10.5): see [Input]. DNS failures give
// [StatusTemperror], never a refusal by itself. Quarantine is a request to refuse too,
// see [Result.Reject]. The tag pct of RFC 7489 is honoured only when the caller passes
// a sampling function; RFC 9989 dropped it. A tag that comes twice counts once, as
// first given.
//
// # Files
//
// record.go and uri.go: records; walk.go: tree walk and policy discovery; verify.go:
// evaluation; report.go: external destinations of reports.
//
// # RFCs
//
// 9989, with records of 7489 still read; section 7.1 of 7489 for external
// destinations; 8020 (what does not exist).
//
// # Goroutines
//
// DNS lookups of one call run concurrently; they have ended when it returns. The
// package has no state. All functions are safe for concurrent use.
package dmarc
