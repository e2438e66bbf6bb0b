package main

import (
	"encoding/json"
	"fmt"
	"os"

	"mox/dns"
)

// scriptStatus is mainStatus for scripts: with $MOXSUBMITCONF, that is the configuration of
// sendmail, and with $MOCKDNS, the name of a file, DNS is answered from it. The file is a dns.MockResolver as JSON, with a list "ServerFailure" of lookups, in
// the form of MockResolver.Fail, that fail. $MOCKMACHINE is what quickstart finds, see mockMachine.
// $MOXRELEASE is the version of the program.
func scriptStatus() int {
	if v := os.Getenv("MOXRELEASE"); v != "" {
		release = v
	}
	name := os.Getenv("MOCKDNS")
	submit := os.Getenv("MOXSUBMITCONF")
	machine := os.Getenv("MOCKMACHINE")
	if name == "" && submit == "" && machine == "" {
		return mainStatus()
	}
	p := processProgram()
	if machine != "" {
		m, err := readMockMachine(machine)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
		p.machine = m
	}
	if submit != "" {
		p.submitConf = submit
	}
	if name != "" {
		zone, err := readMockDNS(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
		p.dns = zone
	}
	return p.mainProcess()
}

func readMockDNS(name string) (dns.MockResolver, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return dns.MockResolver{}, err
	}
	var zone struct {
		dns.MockResolver
		ServerFailure []string
	}
	if err := json.Unmarshal(b, &zone); err != nil {
		return dns.MockResolver{}, fmt.Errorf("%s: %w", name, err)
	}
	r := zone.MockResolver
	r.Fail = map[string]error{}
	for _, key := range zone.ServerFailure {
		r.Fail[key] = nil
	}
	return r, nil
}
