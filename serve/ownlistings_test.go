package serve

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/config"
	"mox/dns"
	"mox/dnsbl"
	"mox/metrics"
)

func addrs(l ...string) map[netip.Addr]bool {
	m := map[netip.Addr]bool{}
	for _, s := range l {
		m[netip.MustParseAddr(s)] = true
	}
	return m
}

func TestOwnListings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bl, other, broken := dns.Domain{ASCII: "bl.example"}, dns.Domain{ASCII: "other.example"}, dns.Domain{ASCII: "broken.example"}
		on := &config.ListenerInfo{DNSBLs: []dns.Domain{other, broken}}
		on.SMTP.Enabled = true
		snap := &config.Snapshot{
			MonitorDNSBLs: []dns.Domain{bl},
			StaticInfo: &config.StaticInfo{
				OwnIPs:    addrs("10.0.0.1", "127.0.0.1", "100.64.0.1", "fe80::1", "192.0.2.1", "2001:db8::1"),
				Listeners: map[string]*config.ListenerInfo{"on": on, "off": {DNSBLs: []dns.Domain{{ASCII: "off.example"}}}},
			},
		}
		name := dnsbl.Name(bl, netip.MustParseAddr("192.0.2.1"))
		zone := &dns.MockResolver{
			A:   map[string][]string{"2.0.0.127.bl.example": {"127.0.0.2"}, "2.0.0.127.other.example": {"127.0.0.2"}, name: {"127.0.0.4"}},
			TXT: map[string][]string{name: {"see https://bl.example/"}},
		}
		registry := metrics.New()
		var log bytes.Buffer
		o := &ownListings{
			snapshot: func() *config.Snapshot { return snap },
			lists:    &dnsbl.Checker{Resolver: zone, Now: time.Now, Observe: func(dns.Domain, dnsbl.Status, time.Duration) {}},
			gauge:    registry.Gauge(metrics.DNSBLIPsSuccess), log: slog.New(slog.NewTextHandler(&log, nil)), known: map[ownListing]dnsbl.Status{},
		}
		check := func(want string, errors int) {
			t.Helper()
			start := time.Now()
			o.look(t.Context())
			// One lookup a second.
			if d, n := time.Since(start), len(ownListingsOf(snap)); d != time.Duration(n-1)*time.Second {
				t.Errorf("%d lookups took %v", n, d)
			}
			v, err := registry.Gather(metrics.DNSBLIPsSuccess.Name)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(v); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if n := strings.Count(log.String(), "level=ERROR"); n != errors {
				t.Errorf("%d errors, want %d: %s", n, errors, log.String())
			}
		}
		const all = "map[ip=192.0.2.1,zone=bl.example:%d ip=192.0.2.1,zone=other.example:1 ip=2001:db8::1,zone=bl.example:1 ip=2001:db8::1,zone=other.example:1]"
		check(fmt.Sprintf(all, 0), 1)
		if !strings.Contains(log.String(), `zone=bl.example ip=192.0.2.1 codes=[127.0.0.4] explanation="see https://bl.example/"`) {
			t.Error(log.String())
		}
		// Still listed: it was said.
		check(fmt.Sprintf(all, 0), 1)
		// No answer is no news.
		zone.Fail = map[string]error{"ip4 " + name: nil, "a " + name: nil, "ip " + name: nil}
		check(fmt.Sprintf(all, 0), 1)
		zone.Fail = nil
		delete(zone.A, name)
		check(fmt.Sprintf(all, 1), 1)
		if !strings.Contains(log.String(), "no longer") {
			t.Error(log.String())
		}
		// Listed again, it is said again. What is configured no longer is not shown.
		zone.A[name] = []string{"127.0.0.2"}
		on.DNSBLs = nil
		check("map[ip=192.0.2.1,zone=bl.example:0 ip=2001:db8::1,zone=bl.example:1]", 2)
	})
}

// TestOwnListingsTimes: a minute after the start, and every three hours.
func TestOwnListingsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		looks := make(chan time.Duration, 10)
		start := time.Now()
		snap := &config.Snapshot{StaticInfo: &config.StaticInfo{}}
		o := &ownListings{snapshot: func() *config.Snapshot { looks <- time.Since(start); return snap }}
		done := make(chan struct{})
		go func() { defer close(done); o.run(ctx) }()
		for i := range time.Duration(3) {
			if at := <-looks; at != time.Minute+i*3*time.Hour {
				t.Errorf("look %d after %v", i, at)
			}
		}
		cancel()
		<-done
	})
}
