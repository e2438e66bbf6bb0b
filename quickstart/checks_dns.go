package quickstart

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"mox/dns"
	"mox/dnsbl"
)

func checkAddress(_ context.Context, s *survey) []Finding {
	found := []Finding{ok("%s, account %s.", s.Address, s.Account)}
	if s.Address.Localpart.IsInternational() {
		found = append(found, note("Give the account another address in ASCII later: mox config address add.",
			"The address has characters other than ASCII before the @. Servers and programs that lack SMTPUTF8 (RFC 6531) cannot send to it."))
	}
	if s.Address.Domain.Unicode != "" {
		found = append(found, note("", "The domain is written %s in DNS, and %s in the configuration.", s.Address.Domain.ASCII, s.Address.Domain.Unicode))
	}
	if !strings.EqualFold(s.Account, string(s.Address.Localpart)) {
		found = append(found, note("", "The account is called %s, since its name is also that of a directory.", s.Account))
	}
	return found
}

// checkResolver asks for something that is signed. RFC 4035 3.2.3: a resolver that validates
// says so.
func checkResolver(ctx context.Context, s *survey) []Finding {
	defer close(s.resolved)
	ctx, cancel := context.WithTimeout(ctx, resolverTimeout)
	defer cancel()
	_, res, err := s.o.Resolver.LookupNS(ctx, "com")
	switch {
	case dns.IsTemporary(err):
		s.resolver = err
		return []Finding{problem("Make the resolver of /etc/resolv.conf answer, or install one: apt install unbound.", "DNS gives no answers: %v.", err)}
	case !res.Authentic:
		return []Finding{warning(noDNSSEC, "The resolver of this system does not say that it verifies DNSSEC, or the way to it is not safe. Answers can be forged, and DANE, which protects mail on its way, is not used.")}
	}
	return []Finding{ok("Answers, and verifies DNSSEC.")}
}

const noDNSSEC = "Install a resolver on this machine: apt install unbound unbound-anchor, and put \"nameserver 127.0.0.1\" and \"options edns0 trust-ad\" into /etc/resolv.conf (with systemd-resolved: disable it, it does not validate reliably). Then \"mox dns lookup ns com\" says \"with dnssec\". Or name a resolver that you trust in DNSResolvers in mox.conf."

func checkHostname(_ context.Context, s *survey) []Finding {
	name := s.Hostname
	var found []Finding
	switch {
	case s.hostFrom == "made up":
		found = append(found, warning(fmt.Sprintf("Run again with -hostname and the name that this machine has in DNS, or make the records of %s as they are listed below.", name),
			"The name of this system, %q, is not a full name that the world can look up, and reverse DNS has none. %s was made up from it and the domain.", s.osHostname, name))
	case !isPublicName(name):
		found = append(found, problem("Run again with -hostname and a name that the world can look up, such as mail."+s.Address.Domain.ASCII+".",
			"%s is not a full name that other servers can look up.", name))
	default:
		found = append(found, ok("%s, %s.", name, s.hostFrom))
	}
	if name == s.Address.Domain {
		found = append(found, note("If the domain has a web site elsewhere, give another name with -hostname, such as mail."+name.ASCII+".",
			"The host name is the domain itself, so its web site is on this machine too."))
	}
	if d, err := dns.ParseDomain(s.osHostname); s.hostFrom == "as given" && isPublicName(name) && err == nil && isPublicName(d) && d != name {
		found = append(found, note("If nothing else needs the other name: hostnamectl set-hostname "+name.ASCII, "The system calls itself %s. mox uses %s.", d, name))
	}
	return found
}

