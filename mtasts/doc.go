// Package mtasts has MTA-STS (RFC 8461): the record by which a domain tells that it has a
// policy, the policy, which it serves by HTTPS, and what the policy says of a host.
//
// [Client] looks up and fetches, [ParseRecord] and [ParsePolicy] parse, [Policy.Matches]
// compares. What has to be remembered from one delivery to the next is for a cache, as
// package mtastsdb is: without one there is little protection (RFC 8461 10.2).
//
// Files: record.go, policy.go syntax; client.go lookup and fetch; error.go reasons, with
// the words of TLS reports (RFC 8460 4.3.2.2).
//
// Nothing here keeps state or starts goroutines but those of net/http during a fetch. All
// functions are safe for concurrent use.
package mtasts
