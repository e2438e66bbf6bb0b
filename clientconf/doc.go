// Package clientconf tells how mail programs connect to the server for a domain: protocols,
// hosts, ports, TLS, names to log in with. The clientconfig command prints it, package discovery
// gives it to mail programs, package dnsrecords has the same services as SRV records (RFC 6186).
//
// It is made of the configuration alone. Whether an address exists plays no part, so what is
// made of it tells nobody.
//
// RFC 8314 prefers TLS from the start over STARTTLS, and so does the order here.
//
// There are no files and no goroutines.
package clientconf