func checkAddresses(_ context.Context, s *survey) []Finding {
	var found []Finding
	switch {
	case len(s.NATIPs) > 0:
		found = append(found, note("In the router, forward ports 25, 80, 443, 465 and 993 to this machine, and let it keep its address (a fixed lease of DHCP).",
			"This machine is behind address translation (NAT): it has %s and is reached by %s.", list(s.IPs), list(s.NATIPs)))
	case slices.ContainsFunc(s.IPs, netip.Addr.IsUnspecified):
		found = append(found, warning("List the addresses in Listeners.public.IPs (or those by which the world reaches the machine in NATIPs) of mox.conf once they are known: outgoing mail then comes from the address that others expect.",
			"No address of this machine is known by which it could be reached, so the server will listen on all."))
	case !slices.ContainsFunc(s.IPs, isPublic) && !slices.ContainsFunc(s.hostAddrs, func(ip netip.Addr) bool { return slices.Contains(s.IPs, ip) }):
		found = append(found, problem("Make A and AAAA records of "+s.Hostname.ASCII+" with the addresses by which the world reaches this machine, and run again; or give them with -publicip.",
			"This machine has only private addresses, %s, and DNS does not tell by which the world reaches it.", list(s.IPs)))
	default:
		found = append(found, ok("%s.", list(s.IPs)))
	}
	if len(s.elsewhere) > 0 {
		found = append(found, problem(fmt.Sprintf("Correct the records of %s, or run this where they point to.", s.Hostname),
			"%s, of %s, %s not of this machine.", list(s.elsewhere), s.Hostname, plural(len(s.elsewhere), "is", "are")))
	}
	if len(s.unused) > 0 && len(s.hostAddrs)+len(s.o.PublicIPs) > 0 {
		found = append(found, note(fmt.Sprintf("To use %s, add records for %s, and list %s in Listeners.public.IPs of mox.conf.", plural(len(s.unused), "it", "them"), s.Hostname, plural(len(s.unused), "it", "them")),
			"%s is on this machine but not in DNS for %s, and will not be used.", list(s.unused), s.Hostname))
	}
	return found
}

func checkHostDNS(_ context.Context, s *survey) []Finding {
	host := s.Hostname
	loopback := slices.ContainsFunc(s.hostAddrs, netip.Addr.IsLoopback)
	switch {
	case dns.IsNotFound(s.hostErr):
		return []Finding{problem(fmt.Sprintf("Make %s for %s. Mail cannot come in before.", addressRecords(s.WorldIPs()), host), "%s has no address in DNS yet.", host)}
	case s.hostErr != nil:
		return []Finding{problem("Look at the name servers of the domain: mox dns lookup ips "+host.ASCII, "%v.", s.hostErr)}
	case loopback:
		return []Finding{problem("Remove "+host.ASCII+" from the local zone of the resolver of this machine (and from /etc/hosts, if the resolver takes it from there).",
			"%s is looked up as a loopback address here, which others do not see.", host)}
	case !s.Authentic:
		return []Finding{warning("Switch DNSSEC on where you have the domain (the registrar or DNS provider). TLSA records wait for that.",
			"The addresses of %s are not signed by DNSSEC. Others cannot verify with DANE that they deliver to this server; MTA-STS protects against most, less well.", host)}
	}
	return []Finding{ok("%s is %s, signed by DNSSEC.", host, list(s.hostAddrs))}
}

// addressRecords is "a record A 192.0.2.1".
func addressRecords(ips []netip.Addr) string {
	var l []string
	for _, ip := range ips {
		typ := "AAAA"
		if ip.Is4() {
			typ = "A"
		}
		if isPublic(ip) {
			l = append(l, typ+" "+ip.String())
		}
	}
	if len(l) == 0 {
		return "A and AAAA records with the public addresses of this machine"
	}
	return plural(len(l), "a record ", "records ") + join(l)
}

// checkReverse: RFC 1912 2.1: every address has a name, which has that address. Many servers
// refuse mail from others.
func checkReverse(ctx context.Context, s *survey) []Finding {
	ips := s.WorldIPs()
	if len(ips) == 0 {
		return []Finding{note("", "Not looked up, no public address is known.")}
	}
	found := make([]Finding, len(ips))
	var wg sync.WaitGroup
	for i, ip := range ips {
		wg.Go(func() { found[i] = s.reverse(ctx, ip) })
	}
	wg.Wait()
	return found
}

func (s *survey) reverse(ctx context.Context, ip netip.Addr) Finding {
	fix := fmt.Sprintf("Set the reverse name (PTR) of %s to %s, in the panel of the provider of this machine, or ask their support. Without it many servers refuse mail from here.", ip, s.Hostname.ASCII)
	names, _, err := s.o.Resolver.LookupAddr(ctx, ip)
	switch {
	case dns.IsNotFound(err) || err == nil && len(names) == 0:
		return problem(fix, "%s has no name in reverse DNS.", ip)
	case err != nil:
		return warning("Look again later: mox dns lookup ptr "+ip.String(), "%v.", err)
	}
	for _, name := range names {
		if d, err := dns.ParseDomain(name); err == nil && d == s.Hostname {
			return ok("%s is %s.", ip, s.Hostname)
		}
	}
	return problem(fix, "%s is called %s in reverse DNS, not %s.", ip, join(names[:min(len(names), 3)]), s.Hostname)
}

