package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	mdns "github.com/miekg/dns"
)

// fakeServers answers queries over pipes, by address of the server. A handler returns
// the packets to send, one after the other; none is silence.
type fakeServers struct {
	handle  func(network, addr string, q *mdns.Msg) []any // *mdns.Msg or []byte
	queries atomic.Int32
	mu      sync.Mutex
	asked   []string // "network addr type name"
}

func (f *fakeServers) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	client, server := net.Pipe()
	go f.serve(server, network, addr)
	return client, nil
}

func (f *fakeServers) serve(conn net.Conn, network, addr string) {
	defer conn.Close()
	buf := make([]byte, 65537)
	n, err := conn.Read(buf)
	if err != nil {
		return
	}
	msg := buf[:n]
	if network == "tcp" {
		msg = msg[2:]
	}
	q := new(mdns.Msg)
	if err := q.Unpack(msg); err != nil {
		panic(err)
	}
	f.queries.Add(1)
	f.mu.Lock()
	f.asked = append(f.asked, fmt.Sprint(network, " ", addr, " ", mdns.TypeToString[q.Question[0].Qtype], " ", q.Question[0].Name))
	f.mu.Unlock()
	for _, r := range f.handle(network, addr, q) {
		b, raw := r.([]byte)
		if !raw {
			if b, err = r.(*mdns.Msg).Pack(); err != nil {
				panic(err)
			}
			if network == "udp" && len(b) > maxUDP {
				b, _ = with(reply(q), func(m *mdns.Msg) { m.Truncated = true }).Pack()
			}
		}
		if network == "tcp" {
			b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
		}
		if _, err := conn.Write(b); err != nil {
			return
		}
	}
	io.Copy(io.Discard, conn) // silence until the client goes
}

