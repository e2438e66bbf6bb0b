package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/proxy"

	"mox/config"
)

// dialSocks connects through a proxy (RFC 1928). Names are looked up here, with DNSSEC;
// the proxy gets addresses.
func (o *Outbound) dialSocks(ctx context.Context, s *config.TransportSocks, address string) (net.Conn, error) {
	d, err := proxy.SOCKS5("tcp", s.Address, nil, forward{o})
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	conn, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("through proxy %s: %w", s.Address, err)
	}
	return conn, nil
}

// forward dials the proxy itself.
type forward struct{ o *Outbound }

// Dial implements proxy.Dialer.
func (f forward) Dial(network, address string) (net.Conn, error) {
	return f.DialContext(context.Background(), network, address)
}

// DialContext implements proxy.ContextDialer.
func (f forward) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f.o.c.Dial(ctx, netip.Addr{}, network, address)
}
