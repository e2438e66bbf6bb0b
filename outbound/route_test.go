package outbound

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
	"mox/queue"
	"mox/smtp"
)

// relay makes the server of transports relay and plain.
func relay(t *testing.T, b *bench) *server {
	a := newAuthority(t)
	s := &server{cert: a.issue(t, "relay.test"), ext: []string{"AUTH PLAIN"}}
	s.handle = func(verb, line string, _ int) string {
		if verb != "AUTH" {
			return ""
		}
		if line == "AUTH PLAIN AHVzZXIAcGFzczEyMzQ=" {
			return "235 2.7.0 hello"
		}
		return "535 5.7.8 who are you"
	}
	b.n.servers["192.0.2.9"] = s
	c := *b.snapshot
	i := *c.StaticInfo
	i.RootCAs = a.pool
	c.StaticInfo = &i
	b.snapshot = &c
	return s
}

func TestSmarthost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s *server
		b := setup(t, "Routes:\n\t-\n\t\tFromDomain:\n\t\t\t- mx.example\n\t\tTransport: relay\n", func(b *bench) { s = relay(t, b) })
		var ids []int64
		ids = append(ids, b.send("a@dest.test", "b@dest.test")...)
		ids = append(ids, b.send("a@null.test")...) // the other server's matter
		synctest.Wait()
		for _, id := range ids {
			b.want(id, "delivered")
		}
		got := s.messages()
		if len(got) != 2 || !got[0].tls || s.conns != 1 || b.n.dials[0] != "192.0.2.9:587" {
			t.Errorf("%d connections %v: %+v", s.conns, b.n.dials, got)
		}
		if len(b.results.l) != 0 {
			t.Errorf("results for TLS reports: %v", b.results)
		}
	})
}

// TestSmarthostLogin: a login that fails is no failure of the message.
func TestSmarthostLogin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "Routes:\n\t-\n\t\tTransport: relay\n", func(b *bench) {
			relay(t, b).handle = func(verb, _ string, _ int) string {
				if verb == "AUTH" {
					return "535 5.7.8 no"
				}
				return ""
			}
		})
		id := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delayed 4.7.8")
	})
}

// TestSmarthostTLS: no TLS, no mail.
func TestSmarthostTLS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s *server
		b := setup(t, "Routes:\n\t-\n\t\tTransport: relay\n", func(b *bench) { s = relay(t, b); s.cert = nil })
		id := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delayed 4.7.10")
		if len(s.messages()) != 0 || slices.ContainsFunc(s.said(), func(l string) bool { return strings.HasPrefix(l, "AUTH") }) {
			t.Errorf("lines %q", s.said())
		}
	})
}

// TestRetryOfTransport: its times, and its one connection.
func TestRetryOfTransport(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s *server
		b := setup(t, "Routes:\n\t-\n\t\tTransport: plain\n", func(b *bench) { s = relay(t, b); s.down = true })
		id := b.send("a@dest.test")[0]
		time.Sleep(time.Hour)
		synctest.Wait()
		b.want(id, "failed 4.4.1")
		if len(b.records()) != 3 {
			t.Errorf("%d attempts", len(b.records()))
		}
	})
}

// TestMinimumAttempts: another way when the first does not work.
func TestMinimumAttempts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var s *server
		b := setup(t, "Routes:\n\t-\n\t\tMinimumAttempts: 2\n\t\tTransport: plain\n", func(b *bench) { s = relay(t, b) })
		b.server("192.0.2.1").down = true
		id := b.send("a@dest.test")[0]
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		b.want(id, "delivered")
		if len(s.messages()) != 1 || len(b.records()) != 3 {
			t.Errorf("%d attempts", len(b.records()))
		}
	})
}

func TestOtherTransports(t *testing.T) {
	for name, tc := range map[string]struct {
		m    queue.Message
		to   string
		want string
	}{
		"fail":            {queue.Message{Transport: "fail"}, "a@dest.test", "failed 5.7.0"},
		"gone":            {queue.Message{Transport: "gone"}, "a@dest.test", "not tried 4.3.5"},
		"IPv4 only":       {queue.Message{Transport: "ipv4"}, "a@dual.test", "delivered"},
		"IPv4 only, IPv6": {queue.Message{Transport: "ipv4"}, "a@six.test", "failed 5.4.4"},
		"disabled, once":  {queue.Message{Kind: queue.Forward, Sender: path("x@other.example"), MaxAttempts: 1}, "a@dest.test", "not tried 4.3.0"},
		"IDN":             {queue.Message{}, "a@bücher.test", "delivered"},
		"disabled":        {queue.Message{Kind: queue.Forward, Sender: path("x@other.example")}, "a@dest.test", "not tried 4.3.0"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := setup(t, "", nil)
				id := b.sendAs(tc.m, tc.to)[0]
				synctest.Wait()
				b.want(id, tc.want)
				for _, d := range b.n.dials {
					if strings.HasPrefix(d, "[") {
						t.Errorf("dialed %v", b.n.dials)
					}
				}
			})
		})
	}
}

