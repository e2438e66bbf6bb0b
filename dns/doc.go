// Package dns has domain names (IDNA) and the resolver that the rest of the server
// looks names up with, whose answers tell whether DNSSEC vouched for them.
//
// [Client] is a stub resolver: it asks recursive resolvers, over UDP and TCP, and keeps
// their answers. It does not validate DNSSEC itself, but believes the AD bit of servers
// to which the way is safe: on a loopback address, or said to be trusted by who
// configured them. [MockResolver] answers from tables, in tests, and [MockZone] makes
// one from zone files. [StdResolver] goes through the Go standard library, which does
// not tell about DNSSEC; it is for systems without resolv.conf.
//
// Names go in and come out without a final dot and are always absolute: no search
// list is applied, and /etc/hosts is not read.
//
// Against forged answers (RFC 5452) each query has a random id and a socket, so port, of
// its own; an answer must repeat id and question; records that do not belong to the
// question or its chain of aliases are not looked at; and a flood of wrong packets makes
// the query go over TCP.
//
// Files: domain.go names; resolver.go, tlsa.go interface and types; client.go lookups;
// flight.go equal questions at one time and choice of servers; exchange.go one query;
// answer.go what is taken from a message; cache.go; resolvconf.go; mxhosts.go where mail of
// a domain goes; mock.go, mockzone.go; std.go.
//
// RFCs: 1034, 1035, 1123 (2.1), 2181, 2308 (negative answers), 2782 (SRV), 3596, 4035
// (AD, DO), 5452, 5890 to 5893 (IDNA2008), 6698 and 7218 (TLSA), 6761 (localhost,
// invalid), 6840, 6891 (EDNS), 7505 (null MX), 7766 (TCP), 8914 (extended errors), 9520
// (failures); Unicode UTS #46.
//
// Goroutines: a Client has one for each question under way, which ends with the answer
// or when nobody waits for it any more; Close ends and awaits them.
//
// Lock order: Client.mu, then cache.mu; Client.confMu, then cache.mu.
package dns