// reply makes an answer: records in zone file format, those after "--" for authority.
func reply(q *mdns.Msg, records ...string) *mdns.Msg {
	m := new(mdns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	section := &m.Answer
	for _, s := range records {
		if s == "--" {
			section = &m.Ns
			continue
		}
		rr, err := mdns.NewRR(s)
		if err != nil {
			panic(err)
		}
		*section = append(*section, rr)
	}
	return m
}

func with(m *mdns.Msg, f func(m *mdns.Msg)) *mdns.Msg {
	f(m)
	return m
}

func rcode(q *mdns.Msg, code int) *mdns.Msg {
	return with(reply(q), func(m *mdns.Msg) { m.Rcode = code })
}

func ad(m *mdns.Msg) *mdns.Msg { return with(m, func(m *mdns.Msg) { m.AuthenticatedData = true }) }

func newClient(t testing.TB, f *fakeServers, change func(o *Options)) *Client {
	t.Helper()
	o := Options{Servers: []string{"127.0.0.1"}, Dial: f.Dial}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// one is a fakeServers with one handler for all.
func one(h func(q *mdns.Msg) []any) *fakeServers {
	return &fakeServers{handle: func(_, _ string, q *mdns.Msg) []any { return h(q) }}
}

const soa = "example. 600 IN SOA ns.example. h.example. 1 2 3 4 300"

func TestTypes(t *testing.T) {
	ctx := t.Context()
	f := one(func(q *mdns.Msg) []any {
		name := q.Question[0].Name
		rr := map[uint16][]string{
			mdns.TypeA:     {name + " 60 IN A 10.0.0.1"},
			mdns.TypeAAAA:  {name + " 60 IN AAAA 2001:db8::1"},
			mdns.TypeTXT:   {name + ` 60 IN TXT "v=spf1 " "a\"b\\c\195\188"`},
			mdns.TypeMX:    {name + " 60 IN MX 20 B.example.", name + " 60 IN MX 10 a.example."},
			mdns.TypeNS:    {name + " 60 IN NS ns.example."},
			mdns.TypeSRV:   {name + " 60 IN SRV 1 2 993 ."},
			mdns.TypeTLSA:  {name + " 60 IN TLSA 3 1 1 00ff"},
			mdns.TypePTR:   {name + " 60 IN PTR mx.example."},
			mdns.TypeCNAME: {"--", soa},
		}[q.Question[0].Qtype]
		if q.Question[0].Qtype == mdns.TypeCNAME && name == "www.example." {
			rr = []string{"www.example. 60 IN CNAME x.example."}
		}
		return []any{ad(reply(q, rr...))}
	})
	c := newClient(t, f, nil)
	check := func(want any) func(got any, res Result, err error) {
		return func(got any, res Result, err error) {
			t.Helper()
			if err != nil || !res.Authentic || !cmp.Equal(got, want, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) {
				t.Errorf("got %v, %v, %v, want %v", got, res, err, want)
			}
		}
	}
	for range 2 { // from the server and from the cache
		ips, res, err := c.LookupIP(ctx, "ip", "Example.")
		check([]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")})(ips, res, err)
		ips, res, err = c.LookupIP(ctx, "ip6", "example")
		check([]netip.Addr{netip.MustParseAddr("2001:db8::1")})(ips, res, err)
		txt, res, err := c.LookupTXT(ctx, "example")
		check([]string{"v=spf1 a\"b\\cü"})(txt, res, err)
		mx, res, err := c.LookupMX(ctx, "example")
		check([]MX{{10, "a.example"}, {20, "b.example"}})(mx, res, err)
		ns, res, err := c.LookupNS(ctx, ".")
		check([]string{"ns.example"})(ns, res, err)
		srv, res, err := c.LookupSRV(ctx, "_imaps._tcp.example")
		check([]SRV{{1, 2, 993, "."}})(srv, res, err)
		tlsa, res, err := c.LookupTLSA(ctx, "_25._tcp.example")
		check([]TLSA{{DANEEE, SelectorSPKI, MatchSHA256, []byte{0, 255}}})(tlsa, res, err)
		ptr, res, err := c.LookupAddr(ctx, netip.MustParseAddr("::ffff:10.0.0.1"))
		check([]string{"mx.example"})(ptr, res, err)
		end, res, err := c.LookupCNAME(ctx, "www.example")
		check("x.example")(end, res, err)
		if res.Name != "x.example" || !res.AliasAuthentic {
			t.Errorf("result %v", res)
		}
	}
	want := "udp 127.0.0.1:53 PTR 1.0.0.10.in-addr.arpa."
	if !slices.Contains(f.asked, want) || len(f.asked) != 10 {
		t.Errorf("asked %q", f.asked)
	}
}

// TestAnswers is about single answers of a single server.
func TestAnswers(t *testing.T) {
	many := func(q *mdns.Msg, n int) []any {
		var l []string
		for i := range n {
			l = append(l, fmt.Sprintf("x.example. 60 IN A 10.0.%d.%d", i>>8, i&255))
		}
		return []any{reply(q, l...)}
	}
	chain := func(q *mdns.Msg, n int) []any {
		l := []string{fmt.Sprintf("c%d.example. 60 IN A 10.0.0.1", n), "x.example. 60 IN CNAME c1.example."}
		for i := 1; i < n; i++ {
			l = append(l, fmt.Sprintf("c%d.example. 60 IN CNAME C%d.example.", i, i+1))
		}
		return []any{reply(q, l...)}
	}
	const good = "x.example. 60 IN A 10.0.0.1"
	for name, tc := range map[string]struct {
		answer func(network string, q *mdns.Msg) []any
		want   string // error, or addresses
	}{
		"plain":          {func(_ string, q *mdns.Msg) []any { return []any{reply(q, good)} }, "[10.0.0.1]"},
		"other case":     {func(_ string, q *mdns.Msg) []any { return []any{reply(q, "X.eXample. 60 IN A 10.0.0.1")} }, "[10.0.0.1]"},
		"nodata":         {func(_ string, q *mdns.Msg) []any { return []any{reply(q, "--", soa)} }, "notfound"},
		"nodata, no soa": {func(_ string, q *mdns.Msg) []any { return []any{reply(q)} }, "notfound"},
		"nxdomain":       {func(_ string, q *mdns.Msg) []any { return []any{rcode(q, mdns.RcodeNameError)} }, "nxdomain"},
		"servfail":       {func(_ string, q *mdns.Msg) []any { return []any{rcode(q, mdns.RcodeServerFailure)} }, "SERVFAIL"},
		"refused":        {func(_ string, q *mdns.Msg) []any { return []any{rcode(q, mdns.RcodeRefused)} }, "REFUSED"},
		"silence":        {func(_ string, q *mdns.Msg) []any { return nil }, "timeout"},
		"alias":          {func(_ string, q *mdns.Msg) []any { return chain(q, 1) }, "[10.0.0.1]"},
		"16 aliases":     {func(_ string, q *mdns.Msg) []any { return chain(q, 16) }, "[10.0.0.1]"},
		"17 aliases":     {func(_ string, q *mdns.Msg) []any { return chain(q, 17) }, errChain.Error()},
		"circle":         {func(_ string, q *mdns.Msg) []any { return []any{reply(q, "x.example. 60 IN CNAME X.example.")} }, errChain.Error()},
		"two aliases": {func(_ string, q *mdns.Msg) []any {
			return []any{reply(q, "x.example. 60 IN CNAME a.", "x.example. 60 IN CNAME b.")}
		}, errMalformed.Error()},
		"dangling alias": {func(_ string, q *mdns.Msg) []any {
			return []any{with(reply(q, "x.example. 60 IN CNAME a."), func(m *mdns.Msg) { m.Rcode = 3 })}
		}, "nxdomain"},
		"other name":  {func(_ string, q *mdns.Msg) []any { return []any{reply(q, "y.example. 60 IN A 10.0.0.9", "--", soa)} }, "notfound"},
		"other type":  {func(_ string, q *mdns.Msg) []any { return []any{reply(q, "x.example. 60 IN TXT a", "--", soa)} }, "notfound"},
		"other class": {func(_ string, q *mdns.Msg) []any { return []any{reply(q, "x.example. 60 CH A 10.0.0.9", "--", soa)} }, "notfound"},
		"lame": {func(_ string, q *mdns.Msg) []any {
			return []any{with(reply(q, "--", "example. 60 IN NS ns.example."), func(m *mdns.Msg) { m.RecursionAvailable = false })}
		}, errLame.Error()},
		"1024 records": {func(_ string, q *mdns.Msg) []any { return many(q, 1024) }, "1024"},
		"1025 records": {func(_ string, q *mdns.Msg) []any { return many(q, 1025) }, errRecords.Error()},
		"no data": {func(_ string, q *mdns.Msg) []any {
			return []any{with(reply(q), func(m *mdns.Msg) {
				m.Answer = []mdns.RR{&mdns.ANY{Hdr: mdns.RR_Header{Name: "x.example.", Rrtype: mdns.TypeA, Class: 1}}}
			})}
		}, errMalformed.Error()},
		"garbage at first": {func(_ string, q *mdns.Msg) []any {
			return []any{[]byte("garbage"), bytes.Repeat([]byte{0x55}, 500), reply(q, good)}
		}, "[10.0.0.1]"},
		"wrong id": {func(_ string, q *mdns.Msg) []any {
			return []any{with(reply(q, "x.example. 60 IN A 6.6.6.6"), func(m *mdns.Msg) { m.Id++ }), reply(q, good)}
		}, "[10.0.0.1]"},
		"wrong question": {func(_ string, q *mdns.Msg) []any {
			return []any{with(reply(q, "x.example. 60 IN A 6.6.6.6"), func(m *mdns.Msg) { m.Question = []mdns.Question{{Name: "y.example.", Qtype: 1, Qclass: 1}} }), reply(q, good)}
		}, "[10.0.0.1]"},
		"wrong type of question": {func(_ string, q *mdns.Msg) []any {
			return []any{with(reply(q), func(m *mdns.Msg) { m.Question = []mdns.Question{{Name: "x.example.", Qtype: 2, Qclass: 1}} }), reply(q, good)}
		}, "[10.0.0.1]"},
		"no question": {func(_ string, q *mdns.Msg) []any {
			return []any{with(reply(q, "x.example. 60 IN A 6.6.6.6"), func(m *mdns.Msg) { m.Question = nil }), reply(q, good)}
		}, "[10.0.0.1]"},
		"query as answer": {func(_ string, q *mdns.Msg) []any { return []any{q, reply(q, good)} }, "[10.0.0.1]"},
		"right header, then garbage": {func(_ string, q *mdns.Msg) []any {
			b, _ := reply(q, good).Pack()
			return []any{b[:len(b)-2]}
		}, errMalformed.Error()},
		"truncated": {func(network string, q *mdns.Msg) []any {
			if network == "udp" {
				return []any{with(reply(q), func(m *mdns.Msg) { m.Truncated = true })}
			}
			return many(q, 700)
		}, "700"},
		"truncated over tcp": {func(_ string, q *mdns.Msg) []any {
			return []any{with(reply(q), func(m *mdns.Msg) { m.Truncated = true })}
		}, errMalformed.Error()},
		"wrong id over tcp": {func(network string, q *mdns.Msg) []any {
			if network == "udp" {
				return []any{with(reply(q), func(m *mdns.Msg) { m.Truncated = true })}
			}
			return []any{with(reply(q, good), func(m *mdns.Msg) { m.Id++ })}
		}, errMalformed.Error()},
		"guessing ids leads to tcp": {func(network string, q *mdns.Msg) (l []any) {
			if network == "tcp" {
				return []any{reply(q, good)}
			}
			for i := range 100 {
				l = append(l, with(reply(q, "x.example. 60 IN A 6.6.6.6"), func(m *mdns.Msg) { m.Id += uint16(1 + i) }))
			}
			return l
		}, "[10.0.0.1]"},
		"no edns": {func(_ string, q *mdns.Msg) []any {
			if q.IsEdns0() != nil {
				return []any{with(rcode(q, mdns.RcodeFormatError), func(m *mdns.Msg) { m.Question = nil })}
			}
			return []any{reply(q, good)}
		}, "[10.0.0.1]"},
		"extended error": {func(_ string, q *mdns.Msg) []any {
			m := rcode(q, mdns.RcodeServerFailure)
			m.SetEdns0(1232, true)
			m.IsEdns0().Option = []mdns.EDNS0{&mdns.EDNS0_EDE{InfoCode: 22, ExtraText: "at\x1b[31m delegation\n"}}
			return []any{m}
		}, "No Reachable Authority: at?[31m delegation?"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeServers{handle: func(network, _ string, q *mdns.Msg) []any { return tc.answer(network, q) }}
				c := newClient(t, f, nil)
				ips, _, err := c.LookupIP(t.Context(), "ip4", "x.example")
				got := fmt.Sprint(ips)
				if len(ips) > 1 {
					got = fmt.Sprint(len(ips))
				}
				var e *Error
				if errors.As(err, &e) {
					switch {
					case e.NXDomain && e.NotFound:
						got = "nxdomain"
					case e.NotFound:
						got = "notfound"
					case e.Timeout:
						got = "timeout"
					case e.Extended != "":
						got = e.Extended
					case e.RCode != "":
						got = e.RCode
					default:
						got = e.Err.Error()
					}
					if e.NotFound != IsNotFound(err) || e.NotFound == IsTemporary(err) || e.Name != "x.example" || e.Type != "a" {
						t.Errorf("error %+v", e)
					}
				}
				if !strings.HasSuffix(got, tc.want) {
					t.Errorf("got %s, %v, want %s", got, err, tc.want)
				}
				c.Close()
			})
		})
	}
}

