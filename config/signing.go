package config

import (
	"strings"

	"mox/dkim"
	"mox/dns"
)

// signer returns the key as package dkim signs with it. All sign with SHA-256, also those
// with Hash sha1, which RFC 8301 3.1 forbids.
func (s *SelectorInfo) signer() dkim.Selector {
	canonicalization := func(relaxed bool) dkim.Canonicalization {
		if relaxed {
			return dkim.Relaxed
		}
		return dkim.Simple
	}
	return dkim.Selector{
		Name: s.Domain, Key: s.Key, Headers: s.Headers, Seal: s.Seal, Expiration: s.Expiration,
		HeaderCanonicalization: canonicalization(s.HeaderRelaxed), BodyCanonicalization: canonicalization(s.BodyRelaxed),
	}
}

// Signer returns the domain whose DKIM keys sign messages from addresses of d: d itself, or
// the nearest above it that has some. Nil: there is none.
func (s *Snapshot) Signer(d dns.Domain) *DomainInfo {
	for name := d.ASCII; name != ""; _, name, _ = strings.Cut(name, ".") {
		parent, err := dns.ParseDomain(name)
		if err != nil {
			return nil
		}
		if info := s.Domain(parent); info != nil && len(info.Signers) > 0 {
			return info
		}
	}
	return nil
}
