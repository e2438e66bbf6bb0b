package serve

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"mox/config"
	"mox/dns"
	"mox/dnsbl"
	"mox/metrics"
	"mox/mlog"
	"mox/upkeep"
)

// Times of looking for our own addresses in DNS blocklists. The lists are run for others'
// sake: they are asked at leisure.
const (
	ownListingsFirst   = time.Minute
	ownListingsEvery   = 3 * time.Hour
	ownListingsPause   = time.Second
	ownListingsTimeout = 30 * time.Second
)

// ownListings watches whether blocklists have addresses that our mail comes from. It
// belongs to one goroutine.
type ownListings struct {
	snapshot func() *config.Snapshot
	lists    *dnsbl.Checker
	gauge    metrics.Gauge
	log      *slog.Logger
	known    map[ownListing]dnsbl.Status // what lists said last; only pass and fail
}

// ownListing is an address that may be in a list.
type ownListing struct {
	zone dns.Domain
	ip   netip.Addr
}

func (s *Server) newOwnListings() *ownListings {
	return &ownListings{
		snapshot: s.Config.Snapshot, lists: s.blocklists, gauge: s.Registry.Gauge(metrics.DNSBLIPsSuccess),
		log: mlog.New("dnsbl", s.Log), known: map[ownListing]dnsbl.Status{},
	}
}

// run looks now and then, until ctx ends.
func (o *ownListings) run(ctx context.Context) {
	t := time.NewTimer(ownListingsFirst)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			o.look(ctx)
			t.Reset(ownListingsEvery)
		case <-ctx.Done():
			return
		}
	}
}

// look asks all lists about all addresses.
func (o *ownListings) look(ctx context.Context) {
	wanted := ownListingsOf(o.snapshot())
	for k := range o.known {
		if !slices.Contains(wanted, k) {
			delete(o.known, k)
			o.gauge.Delete(k.zone.ASCII, k.ip.String())
		}
	}
	for i, k := range wanted {
		if i > 0 && !upkeep.Sleep(ctx, ownListingsPause) {
			return
		}
		o.ask(ctx, k)
	}
}

// ask asks a list about an address. While a list does not work or cannot be asked, what it
// said last stands.
func (o *ownListings) ask(ctx context.Context, k ownListing) {
	ctx, cancel := context.WithTimeout(ctx, ownListingsTimeout)
	defer cancel()
	if o.lists.Healthy(ctx, k.zone) != nil {
		return // logged
	}
	begin := o.lists.Now()
	status, listing, err := dnsbl.Lookup(ctx, o.lists.Resolver, k.zone, k.ip)
	o.lists.Observe(k.zone, status, o.lists.Now().Sub(begin))
	attrs := []any{"zone", k.zone.Name(), "ip", k.ip.String()}
	switch {
	case err != nil:
		o.log.InfoContext(ctx, "asking blocklist about own address", append(attrs, "err", err)...)
		return
	case status == dnsbl.StatusFail:
		o.gauge.Set(0, k.zone.ASCII, k.ip.String())
		if o.known[k] != status {
			o.log.ErrorContext(ctx, "own address is in a blocklist: others may refuse our mail", append(attrs, "codes", listing.Codes, "explanation", listing.Explanation)...)
		}
	default:
		o.gauge.Set(1, k.zone.ASCII, k.ip.String())
		if o.known[k] == dnsbl.StatusFail {
			o.log.InfoContext(ctx, "own address is no longer in a blocklist", attrs...)
		}
	}
	o.known[k] = status
}

// ownListingsOf returns what to look for: public addresses of listeners, in lists that are
// to be watched and those that are asked about others.
func ownListingsOf(snap *config.Snapshot) []ownListing {
	zones := map[dns.Domain]bool{}
	for _, z := range snap.MonitorDNSBLs {
		zones[z] = true
	}
	for _, l := range snap.Listeners {
		if !l.SMTP.Enabled {
			continue
		}
		for _, z := range l.DNSBLs {
			zones[z] = true
		}
	}
	var l []ownListing
	ips := slices.SortedFunc(maps.Keys(snap.OwnIPs), netip.Addr.Compare)
	for _, z := range slices.SortedFunc(maps.Keys(zones), func(a, b dns.Domain) int { return cmp.Compare(a.ASCII, b.ASCII) }) {
		for _, ip := range ips {
			if isPublic(ip) {
				l = append(l, ownListing{z, ip})
			}
		}
	}
	return l
}

// sharedAddresses are those of carriers that translate addresses (RFC 6598).
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// isPublic tells whether others can know an address.
func isPublic(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !sharedAddresses.Contains(ip)
}