// TestQuery is about what is sent.
func TestQuery(t *testing.T) {
	ids := map[uint16]bool{}
	f := one(func(q *mdns.Msg) []any {
		opt := q.IsEdns0()
		if !q.RecursionDesired || !q.AuthenticatedData || q.CheckingDisabled || opt == nil || !opt.Do() || opt.UDPSize() != udpSize || len(q.Question) != 1 {
			t.Errorf("query %v", q)
		}
		ids[q.Id] = true
		return []any{reply(q)}
	})
	c := newClient(t, f, nil)
	for i := range 50 {
		c.LookupTXT(t.Context(), fmt.Sprint(i, ".example"))
	}
	if len(ids) < 48 {
		t.Errorf("%d ids in 50 queries", len(ids))
	}
	// Names are octets: no escapes go in.
	for _, name := range []string{`a\b.example`, `a b.example`, `\065.example`, "ü.example", `a"b(c.example`} {
		f.asked = nil
		if _, _, err := c.LookupTXT(t.Context(), name); !IsNotFound(err) || len(f.asked) != 1 {
			t.Errorf("%q: %v, asked %q", name, err, f.asked)
		} else if asked, _ := strings.CutPrefix(f.asked[0], "udp 127.0.0.1:53 TXT "); unescape(asked) != name+"." {
			t.Errorf("%q: asked %q", name, asked)
		}
	}
}

