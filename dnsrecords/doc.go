// Package dnsrecords makes the DNS records that a domain of the configuration needs, each
// with what it is for: [For]. [WriteZone] writes them as a fragment of a zone file (RFC 1035
// 5.1), which name servers load as it is.
//
// Records that make sense only once something else holds (DNSSEC, a service that is not
// turned on) have a Precondition, and are written as comments that begin with ";;".
//
// # RFCs
//
//   - MX and addresses: RFC 5321 5.1, RFC 1035.
//   - SPF: RFC 7208. DKIM: RFC 6376, RFC 8463. DMARC: RFC 9989, RFC 9990.
//   - MTA-STS: RFC 8461. TLSRPT: RFC 8460. DANE: RFC 6698, RFC 7672.
//   - SRV for mail programs: RFC 2782, RFC 6186, RFC 8314.
//   - CAA: RFC 8659, with accounts and methods of RFC 8657.
//
// There are no files and no goroutines; nothing is looked up.
package dnsrecords
