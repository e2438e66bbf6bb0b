package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"mox/dns"
	"mox/dnsbl"
)

func dnsCommands() []command {
	return []command{
		{words: "dns lookup", args: "type name", short: "look up records in DNS, and whether DNSSEC protects them", min: 2, max: 2, setup: setupDNSLookup, help: dnsLookupHelp},
		{words: "dnsbl check", args: "zone ip", short: "ask a DNS blocklist about an address", min: 2, max: 2, setup: setupDNSBLCheck, help: dnsblCheckHelp},
		{words: "dnsbl checkhealth", args: "zone", short: "check whether a DNS blocklist works", min: 1, max: 1, setup: setupDNSBLHealth, help: dnsblHealthHelp},
	}
}

const dnsLookupHelp = `
Types are a, aaaa, cname, ips (both kinds of addresses), mx, ns, ptr, srv, tlsa and txt.
For ptr, the name is an IP address. For cname, the end of the chain of aliases is
printed.

The last line is "with dnssec" if the resolver has validated the answer with DNSSEC and
is trusted to do so: it is on this machine, /etc/resolv.conf has "options trust-ad", or
it was given with -resolver. Otherwise it is "without dnssec". That a record does not
exist is an answer too, but the exit status is 1 then, as for a failure.

With -json, an object: Type, Name, Records (as printed) and DNSSEC.`

const dnsblCheckHelp = `
Prints pass if the address is not on the list. Otherwise prints fail, with the codes and
the explanation of the list, and exits with status 1. Answers that are no listing, as
from lists that refuse the query or are gone, are errors. With -json,
an object: Zone, IP, Status, Codes and Explanation.`

const dnsblHealthHelp = `
A list that works has an entry for 127.0.0.2 (or for IPv6 addresses ::ffff:127.0.0.2), and
none for 127.0.0.1 (and ::ffff:127.0.0.1). With -json, an object: Zone, and whether it has addresses of IPv4 and IPv6.`

// dnsLookups prints the records of each type that can be looked up.
var dnsLookups = map[string]func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error){
	"a":    lookupIPs("ip4"),
	"aaaa": lookupIPs("ip6"),
	"ips":  lookupIPs("ip"),
	"cname": func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error) {
		end, res, err := r.LookupCNAME(ctx, name)
		return []string{end}, res, err
	},
	"mx": func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error) {
		return printed(r.LookupMX(ctx, name))(func(mx dns.MX) string { return fmt.Sprint(mx.Preference, " ", mx.Host) })
	},
	"ns": func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error) {
		return r.LookupNS(ctx, name)
	},
	"ptr": func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error) {
		ip, err := netip.ParseAddr(name)
		if err != nil {
			return nil, dns.Result{}, usagef("bad IP address %q", name)
		}
		return r.LookupAddr(ctx, ip)
	},
	"srv": func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error) {
		return printed(r.LookupSRV(ctx, name))(func(s dns.SRV) string { return fmt.Sprint(s.Priority, s.Weight, s.Port, " ", s.Target) })
	},
	"tlsa": func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error) {
		return printed(r.LookupTLSA(ctx, name))(func(t dns.TLSA) string {
			return fmt.Sprintf("%s (%v %v %v)", t.Record(), t.Usage, t.Selector, t.MatchType)
		})
	},
	"txt": func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error) {
		return printed(r.LookupTXT(ctx, name))(func(s string) string { return fmt.Sprintf("%q", s) })
	},
}

func lookupIPs(network string) func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error) {
	return func(ctx context.Context, r dns.Resolver, name string) ([]string, dns.Result, error) {
		return printed(r.LookupIP(ctx, network, name))(netip.Addr.String)
	}
}

// printed turns records into lines.
func printed[T any](l []T, res dns.Result, err error) func(func(T) string) ([]string, dns.Result, error) {
	return func(line func(T) string) ([]string, dns.Result, error) {
		var lines []string
		for _, v := range l {
			lines = append(lines, line(v))
		}
		return lines, res, err
	}
}

// dnsAnswer is what a lookup found.
type dnsAnswer struct {
	Type, Name string
	Records    []string // as printed
	DNSSEC     bool
}