// TestNoQuery is about names that no server is asked about.
func TestNoQuery(t *testing.T) {
	f := one(func(q *mdns.Msg) []any { return nil })
	c := newClient(t, f, nil)
	label := strings.Repeat("a", 63)
	for _, name := range []string{"", "..", "a..b", ".a", label + "a.example", strings.Repeat(label+".", 4), "x.invalid"} {
		var e *Error
		if _, _, err := c.LookupTXT(t.Context(), name); !errors.As(err, &e) || !e.NXDomain || !e.NotFound {
			t.Errorf("%q: %v", name, err)
		}
	}
	if ips, _, err := c.LookupIP(t.Context(), "ip", "localhost"); err != nil || len(ips) != 2 || !ips[0].IsLoopback() {
		t.Error(ips, err)
	}
	if _, _, err := c.LookupMX(t.Context(), "a.localhost"); !IsNotFound(err) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.LookupTXT(ctx, "example"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if f.queries.Load() != 0 {
		t.Error("queries were sent")
	}
}

func TestTrust(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) func(o *Options) {
		path := filepath.Join(dir, fmt.Sprint(len(text)))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return func(o *Options) { o.Servers, o.ResolvConf = nil, path }
	}
	for name, tc := range map[string]struct {
		options func(o *Options)
		want    bool
	}{
		"loopback":                 {nil, true},
		"loopback 6":               {func(o *Options) { o.Servers = []string{"::1"} }, true},
		"other":                    {func(o *Options) { o.Servers = []string{"10.0.0.1"} }, false},
		"other, trusted":           {func(o *Options) { o.Servers, o.TrustServers = []string{"10.0.0.1:5353"}, true }, true},
		"file, loopback":           {file("nameserver 127.0.0.53\n"), true},
		"file, other":              {file("nameserver 10.0.0.1\n"), false},
		"file, other, trust-ad":    {file("options edns0 trust-ad\nnameserver 10.0.0.1\n"), true},
		"file, TrustServers alone": {func(o *Options) { file("# x\nnameserver 10.0.0.1\n")(o); o.TrustServers = true }, false},
	} {
		for _, negative := range []bool{false, true} {
			f := one(func(q *mdns.Msg) []any {
				if negative {
					return []any{ad(reply(q, "--", soa))}
				}
				return []any{ad(reply(q, "x.example. 60 IN TXT a"))}
			})
			c := newClient(t, f, tc.options)
			for range 2 {
				if _, res, err := c.LookupTXT(t.Context(), "x.example"); res.Authentic != tc.want || IsNotFound(err) != negative {
					t.Errorf("%s, negative %v: %v, %v", name, negative, res, err)
				}
			}
		}
	}
	f := one(func(q *mdns.Msg) []any { return []any{reply(q, "x.example. 60 IN TXT a")} })
	if _, res, err := newClient(t, f, nil).LookupTXT(t.Context(), "x.example"); res.Authentic || err != nil {
		t.Error("authentic without the AD bit", err)
	}
}

