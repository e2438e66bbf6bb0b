package dnscheck

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"mox/dns"
	"mox/dnsrecords"
)

// srv checks the records by which mail programs find services (RFC 6186), and that they can
// connect to those with TLS.
func (c *checker) srv(ctx context.Context, s *Section) {
	c.services(ctx, s)
	for _, service := range dnsrecords.Services(c.snap) {
		name := service.Label + "." + c.d.Domain.ASCII
		publish := c.publish(name, "SRV")
		l, _, err := c.Resolver.LookupSRV(ctx, name)
		switch {
		case dns.IsNotFound(err) && service.Offered:
			s.fail(publish, "there is no SRV record at %s", name)
		case dns.IsNotFound(err):
			s.warn(publish, "there is no SRV record at %s, to tell that the service is not offered", name)
		case err != nil:
			s.fail(later, "the SRV record at %s cannot be looked up: %s", name, reason(err))
		case service.Offered && !slices.ContainsFunc(l, func(r dns.SRV) bool { return c.leadsHere(r, service.Port) }):
			s.fail(publish, "the SRV record at %s does not lead to port %d of this server: %s", name, service.Port, services(l))
		case !service.Offered && (len(l) != 1 || l[0].Target != "."):
			s.warn(publish, "the SRV record at %s is for a service that is not offered: %s", name, services(l))
		}
	}
}

func (c *checker) leadsHere(r dns.SRV, port int) bool {
	target := strings.TrimSuffix(r.Target, ".")
	return int(r.Port) == port && (target == c.d.ClientSettingsDomain.ASCII || target == c.snap.Hostname.ASCII)
}

func services(l []dns.SRV) string {
	var texts []string
	for _, r := range l {
		texts = append(texts, fmt.Sprintf("%s port %d", shown(r.Target), r.Port))
	}
	return strings.Join(texts, ", ")
}

// services connects to services with TLS from the start, with the name that users are told.
func (c *checker) services(ctx context.Context, s *Section) {
	host := c.d.ClientSettingsDomain
	a, err := dns.GatherIPs(ctx, c.Resolver, host)
	if err != nil {
		return // told in section Autoconf, or MX for the host name
	}
	var addrs []netip.AddrPort
	for _, service := range dnsrecords.Services(c.snap) {
		if service.Offered && slices.Contains([]string{"_imaps._tcp", "_submissions._tcp"}, service.Label) {
			for _, ip := range a.IPs {
				addrs = append(addrs, netip.AddrPortFrom(ip, uint16(service.Port)))
			}
		}
	}
	errs := make([]error, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() { errs[i] = c.handshake(ctx, host, addr) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			s.fail("Check that the server runs with IMAPS and Submissions on its listener, that firewalls let their ports through, and that it has a certificate for "+host.ASCII, "mail programs that connect to %s (%s) fail: %s", host, addrs[i], reason(err))
		}
	}
}

// handshake makes a connection with TLS and closes it.
func (c *checker) handshake(ctx context.Context, host dns.Domain, addr netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
	defer cancel()
	conn, err := c.dialTLS(ctx, host, addr)
	if err == nil {
		conn.Close()
	}
	return err
}

// dialTLS makes a connection with TLS whose certificate verifies.
func (c *checker) dialTLS(ctx context.Context, host dns.Domain, addr netip.AddrPort) (*tls.Conn, error) {
	conn, err := c.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	tlsConn := tls.Client(conn, &tls.Config{ServerName: host.ASCII, RootCAs: c.Roots, MinVersion: tls.VersionTLS12})
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return tlsConn, nil
}

// autoconf checks the names that mail programs connect to and get settings from.
func (c *checker) autoconf(ctx context.Context, s *Section) {
	if client := c.d.ClientSettingsDomain; client != c.snap.Hostname {
		c.resolve(ctx, s, "client settings domain", client)
	}
	if !dnsrecords.HasAutoconfig(c.snap) {
		s.warn("Enable AutoconfigHTTPS of the listener in mox.conf", "no listener has AutoconfigHTTPS: users have to find the settings of mail programs by themselves")
		return
	}
	host, err := dns.ParseDomain("autoconfig." + c.d.Domain.ASCII)
	if err != nil {
		return // too long a name
	}
	ips := c.resolve(ctx, s, "name", host)
	c.https(ctx, s, host, ips, "/mail/config-v1.1.xml", http.StatusOK)
}

// autodiscover checks how Outlook gets its settings.
func (c *checker) autodiscover(ctx context.Context, s *Section) {
	if !dnsrecords.HasAutoconfig(c.snap) {
		return // told in section Autoconf
	}
	name := "_autodiscover._tcp." + c.d.Domain.ASCII
	publish := c.publish(name, "SRV")
	l, _, err := c.Resolver.LookupSRV(ctx, name)
	if dns.IsNotFound(err) {
		s.fail(publish, "there is no SRV record at %s", name)
		return
	} else if err != nil {
		s.fail(later, "the SRV record at %s cannot be looked up: %s", name, reason(err))
		return
	}
	l = slices.DeleteFunc(slices.Clone(l), func(r dns.SRV) bool { return r.Port != 443 })
	if len(l) == 0 {
		s.fail(publish, "no SRV record at %s is for port 443", name)
	}
	for _, r := range l {
		host, err := dns.ParseDomainLax(strings.TrimSuffix(r.Target, "."))
		if err != nil {
			s.fail(publish, "the SRV record at %s has target %s, which is no name of a host", name, shown(r.Target))
			continue
		}
		ips := c.resolve(ctx, s, "target", host)
		c.https(ctx, s, host, ips, "/autodiscover/autodiscover.xml", 0)
	}
}

// https makes a request to each address, and adds to the section which fail. A status of 0 is
// any: what matters is TLS.
func (c *checker) https(ctx context.Context, s *Section, host dns.Domain, ips []netip.Addr, path string, status int) {
	errs := make([]error, len(ips))
	var wg sync.WaitGroup
	for i, ip := range ips {
		wg.Go(func() { errs[i] = c.get(ctx, host, ip, path, status) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			s.fail("Have AutoconfigHTTPS at port 443 of the listener, with a certificate for "+host.ASCII+"; behind a reverse proxy, have it pass requests for this name on", "HTTPS with %s (%s) at port 443 fails: %s", host, ips[i], reason(err))
		}
	}
}

func (c *checker) get(ctx context.Context, host dns.Domain, ip netip.Addr, path string, status int) error {
	ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
	defer cancel()
	// A transport would not stop to connect when the context ends.
	conn, err := c.dialTLS(ctx, host, netip.AddrPortFrom(ip, 443))
	if err != nil {
		return err
	}
	defer conn.Close()
	t := &http.Transport{
		DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives: true,
	}
	req, err := http.NewRequestWithContext(ctx, "GET", "https://"+host.ASCII+path, nil)
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	const most = 64 << 10
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, most)); err != nil {
		return err
	}
	if status != 0 && resp.StatusCode != status {
		return fmt.Errorf("%s gives HTTP status %d, not %d", path, resp.StatusCode, status)
	}
	return nil
}
