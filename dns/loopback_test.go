package dns

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// loopbackServer is a real DNS server on a loopback port, over UDP and TCP.
func loopbackServer(t testing.TB, h mdns.HandlerFunc) string {
	t.Helper()
	var pc net.PacketConn
	var l net.Listener
	for try := 0; ; try++ {
		var err error
		if pc, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if l, err = net.Listen("tcp", pc.LocalAddr().String()); err == nil {
			break
		} else if pc.Close(); try == 10 {
			t.Fatal(err)
		}
	}
	for _, s := range []*mdns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h}} {
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

func TestLoopback(t *testing.T) {
	addr := loopbackServer(t, func(w mdns.ResponseWriter, q *mdns.Msg) {
		m := ad(reply(q))
		for i := range 200 {
			rr, _ := mdns.NewRR(fmt.Sprintf(`%s 60 IN TXT "%d"`, q.Question[0].Name, i))
			if i == 0 || strings.HasPrefix(q.Question[0].Name, "big") {
				m.Answer = append(m.Answer, rr)
			}
		}
		if w.RemoteAddr().Network() == "udp" {
			m.Truncate(udpSize)
		}
		w.WriteMsg(m)
	})
	c, err := NewClient(Options{Servers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, n := range map[string]int{"small.example": 1, "big.example": 200} {
		if l, res, err := c.LookupTXT(t.Context(), name); err != nil || len(l) != n || !res.Authentic {
			t.Error(name, len(l), res, err)
		}
	}
	// Nobody listens: no waiting for a timeout.
	c2, err := NewClient(Options{Servers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c2.Close()
	if _, _, err := c2.LookupTXT(t.Context(), "x.example"); !IsTemporary(err) {
		t.Error(err)
	}
}

func BenchmarkLookupHit(b *testing.B) {
	f := one(func(q *mdns.Msg) []any { return []any{reply(q, "mail.example. 600 IN A 10.0.0.1")} })
	c := newClient(b, f, func(o *Options) { o.Observe = func(string, string, time.Duration) {} })
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.LookupIP(ctx, "ip4", "mail.example"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookupHitParallel(b *testing.B) {
	f := one(func(q *mdns.Msg) []any { return []any{reply(q, q.Question[0].Name+" 600 IN TXT a")} })
	c := newClient(b, f, nil)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := c.LookupTXT(ctx, "mail.example"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLookupMiss(b *testing.B) {
	addr := loopbackServer(b, func(w mdns.ResponseWriter, q *mdns.Msg) {
		m := reply(q)
		m.Answer = []mdns.RR{&mdns.A{Hdr: mdns.RR_Header{Name: q.Question[0].Name, Rrtype: mdns.TypeA, Class: 1, Ttl: 60}, A: net.IPv4(10, 0, 0, 1)}}
		w.WriteMsg(m)
	})
	c, err := NewClient(Options{Servers: []string{addr}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ctx, n := b.Context(), 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if _, _, err := c.LookupIP(ctx, "ip4", fmt.Sprint(n, ".example")); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzAnswer: whatever a server sends ends in an answer or an error, and what is taken
// from it keeps to the bounds.
func FuzzAnswer(f *testing.F) {
	q := new(mdns.Msg)
	q.SetQuestion("x.example.", mdns.TypeTXT)
	for _, m := range []*mdns.Msg{reply(q), reply(q, "x.example. 60 IN TXT a", "x.example. 60 IN CNAME y."), reply(q, "x.example. 60 IN CNAME y.example.", "--", soa), rcode(q, 2), ad(reply(q, "x.example. 60 IN TXT \"a\\200\""))} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint16(mdns.TypeTXT))
	}
	f.Fuzz(func(t *testing.T, msg []byte, typ uint16) {
		if _, ok := types[typ]; !ok {
			return
		}
		q := question{"x.example", typ}
		lim := limits{3600e9, 900e9}
		query := &query{q: q, fqdn: "x.example.", packed: make([]byte, 2+headerSize+15), length: 15}
		query.answeredBy(msg)
		a, err := read(msg, q, "x.example.", true, lim)
		if err != nil {
			return
		}
		if a.ttl < 0 || a.ttl > lim.positive || a.err == nil && a.records == nil {
			t.Fatalf("%+v", a)
		}
		if a.err != nil && (!a.err.NotFound || a.authentic && a.ttl > lim.negative || len(a.err.Extended) > maxEDE+100) {
			t.Fatalf("%+v", a.err)
		}
		if l, is := a.records.([]netip.Addr); is && typ == mdns.TypeA && !l[0].Is4() {
			t.Fatal(l)
		}
	})
}

func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 10.0.0.1\noptions timeout:1 attempts:2 rotate\n")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseConf(strings.NewReader(s))
		if err == nil && (len(c.servers) == 0 || len(c.servers) > maxServers || c.attempts < 1 || c.attempts > maxAttempts || c.try <= 0 || c.try > maxTry) {
			t.Fatalf("%+v", c)
		}
	})
}

// TestReuse: a socket to a resolver on this machine is used again, also after the resolver
// was away, and none is kept after Close.
func TestReuse(t *testing.T) {
	s := loopbackServer(t, func(w mdns.ResponseWriter, q *mdns.Msg) {
		m := reply(q)
		rr, _ := mdns.NewRR(q.Question[0].Name + ` 60 IN TXT "text"`)
		m.Answer = append(m.Answer, rr)
		w.WriteMsg(m)
	})
	c, err := NewClient(Options{Servers: []string{s}})
	if err != nil {
		t.Fatal(err)
	}
	idle := c.conf.servers[0].idle
	for _, name := range []string{"a.example", "b.example", "c.example"} {
		if _, _, err := c.LookupTXT(t.Context(), name); err != nil || len(idle) != 1 {
			t.Errorf("%v, %d sockets kept", err, len(idle))
		}
	}
	// One that has died is replaced.
	conn := <-idle
	conn.Close()
	idle <- conn
	if _, _, err := c.LookupTXT(t.Context(), "d.example"); err != nil || len(idle) != 1 {
		t.Error(err, len(idle))
	}
	c.Close()
	if len(idle) != 0 {
		t.Error("kept after Close")
	}
}
