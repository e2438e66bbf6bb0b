package autotls

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"mox/dns"
)

// checkAddresses tells whether an authority that looks up a name would connect to us. Errors
// wrap errAddresses.
func (m *Manager) checkAddresses(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ips, _, err := m.o.Resolver.LookupIP(ctx, "ip", name)
	if dns.IsNotFound(err) || err == nil && len(ips) == 0 {
		return fmt.Errorf("%w: %s has no address: add A and AAAA records", errAddresses, name)
	} else if err != nil {
		return fmt.Errorf("%w: %w", errAddresses, err)
	}
	var own []netip.Addr
	if m.o.Own != nil {
		own = m.o.Own()
	}
	if len(own) == 0 {
		return nil
	}
	for _, ip := range ips {
		if !slices.Contains(own, ip.Unmap().WithZone("")) {
			return fmt.Errorf("%w: %s has address %s, which is not one of the public listener (%v): correct its A or AAAA record, or IPs or NATIPs of the listener", errAddresses, name, ip, own)
		}
	}
	return nil
}
