package ratelimit

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestNetworks(t *testing.T) {
	for _, tc := range []struct {
		ip   string
		want [Classes]string
	}{
		{"192.0.2.77", [Classes]string{"192.0.2.77/32", "192.0.2.64/26", "192.0.0.0/21"}},
		{"::ffff:192.0.2.77", [Classes]string{"192.0.2.77/32", "192.0.2.64/26", "192.0.0.0/21"}},
		{"2001:db8:1:2:3::4", [Classes]string{"2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32"}},
		{"fe80::1%eth0", [Classes]string{"fe80::/64", "fe80::/48", "fe80::/32"}},
	} {
		for i, n := range Networks(ip(tc.ip)) {
			if n.String() != tc.want[i] {
				t.Errorf("%s class %d: got %s, want %s", tc.ip, i+1, n, tc.want[i])
			}
		}
	}
	if n := Networks(netip.Addr{}); n[0].IsValid() {
		t.Errorf("networks of no address: %v", n)
	}
}

func TestLimiter(t *testing.T) {
	l := NewLimiter(0, Window{time.Minute, [Classes]int64{2, 4, 0}}, Window{time.Hour, [Classes]int64{5, 0, 0}})
	step := func(addr string, at time.Duration, want bool) {
		t.Helper()
		if got := l.Add(ip(addr), noon.Add(at), 1); got != want {
			t.Errorf("%s at %s: got %v", addr, at, got)
		}
	}
	step("192.0.2.1", 0, true)
	step("192.0.2.1", time.Second, true)
	step("192.0.2.1", 2*time.Second, false) // its own limit
	step("192.0.2.2", 2*time.Second, true)  // a neighbour is not locked out
	step("192.0.2.2", 3*time.Second, true)
	step("192.0.2.3", 3*time.Second, false) // the network's limit
	step("192.0.3.1", 3*time.Second, true)
	step("192.0.2.1", time.Minute, true) // a new minute
	step("192.0.2.1", time.Minute, true)
	step("192.0.2.1", 2*time.Minute, true)
	step("192.0.2.1", 2*time.Minute, false) // five in the hour
	step("192.0.2.1", time.Hour, true)
}

func TestReset(t *testing.T) {
	l := NewLimiter(0, Window{time.Minute, [Classes]int64{2, 3, 0}})
	l.Count(ip("192.0.2.1"), noon, 2)
	l.Count(ip("192.0.2.2"), noon, 1)
	if l.Allowed(ip("192.0.2.1"), noon, 1) || l.Allowed(ip("192.0.2.3"), noon, 1) {
		t.Error("limits do not hold")
	}
	l.Reset(ip("192.0.2.1"), noon)
	if !l.Allowed(ip("192.0.2.1"), noon, 2) || l.Allowed(ip("192.0.2.1"), noon, 3) {
		t.Error("reset did not take back the address's own count only")
	}
}

// A flood of addresses neither grows memory nor limits those that are known.
func TestFlood(t *testing.T) {
	const keys = 300
	l := NewLimiter(keys, Window{time.Minute, [Classes]int64{10, 10, 10}})
	known := ip("192.0.2.1")
	l.Count(known, noon, 1)
	refused := 0
	for i := range 5000 {
		b := [16]byte{0x20, 0x01}
		binary.BigEndian.PutUint32(b[2:], uint32(i))
		if !l.Add(netip.AddrFrom16(b), noon, 1) {
			refused++
		}
	}
	if n := len(l.tables[0].counts); n > keys {
		t.Errorf("%d keys", n)
	}
	if refused < 4000 {
		t.Errorf("only %d of 5000 refused", refused)
	}
	if !l.Add(known, noon, 1) {
		t.Error("the known address is locked out")
	}
}

func TestOpen(t *testing.T) {
	o := NewOpen([Classes]int64{1, 2, 0})
	if !o.Acquire(ip("192.0.2.1")) || o.Acquire(ip("192.0.2.1")) || !o.Acquire(ip("192.0.2.2")) || o.Acquire(ip("192.0.2.3")) {
		t.Error("limits do not hold")
	}
	o.Release(ip("192.0.2.1"))
	if !o.Acquire(ip("192.0.2.3")) {
		t.Error("a released place cannot be taken")
	}
	o.Release(ip("192.0.2.2"))
	o.Release(ip("192.0.2.3"))
	if len(o.open) != 0 {
		t.Errorf("left: %v", o.open)
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := NewLimiter(0, Window{time.Minute, [Classes]int64{300, 900, 2700}})
	for i := 0; b.Loop(); i++ {
		l.Add(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), noon, 1)
	}
}
