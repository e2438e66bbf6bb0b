package dane

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"slices"

	"mox/dns"
)

// SMTPUsages are those that count for SMTP (RFC 7672 3.1).
var smtpUsages = []dns.TLSAUsage{dns.DANETA, dns.DANEEE}

// Records are the TLSA records of a server. The zero value is that it has none, and DANE
// says nothing about it.
type Records struct {
	All []dns.TLSA
	// Base is the name they are about, the TLSA base domain (RFC 7671 7): it is what the
	// server is told it was called (SNI), and a name its certificate may have.
	Base dns.Domain
}

// Required tells whether TLS is required: there are records, usable or not.
func (r Records) Required() bool { return len(r.All) > 0 }

// Usable returns the records that can be used with SMTP, of usages DANE-TA and DANE-EE.
func (r Records) Usable() []dns.TLSA { return r.UsableFor(smtpUsages...) }

// UsableFor returns the records of the usages that can be used: those that are understood
// and not malformed, and of those with digests the ones with the best for a usage and
// selector.
func (r Records) UsableFor(usages ...dns.TLSAUsage) []dns.TLSA {
	type kind struct {
		usage    dns.TLSAUsage
		selector dns.TLSASelector
	}
	var l []dns.TLSA
	best := map[kind]dns.TLSAMatchType{}
	for _, t := range r.All {
		if slices.Contains(usages, t.Usage) && Problem(t) == nil {
			l = append(l, t)
			k := kind{t.Usage, t.Selector}
			best[k] = max(best[k], t.MatchType)
		}
	}
	// RFC 7671 9: of the digests only the strongest counts; what is there in full always.
	return slices.DeleteFunc(l, func(t dns.TLSA) bool {
		return t.MatchType != dns.MatchFull && t.MatchType != best[kind{t.Usage, t.Selector}]
	})
}

// Problem tells why a record cannot be used, whatever its usage is for; nil if it can.
func Problem(t dns.TLSA) error {
	if t.Usage > dns.DANEEE {
		return fmt.Errorf("unknown certificate usage %d", t.Usage)
	}
	if t.Selector > dns.SelectorSPKI {
		return fmt.Errorf("unknown selector %d", t.Selector)
	}
	size := 0
	switch t.MatchType {
	case dns.MatchFull:
		return problemFull(t)
	case dns.MatchSHA256:
		size = sha256.Size
	case dns.MatchSHA512:
		size = sha512.Size
	default:
		return fmt.Errorf("unknown matching type %d", t.MatchType)
	}
	if len(t.Data) != size {
		return fmt.Errorf("digest of %d octets, not %d", len(t.Data), size)
	}
	return nil
}

func problemFull(t dns.TLSA) error {
	if t.Selector == dns.SelectorSPKI {
		if _, err := x509.ParsePKIXPublicKey(t.Data); err != nil {
			return fmt.Errorf("parsing public key: %w", err)
		}
		return nil
	}
	if _, err := x509.ParseCertificate(t.Data); err != nil {
		return fmt.Errorf("parsing certificate: %w", err)
	}
	return nil
}

// Lookup looks up the TLSA records of a port of a host whose addresses are known. For a
// host of MX records it must be called only when they were authentic (RFC 7672 2.2.1):
// who could forge the name of the host could forge what it has to prove. Nothing is
// looked up for addresses that are not authentic (RFC 7672 2.2.2), as servers of zones
// without DNSSEC are known to fail with TLSA.
//
// An error is an *Error, for which ReasonDNSSECInvalid is the reason, wrapping that of the
// resolver. It is temporary, and the host must not be used then.
func Lookup(ctx context.Context, r dns.Resolver, host dns.Domain, port int, addrs dns.Addresses) (Records, error) {
	for _, base := range bases(host, addrs) {
		l, res, err := r.LookupTLSA(ctx, fmt.Sprintf("_%d._tcp.%s", port, base.ASCII))
		if dns.IsNotFound(err) {
			continue
		} else if err != nil {
			return Records{}, &Error{ReasonDNSSECInvalid, "tlsa-lookup-failed", err}
		}
		// RFC 6698 4.1: without DNSSEC they are as good as none.
		if res.Authentic && len(l) > 0 {
			return Records{All: l, Base: base}, nil
		}
	}
	return Records{}, nil
}

// bases returns the names whose records apply, the first that has some.
//
// RFC 7672 2.2.2, RFC 7671 7: the end of the aliases if all are secure, else the name
// itself if it is known securely that it is an alias.
func bases(host dns.Domain, addrs dns.Addresses) []dns.Domain {
	switch {
	case addrs.Authentic && addrs.Host != host && !addrs.Host.IsZero():
		return []dns.Domain{addrs.Host, host}
	case addrs.Authentic || addrs.AliasAuthentic:
		return []dns.Domain{host}
	}
	return nil
}

// Names returns the names that the certificate of a host of a mail domain may have when an
// authority vouches for it (RFC 7672 3.2.2): that of the records, of the host before and
// after its aliases, and of the domain before and after its. x, what dns.GatherMX gave,
// must be authentic; it is the zero value for a host that was not found by MX records.
func (r Records) Names(domain dns.Domain, x dns.Exchanges, host dns.Domain, addrs dns.Addresses) []dns.Domain {
	l := []dns.Domain{r.Base, host}
	if addrs.Authentic {
		l = append(l, addrs.Host)
	}
	if x.Authentic {
		l = append(l, domain, x.Domain)
	}
	var names []dns.Domain
	for _, d := range l {
		if !d.IsZero() && !slices.Contains(names, d) {
			names = append(names, d)
		}
	}
	return names
}
