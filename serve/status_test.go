package serve

import (
	"fmt"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/metrics"
	"mox/status"
)

// TestWatch: what counters gained within a day, and connections since the last that succeeded.
func TestWatch(t *testing.T) {
	var w watch
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	passed := 0
	count := w.connections(func(string) { passed++ }, func() time.Time { return now })
	for _, result := range []string{"timeout", "error", "ok", "timeout", "canceled", "timeout", "error"} {
		count(result)
	}
	for hour := range 30 {
		w.note(mark{errors: hour, unstored: 7})
		want := mark{errors: hour, unstored: 7} // since the start
		if hour >= marksKept-1 {
			want = mark{errors: marksKept - 1}
		}
		m, c := w.lately(mark{errors: hour, unstored: 7})
		if m != want || c != (status.Connections{LastOK: now, Timeouts: 2, Others: 1}) {
			t.Fatalf("hour %d: %+v, want %+v; %+v", hour, m, want, c)
		}
	}
	if passed != 7 {
		t.Errorf("%d outcomes were counted", passed)
	}
}

// TestListings: what the look for own addresses found, for addresses that are still ours.
func TestListings(t *testing.T) {
	bl, other := dns.Domain{ASCII: "bl.example"}, dns.Domain{ASCII: "other.example"}
	snap := &config.Snapshot{MonitorDNSBLs: []dns.Domain{bl, other}, StaticInfo: &config.StaticInfo{OwnIPs: addrs("192.0.2.1", "192.0.2.11", "2001:db8::1")}}
	registry := metrics.New()
	if l := listings(registry, snap); len(l) != 0 {
		t.Errorf("nothing was looked for: %v", l)
	}
	gauge := registry.Gauge(metrics.DNSBLIPsSuccess)
	gauge.Set(1, "bl.example", "192.0.2.1")
	gauge.Set(0, "bl.example", "192.0.2.11")
	gauge.Set(0, "other.example", "2001:db8::1")
	gauge.Set(0, "bl.example", "192.0.2.99") // was ours
	want := "[{bl.example 192.0.2.11} {other.example 2001:db8::1}]"
	if l := fmt.Sprint(listings(registry, snap)); l != want {
		t.Errorf("got %s, want %s", l, want)
	}
}
