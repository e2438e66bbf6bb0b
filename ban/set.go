package ban

import (
	"net/netip"
	"slices"

	"mox/ratelimit"
)

// set has the bans in force at a door.
type set struct {
	bans    map[netip.Prefix]*Ban
	count   [2][129]int // networks by family and length
	lengths [2][]int    // those with networks, the longest first
}

func family(ip netip.Addr) int {
	if ip.Is4() {
		return 0
	}
	return 1
}

func (s *set) put(b *Ban) {
	if _, ok := s.bans[b.Network]; !ok {
		s.add(b.Network, 1)
	}
	s.bans[b.Network] = b
}

func (s *set) remove(network netip.Prefix) bool {
	if _, ok := s.bans[network]; !ok {
		return false
	}
	delete(s.bans, network)
	s.add(network, -1)
	return true
}

// add counts a network, or with -1 one less.
func (s *set) add(network netip.Prefix, n int) {
	f, bits := family(network.Addr()), network.Bits()
	s.count[f][bits] += n
	s.lengths[f] = s.lengths[f][:0]
	for bits := 128; bits >= 0; bits-- {
		if s.count[f][bits] > 0 {
			s.lengths[f] = append(s.lengths[f], bits)
		}
	}
}

// find returns the bans of networks that an address is in, the narrowest first.
func (s *set) find(ip netip.Addr, yield func(*Ban) (more bool)) {
	for _, bits := range s.lengths[family(ip)] {
		network, err := ip.Prefix(bits)
		if err != nil {
			continue
		}
		if b := s.bans[network]; b != nil && !yield(b) {
			return
		}
	}
}

// plain is an address without zone, and as IPv4 if it is that in IPv6 form.
func plain(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

// own is the network of an address by which it counts.
func own(ip netip.Addr) netip.Prefix { return ratelimit.Networks(ip)[0] }

func (b *Bans) exempt(ip netip.Addr) bool {
	return slices.ContainsFunc(b.o.Exempt, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// covers tells whether all of p is in network.
func covers(network, p netip.Prefix) bool {
	return network.Bits() <= p.Bits() && network.Contains(p.Addr())
}

// Lookup returns the ban of an address at a door, if it has one.
func (b *Bans) Lookup(ip netip.Addr, door Door) (found Ban, ok bool) {
	if b == nil || b.held.Load() == 0 || !ip.IsValid() {
		return Ban{}, false
	}
	ip = plain(ip)
	now := b.o.Now()
	b.mu.RLock()
	b.sets[door].find(ip, func(x *Ban) bool {
		if x.Active(now) && (!ok || x.Expires.IsZero() || x.Expires.After(found.Expires)) {
			found, ok = *x, true
		}
		return !ok || !found.Expires.IsZero()
	})
	b.mu.RUnlock()
	// An address within a wider network may be exempt.
	if ok && b.exempt(ip) {
		return Ban{}, false
	}
	return found, ok
}
