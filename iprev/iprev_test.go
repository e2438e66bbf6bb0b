package iprev

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

func zone(t testing.TB, text string) dns.MockResolver {
	t.Helper()
	r, err := dns.MockZone(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLookup(t *testing.T) {
	const text = `
1.0.0.10.in-addr.arpa PTR Mail.Example.
2.0.0.10.in-addr.arpa PTR other.example.
2.0.0.10.in-addr.arpa PTR none.example.
3.0.0.10.in-addr.arpa PTR 10.0.0.3.
3.0.0.10.in-addr.arpa PTR a\032b.example.
3.0.0.10.in-addr.arpa PTR .
3.0.0.10.in-addr.arpa PTR *.wild.example.
4.0.0.10.in-addr.arpa PTR bad.example.
4.0.0.10.in-addr.arpa PTR other.example.
5.0.0.10.in-addr.arpa PTR bad.example.
5.0.0.10.in-addr.arpa PTR five.example.
6.0.0.10.in-addr.arpa PTR alias.example.
7.0.0.10.in-addr.arpa PTR x_y.example.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mail.example.
mail.example A 10.0.0.1
mail.example A 10.0.0.9
mail.example AAAA 2001:db8::1
other.example A 10.0.0.1
*.wild.example A 10.0.0.3
five.example A 10.0.0.5
alias.example CNAME target.example.
target.example A 10.0.0.6
x_y.example A 10.0.0.7
`
	r := zone(t, text)
	r.Fail = map[string]error{"a bad.example": nil, "ptr 10.0.0.8": nil}
	r.AllAuthentic = true
	r.Inauthentic = []string{"a five.example"}
	for _, tc := range []struct {
		ip, want, name string
		names          int
		authentic      bool
		err            error
	}{
		{"10.0.0.1", "pass", "mail.example", 1, true, nil},
		{"::ffff:10.0.0.1", "pass", "mail.example", 1, true, nil},
		{"2001:db8::1", "pass", "mail.example", 1, true, nil},
		{"10.0.0.2", "fail", "", 2, true, ErrUnconfirmed},
		{"10.0.0.3", "permerror", "", 0, true, ErrNoName},
		{"10.0.0.4", "temperror", "", 2, false, nil},
		{"10.0.0.5", "pass", "five.example", 2, false, nil},
		{"10.0.0.6", "pass", "alias.example", 1, true, nil},
		{"10.0.0.7", "pass", "x_y.example", 1, true, nil},
		{"10.0.0.8", "temperror", "", 0, false, nil},
		{"10.0.0.99", "permerror", "", 0, true, ErrNoName},
	} {
		status, name, names, authentic, err := Lookup(t.Context(), r, netip.MustParseAddr(tc.ip))
		if string(status) != tc.want || name != tc.name || len(names) != tc.names || authentic != tc.authentic || (err == nil) != (status == StatusPass) || tc.err != nil && !errors.Is(err, tc.err) {
			t.Errorf("%s: got %s, %q, %q, %v, %v", tc.ip, status, name, names, authentic, err)
		}
	}
	if status, _, _, _, err := Lookup(t.Context(), r, netip.Addr{}); status != StatusPermerror || err == nil {
		t.Error(status, err)
	}
}

func TestBounds(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "1.0.0.10.in-addr.arpa PTR n%d.example.\nn%d.example A 10.0.0.2\n", i, i)
	}
	r := zone(t, b.String())
	var n atomic.Int32
	r.Script = func(_ context.Context, typ, _ string) error {
		if typ == "a" {
			n.Add(1)
		}
		return nil
	}
	if status, _, names, _, _ := Lookup(t.Context(), r, netip.MustParseAddr("10.0.0.1")); status != StatusFail || len(names) != MaxNames || n.Load() != MaxNames {
		t.Error(status, len(names), n.Load())
	}
}

// TestTime: slow names do not add up, and a name that confirms does not wait for those
// after it.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := zone(t, "1.0.0.10.in-addr.arpa PTR a.example.\n1.0.0.10.in-addr.arpa PTR b.example.\n1.0.0.10.in-addr.arpa PTR c.example.\nb.example A 10.0.0.1")
		r.Delay = map[string]time.Duration{"a a.example": 2 * time.Second, "a b.example": 2 * time.Second, "a c.example": time.Hour}
		begin := time.Now()
		status, name, _, _, err := Lookup(t.Context(), r, netip.MustParseAddr("10.0.0.1"))
		if status != StatusPass || name != "b.example" || err != nil || time.Since(begin) != 2*time.Second {
			t.Error(status, name, err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if status, _, _, _, err := Lookup(ctx, r, netip.MustParseAddr("10.0.0.1")); status != StatusTemperror || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(status, err)
		}
	})
}

func FuzzHostnames(f *testing.F) {
	f.Add("mail.example")
	f.Add("*.example")
	f.Fuzz(func(t *testing.T, s string) {
		for _, n := range hostnames([]string{s}) {
			if len(n) > dns.MaxDomain || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
				t.Errorf("%q gave %q", s, n)
			}
		}
	})
}

func ExampleLookup() {
	r, _ := dns.MockZone("1.2.0.192.in-addr.arpa PTR mx.example.\nmx.example A 192.0.2.1")
	status, name, _, _, err := Lookup(context.Background(), r, netip.MustParseAddr("192.0.2.1"))
	fmt.Println(status, name, err)
	// Output: pass mx.example <nil>
}