func checkIPv6(_ context.Context, s *survey) []Finding {
	is6 := func(ip netip.Addr) bool { return ip.Is6() && !ip.IsUnspecified() }
	switch {
	case slices.ContainsFunc(s.WorldIPs(), is6):
		return []Finding{ok("The server has IPv6.")}
	case slices.ContainsFunc(s.publicAddrs(), is6):
		return []Finding{note("Add an AAAA record for "+s.Hostname.ASCII+" and the address to Listeners.public.IPs, when its reverse name is set.", "The machine has IPv6, the server will not use it.")}
	}
	return []Finding{note("Nothing has to be done: mail works with IPv4 alone. Some providers give IPv6 for the asking.", "The machine has no public IPv6 address.")}
}

// BlockLists are the DNS block lists that own addresses are looked for in.
func BlockLists() []string { return slices.Clone(dnsbls) }

// dnsbls are the lists that the own addresses are looked for in: cli reference, section 3,
// step 8.
var dnsbls = []string{"sbl.spamhaus.org", "bl.spamcop.net"}

func checkBlocklists(ctx context.Context, s *survey) []Finding {
	type lookup struct {
		zone    dns.Domain
		ip      netip.Addr
		status  dnsbl.Status
		listing dnsbl.Listing
		err     error
	}
	var all []*lookup
	var wg sync.WaitGroup
	lists := slices.Clone(dnsbls)
	for _, d := range s.o.lists {
		if !slices.Contains(lists, d.ASCII) {
			lists = append(lists, d.ASCII)
		}
	}
	for _, zone := range lists {
		d, _ := dns.ParseDomain(zone)
		for _, ip := range s.WorldIPs() {
			if !isPublic(ip) {
				continue
			}
			l := &lookup{zone: d, ip: ip}
			all = append(all, l)
			wg.Go(func() { l.status, l.listing, l.err = dnsbl.Lookup(ctx, s.o.Resolver, l.zone, l.ip) })
		}
	}
	wg.Wait()
	if len(all) == 0 {
		return []Finding{note("", "Not asked, no public address is known.")}
	}
	var found []Finding
	failed := map[dns.Domain]bool{}
	for _, l := range all {
		switch {
		case l.status == dnsbl.StatusFail:
			why := ""
			if l.listing.Explanation != "" {
				why = fmt.Sprintf(" It says: %q.", l.listing.Explanation)
			}
			found = append(found, problem("Ask the list for removal, at the address it gives, or the provider for another address. Addresses that were bad in the hands of others are common with cheap providers.",
				"%s is on the block list %s, so that much of your mail would be refused or be junk.%s", l.ip, l.zone, why))
		case l.err != nil && !failed[l.zone]:
			failed[l.zone] = true
			remedy := "Ask again later: mox dnsbl check " + l.zone.ASCII + " " + l.ip.String()
			if errors.Is(l.err, dnsbl.ErrAnswer) {
				remedy = "Use a resolver of your own: lists refuse queries that come through public ones."
			}
			found = append(found, note(remedy, "Block list %s could not be asked: %v.", l.zone, l.err))
		}
	}
	if len(found) == 0 {
		return []Finding{ok("The addresses are not on %s.", join(lists))}
	}
	return found
}

// checkDomainMX tells where mail of the domain goes until the records are changed.
func checkDomainMX(ctx context.Context, s *survey) []Finding {
	l, _, err := s.o.Resolver.LookupMX(ctx, s.Address.Domain.ASCII)
	var others []string
	for _, mx := range l {
		if d, err := dns.ParseDomain(mx.Host); err != nil || d != s.Hostname {
			others = append(others, mx.Host)
		}
	}
	switch {
	case dns.IsNotFound(err):
		return []Finding{ok("%s has no MX records yet.", s.Address.Domain)}
	case err != nil:
		return []Finding{note("Look at the name servers of the domain: mox dns lookup mx "+s.Address.Domain.ASCII, "%v.", err)}
	case len(others) > 0:
		return []Finding{note("Change the MX record last, when sending and receiving work here. \"mox import imap\" brings mail over from there.", "Mail for %s goes to %s now, and will until its MX records are replaced.", s.Address.Domain, join(others))}
	}
	return []Finding{ok("Mail for %s goes to %s already.", s.Address.Domain, s.Hostname)}
}
