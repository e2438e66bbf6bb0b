package dns

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	mdns "github.com/miekg/dns"
)

// Bounds of an answer. The size of a message bounds it already; these keep one from
// filling the cache or a caller's loop.
const (
	maxChain   = 16   // aliases
	maxRecords = 1024 // of the type asked for
	maxEDE     = 200  // octets of extended error text
)

// question is what is asked, with the name canonical.
type question struct {
	name string
	typ  uint16
}

// typeName is the type as Error has it: in lower case.
func (q question) typeName() string {
	if d, ok := types[q.typ]; ok {
		return d.name
	}
	return fmt.Sprint("type", q.typ)
}

// answer is the outcome of a lookup, shared by callers and cache: nothing of it changes.
type answer struct {
	records   any // slice of the type's Go type, when err is nil
	authentic bool
	end       string // canonical name at the end of the aliases; empty: there are none
	err       *Error
	ttl       time.Duration // 0: for those who wait for it only
	size      int           // octets, about
}

// typeDef is how records of a type are taken from a message.
type typeDef struct {
	name string
	// decode turns records, all of that type, into a slice of Go values.
	decode func([]mdns.RR) (any, int, error)
}

// types has the types that can be asked for.
var types = map[uint16]typeDef{
	mdns.TypeA: {"a", decoder(func(rr *mdns.A) (netip.Addr, int, bool) {
		ip, ok := netip.AddrFromSlice(rr.A.To4())
		return ip, 0, ok
	})},
	mdns.TypeAAAA: {"aaaa", decoder(func(rr *mdns.AAAA) (netip.Addr, int, bool) {
		ip, ok := netip.AddrFromSlice(rr.AAAA)
		return ip, 0, ok && ip.Is6()
	})},
	mdns.TypePTR:   {"ptr", decoder(func(rr *mdns.PTR) (string, int, bool) { return target(rr.Ptr) })},
	mdns.TypeNS:    {"ns", decoder(func(rr *mdns.NS) (string, int, bool) { return target(rr.Ns) })},
	mdns.TypeCNAME: {"cname", decoder(func(rr *mdns.CNAME) (string, int, bool) { return target(rr.Target) })},
	mdns.TypeMX: {"mx", decoder(func(rr *mdns.MX) (MX, int, bool) {
		s, n, ok := target(rr.Mx)
		return MX{rr.Preference, s}, n, ok
	})},
	mdns.TypeSRV: {"srv", decoder(func(rr *mdns.SRV) (SRV, int, bool) {
		s, n, ok := target(rr.Target)
		return SRV{rr.Priority, rr.Weight, rr.Port, s}, n, ok
	})},
	mdns.TypeTXT: {"txt", decoder(func(rr *mdns.TXT) (string, int, bool) {
		s := unescape(strings.Join(rr.Txt, ""))
		return s, len(s), rr.Txt != nil
	})},
	mdns.TypeTLSA: {"tlsa", decoder(func(rr *mdns.TLSA) (TLSA, int, bool) {
		data, err := hex.DecodeString(rr.Certificate)
		return TLSA{TLSAUsage(rr.Usage), TLSASelector(rr.Selector), TLSAMatchType(rr.MatchingType), data}, len(data), err == nil
	})},
}

// target is a name in the data of a record. An empty one is of a record without data.
func target(s string) (string, int, bool) { return canonical(s), len(s), s != "" }

func decoder[R mdns.RR, T any](one func(R) (T, int, bool)) func([]mdns.RR) (any, int, error) {
	return func(rrs []mdns.RR) (any, int, error) {
		l, size := make([]T, 0, len(rrs)), 0
		for _, rr := range rrs {
			r, is := rr.(R)
			if !is {
				return nil, 0, errMalformed
			}
			v, n, ok := one(r)
			if !ok {
				return nil, 0, errMalformed
			}
			l = append(l, v)
			size += n + 24
		}
		return l, size, nil
	}
}

// Causes for which an answer of a server is not taken.
var (
	errMalformed = errors.New("malformed answer")
	errChain     = errors.New("too many aliases, or aliases in a circle")
	errRecords   = errors.New("too many records")
	errLame      = errors.New("server does not resolve names")
)

// limits are bounds of the time for which answers are kept.
type limits struct{ positive, negative time.Duration }

// read takes from a message, whose header and question section have been compared with
// the question, what answers q. An *Error is a server's refusal or failure; any other
// error means that the message is bad. trusted says whether to believe the AD bit.
func read(msg []byte, q question, fqdn string, trusted bool, lim limits) (*answer, error) {
	var m mdns.Msg
	if err := m.Unpack(msg); err != nil {
		return nil, errMalformed
	}
	if !m.Response || m.Opcode != mdns.OpcodeQuery {
		return nil, errMalformed
	}
	extended, bogus := extendedError(&m)
	if m.Rcode != mdns.RcodeSuccess && m.Rcode != mdns.RcodeNameError {
		e := &Error{Name: q.name, Type: q.typeName(), RCode: rcodeName(m.Rcode), Extended: extended}
		if m.Rcode == mdns.RcodeServerFailure && bogus && trusted {
			return nil, &bogusError{e}
		}
		return nil, e
	}
	// A server that does not resolve answers for other zones with a referral.
	if m.Rcode == mdns.RcodeSuccess && len(m.Answer) == 0 && !m.RecursionAvailable && !m.Authoritative {
		return nil, errLame
	}
	end, ttl, err := follow(&m, q, fqdn, lim.positive)
	if err != nil {
		return nil, err
	}
	// RFC 6840 5.8: the AD bit speaks of all of answer and authority.
	a := &answer{authentic: m.AuthenticatedData && trusted, size: 2*len(q.name) + 300}
	if q.typ != mdns.TypeCNAME && !sameName(end, fqdn) {
		a.end = unescape(canonical(end))
		a.size += len(a.end)
	}
	rrs, ttl, err := matching(&m, q, end, ttl)
	if err != nil {
		return nil, err
	}
	if len(rrs) > 0 && m.Rcode == mdns.RcodeSuccess {
		records, n, err := types[q.typ].decode(rrs)
		if err != nil {
			return nil, err
		}
		a.records, a.ttl = records, ttl
		a.size += n
		return a, nil
	}
	a.err = &Error{Name: q.name, Type: q.typeName(), NotFound: true, NXDomain: m.Rcode == mdns.RcodeNameError, Extended: extended}
	a.ttl = min(ttl, negativeTTL(&m, end, lim.negative))
	return a, nil
}