// TestFailover is about several servers.
func TestFailover(t *testing.T) {
	servers := func(o *Options) { o.Servers = []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} }
	ok := func(q *mdns.Msg) []any { return []any{reply(q, q.Question[0].Name+" 60 IN TXT a")} }
	byServer := func(first, second func(q *mdns.Msg) []any) *fakeServers {
		return &fakeServers{handle: func(_, addr string, q *mdns.Msg) []any {
			switch addr {
			case "10.0.0.1:53":
				return first(q)
			case "10.0.0.2:53":
				return second(q)
			}
			return ok(q)
		}}
	}
	silent := func(q *mdns.Msg) []any { return nil }
	failing := func(q *mdns.Msg) []any { return []any{rcode(q, mdns.RcodeServerFailure)} }
	t.Run("silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := byServer(silent, failing)
			c := newClient(t, f, servers)
			begin := time.Now()
			if _, _, err := c.LookupTXT(t.Context(), "a.example"); err != nil || time.Since(begin) != 5*time.Second {
				t.Error(err, time.Since(begin))
			}
			// The silent one now comes last.
			if _, _, err := c.LookupTXT(t.Context(), "b.example"); err != nil || time.Since(begin) != 5*time.Second {
				t.Error(err, time.Since(begin))
			}
			c.Close()
		})
	})
	t.Run("bogus", func(t *testing.T) {
		bogus := func(q *mdns.Msg) []any {
			m := rcode(q, mdns.RcodeServerFailure)
			m.SetEdns0(1232, true)
			m.IsEdns0().Option = []mdns.EDNS0{&mdns.EDNS0_EDE{InfoCode: mdns.ExtendedErrorCodeDNSBogus}}
			return []any{m}
		}
		for _, trust := range []bool{true, false} {
			c := newClient(t, byServer(bogus, ok), func(o *Options) { servers(o); o.TrustServers = trust })
			_, _, err := c.LookupTXT(t.Context(), "a.example")
			if (err != nil) != trust || trust && !strings.Contains(err.Error(), "DNSSEC Bogus") {
				t.Error(trust, err)
			}
		}
	})
	t.Run("rotate", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		os.WriteFile(path, []byte("nameserver 10.0.0.1\nnameserver 10.0.0.2\noptions rotate\n"), 0o600)
		f := byServer(ok, ok)
		c := newClient(t, f, func(o *Options) { o.Servers, o.ResolvConf = nil, path })
		for i := range 4 {
			c.LookupTXT(t.Context(), fmt.Sprint(i, ".example"))
		}
		n := 0
		for _, a := range f.asked {
			if strings.HasPrefix(a, "udp 10.0.0.1:53 ") {
				n++
			}
		}
		if n != 2 {
			t.Errorf("asked %q", f.asked)
		}
	})
	t.Run("all fail", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeServers{handle: func(_, addr string, q *mdns.Msg) []any {
				if addr == "10.0.0.2:53" {
					return failing(q)
				}
				return nil
			}}
			c := newClient(t, f, servers)
			var e *Error
			if _, _, err := c.LookupTXT(t.Context(), "a.example"); !errors.As(err, &e) || e.RCode != "SERVFAIL" || f.queries.Load() != 5 {
				t.Errorf("%v, asked %q", err, f.asked)
			}
			c.Close()
		})
	})
	t.Run("whole lookup", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, one(silent), func(o *Options) { servers(o); o.Timeout = 12 * time.Second })
			begin := time.Now()
			var e *Error
			if _, _, err := c.LookupTXT(t.Context(), "a.example"); !errors.As(err, &e) || !e.Timeout || time.Since(begin) != 12*time.Second {
				t.Error(err, time.Since(begin))
			}
			c.Close()
		})
	})
}

