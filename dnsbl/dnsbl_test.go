package dnsbl

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
)

var list = dns.Domain{ASCII: "bl.example"}

const (
	test6   = "0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0" // without its last nibble
	healthy = "2.0.0.127.bl.example A 127.0.0.2\n"
)

func zone(t testing.TB, text string) dns.MockResolver {
	t.Helper()
	r, err := dns.MockZone(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLookup(t *testing.T) {
	r := zone(t, healthy+`
1.0.0.10.bl.example A 127.0.0.4
1.0.0.10.bl.example A 127.0.0.2
1.0.0.10.bl.example TXT "listed: see https://bl.example/10.0.0.1"
2.0.0.10.bl.example A 127.0.0.2
2.0.0.10.bl.example TXT "a\007b \255"
3.0.0.10.bl.example A 10.0.0.1
4.0.0.10.bl.example A 127.255.255.254
5.0.0.10.bl.example A 127.0.0.2
5.0.0.10.bl.example A 127.255.255.255
6.0.0.10.bl.example A 127.0.0.1
7.0.0.10.bl.example A 127.0.0.2
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example A 127.0.0.3
`)
	r.TXT["7.0.0.10.bl.example"] = []string{strings.Repeat("é", 1000)}
	r.Fail = map[string]error{"a 8.0.0.10.bl.example": nil, "txt 5.0.0.10.bl.example": nil}
	for _, tc := range []struct {
		ip, want, codes, text, err string
	}{
		{"10.0.0.1", "fail", "[127.0.0.2 127.0.0.4]", "listed: see https://bl.example/10.0.0.1", ""},
		{"::ffff:10.0.0.1", "fail", "[127.0.0.2 127.0.0.4]", "listed: see https://bl.example/10.0.0.1", ""},
		{"2001:db8::1", "fail", "[127.0.0.3]", "", ""},
		{"2001:db8::2", "pass", "[]", "", ""},
		{"10.0.0.2", "fail", "[127.0.0.2]", "a?b ?", ""},
		{"10.0.0.3", "temperror", "[]", "", "not in 127.0.0.0/8"},
		{"10.0.0.4", "temperror", "[]", "", "public resolver"},
		{"10.0.0.5", "temperror", "[]", "", "too many queries"},
		{"10.0.0.6", "temperror", "[]", "", "query refused"},
		{"10.0.0.7", "fail", "[127.0.0.2]", strings.Repeat("é", 255), ""},
		{"10.0.0.8", "temperror", "[]", "", "server failure"},
		{"10.0.0.9", "pass", "[]", "", ""},
	} {
		status, l, err := Lookup(t.Context(), r, list, netip.MustParseAddr(tc.ip))
		if string(status) != tc.want || fmt.Sprint(l.Codes) != tc.codes || l.Explanation != tc.text || (err != nil) != (status == StatusTemperror) || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: got %s, %+v, %v", tc.ip, status, l, err)
		}
	}
	long := dns.Domain{ASCII: strings.Repeat("abcdefghi.", 24) + "example"}
	for _, tc := range []struct {
		zone dns.Domain
		ip   netip.Addr
	}{{long, netip.IPv6Loopback()}, {list, netip.Addr{}}, {dns.Domain{}, netip.IPv6Loopback()}} {
		if status, _, err := Lookup(t.Context(), r, tc.zone, tc.ip); status != StatusTemperror || err == nil {
			t.Error(status, err)
		}
	}
}

func TestCheckHealth(t *testing.T) {
	for _, tc := range []struct {
		zone string
		want Health
		err  error
	}{
		{healthy, Health{true, false}, nil},
		{healthy + "2." + test6 + ".bl.example A 127.0.0.2", Health{true, true}, nil},
		{"2." + test6 + ".bl.example A 127.0.0.2", Health{false, true}, nil},
		{"", Health{}, ErrUnhealthy},
		{"*.bl.example A 127.0.0.2", Health{}, ErrUnhealthy},
		{"*.bl.example A 10.0.0.1", Health{}, ErrAnswer},
		{healthy + "1.0.0.127.bl.example A 127.0.0.2", Health{}, ErrUnhealthy},
		{healthy + "1." + test6 + ".bl.example A 127.0.0.2", Health{}, ErrUnhealthy},
		{"2.0.0.127.bl.example A 127.255.255.252", Health{}, ErrAnswer},
	} {
		if h, err := CheckHealth(t.Context(), zone(t, tc.zone), list); h != tc.want || !errors.Is(err, tc.err) || (err != nil) != (tc.err != nil) {
			t.Errorf("%q: got %v, %v", tc.zone, h, err)
		}
	}
}

func TestChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := zone(t, healthy+`
1.0.0.10.bl.example A 127.0.0.2
*.everything.example A 127.0.0.2
2.0.0.127.third.example A 127.0.0.2
1.0.0.10.third.example A 127.0.0.9
2.0.0.127.refuses.example A 127.0.0.2
1.0.0.10.refuses.example A 127.255.255.254
2.0.0.127.slow.example A 127.0.0.2
1.0.0.10.slow.example A 127.0.0.2
`)
		r.Delay = map[string]time.Duration{"a 1.0.0.10.slow.example": time.Hour}
		r.Fail = map[string]error{"a 1.0.0.127.broken.example": nil}
		var n atomic.Int32
		r.Script = func(_ context.Context, typ, name string) error { n.Add(1); return nil }
		c := &Checker{Resolver: r, Timeout: 5 * time.Second}
		var zones []dns.Domain
		for _, z := range []string{"slow", "third", "everything", "refuses", "broken", "bl"} {
			zones = append(zones, dns.Domain{ASCII: z + ".example"})
		}
		begin := time.Now()
		check := func(want string) {
			t.Helper()
			var got []string
			for _, l := range c.Check(t.Context(), zones, netip.MustParseAddr("10.0.0.1")) {
				got = append(got, l.Zone.ASCII)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		ask := func(d time.Duration) int32 {
			time.Sleep(d)
			n.Store(0)
			check("third.example bl.example")
			return n.Load()
		}
		check("third.example bl.example")
		if time.Since(begin) != 5*time.Second {
			t.Error(time.Since(begin))
		}
		// Health is remembered: what is asked are two lists, with explanation.
		if got := ask(0); got != 4 {
			t.Errorf("%d lookups", got)
		}
		// Then also those that refused or failed: 5 and 1 lookups.
		if got := ask(retryAfter); got != 4+6 {
			t.Errorf("%d lookups", got)
		}
		zones = zones[2:3]
		n.Store(0)
		check("")
		if n.Load() != 0 {
			t.Error("broken list was asked again")
		}
		time.Sleep(healthFor)
		check("")
		if n.Load() == 0 {
			t.Error("broken list was not asked again")
		}
	})
}

func FuzzExplanation(f *testing.F) {
	f.Add("listed \x07 é")
	f.Fuzz(func(t *testing.T, s string) {
		r := dns.MockResolver{TXT: map[string][]string{"x": {s, s}}}
		got := explanation(context.Background(), r, "x")
		if len(got) > maxExplanation || strings.ContainsAny(got, "\r\n\x00\x1b") {
			t.Errorf("%q", got)
		}
	})
}

func ExampleLookup() {
	r, _ := dns.MockZone(`1.2.0.192.bl.example A 127.0.0.2
1.2.0.192.bl.example TXT "sent spam"`)
	status, l, err := Lookup(context.Background(), r, dns.Domain{ASCII: "bl.example"}, netip.MustParseAddr("192.0.2.1"))
	fmt.Println(status, l.Codes, l.Explanation, err)
	// Output: fail [127.0.0.2] sent spam <nil>
}
