package main

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"mox/dns"
	"mox/dns/dnstest"
)

// dnsServer is "dnsserver file [name ...]": it starts a DNS server with the zone of a file and
// puts its address into $DNS. Lookups named as in dns.MockResolver, with a colon for the
// space ("mx:example.org"), are answered with DNSSEC.
func dnsServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: dnsserver file [type:name ...]")
	}
	r, err := dns.MockZone(ts.ReadFile(args[0]))
	ts.Check(err)
	for _, a := range args[1:] {
		r.Authentic = append(r.Authentic, strings.ReplaceAll(a, ":", " "))
	}
	r.Fail = map[string]error{"mx fail.example": nil}
	s, err := dnstest.Start(r)
	ts.Check(err)
	ts.Defer(func() { s.Close() })
	ts.Setenv("DNS", s.Addr)
}
