package dns

import (
	"encoding/hex"
	"fmt"
)

// TLSA is an association of a TLS server with a certificate or key (RFC 6698). Values
// that have no name here are possible: such a record is unusable.
type TLSA struct {
	Usage     TLSAUsage
	Selector  TLSASelector
	MatchType TLSAMatchType
	Data      []byte // the certificate, the key or a hash of it
}

// TLSAUsage says what the certificate is to the server's (RFC 6698 2.1.1).
type TLSAUsage uint8

// Usages, with the acronyms of RFC 7218.
const (
	PKIXTA TLSAUsage = 0 // authority, beside validation by the usual ones
	PKIXEE TLSAUsage = 1 // the server's own, beside validation by the usual authorities
	DANETA TLSAUsage = 2 // authority
	DANEEE TLSAUsage = 3 // the server's own
)

// TLSASelector says which part of the certificate is meant (RFC 6698 2.1.2).
type TLSASelector uint8

// Selectors, with the acronyms of RFC 7218.
const (
	SelectorCert TLSASelector = 0 // all of it
	SelectorSPKI TLSASelector = 1 // its public key (SubjectPublicKeyInfo)
)

// TLSAMatchType says how the data is compared (RFC 6698 2.1.3).
type TLSAMatchType uint8

// Matching types, with the acronyms of RFC 7218.
const (
	MatchFull   TLSAMatchType = 0
	MatchSHA256 TLSAMatchType = 1
	MatchSHA512 TLSAMatchType = 2
)

func tlsaName(n uint8, names ...string) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprint(n)
}

// String returns the acronym of RFC 7218, or the number.
func (u TLSAUsage) String() string {
	return tlsaName(uint8(u), "PKIX-TA", "PKIX-EE", "DANE-TA", "DANE-EE")
}

// String returns the acronym of RFC 7218, or the number.
func (s TLSASelector) String() string { return tlsaName(uint8(s), "Cert", "SPKI") }

// String returns the acronym of RFC 7218, or the number.
func (m TLSAMatchType) String() string { return tlsaName(uint8(m), "Full", "SHA2-256", "SHA2-512") }

// Record returns the data of the record as zone files have it: "3 1 1 hex".
func (r TLSA) Record() string {
	return fmt.Sprintf("%d %d %d %s", r.Usage, r.Selector, r.MatchType, hex.EncodeToString(r.Data))
}

// String tells in words: "DANE-EE SPKI SHA2-256 hex".
func (r TLSA) String() string {
	return fmt.Sprintf("%v %v %v %s", r.Usage, r.Selector, r.MatchType, hex.EncodeToString(r.Data))
}
