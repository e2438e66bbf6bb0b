package dnstest

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mox/dns"
)

// TestServer: the client sees through the server what the mock has.
func TestServer(t *testing.T) {
	r, err := dns.MockZone(`
example MX 10 mx.example.
example NS ns.example.
mx.example A 10.0.0.1
mx.example AAAA 2001:db8::1
www.example CNAME mx.example.
_x._tcp.example SRV 1 2 3 mx.example.
_25._tcp.mx.example TLSA 3 1 1 0011
1.0.0.10.in-addr.arpa PTR mx.example.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mx.example.
`)
	if err != nil {
		t.Fatal(err)
	}
	r.TXT["example"] = []string{`a\b"c`, strings.Repeat("x", 3000)}
	r.Fail = map[string]error{"txt fail.example": nil}
	r.Authentic = []string{"mx example", "tlsa _25._tcp.mx.example", "txt none.example"}
	s, err := Start(r)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := dns.NewClient(dns.Options{Servers: []string{s.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	type outcome struct {
		Value        any
		Authentic    bool
		NotFound, NX bool
		OtherError   bool
	}
	pack := func(v any, res dns.Result, err error) outcome {
		o := outcome{Value: v, Authentic: res.Authentic, NotFound: dns.IsNotFound(err), OtherError: dns.IsTemporary(err)}
		if e, ok := err.(*dns.Error); ok {
			o.NX = e.NXDomain
		}
		return o
	}
	ask := func(r dns.Resolver) (l []outcome) {
		add := func(o outcome) { l = append(l, o) }
		a := func(v any, res dns.Result, err error) { add(pack(v, res, err)) }
		mx, res, err := r.LookupMX(ctx, "example")
		a(mx, res, err)
		for _, n := range []string{"ip", "ip4", "ip6"} {
			ips, res, err := r.LookupIP(ctx, n, "www.example")
			var s []string
			for _, ip := range ips {
				s = append(s, ip.String())
			}
			a(s, res, err)
		}
		for _, name := range []string{"example", "none.example", "mx.example", "fail.example"} {
			s, res, err := r.LookupTXT(ctx, name)
			a(s, res, err)
		}
		srv, res, err := r.LookupSRV(ctx, "_x._tcp.example")
		a(srv, res, err)
		tlsa, res, err := r.LookupTLSA(ctx, "_25._tcp.mx.example")
		a(tlsa, res, err)
		ns, res, err := r.LookupNS(ctx, "example")
		a(ns, res, err)
		for _, ip := range []string{"10.0.0.1", "2001:db8::1", "10.0.0.2"} {
			s, res, err := r.LookupAddr(ctx, netip.MustParseAddr(ip))
			a(s, res, err)
		}
		for _, name := range []string{"www.example", "mx.example", "none.example"} {
			s, res, err := r.LookupCNAME(ctx, name)
			a(s, res, err)
		}
		return l
	}
	if diff := cmp.Diff(ask(r), ask(c)); diff != "" {
		t.Error(diff)
	}
}
