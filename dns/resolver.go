package dns

import (
	"context"
	"errors"
	"net/netip"
)

// Result is what is known about an answer beside its records.
type Result struct {
	// Authentic: the answer, negative ones included, was validated with DNSSEC by a
	// resolver that is trusted to do so.
	Authentic bool
	// Name is the end of the chain of aliases that the name asked for begins, whose
	// records the answer is about; empty when it is no alias, or the resolver cannot tell.
	Name string
	// AliasAuthentic, of LookupCNAME only: the first alias of the chain was validated,
	// whatever is with the others.
	AliasAuthentic bool
}

// MX is a mail exchange record. A host of "." is a null MX (RFC 7505).
type MX struct {
	Preference uint16
	Host       string
}

// SRV is a record that locates a service (RFC 2782). A target of "." says that the
// service is not offered.
type SRV struct {
	Priority uint16
	Weight   uint16
	Port     uint16
	Target   string
}

// Resolver looks up DNS records. Errors are of type *Error; one for the end of the
// context wraps the error of the context. A name without records of the type asked
// for is an error for which IsNotFound holds, and the Result beside it tells whether
// DNSSEC proved that. Errors may be shared with other callers: they must not be
// changed. Safe for concurrent use.
//
// Names are taken as they are: a backslash is no escape. A name that cannot be in DNS
// is not found.
type Resolver interface {
	// LookupAddr returns the names of an address (PTR).
	LookupAddr(ctx context.Context, ip netip.Addr) ([]string, Result, error)
	// LookupIP returns addresses (A, AAAA). network is "ip", "ip4" or "ip6".
	LookupIP(ctx context.Context, network, host string) ([]netip.Addr, Result, error)
	// LookupTXT returns texts, the strings of a record joined.
	LookupTXT(ctx context.Context, name string) ([]string, Result, error)
	// LookupMX returns mail exchanges by ascending preference, not looking for
	// addresses in their absence.
	LookupMX(ctx context.Context, name string) ([]MX, Result, error)
	// LookupNS returns the names of the servers of a zone, in no order.
	LookupNS(ctx context.Context, name string) ([]string, Result, error)
	// LookupSRV returns the records of a service, of a name such as
	// "_imaps._tcp.example.org". Their order is for the caller to make (RFC 2782).
	LookupSRV(ctx context.Context, name string) ([]SRV, Result, error)
	// LookupTLSA returns the TLS associations of a name such as
	// "_25._tcp.mx.example.org", in no order. Only authentic ones are worth anything
	// (RFC 6698 4.1). Their data must not be changed.
	LookupTLSA(ctx context.Context, name string) ([]TLSA, Result, error)
	// LookupCNAME returns the end of the chain of aliases that starts at name, name
	// itself when it is none. The answer is authentic when all aliases are. It is an
	// error when the end does not exist.
	LookupCNAME(ctx context.Context, name string) (string, Result, error)
}

// Error is the failure of a lookup.
type Error struct {
	Name string // what was looked up
	Type string // record type, as in "mx"

	// NotFound: there is no such record. This is an answer, not a failure.
	NotFound bool
	// NXDomain: with NotFound, the name does not exist with any type. False where
	// the resolver could not tell.
	NXDomain bool
	// Timeout: no answer came in time.
	Timeout bool
	// RCode is the response code of a server that failed, such as "SERVFAIL".
	RCode string
	// Extended is what the server told about the cause of an error or of the lack of
	// a record (RFC 8914), such as "DNSSEC Bogus: signature expired".
	Extended string

	Err error // cause, may be nil
}

func (e *Error) Error() string {
	s := "looking up " + e.Type + " of " + e.Name + ": "
	switch {
	case e.Err != nil:
		s += e.Err.Error()
	case e.NXDomain:
		s += "no such domain"
	case e.NotFound:
		s += "no such record"
	case e.Timeout:
		s += "timeout"
	case e.RCode != "" && e.RCode != "SERVFAIL":
		s += "server failure: " + e.RCode
	default:
		s += "server failure"
	}
	if e.Extended != "" {
		s += " (" + e.Extended + ")"
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// IsNotFound tells whether err is the answer that a record does not exist.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.NotFound
}

// IsTemporary tells whether err may go away by itself: every failure to get an
// answer, timeouts and ended contexts included.
func IsTemporary(err error) bool { return err != nil && !IsNotFound(err) }
