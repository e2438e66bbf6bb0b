package iprev

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"mox/dns"
)

// Status is a result of method "iprev" (RFC 8601 2.7.3).
type Status string

// Results of Lookup.
const (
	StatusPass      Status = "pass"      // a name of the address leads back to it
	StatusFail      Status = "fail"      // no name does
	StatusTemperror Status = "temperror" // a lookup failed, another time it may not
	StatusPermerror Status = "permerror" // the address has no name
)

// MaxNames is how many names of an address are looked at (RFC 8601 7.4: there may be
// any number, and their owner chooses).
const MaxNames = 10

// Errors that tell why the status is fail or permerror.
var (
	ErrNoName      = errors.New("address has no name in reverse DNS")
	ErrUnconfirmed = errors.New("no name from reverse DNS has the address")
)

// Lookup looks up the names of ip and the addresses of those names.
//
// With pass, name is the first one that has the address. names are all that are host
// names, in canonical form, at most MaxNames. authentic tells whether DNSSEC vouched for
// what led to the status. err is the cause of any status but pass.
func Lookup(ctx context.Context, resolver dns.Resolver, ip netip.Addr) (status Status, name string, names []string, authentic bool, err error) {
	if !ip.IsValid() {
		return StatusPermerror, "", nil, false, errors.New("no IP address")
	}
	ip = ip.Unmap().WithZone("")
	found, result, err := resolver.LookupAddr(ctx, ip)
	switch {
	case dns.IsNotFound(err):
		return StatusPermerror, "", nil, result.Authentic, fmt.Errorf("%w: %w", ErrNoName, err)
	case err != nil:
		return StatusTemperror, "", nil, false, fmt.Errorf("looking up names of address: %w", err)
	}
	names = hostnames(found)
	if len(names) == 0 {
		return StatusPermerror, "", nil, result.Authentic, fmt.Errorf("%w that is a host name", ErrNoName)
	}
	status, name, forward, err := confirm(ctx, resolver, ip, names)
	return status, name, names, result.Authentic && forward, err
}

// hostnames returns those of the first MaxNames names that can be the name of a host.
func hostnames(found []string) []string {
	var names []string
	for _, s := range found[:min(len(found), MaxNames)] {
		d, err := dns.ParseDomainLax(s)
		if err == nil && !d.Numeric() && !slices.Contains(names, d.ASCII) {
			names = append(names, d.ASCII)
		}
	}
	return names
}

// forward is the outcome of looking up the addresses of one name.
type forward struct {
	ips       []netip.Addr
	authentic bool
	err       error
}

// confirm looks up the addresses of all names at once and takes the first name that has
// ip.
func confirm(ctx context.Context, resolver dns.Resolver, ip netip.Addr, names []string) (Status, string, bool, error) {
	network := "ip6"
	if ip.Is4() {
		network = "ip4"
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	outcomes := make([]chan forward, len(names))
	for i, name := range names {
		outcomes[i] = make(chan forward, 1)
		wg.Go(func() {
			ips, res, err := resolver.LookupIP(ctx, network, name)
			outcomes[i] <- forward{ips, res.Authentic, err}
		})
	}
	authentic := true
	var temporary error
	for i, c := range outcomes {
		f := <-c
		if f.err == nil && slices.ContainsFunc(f.ips, func(a netip.Addr) bool { return a.Unmap() == ip }) {
			return StatusPass, names[i], f.authentic, nil
		}
		authentic = authentic && f.authentic
		if dns.IsTemporary(f.err) && temporary == nil {
			temporary = f.err
		}
	}
	if temporary != nil {
		return StatusTemperror, "", false, fmt.Errorf("looking up addresses of name: %w", temporary)
	}
	return StatusFail, "", authentic, ErrUnconfirmed
}
