// Dnsserver answers DNS queries from a zone file, for the interop suites.
//
//	dnsserver [-authentic] [-fail "type name"] ip:port zonefile
//
// It prints a line once it answers, and runs until it is killed.
package main

import (
	"flag"
	"fmt"
	"os"

	"mox/dns"
	"mox/dns/dnstest"
)

func main() {
	authentic := flag.Bool("authentic", false, "answer as if validated by DNSSEC")
	fail := map[string]error{}
	flag.Func("fail", "a `lookup` to answer with SERVFAIL, such as \"mx example.org\"; may be given again", func(s string) error {
		fail[s] = nil
		return nil
	})
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: dnsserver [flags] ip:port zonefile")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	r, err := readZone(flag.Arg(1))
	if err == nil {
		r.AllAuthentic, r.Fail = *authentic, fail
		_, err = dnstest.Listen(flag.Arg(0), r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dnsserver:", err)
		os.Exit(1)
	}
	fmt.Println("serving DNS on", flag.Arg(0))
	select {}
}

func readZone(name string) (dns.MockResolver, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return dns.MockResolver{}, err
	}
	r, err := dns.MockZone(string(text))
	if err != nil {
		return dns.MockResolver{}, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}
