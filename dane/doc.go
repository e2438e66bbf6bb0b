// Package dane decides by DNS records that DNSSEC protects which certificate a TLS server
// must have: DANE (RFC 6698, RFC 7671), and what of it is for SMTP (RFC 7672).
//
// [Lookup] finds the TLSA records of a host whose name and addresses were looked up
// before (dns.GatherMX, dns.GatherIPs). What it returns says what to do:
//
//   - an error: the host is not to be used now. Never is a failure, such as that of
//     signatures, a reason to do without TLS (RFC 7672 2.1.2).
//   - no records: DANE says nothing about the host.
//   - records, none of them usable ([Records.Usable]): TLS is needed, but whose
//     certificate it is does not matter (RFC 7672 2.2).
//   - usable records: TLS is needed, and [Verifier] accepts the certificate or not.
//
// [Verifier.TLSConfig] makes a configuration for that. [MakeRecord] and [MakeKeyRecord]
// make the records to publish. [Dialer] connects to a server whose name one has.
//
// Usages PKIX-TA and PKIX-EE need authorities that both sides trust, which mail servers
// do not have: they are not usable (RFC 7672 3.1.3) unless asked for.
//
// Files: records.go lookup and which records count; verify.go certificates; make.go; dial.go;
// error.go reasons, with the words of TLS reports (RFC 8460 4.3).
//
// Nothing here keeps state or starts goroutines; all functions are safe for concurrent
// use.
package dane
