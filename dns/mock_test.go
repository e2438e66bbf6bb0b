package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMockResolver(t *testing.T) {
	ctx := context.Background()
	r := MockResolver{
		PTR:       map[string][]string{"10.0.0.1": {"mx.example"}},
		A:         map[string][]string{"mx.example": {"10.0.0.1"}, "v4.example": {"10.0.0.2"}},
		AAAA:      map[string][]string{"mx.example": {"2001:db8::1"}},
		TXT:       map[string][]string{"example": {"v=spf1 -all"}},
		MX:        map[string][]MX{"example": {{20, "b.example"}, {10, "mx.example"}}},
		CNAME:     map[string]string{"www.example": "mx.example", "loop.example": "loop.example"},
		Fail:      map[string]error{"mx broken.example": nil},
		Authentic: []string{"txt example", "a v4.example"},
	}
	if l, _, err := r.LookupAddr(ctx, netip.MustParseAddr("::ffff:10.0.0.1")); err != nil || !cmp.Equal(l, []string{"mx.example"}) {
		t.Error(l, err)
	}
	if l, res, err := r.LookupIP(ctx, "ip", "WWW.example."); err != nil || len(l) != 2 || res.Authentic {
		t.Error(l, err)
	}
	if l, res, err := r.LookupIP(ctx, "ip4", "v4.example"); err != nil || len(l) != 1 || !res.Authentic {
		t.Error(l, res, err)
	}
	if _, _, err := r.LookupIP(ctx, "ip6", "v4.example"); !IsNotFound(err) || IsTemporary(err) {
		t.Error(err)
	}
	if l, res, err := r.LookupTXT(ctx, "example"); err != nil || len(l) != 1 || !res.Authentic {
		t.Error(l, res, err)
	}
	if l, _, err := r.LookupMX(ctx, "example"); err != nil || l[0].Host != "mx.example" {
		t.Error(l, err)
	}
	var e *Error
	if _, _, err := r.LookupMX(ctx, "none.example"); !errors.As(err, &e) || !e.NXDomain {
		t.Error(err)
	}
	if _, _, err := r.LookupMX(ctx, "broken.example"); !IsTemporary(err) {
		t.Error(err)
	}
	if _, _, err := r.LookupTXT(ctx, "loop.example"); !IsTemporary(err) {
		t.Error(err)
	}
	if s, _, err := r.LookupCNAME(ctx, "www.example"); err != nil || s != "mx.example" {
		t.Error(s, err)
	}
}

func TestMockDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := MockResolver{TXT: map[string][]string{"slow.example": {"x"}}, Delay: map[string]time.Duration{"txt slow.example": time.Minute}}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var e *Error
		if _, _, err := r.LookupTXT(ctx, "slow.example"); !errors.As(err, &e) || !e.Timeout {
			t.Error(err)
		}
		if _, _, err := r.LookupTXT(t.Context(), "slow.example"); err != nil {
			t.Error(err)
		}
	})
}

func TestMockZone(t *testing.T) {
	r, err := MockZone("$ORIGIN example.\n@ SOA ns h 1 2 3 4 5\n@ MX 10 mx\n*.w A 10.0.0.1\nb.w TXT \"x\"\nalias CNAME a.w\nd.e.f TXT x\nns1\\.x A 10.0.0.3")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, name := range []string{"a.w.example", "x.y.w.example", "alias.example", "A.W.Example."} {
		if ips, _, err := r.LookupIP(ctx, "ip", name); err != nil || len(ips) != 1 {
			t.Error(name, ips, err)
		}
	}
	// RFC 4592 2.2.1: a name that exists is not the wildcard's, nor is one below it.
	for name, nx := range map[string]bool{"b.w.example": false, "x.b.w.example": true, "w.example": false, "none.example": true, "e.f.example": false} {
		var e *Error
		if _, _, err := r.LookupIP(ctx, "ip4", name); !errors.As(err, &e) || !e.NotFound || e.NXDomain != nx {
			t.Error(name, err)
		}
	}
	n := 0
	r.Script = func(_ context.Context, typ, name string) error {
		if n++; n == 1 {
			return context.DeadlineExceeded
		}
		return nil
	}
	if _, _, err := r.LookupMX(ctx, "example"); !IsTemporary(err) {
		t.Error(err)
	}
	if l, _, err := r.LookupMX(ctx, "example"); err != nil || l[0].Host != "mx.example" {
		t.Error(l, err)
	}
	for _, bad := range []string{"x A 1.2.3", "x HINFO a b", "x PTR y.", "x CNAME a.\nx CNAME b.", "1.2.in-addr.arpa PTR y.", "g.ip6.arpa PTR y."} {
		if _, err := MockZone(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
	for _, s := range []string{"10.0.0.1", "2001:db8::12:f", "::ffff:1.2.3.4"} {
		ip := netip.MustParseAddr(s).Unmap()
		if back, ok := ParseReverseName(ReverseName(ip)); !ok || back != ip {
			t.Error(ip, ReverseName(ip), back)
		}
	}
}

func ExampleMockZone() {
	r, _ := MockZone(`example.org MX 10 mx.example.org.`)
	r.Authentic = []string{"mx example.org"}
	mx, res, err := r.LookupMX(context.Background(), "example.org")
	fmt.Println(mx, res.Authentic, err)
	// Output: [{10 mx.example.org}] true <nil>
}
