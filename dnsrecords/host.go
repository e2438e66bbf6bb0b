package dnsrecords

import (
	"crypto"
	"net/netip"
	"slices"
	"strings"

	"mox/config"
	"mox/dane"
	"mox/dns"
)

// PublicListener returns the listener whose addresses DNS is about: that called public, or
// else the first by name with SMTP and addresses that others reach. Nil if there is none.
func PublicListener(snap *config.Snapshot) *config.ListenerInfo {
	if l := snap.Listeners["public"]; l != nil {
		return l
	}
	for _, l := range listeners(snap) {
		if l.SMTP.Enabled && (hasUnspecified(l) || len(PublicIPs(l)) > 0) {
			return l
		}
	}
	return nil
}

// listeners returns all of them, public first and then by name.
func listeners(snap *config.Snapshot) []*config.ListenerInfo {
	var l []*config.ListenerInfo
	for _, x := range snap.Listeners {
		l = append(l, x)
	}
	slices.SortFunc(l, func(a, b *config.ListenerInfo) int {
		if pub := "public"; a.Name == pub || b.Name == pub {
			return map[bool]int{true: -1, false: 1}[a.Name == pub]
		}
		return strings.Compare(a.Name, b.Name)
	})
	return l
}

func hasUnspecified(l *config.ListenerInfo) bool {
	return slices.ContainsFunc(l.IPs, netip.Addr.IsUnspecified)
}

// PublicIPs returns the addresses at which others reach a listener, as far as the
// configuration says: NATIPs if there are any, otherwise IPs without those that are
// unspecified or of this machine only.
func PublicIPs(l *config.ListenerInfo) []netip.Addr {
	if len(l.NATIPs) > 0 {
		return l.NATIPs
	}
	if l.IPsNATed {
		return nil
	}
	var ips []netip.Addr
	for _, ip := range l.IPs {
		if !ip.IsUnspecified() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			ips = append(ips, ip)
		}
	}
	return ips
}

// SendingIPs returns the addresses from which mail of this server comes, as far as the
// configuration says: those of listeners with SMTP, and those behind SOCKS proxies.
// Private addresses are left out if there are others.
func SendingIPs(snap *config.Snapshot) []netip.Addr {
	var ips []netip.Addr
	add := func(ip netip.Addr) {
		if !slices.Contains(ips, ip) {
			ips = append(ips, ip)
		}
	}
	for _, l := range listeners(snap) {
		if l.SMTP.Enabled {
			for _, ip := range PublicIPs(l) {
				add(ip)
			}
		}
	}
	if slices.ContainsFunc(ips, func(ip netip.Addr) bool { return !ip.IsPrivate() }) {
		ips = slices.DeleteFunc(ips, netip.Addr.IsPrivate)
	}
	for _, name := range sortedKeys(snap.Static.Transports) {
		t := snap.Static.Transports[name]
		if t.Socks == nil {
			continue
		}
		for _, s := range t.Socks.RemoteIPs {
			if ip, err := netip.ParseAddr(s); err == nil {
				add(ip.Unmap())
			}
		}
	}
	return ips
}

// TLSARecords returns the records of the host's keys (RFC 7672 3.1.1: DANE-EE with the key's
// SHA-256, so that they stay right when certificates are renewed).
func TLSARecords(snap *config.Snapshot) []dns.TLSA {
	pub := PublicListener(snap)
	if pub == nil {
		return nil
	}
	var l []dns.TLSA
	// Keys that come into use soon are in DNS before (RFC 7671 8.1).
	for _, key := range []crypto.Signer{pub.HostECDSAKey, pub.HostRSAKey, pub.NextHostECDSAKey, pub.NextHostRSAKey} {
		if key == nil {
			continue
		}
		// The only errors are of keys of other types.
		if r, err := dane.MakeKeyRecord(dns.DANEEE, dns.MatchSHA256, key); err == nil {
			l = append(l, r)
		}
	}
	return l
}

// addresses adds those of the host at a name.
func (b *builder) addresses(name string) {
	var ips []netip.Addr
	if pub := PublicListener(b.snap); pub != nil {
		ips = PublicIPs(pub)
	}
	if len(ips) == 0 {
		b.missing(name, "A", "The configuration does not say by which addresses the server is reached: put them in IPs, or NATIPs, of the listener. Add those of the machine, with types A and AAAA.")
	}
	for _, ip := range ips {
		typ := "AAAA"
		if ip.Is4() {
			typ = "A"
		}
		b.add(name, typ, "%s", ip)
	}
}

// host adds the records of the host itself.
func (b *builder) host() {
	h := b.snap.Hostname.ASCII
	b.about(SectionHost, "Addresses of the mail server. They may be there already: a name and its addresses are needed once, however many domains the server has.").addresses(h)
	b.reverse(h)
	b.tlsa(h)
	if b.d.Domain != b.snap.Hostname {
		b.about(SectionHost, "SPF for the name of the server itself, which is the sender's domain (EHLO) of messages without a sender, such as notifications of failed deliveries.")
		b.add(h, "TXT", "v=spf1 a -all")
		b.reports(h, SectionHost, "for reports of other mail servers about TLS in connections to this host, which DANE records of the host lead to", b.snap.HostTLSRPT)
	}
}

// reverse adds the names of the addresses, which are in other zones.
func (b *builder) reverse(h string) {
	pub := PublicListener(b.snap)
	if pub == nil {
		return
	}
	b.about(SectionHost, "Reverse DNS: other servers distrust an address whose name does not lead back to it.").
		when("It is set where the address is from, mostly at the provider of the machine, not in this zone.")
	for _, ip := range PublicIPs(pub) {
		b.add(dns.ReverseName(ip), "PTR", "%s.", h)
	}
}

// tlsa adds the records for DANE.
func (b *builder) tlsa(h string) {
	b.about(SectionHost, "DANE: other mail servers verify the server's certificate by these keys, which DNSSEC vouches for, and then insist on TLS.")
	if !b.o.Authentic {
		b.when("Only if the zone of the host is signed with DNSSEC: without it, the records do nothing.")
	}
	l := TLSARecords(b.snap)
	if len(l) == 0 {
		b.missing("_25._tcp."+h, "TLSA", b.noHostKeys())
	}
	for _, r := range l {
		b.add("_25._tcp."+h, "TLSA", "%s", r.Record())
	}
}

// noHostKeys tells how to get keys for DANE.
func (b *builder) noHostKeys() string {
	if pub := PublicListener(b.snap); pub != nil && pub.TLS != nil && pub.TLS.ACME == "" {
		return "The certificates come from files. If their keys stay the same when they are renewed, publish what \"mox dane makerecord dane-ee spki sha2-256 cert.pem\" prints for each."
	}
	return "There are no host keys that stay the same when certificates are renewed: make them with \"mox config ensureacmehostprivatekeys\"."
}