func TestCacheTimes(t *testing.T) {
	const min = time.Minute
	for name, tc := range map[string]struct {
		answer func(q *mdns.Msg) *mdns.Msg
		want   time.Duration
	}{
		"ttl":             {func(q *mdns.Msg) *mdns.Msg { return reply(q, "x.example. 60 IN TXT a") }, min},
		"least of set":    {func(q *mdns.Msg) *mdns.Msg { return reply(q, "x.example. 90 IN TXT a", "x.example. 60 IN TXT b") }, min},
		"least of chain":  {func(q *mdns.Msg) *mdns.Msg { return reply(q, "x.example. 60 IN CNAME y.", "y. 90 IN TXT b") }, min},
		"most":            {func(q *mdns.Msg) *mdns.Msg { return reply(q, "x.example. 86400 IN TXT a") }, time.Hour},
		"none":            {func(q *mdns.Msg) *mdns.Msg { return reply(q, "x.example. 0 IN TXT a") }, 0},
		"top bit":         {func(q *mdns.Msg) *mdns.Msg { return reply(q, "x.example. 2147483648 IN TXT a") }, 0},
		"negative, min":   {func(q *mdns.Msg) *mdns.Msg { return reply(q, "--", soa) }, 5 * min},
		"negative, ttl":   {func(q *mdns.Msg) *mdns.Msg { return reply(q, "--", "example. 60 IN SOA a. b. 1 2 3 4 300") }, min},
		"negative, most":  {func(q *mdns.Msg) *mdns.Msg { return reply(q, "--", "example. 90000 IN SOA a. b. 1 2 3 4 90000") }, 15 * min},
		"negative, alias": {func(q *mdns.Msg) *mdns.Msg { return reply(q, "x.example. 60 IN CNAME y.example.", "--", soa) }, min},
		"nxdomain":        {func(q *mdns.Msg) *mdns.Msg { return with(reply(q, "--", soa), func(m *mdns.Msg) { m.Rcode = 3 }) }, 5 * min},
		"no soa":          {func(q *mdns.Msg) *mdns.Msg { return reply(q) }, 0},
		"other soa":       {func(q *mdns.Msg) *mdns.Msg { return reply(q, "--", "other. 600 IN SOA a. b. 1 2 3 4 300") }, 0},
		"servfail":        {func(q *mdns.Msg) *mdns.Msg { return rcode(q, mdns.RcodeServerFailure) }, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1e9, 0)
			f := one(func(q *mdns.Msg) []any { return []any{tc.answer(q)} })
			c := newClient(t, f, func(o *Options) { o.Now = func() time.Time { return now } })
			_, res, err := c.LookupTXT(t.Context(), "x.example")
			if tc.want > 0 {
				now = now.Add(tc.want - 1)
				_, res2, err2 := c.LookupTXT(t.Context(), "x.EXAMPLE.")
				if f.queries.Load() != 1 || res2 != res || err2 != err {
					t.Errorf("not kept: %d queries, %v, %v", f.queries.Load(), res2, err2)
				}
				now = now.Add(1)
			}
			c.LookupTXT(t.Context(), "x.example")
			if f.queries.Load() != 2 {
				t.Error("kept for too long")
			}
		})
	}
}