func setupDNSLookup(fs *flag.FlagSet) runFunc {
	addr := resolverFlag(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, args []string) error {
		typ := strings.ToLower(args[0])
		lookup, ok := dnsLookups[typ]
		if !ok {
			return usagef("unknown type %q, known are %s", args[0], strings.Join(slices.Sorted(maps.Keys(dnsLookups)), ", "))
		}
		name := args[1]
		if typ != "ptr" && name != "." {
			d, err := dns.ParseDomainLax(strings.TrimSuffix(name, "."))
			if err != nil {
				return usageError{fmt.Sprintf("name %q: %v", name, err)}
			}
			name = d.ASCII
		}
		r, err := p.resolverAt(*addr)
		if err != nil {
			return err
		}
		lines, res, err := lookup(ctx, r, name)
		if *asJSON && (err == nil || dns.IsNotFound(err)) {
			return p.found(dnsAnswer{typ, name, append([]string{}, lines...), res.Authentic}, err)
		}
		if err == nil {
			for _, l := range lines {
				fmt.Fprintln(p.stdout, l)
			}
		}
		if err == nil || dns.IsNotFound(err) {
			fmt.Fprintln(p.stdout, dnssecStatus(res))
		}
		return err
	}
}

func dnssecStatus(res dns.Result) string {
	if res.Authentic {
		return "with dnssec"
	}
	return "without dnssec"
}

// dnsblAnswer is what a list says of an address.
type dnsblAnswer struct {
	Zone, IP, Status string
	Codes            []string `json:",omitempty"`
	Explanation      string   `json:",omitempty"`
}

func setupDNSBLCheck(fs *flag.FlagSet) runFunc {
	addr := resolverFlag(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, args []string) error {
		ip, err := netip.ParseAddr(args[1])
		if err != nil {
			return usagef("bad IP address %q", args[1])
		}
		zone, r, err := p.blocklist(args[0], *addr)
		if err != nil {
			return err
		}
		status, listing, err := dnsbl.Lookup(ctx, r, zone, ip)
		if err != nil {
			return err
		}
		if *asJSON {
			return p.found(dnsblAnswer{zone.ASCII, ip.String(), string(status), texts(listing.Codes), listing.Explanation}, failUnless(status != dnsbl.StatusFail))
		}
		fmt.Fprintln(p.stdout, status)
		if status != dnsbl.StatusFail {
			return nil
		}
		for _, c := range listing.Codes {
			fmt.Fprintln(p.stdout, "code:", c)
		}
		if listing.Explanation != "" {
			fmt.Fprintln(p.stdout, "explanation:", listing.Explanation)
		}
		return exitStatus(1)
	}
}

// failUnless is exit status 1, or nil if ok.
func failUnless(ok bool) error {
	if ok {
		return nil
	}
	return exitStatus(1)
}

func setupDNSBLHealth(fs *flag.FlagSet) runFunc {
	addr := resolverFlag(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, args []string) error {
		zone, r, err := p.blocklist(args[0], *addr)
		if err != nil {
			return err
		}
		h, err := dnsbl.CheckHealth(ctx, r, zone)
		if err != nil {
			return err
		}
		if *asJSON {
			return p.found(struct {
				Zone       string
				IPv4, IPv6 bool
			}{zone.ASCII, h.IPv4, h.IPv6}, nil)
		}
		var families []string
		if h.IPv4 {
			families = append(families, "IPv4")
		}
		if h.IPv6 {
			families = append(families, "IPv6")
		}
		fmt.Fprintln(p.stdout, "healthy, has", strings.Join(families, " and "), "addresses")
		return nil
	}
}

// blocklist parses the name of a list and returns the resolver to ask.
func (p *program) blocklist(name, addr string) (dns.Domain, dns.Resolver, error) {
	zone, err := dns.ParseDomainLax(strings.TrimSuffix(name, "."))
	if err != nil {
		return dns.Domain{}, nil, usageError{fmt.Sprintf("zone %q: %v", name, err)}
	}
	r, err := p.resolverAt(addr)
	return zone, r, err
}
