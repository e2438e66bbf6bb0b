package msgauth

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/arc"
	"mox/dkim"
	"mox/dns"
	"mox/dnsbl"
	"mox/message"
	"mox/smtp"
	"mox/trace"
)

var (
	now     = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	mx      = dns.Domain{ASCII: "mx.example"}
	key     = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))
	discard = slog.New(slog.DiscardHandler)
)

func zone(t *testing.T) dns.MockResolver {
	t.Helper()
	r, err := dkim.NewRecord(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return dns.MockResolver{
		PTR:          map[string][]string{"192.0.2.1": {"out.a.example"}},
		A:            map[string][]string{"out.a.example": {"192.0.2.1"}, "2.0.0.127.bl.example": {"127.0.0.2"}, "9.2.0.192.bl.example": {"127.0.0.2"}},
		MX:           map[string][]dns.MX{"a.example": {{Host: "mx.a.example"}}, "null.example": {{Host: "."}}},
		AllAuthentic: true,
		TXT: map[string][]string{
			"a.example": {"v=spf1 ip4:192.0.2.1 -all"}, "_dmarc.a.example": {"v=DMARC1; p=quarantine"}, "out.a.example": {"v=spf1 a -all"},
			"s._domainkey.a.example": {r.String()}, "s._domainkey.b.example": {r.String()}, "t._domainkey.b.example": {r.String() + ";t=y"}, "s._domainkey.fwd.example": {r.String()},
			"b.example": {"v=spf1 ip4:192.0.2.2 ~all"},
		},
	}
}

func peer(ip string) smtp.Peer {
	return smtp.Peer{Remote: netip.MustParseAddrPort(ip + ":1234"), ESMTP: true, Hello: smtp.Host{IPDomain: smtp.IPDomain{Domain: dns.Domain{ASCII: "out.a.example"}}}}
}

func path(t *testing.T, s string) smtp.Path {
	t.Helper()
	if s == "" {
		return smtp.Path{}
	}
	p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sign puts a signature on a message.
func sign(t *testing.T, domain, selector, msg string) string {
	t.Helper()
	o := dkim.SignOptions{Domain: dns.Domain{ASCII: domain}, Now: func() time.Time { return now }}
	h, err := dkim.Sign(t.Context(), discard, o, []dkim.Selector{{Name: dns.Domain{ASCII: selector}, Key: key}}, strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	return h + msg
}

// seal puts an ARC set on a message, with results.
func seal(t *testing.T, r dns.Resolver, domain, results, msg string) string {
	t.Helper()
	clock := func() time.Time { return now }
	arrived, err := arc.Verify(t.Context(), discard, r, arc.Options{Now: clock}, strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	o := arc.SealOptions{Domain: dns.Domain{ASCII: domain}, Selector: dkim.Selector{Name: dns.Domain{ASCII: "s"}, Key: key}, AuthResults: results, Now: clock}
	h, err := arc.Seal(t.Context(), discard, o, arrived, strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	return h + msg
}

func run(t *testing.T, c *Checker, ip, from, msg string) (*Results, *trace.Facts) {
	t.Helper()
	k := c.Begin(t.Context(), peer(ip), path(t, from))
	defer k.End()
	part, err := message.Parse(strings.NewReader(msg), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	res := k.Message(t.Context(), part, strings.NewReader(msg))
	var f trace.Facts
	res.Facts(&f)
	return res, &f
}

const text = "From: <x@a.example>\r\nTo: <y@mx.example>\r\nSubject: hi\r\n\r\ntext\r\n"

func TestMessage(t *testing.T) {
	r := zone(t)
	c := New(Config{Resolver: r, Hostname: mx, Now: func() time.Time { return now }})
	other := strings.Replace(text, "x@a.example", "x@sub.b.example", 1)
	for _, tc := range []struct {
		name, ip, from, msg string
		want                string // validation, iprev, spf of mailfrom, dmarc and whether it wants to refuse
	}{
		{"spf", "192.0.2.1", "x@a.example", text, "strict pass pass pass false"},
		{"nothing", "192.0.2.9", "x@a.example", text, " permerror fail fail true"},
		{"dkim", "192.0.2.9", "x@a.example", sign(t, "a.example", "s", text), "strict permerror fail pass false"},
		{"dkim broken", "192.0.2.9", "x@a.example", sign(t, "a.example", "s", text) + "more\r\n", " permerror fail fail true"},
		{"signature of another", "192.0.2.9", "x@a.example", sign(t, "b.example", "s", text), " permerror fail fail true"},
		{"a domain above, without DMARC", "192.0.2.9", "x@a.example", sign(t, "b.example", "s", other), " permerror fail none false"},
		{"key on trial", "192.0.2.9", "x@a.example", sign(t, "b.example", "t", other), " permerror fail none false"},
		{"null reverse-path", "192.0.2.1", "", text, "dmarc pass pass pass false"},
	} {
		res, f := run(t, c, tc.ip, tc.from, tc.msg)
		got := strings.Join([]string{string(f.Validation), f.IPRev.Status, f.SPF[0].Status, f.DMARC.Status, map[bool]string{true: "true", false: "false"}[f.DMARC.Reject]}, " ")
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
		fields := string(res.Fields(false))
		if !strings.HasPrefix(fields, "Authentication-Results: mx.example;") || !strings.Contains(fields, "\r\nReceived-SPF: ") || !strings.HasSuffix(fields, "\r\n") {
			t.Errorf("%s: %q", tc.name, fields)
		}
		if f.OrgDomain == "" {
			t.Errorf("%s: no organizational domain", tc.name)
		}
	}
}

func TestFields(t *testing.T) {
	c := New(Config{Resolver: zone(t), Hostname: mx, Now: func() time.Time { return now }})
	res, _ := run(t, c, "192.0.2.1", "x@a.example", sign(t, "a.example", "s", text))
	got := strings.Join(strings.Fields(res.AuthenticationResults(false).String()), " ")
	for _, want := range []string{
		"mx.example;", "iprev=pass (out.a.example with dnssec) policy.iprev=192.0.2.1", "dkim=pass (with dnssec) header.d=a.example header.s=s header.a=ed25519-sha256 header.b=",
		"spf=pass (with dnssec) smtp.mailfrom=x@a.example", "spf=pass (with dnssec) smtp.helo=out.a.example", "dmarc=pass (p=quarantine with dnssec) header.from=a.example",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}

func TestFrom(t *testing.T) {
	c := New(Config{Resolver: zone(t), Hostname: mx})
	for from, want := range map[string]string{
		"From: <x@a.example>":                          "x@a.example ",
		"From: <x@a.example>, <x@a.example>":           "x@a.example ",
		"From: <x@a.example>, <y@a.example>":           " more than one author in From",
		"From: <x@a.example>\r\nFrom: <y@b.example>":   " multiple domains in From",
		"To: <x@a.example>":                            " no From field",
		"From: x":                                      " From is not an address list by the syntax; no valid address in From",
		"From: \"<x@b.example>\" <x@a.example>":        "x@a.example ",
		"From: <X@A.EXAMPLE>":                          "X@a.example ",
		"From: undisclosed: <x@a.example>;":            "x@a.example ",
		"From: <x@a.example>\r\nfrom: <x@a.example>  ": "x@a.example ",
	} {
		_, f := run(t, c, "192.0.2.1", "x@a.example", from+"\r\n\r\n")
		if got := f.From + " " + f.FromProblem; got != want {
			t.Errorf("%q: got %q, want %q", from, got, want)
		}
	}
}

// TestVouched: a trusted forwarder's word counts, if it is about this author and sealed.
func TestVouched(t *testing.T) {
	r := zone(t)
	c := New(Config{Resolver: r, Hostname: mx, Now: func() time.Time { return now }})
	trust := func(d dns.Domain) bool { return d.ASCII == "fwd.example" }
	const pass = "fwd.example; spf=pass smtp.mailfrom=x@a.example; dmarc=pass header.from=a.example"
	for _, tc := range []struct {
		name, msg string
		want      bool
	}{
		{"sealed", seal(t, r, "fwd.example", pass, text), true},
		{"not sealed", text, false},
		{"changed after", seal(t, r, "fwd.example", pass, text) + "more\r\n", false},
		{"another sealer", seal(t, r, "b.example", pass, text), false},
		{"dmarc failed there", seal(t, r, "fwd.example", "fwd.example; dmarc=fail header.from=a.example", text), false},
		{"about another author", seal(t, r, "fwd.example", "fwd.example; dmarc=pass header.from=b.example", text), false},
		{"another sealer behind", seal(t, r, "b.example", pass, seal(t, r, "fwd.example", pass, text)), false},
		{"several authors", seal(t, r, "fwd.example", pass, "From: <y@b.example>\r\n"+text), false},
	} {
		res, _ := run(t, c, "192.0.2.9", "x@fwd.example", tc.msg)
		if got := res.Vouched(trust); got != tc.want {
			t.Errorf("%s: %v, %s %v", tc.name, got, res.ARC.Status, res.ARC.Err)
		}
	}
}

func TestSenderDomain(t *testing.T) {
	r := zone(t)
	r.Fail = map[string]error{"mx broken.example": nil}
	c := New(Config{Resolver: r, Hostname: mx})
	for from, want := range map[string]int{"x@a.example": 0, "": 0, "x@null.example": 550, "x@nowhere.example": 550, "x@broken.example": 451, "x@out.a.example": 0, "x@[192.0.2.1]": 0} {
		k := c.Begin(t.Context(), peer("192.0.2.1"), path(t, from))
		err := k.SenderDomain()
		k.End()
		got := 0
		if err != nil {
			got = smtp.AsError(err).Code
		}
		if got != want {
			t.Errorf("%s: %v", from, err)
		}
	}
}

func TestDNSBL(t *testing.T) {
	r := zone(t)
	c := New(Config{Resolver: r, Hostname: mx, DNSBL: &dnsbl.Checker{Resolver: r}})
	k := c.Begin(t.Context(), peer("192.0.2.9"), smtp.Path{})
	defer k.End()
	l := k.DNSBL(t.Context(), []dns.Domain{{ASCII: "bl.example"}, {ASCII: "gone.example"}})
	if len(l) != 2 || l[0].Status != "fail" || l[1].Status != "pass" {
		t.Error(l)
	}
}

// slow is a resolver that never answers.
type slow struct{ dns.Resolver }

func (slow) LookupTXT(ctx context.Context, name string) ([]string, dns.Result, error) {
	<-ctx.Done()
	return nil, dns.Result{}, &dns.Error{Name: name, Type: "txt", Timeout: true, Err: ctx.Err()}
}

func (slow) LookupAddr(ctx context.Context, ip netip.Addr) ([]string, dns.Result, error) {
	<-ctx.Done()
	return nil, dns.Result{}, &dns.Error{Type: "ptr", Timeout: true, Err: ctx.Err()}
}

// TestDeadline: DNS that does not answer holds a message up for the deadline, and no more.
func TestDeadline(t *testing.T) {
	msg := sign(t, "a.example", "s", text)
	r := slow{zone(t)}
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Resolver: r, Hostname: mx, Timeout: 10 * time.Second, Now: func() time.Time { return now }})
		start := time.Now()
		_, f := run(t, c, "192.0.2.1", "x@a.example", msg)
		if d := time.Since(start); d > 10*time.Second {
			t.Error("took", d)
		}
		if f.IPRev.Status != "temperror" || f.SPF[0].Status != "temperror" || f.DKIM[0].Status != "temperror" || f.DMARC.Status != "temperror" || f.DMARC.Reject {
			t.Errorf("%+v", f)
		}
	})
}

type panicking struct{ dns.Resolver }

func (panicking) LookupAddr(context.Context, netip.Addr) ([]string, dns.Result, error) {
	panic("resolver")
}

// TestPanic: a check that panics fails, and nothing else.
func TestPanic(t *testing.T) {
	var panics []string
	c := New(Config{Resolver: panicking{zone(t)}, Hostname: mx, Metrics: Metrics{Panic: func(check string) { panics = append(panics, check) }}})
	_, f := run(t, c, "192.0.2.1", "x@a.example", text)
	if f.IPRev.Status != "temperror" || f.SPF[0].Status != "pass" || len(panics) != 1 || panics[0] != "iprev" {
		t.Errorf("%+v, %v", f.IPRev, panics)
	}
	if s := problem(errors.New(strings.Repeat("x", 1000))); len(s) > 300 {
		t.Error(len(s))
	}
}

func BenchmarkMessage(b *testing.B) {
	t := &testing.T{}
	c := New(Config{Resolver: zone(t), Hostname: mx, Now: func() time.Time { return now }})
	part, err := message.Parse(strings.NewReader(text), message.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	from, err := smtp.ParsePath("<x@a.example>", smtp.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		k := c.Begin(context.Background(), peer("192.0.2.1"), from)
		res := k.Message(context.Background(), part, strings.NewReader(text))
		res.Fields(false)
		k.End()
	}
}
