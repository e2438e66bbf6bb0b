package ratelimit

import "net/netip"

// Classes is the number of classes that an address counts in.
const Classes = 3

var (
	bits4 = [Classes]int{32, 26, 21}
	bits6 = [Classes]int{64, 48, 32}
)

// Networks returns the networks of an address, from the narrowest to the widest. An
// IPv4 address in IPv6 form counts as IPv4; a zone is ignored.
func Networks(ip netip.Addr) [Classes]netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := bits6
	if ip.Is4() {
		bits = bits4
	}
	var networks [Classes]netip.Prefix
	for i := range networks {
		networks[i], _ = ip.Prefix(bits[i]) // the zero Prefix for the zero Addr
	}
	return networks
}
