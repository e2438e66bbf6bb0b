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

func mustDomain(t *testing.T, s string) Domain {
	t.Helper()
	d, err := ParseDomainLax(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// RFC 5321 5.1, RFC 7505.
func TestGatherMX(t *testing.T) {
	r := MockResolver{
		MX: map[string][]MX{
			"mx.example":            {{20, "b.example"}, {10, "a.example"}, {10, "c.example"}, {30, "a.example"}},
			"null.example":          {{0, "."}},
			"nullmore.example":      {{0, "."}, {5, "a.example"}},
			"odd.example":           {{5, "my_host.example"}, {1, "192.0.2.1"}, {2, "bad host.example"}, {3, "2001:db8::1"}},
			"none.example":          {{1, "192.0.2.1"}},
			"xn--bcher-kva.example": {{1, "mail.xn--bcher-kva.example"}},
		},
		A: map[string][]string{"host.example": {"192.0.2.1"}},
		CNAME: map[string]string{
			"alias.example": "alias2.example", "alias2.example": "mx.example", "aliashost.example": "host.example",
			"dangling.example": "gone.example", "aliasfail.example": "mx.example", "loop.example": "loop2.example", "loop2.example": "loop.example",
		},
		Fail:         map[string]error{"mx fail.example": nil, "cname aliasfail.example": nil},
		AllAuthentic: true,
		Inauthentic:  []string{"mx unsigned.example", "mx none.example", "cname alias2.example"},
	}
	r.MX["unsigned.example"] = []MX{{1, "a.example"}}
	const auth, insecure = true, false
	for _, tt := range []struct {
		domain, hosts, end  string
		authentic, implicit bool
		err                 error
	}{
		{"mx.example", "[10 a.example 10 c.example 20 b.example]", "mx.example", auth, false, nil},
		{"nullmore.example", "[5 a.example]", "nullmore.example", auth, false, nil},
		{"odd.example", "[5 my_host.example]", "odd.example", auth, false, nil},
		{"bücher.example", "[1 mail.bücher.example/mail.xn--bcher-kva.example]", "bücher.example", auth, false, nil},
		{"alias.example", "[10 a.example 10 c.example 20 b.example]", "mx.example", insecure, false, nil},
		{"host.example", "[0 host.example]", "host.example", auth, true, nil},
		{"aliashost.example", "[0 aliashost.example]", "host.example", auth, true, nil},
		{"unsigned.example", "[1 a.example]", "unsigned.example", insecure, false, nil},
		{"null.example", "[]", "null.example", auth, false, ErrNullMX},
		{"none.example", "[]", "none.example", insecure, false, ErrNoMXHost},
		{"missing.example", "[]", "missing.example", auth, false, ErrNoDomain},
		{"dangling.example", "[]", "gone.example", auth, false, ErrNoDomain},
	} {
		x, err := GatherMX(t.Context(), r, mustDomain(t, tt.domain))
		if !errors.Is(err, tt.err) || (tt.err != nil) != errors.Is(err, ErrNoMail) {
			t.Errorf("%s: error %v, want %v", tt.domain, err, tt.err)
		}
		l := []string{}
		for _, h := range x.Hosts {
			l = append(l, fmt.Sprint(h.Preference, " ", h.Host))
		}
		if got := fmt.Sprint(l); got != tt.hosts || x.Domain != mustDomain(t, tt.end) || x.Authentic != tt.authentic || x.Implicit != tt.implicit {
			t.Errorf("%s: got %s %v", tt.domain, got, x)
		}
	}
	// What cannot be found out is temporary.
	for _, d := range []string{"fail.example", "loop.example", "aliasfail.example"} {
		if x, err := GatherMX(t.Context(), r, mustDomain(t, d)); !IsTemporary(err) || errors.Is(err, ErrNoMail) || len(x.Hosts) > 0 {
			t.Errorf("%s: %v %v", d, x, err)
		}
	}
}

// RFC 5321 5.1: a host does not send to itself, nor to those that would send back.
func TestDropSelf(t *testing.T) {
	hosts := func() Exchanges {
		var x Exchanges
		for i, s := range []string{"a.example", "b.example", "self.example", "c.example"} {
			x.Hosts = append(x.Hosts, MXHost{uint16([]int{1, 2, 2, 3}[i]), mustDomain(t, s)})
		}
		return x
	}
	x := hosts()
	if !x.DropSelf(func(d Domain) bool { return d.ASCII == "self.example" }) || len(x.Hosts) != 1 {
		t.Error(x.Hosts)
	}
	x = hosts()
	if x.DropSelf(func(Domain) bool { return false }) || len(x.Hosts) != 4 {
		t.Error(x.Hosts)
	}
}

func TestGatherIPs(t *testing.T) {
	r := MockResolver{
		A:     map[string][]string{"both.example": {"192.0.2.1"}, "v4.example": {"192.0.2.4"}, "half.example": {"192.0.2.5"}, "insecure.example": {"192.0.2.6"}},
		AAAA:  map[string][]string{"both.example": {"2001:db8::1"}, "v6.example": {"2001:db8::6"}},
		TXT:   map[string][]string{"empty.example": {"x"}},
		CNAME: map[string]string{"alias.example": "both.example", "toinsecure.example": "insecure.example", "chain.example": "toinsecure.example", "odd.example": "insecure.example", "unsigned.example": "both.example", "dangling.example": "gone.example"},
		Fail: map[string]error{
			"aaaa half.example": nil, "a bogus.example": nil, "aaaa bogus.example": nil, "a nov4.example": nil, "cname odd.example": nil,
		},
		AllAuthentic: true,
		Inauthentic:  []string{"a insecure.example", "aaaa insecure.example", "cname unsigned.example", "cname toinsecure.example"},
	}
	for _, tt := range []struct {
		host, ips, end   string
		authentic, alias bool
	}{
		{"both.example", "[192.0.2.1 2001:db8::1]", "both.example", true, false},
		{"v4.example", "[192.0.2.4]", "v4.example", true, false},
		{"v6.example", "[2001:db8::6]", "v6.example", true, false},
		// A failure for one kind must not make the other look insecure.
		{"half.example", "[192.0.2.5]", "half.example", true, false},
		{"alias.example", "[192.0.2.1 2001:db8::1]", "both.example", true, true},
		{"insecure.example", "[192.0.2.6]", "insecure.example", false, false},
		{"toinsecure.example", "[192.0.2.6]", "insecure.example", false, false},
		// The first alias is secure, and what follows is not.
		{"chain.example", "[192.0.2.6]", "insecure.example", false, true},
		{"unsigned.example", "[192.0.2.1 2001:db8::1]", "both.example", false, false},
	} {
		a, err := GatherIPs(t.Context(), r, mustDomain(t, tt.host))
		if err != nil || fmt.Sprint(a.IPs) != tt.ips || a.Host.ASCII != tt.end || a.Authentic != tt.authentic || a.AliasAuthentic != tt.alias {
			t.Errorf("%s: %v %v", tt.host, a, err)
		}
	}
	for _, h := range []string{"empty.example", "gone.example", "dangling.example"} {
		if a, err := GatherIPs(t.Context(), r, mustDomain(t, h)); !IsNotFound(err) || len(a.IPs) > 0 || !a.Authentic {
			t.Errorf("%s: %v %v", h, a, err)
		}
	}
	for _, h := range []string{"bogus.example", "nov4.example", "odd.example"} {
		if a, err := GatherIPs(t.Context(), r, mustDomain(t, h)); !IsTemporary(err) || !cmp.Equal(a.IPs, []netip.Addr(nil)) {
			t.Errorf("%s: %v %v", h, a, err)
		}
	}
}

// Each lookup is bounded.
func TestGatherTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := MockResolver{Delay: map[string]time.Duration{"mx slow.example": time.Hour, "aaaa slow.example": time.Hour, "cname slow.example": time.Hour}}
		start := time.Now()
		_, err := GatherMX(context.Background(), r, Domain{ASCII: "slow.example"})
		if !IsTemporary(err) || time.Since(start) < GatherTimeout {
			t.Error(err, time.Since(start))
		}
		if _, err := GatherIPs(context.Background(), r, Domain{ASCII: "slow.example"}); !IsTemporary(err) {
			t.Error(err)
		}
	})
}
