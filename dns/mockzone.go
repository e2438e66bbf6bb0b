package dns

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	mdns "github.com/miekg/dns"
)

// MockZone returns a MockResolver with the records of a text in zone file format (RFC
// 1035 5.1), of types A, AAAA, TXT, MX, NS, SRV, TLSA, CNAME and PTR; SOA records are
// allowed and passed over. Names are absolute, also without final dot, unless there is
// an $ORIGIN.
func MockZone(text string) (MockResolver, error) {
	r := MockResolver{
		PTR: map[string][]string{}, A: map[string][]string{}, AAAA: map[string][]string{}, TXT: map[string][]string{},
		MX: map[string][]MX{}, NS: map[string][]string{}, SRV: map[string][]SRV{}, TLSA: map[string][]TLSA{}, CNAME: map[string]string{},
	}
	zp := mdns.NewZoneParser(strings.NewReader(text), ".", "")
	zp.SetDefaultTTL(3600)
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		if err := r.add(rr); err != nil {
			return MockResolver{}, fmt.Errorf("record %q: %w", rr.String(), err)
		}
	}
	if err := zp.Err(); err != nil {
		return MockResolver{}, fmt.Errorf("parsing zone: %w", err)
	}
	return r, nil
}

func (r MockResolver) add(rr mdns.RR) error {
	typ := rr.Header().Rrtype
	if typ == mdns.TypeSOA {
		return nil
	}
	def, ok := types[typ]
	if !ok {
		return fmt.Errorf("type is not supported")
	}
	l, _, err := def.decode([]mdns.RR{rr})
	if err != nil {
		return err
	}
	name := unescape(canonical(rr.Header().Name))
	switch l := l.(type) {
	case []netip.Addr:
		m := r.A
		if typ == mdns.TypeAAAA {
			m = r.AAAA
		}
		m[name] = append(m[name], l[0].String())
	case []MX:
		r.MX[name] = append(r.MX[name], l...)
	case []SRV:
		r.SRV[name] = append(r.SRV[name], l...)
	case []TLSA:
		r.TLSA[name] = append(r.TLSA[name], l...)
	case []string:
		return r.addString(typ, name, l[0])
	}
	return nil
}

func (r MockResolver) addString(typ uint16, name, s string) error {
	switch typ {
	case mdns.TypeCNAME:
		if r.CNAME[name] != "" {
			return fmt.Errorf("second CNAME of a name")
		}
		r.CNAME[name] = s
	case mdns.TypeTXT:
		r.TXT[name] = append(r.TXT[name], s)
	case mdns.TypeNS:
		r.NS[name] = append(r.NS[name], s)
	case mdns.TypePTR:
		ip, ok := ParseReverseName(name)
		if !ok {
			return fmt.Errorf("name is not that of an address")
		}
		r.PTR[ip.String()] = append(r.PTR[ip.String()], s)
	}
	return nil
}

// ParseReverseName is the opposite of [ReverseName].
func ParseReverseName(name string) (netip.Addr, bool) {
	if s, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		l := strings.Split(s, ".")
		if len(l) != 4 {
			return netip.Addr{}, false
		}
		ip, err := netip.ParseAddr(l[3] + "." + l[2] + "." + l[1] + "." + l[0])
		return ip, err == nil
	}
	s, ok := strings.CutSuffix(name, ".ip6.arpa")
	l := strings.Split(s, ".")
	if !ok || len(l) != 32 {
		return netip.Addr{}, false
	}
	var b [16]byte
	for i := range b {
		n, err := strconv.ParseUint(l[31-2*i]+l[30-2*i], 16, 8)
		if err != nil || len(l[31-2*i]) != 1 || len(l[30-2*i]) != 1 {
			return netip.Addr{}, false
		}
		b[i] = byte(n)
	}
	return netip.AddrFrom16(b), true
}
