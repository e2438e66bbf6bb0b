package spf

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mox/dns"
)

// names gets the names of the client that lead back to its address (RFC 7208 5.5), once an
// evaluation.
func (c *check) names(ctx context.Context) ([]string, error) {
	if c.ptrAsked {
		return c.validated, c.ptrErr
	}
	c.ptrAsked = true
	names, res, err := c.resolver.LookupAddr(ctx, c.ip)
	c.answer(res)
	if err != nil && !dns.IsNotFound(err) {
		c.ptrErr = err
		return nil, err
	}
	c.ptrVoid = len(names) == 0
	network := "ip4"
	if !c.ip.Is4() {
		network = "ip6"
	}
	// RFC 7208 4.6.4: all names but the first ten are ignored.
	for _, name := range names[:min(len(names), maxNames)] {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if !isName(name) {
			continue
		}
		// RFC 7208 5.5: a name whose lookup fails is skipped.
		ips, res, err := c.resolver.LookupIP(ctx, network, name)
		c.answer(res)
		if err == nil && slices.ContainsFunc(ips, func(ip netip.Addr) bool { return ip.Unmap() == c.ip }) {
			c.validated = append(c.validated, name)
		}
	}
	return c.validated, nil
}

// ptr is the mechanism of RFC 7208 5.5.
func (c *check) ptr(ctx context.Context, target string) (bool, error) {
	names, err := c.names(ctx)
	// RFC 7208 5.5: if a DNS error occurs, the mechanism fails to match.
	if err != nil {
		return false, ctx.Err()
	}
	if c.ptrVoid {
		return false, c.countVoid()
	}
	return slices.ContainsFunc(names, func(name string) bool { return isWithin(name, target) }), ctx.Err()
}

// isWithin tells whether name, in lower case, is domain or below it.
func isWithin(name, domain string) bool {
	n := len(name) - len(domain)
	return domain != "" && n >= 0 && strings.EqualFold(name[n:], domain) && (n == 0 || name[n-1] == '.')
}

// validatedName is what %{p} stands for (RFC 7208 7.3): domain itself if it is one of the names
// of the client, else one below it, else any.
func (c *check) validatedName(ctx context.Context, domain string) (string, error) {
	// RFC 7208 4.6.4: the query is part of the limit.
	if !c.ptrAsked {
		if err := c.countLookup(); err != nil {
			return "", err
		}
	}
	names, err := c.names(ctx)
	if err != nil || len(names) == 0 {
		return "unknown", ctx.Err()
	}
	best := names[0]
	for _, name := range names {
		if strings.EqualFold(name, domain) {
			return name, nil
		}
		if isWithin(name, domain) && !isWithin(best, domain) {
			best = name
		}
	}
	return best, nil
}

// dotted is %{i}: an IPv6 address as its nibbles with dots (RFC 7208 7.3).
func dotted(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	b := make([]byte, 0, 63)
	for i, octet := range ip.As16() {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(octet>>4), 16)
		b = append(b, '.')
		b = strconv.AppendUint(b, uint64(octet&15), 16)
	}
	return string(b)
}
