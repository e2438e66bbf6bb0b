package reportcard

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/queue"
	"mox/smtp"
	"mox/trace"
)

var testIP = netip.MustParseAddr("192.0.2.1")

func domain(s string) dns.Domain { return dns.Domain{ASCII: s} }

func testOptions() *Options {
	return &Options{
		Config: &config.Snapshot{Static: &config.Static{}, StaticInfo: &config.StaticInfo{
			Hostname:  domain("mail.example.org"),
			Listeners: map[string]*config.ListenerInfo{"public": {Name: "public", IPs: []netip.Addr{testIP}, Listener: config.Listener{SMTP: config.SMTP{Enabled: true}}}},
		}},
		From: smtp.Address{Localpart: "me", Domain: domain("example.org")}, To: smtp.Address{Localpart: "you", Domain: domain("there.example")},
		Dial:    func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") },
		Message: []byte("From: <me@example.org>\r\nTo: <you@there.example>\r\nMessage-ID: <1@example.org>\r\nDate: " + time.Now().Format(time.RFC1123Z) + "\r\nSubject: x\r\n\r\nx\r\n"),
		Resolver: dns.MockResolver{
			PTR: map[string][]string{"192.0.2.1": {"mail.example.org"}}, A: map[string][]string{"mail.example.org": {"192.0.2.1"}, "mx.there.example": {"192.0.2.2"}},
			TXT: map[string][]string{"example.org": {"v=spf1 ip4:192.0.2.1 -all"}, "_dmarc.example.org": {"v=DMARC1; p=reject"}}, MX: map[string][]dns.MX{"there.example": {{Preference: 1, Host: "mx.there.example"}}},
		},
	}
}

// lines are all of a card.
func lines(c *Card) []Line {
	all := append(append([]Line{}, c.Message...), c.Receiver...)
	for _, a := range c.Addresses {
		all = append(all, a.Lines...)
	}
	return all
}

func find(l []Line, name string) Line {
	for _, line := range l {
		if line.Name == name {
			return line
		}
	}
	return Line{}
}

// TestFaults: what is wrong in DNS or the message is told on the card, and nothing when it is not.
func TestFaults(t *testing.T) {
	tests := []struct {
		fault      func(o *Options, z *dns.MockResolver)
		name       string
		level      Level
		text, does string
	}{
		{func(*Options, *dns.MockResolver) {}, "DMARC", OK, "policy reject", ""},
		{func(*Options, *dns.MockResolver) {}, "TLS", OK, "neither DANE nor MTA-STS", ""},
		{func(*Options, *dns.MockResolver) {}, "DKIM", Bad, "not signed", "mox dkim gened25519"},
		{func(_ *Options, z *dns.MockResolver) { z.PTR = nil }, "reverse DNS", Bad, "no name that leads back", "(PTR) of 192.0.2.1 to mail.example.org"},
		{func(_ *Options, z *dns.MockResolver) {
			z.PTR["192.0.2.1"] = []string{"a.provider.example"}
			z.A["a.provider.example"] = []string{"192.0.2.1"}
		}, "reverse DNS", Poor, "is called a.provider.example", "mail.example.org"},
		{func(_ *Options, z *dns.MockResolver) { z.TXT["example.org"] = []string{"v=spf1 -all"} }, "SPF", Bad, "fail", "mox config dnscheck example.org"},
		{func(_ *Options, z *dns.MockResolver) { z.TXT["example.org"] = []string{"v=spf1 -all"} }, "DMARC", Bad, "policy is reject", "mox config dnscheck example.org"},
		{func(_ *Options, z *dns.MockResolver) { delete(z.TXT, "_dmarc.example.org") }, "DMARC", Poor, "no record", "mox config dnscheck example.org"},
		{func(_ *Options, z *dns.MockResolver) { z.A["1.2.0.192.sbl.spamhaus.org"] = []string{"127.0.0.2"} }, "block lists", Bad, "is on sbl.spamhaus.org", "mox dnsbl check"},
		{func(_ *Options, z *dns.MockResolver) { z.MX["there.example"] = []dns.MX{{Host: "."}} }, "MX", Bad, "takes no mail", "spelling"},
		{func(_ *Options, z *dns.MockResolver) { z.TXT["_mta-sts.there.example"] = []string{"v=STSv1; id=1"} }, "TLS", Poor, "cannot be had", "mox mtasts lookup there.example"},
		{func(o *Options, _ *dns.MockResolver) { o.Config.Hostname = domain("localhost") }, "HELO", Bad, "no full host name", "Hostname"},
		{func(o *Options, _ *dns.MockResolver) { o.Message = []byte("From: <me@example.org>\r\n\r\nx\r\n") }, "Message-ID", Bad, "none", ""},
		{func(o *Options, _ *dns.MockResolver) {
			o.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
		}, "Date", Bad, "far from now", "clock"},
		{func(o *Options, _ *dns.MockResolver) { o.Config.Listeners = nil }, "addresses", Poor, "not in mox.conf", "NATIPs"},
	}
	for _, tc := range tests {
		o := testOptions()
		z := o.Resolver.(dns.MockResolver)
		tc.fault(o, &z)
		o.Resolver = z
		c, err := Make(t.Context(), *o)
		if err != nil {
			t.Fatal(err)
		}
		if l := find(lines(c), tc.name); l.Level != tc.level || !strings.Contains(l.Text, tc.text) || !strings.Contains(l.Remedy, tc.does) {
			t.Errorf("got %+v, want %s, %q, %q", l, tc.level, tc.text, tc.does)
		}
		var b bytes.Buffer
		if err := c.Print(&b); err != nil || !strings.Contains(b.String(), "from me@example.org") {
			t.Errorf("%v %s", err, b.String())
		}
	}
}

// TestSigned: what is said about signatures.
func TestSigned(t *testing.T) {
	o := testOptions()
	good, bad := trace.DKIM{Domain: "example.org", Selector: "a", Status: "pass"}, trace.DKIM{Domain: "example.org", Selector: "b", Status: "permerror", Problem: "no key"}
	for _, tc := range []struct {
		l     []trace.DKIM
		level Level
	}{{[]trace.DKIM{good}, OK}, {[]trace.DKIM{good, bad}, Poor}, {[]trace.DKIM{bad}, Bad}, {nil, Bad}} {
		if l := o.dkim(&trace.Facts{DKIM: tc.l}, "x"); l.Level != tc.level {
			t.Errorf("%+v: %+v", tc.l, l)
		}
	}
}

// TestExplain: results of the queue in words.
func TestExplain(t *testing.T) {
	m := &queue.Message{SenderDomain: domain("example.org")}
	for _, tc := range []struct {
		r    queue.Result
		want string
	}{
		{queue.Result{Success: true, RemoteMTA: "mx.there.example", Secure: true}, "attempt 1: mx.there.example took it, by verified TLS\n"},
		{queue.Result{Code: 550, Enhanced: "5.7.25", Error: "no PTR \x1b[2J", RemoteMTA: "aspmx.l.google.com"}, "aspmx.l.google.com (Gmail) did not take it: no PTR [2J\n  means: 192.0.2.1 has no reverse name"},
	} {
		var b bytes.Buffer
		if err := Explain(1, tc.r, m, testIP).Print(&b); err != nil || !strings.Contains(b.String(), tc.want) {
			t.Errorf("got %q, want %q", b.String(), tc.want)
		}
	}
}