func TestCacheBounds(t *testing.T) {
	f := one(func(q *mdns.Msg) []any {
		return []any{reply(q, q.Question[0].Name+` 60 IN TXT "`+strings.Repeat("a", 200)+`"`)}
	})
	for _, change := range []func(o *Options){
		func(o *Options) { o.CacheEntries = 10 },
		func(o *Options) { o.CacheBytes = 10 * (300 + 24 + 200 + 2*len("x00.example")) },
	} {
		c := newClient(t, f, change)
		ask := func(i int) bool {
			before := f.queries.Load()
			if _, _, err := c.LookupTXT(t.Context(), fmt.Sprintf("x%02d.example", i)); err != nil {
				t.Fatal(err)
			}
			return f.queries.Load() > before
		}
		for i := range 30 {
			ask(i)
			ask(0) // stays, as it is used
		}
		if ask(0) || ask(29) || ask(22) || !ask(10) || len(c.cache.entries) != 10 {
			t.Errorf("%d entries", len(c.cache.entries))
		}
		c.Flush()
		if !ask(0) || len(c.cache.entries) != 1 {
			t.Error("not forgotten")
		}
	}
}

// TestShared: equal questions at one time are one query, and each caller has its own
// patience.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one(func(q *mdns.Msg) []any {
			time.Sleep(3 * time.Second)
			return []any{reply(q, "x.example. 60 IN TXT a")}
		})
		results := map[string]int{}
		var mu sync.Mutex
		c := newClient(t, f, func(o *Options) {
			o.Observe = func(typ, result string, _ time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				results[typ+" "+result]++
			}
		})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second+time.Duration(i%2)*time.Minute)
				defer cancel()
				l, _, err := c.LookupTXT(ctx, "x.example")
				if i%2 == 0 && !errors.Is(err, context.DeadlineExceeded) || i%2 == 1 && (err != nil || l[0] != "a") {
					t.Error(i, l, err)
				}
				if err == nil {
					l[0] = "changed" // is the caller's own
				}
			})
		}
		wg.Wait()
		if f.queries.Load() != 1 || results["txt ok"] != 10 || results["txt timeout"] != 10 {
			t.Errorf("%d queries, %v", f.queries.Load(), results)
		}
		// When all have gone, so has the query, and nothing is remembered of it.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.LookupTXT(ctx, "y.example"); !IsTemporary(err) {
			t.Error(err)
		}
		synctest.Wait()
		if len(c.flights) != 0 || len(c.slots) != 0 {
			t.Error("query goes on")
		}
		c.Close()
		if _, _, err := c.LookupTXT(t.Context(), "z.example"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		time.Sleep(3 * time.Second) // the server's handlers end
	})
}

// TestMaxQueries: more lookups than there may be queries wait.
func TestMaxQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		f := one(func(q *mdns.Msg) []any {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			time.Sleep(time.Second)
			return []any{reply(q)}
		})
		c := newClient(t, f, func(o *Options) { o.MaxQueries = 3 })
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() { c.LookupTXT(t.Context(), fmt.Sprint(i, ".example")) })
		}
		begin := time.Now()
		wg.Wait()
		if most.Load() != 3 || time.Since(begin) != 4*time.Second {
			t.Error(most.Load(), time.Since(begin))
		}
		c.Close()
	})
}

