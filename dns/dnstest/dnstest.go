// Package dnstest is a DNS server that answers from a [dns.Resolver], usually a
// [dns.MockResolver]: for tests of programs that ask a real server.
//
// It sets the AD bit as the resolver says, and answers a failure with SERVFAIL. Aliases
// are followed without being told.
//
// Goroutines: one for UDP, one for TCP and one for each query, until Close.
package dnstest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"mox/dns"
)

// Server is a server on an address, usually a loopback port, over UDP and TCP.
type Server struct {
	Addr     string // "ip:port"
	resolver dns.Resolver
	udp, tcp *mdns.Server
}

// Start starts a server on 127.0.0.1 with a port that is free for UDP and TCP.
func Start(r dns.Resolver) (*Server, error) {
	for try := 0; ; try++ {
		s, err := Listen("127.0.0.1:0", r)
		if err == nil || try == 10 {
			return s, err
		}
	}
}

// Listen starts a server on an address, "ip:port".
func Listen(addr string, r dns.Resolver) (*Server, error) {
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		pc.Close()
		return nil, err
	}
	s := &Server{Addr: pc.LocalAddr().String(), resolver: r}
	s.udp = &mdns.Server{PacketConn: pc, Handler: s}
	s.tcp = &mdns.Server{Listener: l, Handler: s}
	for _, one := range []*mdns.Server{s.udp, s.tcp} {
		started := make(chan struct{})
		one.NotifyStartedFunc = func() { close(started) }
		go one.ActivateAndServe()
		<-started
	}
	return s, nil
}

// Close stops the server.
func (s *Server) Close() error { return errors.Join(s.udp.Shutdown(), s.tcp.Shutdown()) }

// ServeDNS answers one query.
func (s *Server) ServeDNS(w mdns.ResponseWriter, q *mdns.Msg) {
	m := new(mdns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	if q.IsEdns0() != nil {
		m.SetEdns0(1232, true)
	}
	if len(q.Question) == 1 && q.Question[0].Qclass == mdns.ClassINET {
		s.answer(m, q.Question[0])
	} else {
		m.Rcode = mdns.RcodeRefused
	}
	if w.RemoteAddr().Network() == "udp" {
		size := uint16(mdns.MinMsgSize)
		if opt := q.IsEdns0(); opt != nil {
			size = max(size, opt.UDPSize())
		}
		m.Truncate(int(size))
	}
	w.WriteMsg(m)
}

func (s *Server) answer(m *mdns.Msg, q mdns.Question) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	rrs, res, err := s.lookup(ctx, q.Qtype, strings.ToLower(strings.TrimSuffix(q.Name, ".")))
	m.AuthenticatedData = res.Authentic
	var e *dns.Error
	switch {
	case err == nil:
	case errors.As(err, &e) && e.NXDomain:
		m.Rcode = mdns.RcodeNameError
	case dns.IsNotFound(err):
	default:
		m.Rcode, m.AuthenticatedData = mdns.RcodeServerFailure, false
		return
	}
	owner := q.Name
	if res.Name != "" && q.Qtype != mdns.TypeCNAME {
		// The aliases in between are not known: they are left out.
		owner = mdns.Fqdn(res.Name)
		h := mdns.RR_Header{Name: q.Name, Rrtype: mdns.TypeCNAME, Class: mdns.ClassINET, Ttl: 60}
		m.Answer = append(m.Answer, &mdns.CNAME{Hdr: h, Target: owner})
	}
	for _, rr := range rrs {
		*rr.Header() = mdns.RR_Header{Name: owner, Rrtype: q.Qtype, Class: mdns.ClassINET, Ttl: 60}
		m.Answer = append(m.Answer, rr)
	}
}

// records turns what a lookup gave into records.
func records[T any](l []T, res dns.Result, err error) func(one func(T) mdns.RR) ([]mdns.RR, dns.Result, error) {
	return func(one func(T) mdns.RR) ([]mdns.RR, dns.Result, error) {
		var rrs []mdns.RR
		for _, v := range l {
			rrs = append(rrs, one(v))
		}
		return rrs, res, err
	}
}

func (s *Server) lookup(ctx context.Context, typ uint16, name string) ([]mdns.RR, dns.Result, error) {
	r, fqdn := s.resolver, mdns.Fqdn
	switch typ {
	case mdns.TypeA:
		return records(r.LookupIP(ctx, "ip4", name))(func(ip netip.Addr) mdns.RR { return &mdns.A{A: ip.AsSlice()} })
	case mdns.TypeAAAA:
		return records(r.LookupIP(ctx, "ip6", name))(func(ip netip.Addr) mdns.RR { return &mdns.AAAA{AAAA: ip.AsSlice()} })
	case mdns.TypeTXT:
		return records(r.LookupTXT(ctx, name))(func(s string) mdns.RR { return &mdns.TXT{Txt: texts(s)} })
	case mdns.TypeMX:
		return records(r.LookupMX(ctx, name))(func(mx dns.MX) mdns.RR { return &mdns.MX{Preference: mx.Preference, Mx: fqdn(mx.Host)} })
	case mdns.TypeNS:
		return records(r.LookupNS(ctx, name))(func(s string) mdns.RR { return &mdns.NS{Ns: fqdn(s)} })
	case mdns.TypeSRV:
		return records(r.LookupSRV(ctx, name))(func(s dns.SRV) mdns.RR {
			return &mdns.SRV{Priority: s.Priority, Weight: s.Weight, Port: s.Port, Target: fqdn(s.Target)}
		})
	case mdns.TypeTLSA:
		return records(r.LookupTLSA(ctx, name))(func(t dns.TLSA) mdns.RR {
			return &mdns.TLSA{Usage: uint8(t.Usage), Selector: uint8(t.Selector), MatchingType: uint8(t.MatchType), Certificate: hex.EncodeToString(t.Data)}
		})
	case mdns.TypePTR:
		ip, ok := dns.ParseReverseName(name)
		if !ok {
			return nil, dns.Result{}, &dns.Error{Name: name, Type: "ptr", NotFound: true}
		}
		return records(r.LookupAddr(ctx, ip))(func(s string) mdns.RR { return &mdns.PTR{Ptr: fqdn(s)} })
	case mdns.TypeCNAME:
		return s.cname(ctx, name)
	}
	return nil, dns.Result{}, &dns.Error{Name: name, Type: fmt.Sprint("type", typ), NotFound: true}
}

func (s *Server) cname(ctx context.Context, name string) ([]mdns.RR, dns.Result, error) {
	end, res, err := s.resolver.LookupCNAME(ctx, name)
	if err == nil && end == name {
		err = &dns.Error{Name: name, Type: "cname", NotFound: true}
	}
	if err != nil {
		return nil, res, err
	}
	return []mdns.RR{&mdns.CNAME{Target: mdns.Fqdn(end)}}, res, nil
}

// texts cuts a text into the strings of a record, of at most 255 octets, with the
// escapes that the message packer wants.
func texts(s string) []string {
	l := []string{}
	for first := true; first || s != ""; first = false {
		n := min(len(s), 255)
		l = append(l, strings.ReplaceAll(s[:n], `\`, `\\`))
		s = s[n:]
	}
	return l
}
