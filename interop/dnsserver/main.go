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
	if err := run(flag.Arg(0), flag.Arg(1), *authentic, fail); err != nil {
		fmt.Fprintln(os.Stderr, "dnsserver:", err)
		os.Exit(1)
	}
}

func run(addr, zone string, authentic bool, fail map[string]error) error {
	text, err := os.ReadFile(zone)
	if err != nil {
		return err
	}
	r, err := dns.MockZone(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", zone, err)
	}
	r.AllAuthentic, r.Fail = authentic, fail
	s, err := dnstest.Listen(addr, r)
	if err != nil {
		return err
	}
	fmt.Println("serving DNS on", s.Addr)
	select {}
}