func TestResolvConf(t *testing.T) {
	c, err := parseConf(strings.NewReader("; c\n#c\ndomain x\nnameserver 10.0.0.1\nnameserver bad\nnameserver\nnameserver fe80::1%eth0\nnameserver 127.0.0.1\n" +
		"options timeout:2 attempts:9 rotate use-vc ndots:1\noptions timeout:-1 timeout:x"))
	if err != nil || len(c.servers) != 3 || c.servers[0].trusted || c.servers[1].name != "[fe80::1%eth0]:53" || !c.servers[2].trusted ||
		c.try != 2*time.Second || c.attempts != maxAttempts || !c.rotate || !c.tcp {
		t.Errorf("%+v, %v", c, err)
	}
	for _, s := range []string{"", "a", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:70000", "::1:53x", "example.org:53"} {
		if _, err := ParseServer(s); err == nil {
			t.Errorf("%q accepted", s)
		}
		if _, err := NewClient(Options{Servers: []string{s}}); err == nil {
			t.Errorf("%q accepted", s)
		}
	}

	// A changed file counts within seconds, a lost one does not.
	path := filepath.Join(t.TempDir(), "resolv.conf")
	now := time.Unix(1e9, 0)
	f := one(func(q *mdns.Msg) []any { return []any{reply(q, q.Question[0].Name+" 600 IN TXT a")} })
	cl := newClient(t, f, func(o *Options) {
		o.Servers, o.ResolvConf, o.Now = nil, path, func() time.Time { return now }
	})
	n := 0
	asked := func() string {
		f.asked = nil
		n++
		cl.LookupTXT(t.Context(), fmt.Sprint(n, ".example"))
		return strings.Fields(f.asked[0])[1]
	}
	write := func(s string) {
		if err := os.WriteFile(path, []byte("nameserver "+s+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s := asked(); s != "127.0.0.1:53" {
		t.Error("no file: asked ", s)
	}
	write("10.0.0.1")
	if s := asked(); s != "127.0.0.1:53" {
		t.Error("too soon: asked ", s)
	}
	now = now.Add(confInterval)
	if s := asked(); s != "10.0.0.1:53" || len(cl.cache.entries) != 1 {
		t.Error("asked ", s)
	}
	os.Remove(path)
	now = now.Add(confInterval)
	if s := asked(); s != "10.0.0.1:53" {
		t.Error("lost file: asked ", s)
	}
	write("10.0.0.22")
	now = now.Add(confInterval)
	if s := asked(); s != "10.0.0.22:53" {
		t.Error("asked ", s)
	}
}

func TestPanic(t *testing.T) {
	c := newClient(t, one(nil), func(o *Options) {
		o.Dial = func(context.Context, string, string) (net.Conn, error) { panic("x") }
	})
	if _, _, err := c.LookupTXT(t.Context(), "x.example"); !IsTemporary(err) || len(c.slots) != 0 {
		t.Error(err)
	}
}

// What an answer is about is told, with records and without.
func TestResultName(t *testing.T) {
	aliases := []string{"www.example. 60 IN CNAME W2.example.", "w2.example. 60 IN CNAME host.example."}
	f := one(func(q *mdns.Msg) []any {
		var rr []string
		name := strings.ToLower(q.Question[0].Name)
		switch typ := q.Question[0].Qtype; {
		case typ == mdns.TypeCNAME && name == "www.example.":
			return []any{ad(reply(q, aliases[0]))}
		case typ == mdns.TypeCNAME && name == "w2.example.":
			rr = aliases[1:]
		case typ == mdns.TypeCNAME:
		case typ == mdns.TypeA:
			rr = append(slices.Clone(aliases), "host.example. 60 IN A 192.0.2.1")
		default:
			rr = aliases
		}
		return []any{reply(q, rr...)}
	})
	c := newClient(t, f, nil)
	if _, res, err := c.LookupIP(t.Context(), "ip", "www.example"); err != nil || res.Name != "host.example" {
		t.Error(res, err)
	}
	if _, res, err := c.LookupMX(t.Context(), "www.example"); !IsNotFound(err) || res.Name != "host.example" {
		t.Error(res, err)
	}
	if end, res, err := c.LookupCNAME(t.Context(), "www.example"); err != nil || end != "host.example" || !res.AliasAuthentic || res.Authentic {
		t.Error(end, res, err)
	}
}
