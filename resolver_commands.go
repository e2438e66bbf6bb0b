package main

import "mox/dns"

func (p *program) resolver() dns.Resolver {
	if p.dns != nil {
		return p.dns
	}
	return dns.StdResolver{}
}