// bogusError is the failure of data that DNSSEC found wrong. No other server is asked
// then: one that does not validate would give what the first has refused.
type bogusError struct{ e *Error }

func (e *bogusError) Error() string { return e.e.Error() }

// follow goes along the aliases in the answer from the name of the question to the name
// whose records are wanted. ttl is the least of the chain.
func follow(m *mdns.Msg, q question, fqdn string, ttl time.Duration) (string, time.Duration, error) {
	end := fqdn
	if q.typ == mdns.TypeCNAME {
		return end, ttl, nil
	}
	for range maxChain + 1 {
		var next *mdns.CNAME
		for _, rr := range m.Answer {
			c, is := rr.(*mdns.CNAME)
			if !is || c.Hdr.Class != mdns.ClassINET || !sameName(c.Hdr.Name, end) {
				continue
			}
			// RFC 2181 10.1: there is one CNAME record at most.
			if c.Target == "" || next != nil && !sameName(next.Target, c.Target) {
				return "", 0, errMalformed
			}
			next = c
		}
		if next == nil {
			return end, ttl, nil
		}
		ttl = min(ttl, seconds(next.Hdr.Ttl))
		end = next.Target
	}
	return "", 0, errChain
}

// matching returns the records of the type asked for at the end of the chain. Whatever
// else is in the answer was not asked for and is not looked at (RFC 5452 6).
func matching(m *mdns.Msg, q question, end string, ttl time.Duration) ([]mdns.RR, time.Duration, error) {
	var rrs []mdns.RR
	for _, rr := range m.Answer {
		h := rr.Header()
		if h.Rrtype != q.typ || h.Class != mdns.ClassINET || !sameName(h.Name, end) {
			continue
		}
		if len(rrs) == maxRecords {
			return nil, 0, errRecords
		}
		if rrs == nil {
			rrs = make([]mdns.RR, 0, len(m.Answer))
		}
		rrs = append(rrs, rr)
		ttl = min(ttl, seconds(h.Ttl))
	}
	return rrs, ttl, nil
}

// seconds turns a TTL into a duration.
//
// RFC 2181 8: one with the most significant bit set is 0.
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

// negativeTTL is how long the lack of a record is kept.
//
// RFC 2308 5: the lesser of the SOA's own TTL and its minimum field; not at all without
// a SOA.
func negativeTTL(m *mdns.Msg, end string, most time.Duration) time.Duration {
	for _, rr := range m.Ns {
		soa, is := rr.(*mdns.SOA)
		if is && soa.Hdr.Class == mdns.ClassINET && soa.Hdr.Rdlength > 0 && mdns.IsSubDomain(soa.Hdr.Name, end) {
			return min(most, seconds(soa.Hdr.Ttl), seconds(soa.Minttl))
		}
	}
	return 0
}

func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		c, d := a[i], b[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if d >= 'A' && d <= 'Z' {
			d += 'a' - 'A'
		}
		if c != d {
			return false
		}
	}
	return true
}

func rcodeName(rcode int) string {
	if s, ok := mdns.RcodeToString[rcode]; ok {
		return s
	}
	return fmt.Sprint("RCODE", rcode)
}

// bogusCodes are the extended errors of failed validation (RFC 8914 4).
var bogusCodes = []uint16{
	mdns.ExtendedErrorCodeDNSBogus, mdns.ExtendedErrorCodeSignatureExpired, mdns.ExtendedErrorCodeSignatureNotYetValid,
	mdns.ExtendedErrorCodeDNSKEYMissing, mdns.ExtendedErrorCodeRRSIGsMissing, mdns.ExtendedErrorCodeNoZoneKeyBitSet,
	mdns.ExtendedErrorCodeNSECMissing, mdns.ExtendedErrorCodeSignatureExpiredBeforeValid,
}

// extendedError returns the first extended error in words, and whether one of them says
// that DNSSEC validation failed. The words of the server are for people only (RFC 8914
// 2): they are cut and cleaned.
func extendedError(m *mdns.Msg) (text string, bogus bool) {
	opt := m.IsEdns0()
	if opt == nil {
		return "", false
	}
	for _, o := range opt.Option {
		ede, is := o.(*mdns.EDNS0_EDE)
		if !is {
			continue
		}
		bogus = bogus || slices.Contains(bogusCodes, ede.InfoCode)
		if text != "" {
			continue
		}
		if text = mdns.ExtendedErrorCodeToString[ede.InfoCode]; text == "" {
			text = fmt.Sprint("extended error ", ede.InfoCode)
		}
		if extra := clean(ede.ExtraText); extra != "" {
			text += ": " + extra
		}
	}
	return text, bogus
}

// clean makes a text of a server fit for logs and terminals.
func clean(s string) string {
	s = s[:min(len(s), maxEDE)]
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}