// TestSocks: RFC 1928, without authentication, to an address.
func TestSocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked []byte
		b := setup(t, "Routes:\n\t-\n\t\tTransport: proxy\n", func(b *bench) {
			direct := b.n.dial
			b.c.Dial = func(ctx context.Context, source netip.Addr, network, address string) (net.Conn, error) {
				if address != "192.0.2.80:1080" || source.IsValid() {
					t.Errorf("dialed %s from %v", address, source)
				}
				c, err := direct(ctx, source, network, "192.0.2.1:25")
				if err != nil {
					return nil, err
				}
				c1, c2 := bufferedPipe()
				go func() {
					defer c.Close()
					defer c2.Close()
					r := bufio.NewReader(c2)
					io.ReadFull(r, make([]byte, 3))
					c2.Write([]byte{5, 0})
					asked = make([]byte, 10)
					io.ReadFull(r, asked)
					c2.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
					go func() { io.Copy(c2, c); c2.Close() }()
					io.Copy(c, r)
				}()
				return c1, nil
			}
		})
		id := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delivered")
		if s := b.server("192.0.2.1"); !slices.Contains(s.said(), "EHLO proxy.example") {
			t.Errorf("lines %q", s.said())
		}
		if string(asked) != string([]byte{5, 1, 0, 1, 192, 0, 2, 1, 0, 25}) {
			t.Errorf("asked for %v", asked)
		}
	})
}

// TestLocal: the same schedule, and notifications, without a network.
func TestLocal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var full atomic.Int64
		b := setup(t, "", func(b *bench) {
			b.c.Local = func(_ context.Context, m queue.Message, c Content) error {
				switch m.Recipient.Localpart {
				case "full":
					if full.Add(1) == 1 {
						return smtp.Errorf(452, "4.2.2", "mailbox is full")
					}
				case "unknown":
					return smtp.Errorf(550, "5.1.1", "no such address")
				}
				b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
				if string(b) != text || err != nil {
					t.Errorf("content %q, %v", b, err)
				}
				return nil
			}
		})
		late := b.sendAs(queue.Message{Local: true}, "full@mx.example")[0]
		ids := b.sendAs(queue.Message{Local: true, Notify: smtp.NotifySuccess | smtp.NotifyFailure}, "a@mx.example", "unknown@mx.example")
		synctest.Wait()
		b.want(late, "delayed 4.2.2")
		b.want(ids[0], "delivered")
		b.want(ids[1], "failed 5.1.1")
		if len(b.notices()) != 1 {
			t.Fatalf("%d notices", len(b.notices()))
		}
		if d, _, _ := parseNotice(t, b.notices()[0]); d != "; a@mx.example delivered 2.0.0 ; unknown@mx.example failed 5.1.1 " {
			t.Errorf("notice %q", d)
		}
		time.Sleep(8 * time.Minute)
		synctest.Wait()
		b.want(late, "delivered")
		if len(b.n.dials) != 0 {
			t.Errorf("dialed %v", b.n.dials)
		}
	})
}

// TestOrder: kinds of addresses take turns, also from attempt to attempt.
func TestOrder(t *testing.T) {
	b := New(Config{})
	ips := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("2001:db8::1")}
	for attempts, want := range []string{"644", "464"} {
		h := &hops{o: b, t: &transaction{b: &batch{}, msgs: []queue.Message{{Attempts: attempts}}}}
		got := ""
		for _, ip := range h.order(ips) {
			got += map[bool]string{true: "6", false: "4"}[ip.Is6()]
		}
		if got != want+"4" {
			t.Errorf("order %s", got)
		}
	}
}

// TestShuffle: RFC 5321 5.1.
func TestShuffle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	first := map[string]int{}
	for range 1000 {
		l := []dns.MXHost{{Preference: 10, Host: dns.Domain{ASCII: "a"}}, {Preference: 10, Host: dns.Domain{ASCII: "b"}}, {Preference: 20, Host: dns.Domain{ASCII: "c"}}}
		shuffle(l, r)
		first[l[0].Host.ASCII]++
		if l[2].Host.ASCII != "c" {
			t.Fatalf("%v", l)
		}
	}
	if first["a"] < 400 || first["b"] < 400 {
		t.Errorf("%v", first)
	}
}

func TestSource(t *testing.T) {
	s := loadConfig(t, "")
	if a := source(s, netip.MustParseAddr("192.0.2.1")); a.String() != "198.51.100.1" {
		t.Error(a)
	}
	if a := source(s, netip.MustParseAddr("2001:db8::1")); a.IsValid() {
		t.Error(a)
	}
}

// TestPace is the schedule of the reference: 7.5 min, doubled, 8 attempts.
func TestPace(t *testing.T) {
	var m queue.Message
	p := newPace(nil, &m)
	var sum time.Duration
	for n := 1; ; n++ {
		d, more := p.wait(n)
		if !more {
			if n != 8 {
				t.Errorf("%d attempts", n)
			}
			break
		}
		if want := 450 * time.Second << (n - 1); d != want {
			t.Errorf("wait %s after attempt %d", d, n)
		}
		r := rand.New(rand.NewPCG(1, uint64(n)))
		for range 100 {
			if j := jittered(d, r); j < d-d/89 || j > d+d/89 {
				t.Errorf("%s became %s", d, j)
			}
		}
		sum += d
	}
	if sum != 15*time.Hour+52*time.Minute+30*time.Second || p.rest(1) != sum || p.rest(8) != 0 {
		t.Errorf("in all %s", sum)
	}
	m.MaxAttempts = 10
	if d, more := newPace(nil, &m).wait(9); !more || d != 8*time.Hour {
		t.Error(d, more)
	}
}
