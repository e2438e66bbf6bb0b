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
}

// MX is a mail exchange record. A host of "." is a null MX (RFC 7505).
type MX struct {
	Preference uint16
	Host       string
}

// Resolver looks up DNS records. Errors are of type *Error, except those of the
// context. A name without records of the type asked for is an error for which
// IsNotFound holds. Safe for concurrent use.
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
	// LookupCNAME returns the end of the chain of aliases that starts at name, name
	// itself when it is none.
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

	Err error // cause, may be nil
}

func (e *Error) Error() string {
	s := "looking up " + e.Type + " of " + e.Name + ": "
	switch {
	case e.Err != nil:
		return s + e.Err.Error()
	case e.NotFound:
		return s + "no such record"
	case e.Timeout:
		return s + "timeout"
	}
	return s + "server failure"
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
