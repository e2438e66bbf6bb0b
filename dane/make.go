package dane

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"

	"mox/dns"
)

// MakeRecord returns the record for a certificate.
func MakeRecord(usage dns.TLSAUsage, selector dns.TLSASelector, match dns.TLSAMatchType, cert *x509.Certificate) (dns.TLSA, error) {
	switch selector {
	case dns.SelectorCert:
		return makeRecord(usage, selector, match, cert.Raw)
	case dns.SelectorSPKI:
		return makeRecord(usage, selector, match, cert.RawSubjectPublicKeyInfo)
	}
	return dns.TLSA{}, fmt.Errorf("unknown selector %d", selector)
}

// MakeKeyRecord returns the record, with selector SPKI, for a public key, or for that of a
// private key (a crypto.Signer).
func MakeKeyRecord(usage dns.TLSAUsage, match dns.TLSAMatchType, key any) (dns.TLSA, error) {
	if s, is := key.(crypto.Signer); is {
		key = s.Public()
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return dns.TLSA{}, fmt.Errorf("encoding public key: %w", err)
	}
	return makeRecord(usage, dns.SelectorSPKI, match, spki)
}

func makeRecord(usage dns.TLSAUsage, selector dns.TLSASelector, match dns.TLSAMatchType, data []byte) (dns.TLSA, error) {
	if usage > dns.DANEEE {
		return dns.TLSA{}, fmt.Errorf("unknown certificate usage %d", usage)
	}
	data, ok := digest(match, data)
	if !ok {
		return dns.TLSA{}, fmt.Errorf("unknown matching type %d", match)
	}
	return dns.TLSA{Usage: usage, Selector: selector, MatchType: match, Data: data}, nil
}

// ParseUsage parses a certificate usage: an acronym of RFC 7218, in any case, or a number.
func ParseUsage(s string) (dns.TLSAUsage, error) {
	n, err := parseName("certificate usage", s, "pkix-ta", "pkix-ee", "dane-ta", "dane-ee")
	return dns.TLSAUsage(n), err
}

// ParseSelector parses a selector: an acronym of RFC 7218, in any case, or a number.
func ParseSelector(s string) (dns.TLSASelector, error) {
	n, err := parseName("selector", s, "cert", "spki")
	return dns.TLSASelector(n), err
}

// ParseMatchType parses a matching type: an acronym of RFC 7218, in any case and also
// without "-" or its 2, as in sha256; or a number.
func ParseMatchType(s string) (dns.TLSAMatchType, error) {
	n, err := parseName("matching type", strings.Replace(strings.ToLower(s), "sha2-", "sha", 1), "full", "sha256", "sha512")
	return dns.TLSAMatchType(n), err
}

func parseName(what, s string, names ...string) (int, error) {
	for i, name := range names {
		if strings.EqualFold(s, name) || s == strconv.Itoa(i) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("unknown %s %q, known are %s and their numbers from 0", what, s, strings.Join(names, ", "))
}
