// Package spf evaluates whether a host may send mail for a domain (Sender Policy
// Framework).
//
// [CheckMailFrom] and [CheckHello] are check_host() of RFC 7208 for the two identities;
// their [Result] has what a trace, an Authentication-Results field and DMARC need, and
// prints the Received-SPF field. [Parse] and [Record] are the records as types, and
// [Lookup] gets one from DNS.
//
// Work is bounded for any record: ten terms that look something up, two of them void, ten
// names of an MX or PTR answer, a length of records and of what macros expand to, and a
// time limit. A term that goes beyond gives permerror, time temperror.
//
// # Decisions where RFC 7208 leaves room
//
//   - The expression %{p} counts as one lookup, once an evaluation, since its PTR query is
//     remembered (4.6.4).
//   - A lookup is void for the query of a term itself; the addresses of an MX host or of a
//     PTR name may be missing without counting (4.6.4).
//   - A target name that cannot be in DNS, as one with an empty label, does not match
//     (4.8); for include and redirect it is a permerror (5.2, 6.1).
//   - Names with a backslash count as such: resolvers read them as an escape.
//   - A redirect that would need a localpart with UTF-8 is as if it were not there (RFC 8616
//     4: such terms match nothing).
//
// # RFCs
//
// RFC 7208, RFC 8616 section 4 (internationalized mail), RFC 7372 (codes are for the
// caller).
//
// # Files
//
// spf.go (identities and results), evaluate.go, ptr.go, macro.go, record.go (types and
// printing), parse.go, warnings.go, lookup.go, received.go (the header field).
//
// # Concurrency
//
// The package has no state and starts no goroutines. Functions may be called concurrently.
package spf
