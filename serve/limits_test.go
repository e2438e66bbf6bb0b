package serve

import (
	"net/netip"
	"testing"
	"time"
)

func TestMailLimiter(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	l := newMailLimiter(func() time.Time { return now })
	a, neighbour, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("198.51.100.1")
	for i := range 1000 {
		if !l.Transaction(a) {
			t.Fatal("transaction", i)
		}
	}
	if l.Transaction(a) || !l.Transaction(neighbour) {
		t.Error("limit of transactions does not hold, or holds for others")
	}
	n := 1
	for l.Refused(a) {
		n++
	}
	if n != 200 || !l.Harvested(a) || l.Harvested(neighbour) {
		t.Errorf("%d refused recipients, %v %v", n, l.Harvested(a), l.Harvested(neighbour))
	}
	// A network that spreads its attempts over addresses is one network.
	for i := range 3 {
		for range 199 {
			l.Refused(netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}))
		}
	}
	if !l.Harvested(neighbour) || l.Harvested(far) {
		t.Error("limit of the network does not hold, or holds for others")
	}
	now = now.Add(time.Hour)
	if l.Harvested(a) || !l.Transaction(a) {
		t.Error("limits outlast their time")
	}
}
