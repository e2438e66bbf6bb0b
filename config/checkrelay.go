package config

import (
	"cmp"
	"slices"

	"mox/sconf"
)

// DefaultRelayMessagesPerDay is the default of Relay.MessagesPerDay.
const DefaultRelayMessagesPerDay = 1000

// Networks that are larger are not those of anybody's own machines.
const (
	minRelayBits4 = 8
	minRelayBits6 = 32
)

func (c *checker) checkRelay(p sconf.Path, name string, r Relay) *RelayInfo {
	info := &RelayInfo{Name: name, Accounts: map[string]bool{}, MessagesPerDay: cmp.Or(r.MessagesPerDay, DefaultRelayMessagesPerDay)}
	if len(r.Networks) == 0 && len(r.Accounts) == 0 {
		c.errorf(p, "at least one of Networks and Accounts is needed")
	}
	for i, s := range r.Networks {
		p := p.Key("Networks").Index(i)
		network, ok := c.network(p, s)
		least := minRelayBits6
		if network.Addr().Is4() {
			least = minRelayBits4
		}
		switch {
		case !ok:
		case network.Bits() < least:
			// An open relay.
			c.errorf(p, "network %s is too large: list the addresses of your own machines only", s)
		case slices.Contains(info.Networks, network):
			c.errorf(p, "network %s is listed twice", s)
		default:
			info.Networks = append(info.Networks, network)
		}
	}
	for _, a := range r.Accounts {
		info.Accounts[a] = true
	}
	if len(r.FromDomains) == 0 {
		c.errorf(p.Key("FromDomains"), "at least one domain is needed")
	}
	info.FromDomains = c.domains(p.Key("FromDomains"), r.FromDomains)
	if r.MessagesPerDay < 0 {
		c.errorf(p.Key("MessagesPerDay"), "must not be negative")
	}
	return info
}
