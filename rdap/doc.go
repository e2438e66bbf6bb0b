// Package rdap asks registries about domains by the Registration Data Access Protocol: when
// one was registered, with [Client.DomainAge]. New domains are distrusted by other mail servers.
//
// The server of a registry is found in the list that IANA keeps (RFC 9224, before 7484), by the
// last labels of the name; queries are those of RFC 9082, answers those of RFC 9083.
//
// Everything read is bounded. There are no files, no state and no goroutines but those of
// net/http during a request. All is safe for concurrent use.
package rdap
