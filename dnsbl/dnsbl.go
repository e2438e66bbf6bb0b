package dnsbl

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"mox/dns"
)

// Status is what a list says.
type Status string

// Results of Lookup.
const (
	StatusPass      Status = "pass"      // not listed
	StatusFail      Status = "fail"      // listed
	StatusTemperror Status = "temperror" // not known
)

// Listing is an entry of a list.
type Listing struct {
	Zone dns.Domain
	// Codes are the addresses that the list answered with, all in 127.0.0.0/8, sorted.
	// What they mean is for each list to say; 127.0.0.2 usually is a plain listing.
	Codes []netip.Addr
	// Explanation is a text of the list, often with a link; empty if there is none. It
	// has no control characters and is at most 512 octets long.
	Explanation string
}

// ErrAnswer: what the list answered is neither a listing nor the lack of one. It refused
// the query, or is not a list any more.
var ErrAnswer = errors.New("answer of blocklist is no listing")

// maxExplanation bounds explanations, in octets.
const maxExplanation = 512

// Name returns the name under which a zone has the entry of an address: its octets or
// nibbles in reverse order, and the zone (RFC 5782 2.1, 2.4).
func Name(zone dns.Domain, ip netip.Addr) string {
	return dns.ReverseIP(ip.WithZone("")) + "." + zone.ASCII
}

// Lookup asks the list at zone about ip. Listing is set for StatusFail, an error for
// StatusTemperror only. That the explanation cannot be looked up is no error.
func Lookup(ctx context.Context, resolver dns.Resolver, zone dns.Domain, ip netip.Addr) (Status, Listing, error) {
	codes, err := ask(ctx, resolver, zone, ip.Unmap())
	if err != nil {
		return StatusTemperror, Listing{}, err
	}
	if len(codes) == 0 {
		return StatusPass, Listing{}, nil
	}
	return StatusFail, Listing{zone, codes, explanation(ctx, resolver, Name(zone, ip.Unmap()))}, nil
}

// ask returns the codes of the entry of ip, sorted; none if there is no entry.
func ask(ctx context.Context, resolver dns.Resolver, zone dns.Domain, ip netip.Addr) ([]netip.Addr, error) {
	if !ip.IsValid() || zone.IsZero() {
		return nil, errors.New("no address or no zone")
	}
	name := Name(zone, ip)
	if len(name) > dns.MaxDomain {
		return nil, fmt.Errorf("name of zone %s is too long", zone)
	}
	codes, _, err := resolver.LookupIP(ctx, "ip4", name)
	if dns.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("asking blocklist: %w", err)
	}
	slices.SortFunc(codes, netip.Addr.Compare)
	for _, c := range codes {
		if why := notCode(c); why != "" {
			return nil, fmt.Errorf("%w: zone %s answered %s: %s", ErrAnswer, zone, c, why)
		}
	}
	return codes, nil
}

var (
	loopback = netip.MustParsePrefix("127.0.0.0/8")
	refusals = netip.MustParsePrefix("127.255.255.0/24")
)

// notCode tells why an answer is no listing, or "".
func notCode(c netip.Addr) string {
	switch {
	// RFC 5782 2.1: entries are in 127.0.0.0/8. Others come from parked domains and from
	// resolvers that invent answers.
	case !loopback.Contains(c):
		return "not in 127.0.0.0/8"
	case !refusals.Contains(c):
		// RFC 5782 2.1, 5: 127.0.0.1 is no code; some lists refuse queries with it.
		if c == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
			return "query refused"
		}
		return ""
	}
	// What lists have agreed on to say to those who ask wrongly.
	switch c.As4()[3] {
	case 252:
		return "name of the zone is wrong"
	case 254:
		return "query refused: it came through a public resolver"
	case 255:
		return "query refused: too many queries"
	}
	return "query refused"
}

// explanation looks up the text of an entry (RFC 5782 2.1).
func explanation(ctx context.Context, resolver dns.Resolver, name string) string {
	txts, _, err := resolver.LookupTXT(ctx, name)
	if err != nil {
		return ""
	}
	slices.Sort(txts)
	s := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(txts, "; "))
	for i := range s {
		if i > maxExplanation-4 {
			return s[:i] // at the border of a character
		}
	}
	return s
}

// Health tells which test entries a list has.
type Health struct{ IPv4, IPv6 bool }

// CheckHealth asks a list about the addresses that each list must have, and those that
// none may have (RFC 5782 5): 127.0.0.2 and 127.0.0.1, and for lists of IPv6 addresses
// ::FFFF:7F00:2 and ::FFFF:7F00:1. A list that has the first of at least one family, and
// none of the second, works.
func CheckHealth(ctx context.Context, resolver dns.Resolver, zone dns.Domain) (Health, error) {
	var h Health
	for _, t := range []struct {
		family       string
		must, mayNot netip.Addr
		has          *bool
	}{
		{"IPv4", netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1"), &h.IPv4},
		{"IPv6", netip.MustParseAddr("::ffff:7f00:2"), netip.MustParseAddr("::ffff:7f00:1"), &h.IPv6},
	} {
		codes, err := ask(ctx, resolver, zone, t.mayNot)
		if err != nil {
			return Health{}, err
		}
		if len(codes) > 0 {
			return Health{}, fmt.Errorf("%w: zone %s lists %s, which no list may have: it seems to list everything", ErrUnhealthy, zone, t.mayNot)
		}
		codes, err = ask(ctx, resolver, zone, t.must)
		if err != nil {
			return Health{}, err
		}
		*t.has = len(codes) > 0
	}
	if !h.IPv4 && !h.IPv6 {
		return Health{}, fmt.Errorf("%w: zone %s does not list 127.0.0.2, which every list must have", ErrUnhealthy, zone)
	}
	return h, nil
}

// ErrUnhealthy: a list lacks its test entry, or lists what it must not.
var ErrUnhealthy = errors.New("blocklist does not work")
