package quickstart

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mox/dns"
	"mox/dnsrecords"
)

// RecordState is whether a record is in DNS.
type RecordState string

// States of a record.
const (
	RecordThere   RecordState = "there"   // as it should be
	RecordMissing RecordState = "missing" // nothing of that name and type
	RecordOther   RecordState = "other"   // something else
	RecordUnknown RecordState = "unknown" // DNS did not answer, or cannot be asked for this type
)

// RecordFound is what was found for a record.
type RecordFound struct {
	State RecordState
	There []string // what is there, as in Record.Value
	Err   error    // for RecordUnknown
}

// LookUpRecord looks whether a record is in DNS.
func LookUpRecord(ctx context.Context, resolver dns.Resolver, r dnsrecords.Record) RecordFound {
	there, err := lookUpValues(ctx, resolver, r)
	switch {
	case dns.IsNotFound(err):
		return RecordFound{State: RecordMissing}
	case err != nil:
		return RecordFound{State: RecordUnknown, Err: err}
	}
	same := func(v string) bool { return strings.EqualFold(v, r.Value) || r.Type == "TXT" && v == r.Value }
	if r.Type == "TXT" {
		same = func(v string) bool { return v == r.Value }
		there = relatedTexts(there, r.Value)
	}
	switch {
	case slices.ContainsFunc(there, same):
		return RecordFound{State: RecordThere, There: there}
	case len(there) == 0:
		return RecordFound{State: RecordMissing}
	}
	return RecordFound{State: RecordOther, There: there}
}

// relatedTexts leaves those that are of the same kind: a name may have texts for other ends.
func relatedTexts(all []string, like string) []string {
	kind, _, _ := strings.Cut(like, ";")
	kind, _, _ = strings.Cut(kind, " ")
	var l []string
	for _, t := range all {
		if strings.HasPrefix(strings.ToLower(t), strings.ToLower(kind)) {
			l = append(l, t)
		}
	}
	return l
}

// lookUpValues returns what DNS has, as values of records.
func lookUpValues(ctx context.Context, resolver dns.Resolver, r dnsrecords.Record) ([]string, error) {
	name := strings.TrimSuffix(r.Name, ".")
	switch r.Type {
	case "A", "AAAA":
		ips, _, err := resolver.LookupIP(ctx, map[string]string{"A": "ip4", "AAAA": "ip6"}[r.Type], name)
		return texts(ips), err
	case "TXT":
		l, _, err := resolver.LookupTXT(ctx, name)
		return l, err
	case "MX":
		l, _, err := resolver.LookupMX(ctx, name)
		return each(l, func(mx dns.MX) string { return fmt.Sprintf("%d %s", mx.Preference, absolute(mx.Host)) }), err
	case "CNAME":
		// Some providers make addresses of aliases, which is as good.
		end, res, err := resolver.LookupCNAME(ctx, name)
		if err == nil && end == name && res.Name == "" {
			return sameAddresses(ctx, resolver, name, r.Value)
		}
		return []string{absolute(end)}, err
	case "SRV":
		l, _, err := resolver.LookupSRV(ctx, name)
		return each(l, func(s dns.SRV) string {
			return fmt.Sprintf("%d %d %d %s", s.Priority, s.Weight, s.Port, absolute(s.Target))
		}), err
	case "TLSA":
		l, _, err := resolver.LookupTLSA(ctx, name)
		return each(l, func(t dns.TLSA) string {
			return fmt.Sprintf("%d %d %d %s", t.Usage, t.Selector, t.MatchType, hex.EncodeToString(t.Data))
		}), err
	case "PTR":
		ip, ok := dns.ParseReverseName(name)
		if !ok {
			return nil, fmt.Errorf("%s is not the name of an address", name)
		}
		l, _, err := resolver.LookupAddr(ctx, ip)
		return each(l, absolute), err
	}
	return nil, fmt.Errorf("records of type %s cannot be looked up here", r.Type)
}

// sameAddresses returns target when name has its addresses without being an alias, and
// otherwise the addresses of name.
func sameAddresses(ctx context.Context, resolver dns.Resolver, name, target string) ([]string, error) {
	ips, _, err := resolver.LookupIP(ctx, "ip", name)
	if err != nil {
		return nil, err
	}
	want, _, err := resolver.LookupIP(ctx, "ip", strings.TrimSuffix(target, "."))
	if err == nil && !slices.ContainsFunc(ips, func(ip netip.Addr) bool { return !slices.Contains(want, ip) }) {
		return []string{target}, nil
	}
	return texts(ips), nil
}

func each[T any](l []T, text func(T) string) []string {
	var all []string
	for _, v := range l {
		all = append(all, text(v))
	}
	return all
}

// absolute writes a name with its final dot.
func absolute(name string) string { return strings.TrimSuffix(name, ".") + "." }
