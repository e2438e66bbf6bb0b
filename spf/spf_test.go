package spf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/dns"
	"mox/smtp"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		in     string
		out    string // canonical, "" if the same
		offset int    // of the error
		err    string // part of its text
	}{
		{in: "v=spf1"},
		{in: "v=spf1   ", out: "v=spf1"},
		{in: "V=SPF1 A MX/24 +all", out: "v=spf1 a mx/24 all"},
		{in: "v=spf1 a/0//0 a:b.example/8 mx//64 ?ptr ~ptr:x.example exists:%{ir}.x.example -all"},
		{in: "v=spf1 a/32//128 ip4:10.0.0.0/32 ip6:2001:DB8::/128", out: "v=spf1 a ip4:10.0.0.0 ip6:2001:db8::"},
		{in: "v=spf1 ip4:0.0.0.0/0 ip6:::/0 ip6:::ffff:1.2.3.4"},
		{in: "v=spf1 redirect=a.example exp=%{l1r-}.x.example foo=%{c}bar a", out: "v=spf1 a foo=%{c}bar redirect=a.example exp=%{l1r-}.x.example"},
		{in: "v=spf1 include:xn--bcher-kva.example"},
		{in: "v=spf1 a:%% a:x%_ a:%{d} a:x.example. a:a:b/c.example/9"},
		{in: "v=spf1 foo=", out: "v=spf1 foo="},
		{in: "v=spf1 a:b.example/33", offset: 19, err: "prefix length must be 0 to 32"},
		{in: "v=spf1 a/024", offset: 9, err: "leading zero"},
		{in: "v=spf1 a//999999999999999999999", offset: 10, err: "0 to 128"},
		{in: "v=spf1 ip4:10.0.0.0/", offset: 20, err: "prefix length"},
		{in: "v=spf1 ip4:10.0.0", offset: 11, err: "invalid address for ip4"},
		{in: "v=spf1 ip4:2001:db8::1", offset: 11, err: "invalid address for ip4"},
		{in: "v=spf1 ip6:10.0.0.1", offset: 11, err: "invalid address for ip6"},
		{in: "v=spf1 ip6:fe80::1%eth0", offset: 11, err: "invalid address for ip6"},
		{in: "v=spf1 ipv4:10.0.0.1", offset: 7, err: "ip4 may be meant"},
		{in: "v=spf1 -10.0.0.1", offset: 8, err: "ip4: may be missing"},
		{in: "v=spf1 a:10.0.0.1", offset: 9, err: "ip4: may be meant"},
		{in: "v=spf1 redirect:a.example", offset: 7, err: "redirect=domain"},
		{in: "v=spf1 redirect=", offset: 16, err: "empty"},
		{in: "v=spf1 exp=a.example exp=a.example", offset: 25, err: "twice"},
		{in: "v=spf1 a -all:x", offset: 13, err: "no argument"},
		{in: "v=spf1 -", offset: 8, err: "unknown mechanism"},
		{in: "v=spf1 =x", offset: 7, err: "invalid name"},
		{in: "v=spf1 a:%{z}", offset: 9, err: "unknown macro"},
		{in: "v=spf1 a:%{c}", offset: 9, err: "explanations only"},
		{in: "v=spf1 a:x.%{d0}", offset: 11, err: "zero parts"},
		{in: "v=spf1 a:%{d", offset: 9, err: "without }"},
		{in: "v=spf1 a:%{}", offset: 9, err: "without letter"},
		{in: "v=spf1 a:%{d*}", offset: 9, err: "delimiter"},
		{in: "v=spf1 a:x%", offset: 10, err: "at the end"},
		{in: "v=spf1 a:%(d)", offset: 9, err: "must be followed"},
		{in: "v=spf1 a:%{d}x", offset: 13, err: "at least two labels"},
		{in: "v=spf1 a:b\xc3\xbc.example", offset: 10, err: "visible ASCII"},
		{in: "v=spf1 a\tmx", offset: 8, err: "0x09"},
		{in: "v=spf1 " + strings.Repeat("a ", MaxRecord/2), offset: MaxRecord, err: "longer"},
	} {
		r, is, err := Parse(tc.in)
		var se *SyntaxError
		if tc.err != "" {
			if !is || !errors.As(err, &se) || se.Offset != tc.offset || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%.60q: got %v, want %q at %d", tc.in, err, tc.err, tc.offset)
			}
			continue
		}
		want := tc.out
		if want == "" {
			want = tc.in
		}
		if !is || err != nil || r.String() != want {
			t.Errorf("%q: got %v, %v, want %q", tc.in, r, err, want)
		}
	}
	for _, s := range []string{"", "v=spf10", "v=spf1\t-all", "spf1 -all", " v=spf1", "v=spf2.0/pra"} {
		if r, is, err := Parse(s); r != nil || is || err != nil {
			t.Errorf("%q: taken for SPF: %v, %v", s, r, err)
		}
	}
}

// RFC 7208 7.4: examples of macros.
func TestMacroExamples(t *testing.T) {
	c := &check{
		resolver:     dns.MockResolver{},
		args:         &Args{Hello: hello("mx.example.org"), Now: time.Unix(1234567890, 0)},
		ip:           netip.MustParseAddr("192.0.2.3"),
		localpart:    "strong-bad",
		senderDomain: "email.example.com",
	}
	expand := func(s string) string {
		b, err := c.expand(t.Context(), nil, s, "email.example.com", 1000)
		if err != nil {
			t.Fatal(s, err)
		}
		return string(b)
	}
	for _, tc := range [][2]string{
		{"%{s}", "strong-bad@email.example.com"},
		{"%{o}", "email.example.com"},
		{"%{d}", "email.example.com"},
		{"%{d4}", "email.example.com"},
		{"%{d3}", "email.example.com"},
		{"%{d2}", "example.com"},
		{"%{d1}", "com"},
		{"%{dr}", "com.example.email"},
		{"%{d2r}", "example.email"},
		{"%{l}", "strong-bad"},
		{"%{l-}", "strong.bad"},
		{"%{lr}", "strong-bad"},
		{"%{lr-}", "bad.strong"},
		{"%{l1r-}", "strong"},
		{"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
		{"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
		{"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
		{"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
		{"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
		// Not among the examples.
		{"%{S}", "strong-bad%40email.example.com"},
		{"%{h}/%{c}/%{r}/%{t}/%{p}", "mx.example.org/192.0.2.3/unknown/1234567890/unknown"},
		{"%{d99999999999999999999}", "email.example.com"},
		{"%%%_%-", "% %20"},
	} {
		if got := expand(tc[0]); got != tc[1] {
			t.Errorf("%s: got %q, want %q", tc[0], got, tc[1])
		}
	}
	c.ip = netip.MustParseAddr("2001:db8::cb01")
	want := "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
	if got := expand("%{ir}.%{v}._spf.%{d2}"); got != want {
		t.Errorf("got %q", got)
	}
	if _, err := c.expand(t.Context(), nil, strings.Repeat("%{s}", 100), "x.example", 1000); !errors.Is(err, errTooLong) {
		t.Error("no bound:", err)
	}
}

func hello(s string) smtp.Host {
	d, err := dns.ParseDomain(s)
	if err != nil {
		panic(err)
	}
	return smtp.Host{IPDomain: smtp.IPDomain{Domain: d}}
}

func from(t testing.TB, s string) smtp.Path {
	t.Helper()
	p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCheck(t *testing.T) {
	txt := map[string][]string{
		"pass.example":          {"v=spf1 ip4:10.0.0.0/8 -all"},
		"host.pass.example":     {"v=spf1 a -all"},
		"loop.example":          {"v=spf1 redirect=loop.example"},
		"utf8.example":          {"v=spf1 include:%{l}.x.example exists:%{s}.x.example redirect=%{l}.x.example"},
		"utf8exp.example":       {"v=spf1 -all exp=exp.utf8exp.example"},
		"exp.utf8exp.example":   {"%{l} is not allowed"},
		"long.example":          {"v=spf1 -all exp=exp.long.example"},
		"exp.long.example":      {strings.Repeat("%{d}", 200)},
		"zero.example":          {"v=spf1 ?ip4:0.0.0.0/0 ~ip6:::/0 -all"},
		"p.example":             {"v=spf1 exists:%{p}.x.example -all"},
		"elevena.example":       {"v=spf1 " + strings.Repeat("a:pass.example ", 10) + "exists:%{p}.x.example -all"},
		"chain.example":         {"v=spf1 include:bad.example -all"},
		"bad.example":           {"v=spf1 include:bad2.example"},
		"bad2.example":          {"v=spf1 ipv4:10.0.0.1"},
		"redirect.example":      {"v=spf1 redirect=pass.example"},
		"back.example":          {`v=spf1 a:x\.y.example -all`},
		"xn--bcher-kva.example": {"v=spf1 exists:%{o}.ok.example -all"},
		"mxv4.example":          {"v=spf1 mx mx:mxv4.example mx:mxv4.example mx:mxv4.example ~all"},
		"dot.example":           {"v=spf1 exists:%{d}. -all"},
		"localhost":             {"v=spf1 +all"},
	}
	resolver := dns.MockResolver{
		TXT: txt,
		A: map[string][]string{
			"host.pass.example": {"10.0.0.9"}, "mail.example": {"10.0.0.1"}, "mail.example.x.example": {"127.0.0.2"},
			"pass.example": {"10.9.9.9"}, "xn--bcher-kva.example.ok.example": {"127.0.0.2"}, "mxhost.example": {"10.7.7.7"},
		},
		MX:           map[string][]dns.MX{"mxv4.example": {{Preference: 1, Host: "mxhost.example"}}},
		PTR:          map[string][]string{"10.0.0.1": {"Forged.example", "Mail.example."}},
		AllAuthentic: true,
		Inauthentic:  []string{"a host.pass.example"},
		Fail:         map[string]error{"txt down.example": nil},
	}
	for _, tc := range []struct {
		ip, from, mechanism string
		status              Status
		err                 string
	}{
		{"10.1.1.1", "x@pass.example", "ip4:10.0.0.0/8", StatusPass, ""},
		{"::ffff:10.1.1.1", "x@pass.example", "ip4:10.0.0.0/8", StatusPass, ""},
		{"fe80::1%eth0", "x@pass.example", "-all", StatusFail, ""},
		{"10.0.0.9", "", "a", StatusPass, ""}, // null reverse-path: HELO
		{"10.1.1.1", "x@loop.example", "redirect=loop.example", StatusPermerror, "more than 10"},
		{"10.1.1.1", "ü@utf8.example", "default", StatusNeutral, ""},
		{"10.1.1.1", "u@utf8.example", "include:%{l}.x.example", StatusPermerror, "without SPF record"},
		{"10.1.1.1", "x@zero.example", "?ip4:0.0.0.0/0", StatusNeutral, ""},
		{"2001:db8::1", "x@zero.example", "~ip6:::/0", StatusSoftfail, ""},
		{"10.0.0.1", "x@p.example", "exists:%{p}.x.example", StatusPass, ""},
		{"10.0.0.1", "x@elevena.example", "exists:%{p}.x.example", StatusPermerror, "more than 10"},
		{"10.0.0.1", "x@chain.example", "include:bad.example", StatusPermerror, "ip4 may be meant"},
		{"10.0.0.1", "x@redirect.example", "ip4:10.0.0.0/8", StatusPass, ""},
		{"10.0.0.1", "x@down.example", "", StatusTemperror, "down.example"},
		{"10.0.0.1", "x@back.example", "-all", StatusFail, ""},
		{"10.0.0.1", "x@bücher.example", "exists:%{o}.ok.example", StatusPass, ""},
		{"2001:db8::1", "x@mxv4.example", "~all", StatusSoftfail, ""},
		{"10.0.0.1", "x@none.example", "", StatusNone, "no SPF record"},
		{"10.0.0.1", "x@[10.0.0.1]", "", StatusNone, "no domain"},
		{"10.0.0.1", "x@localhost", "", StatusNone, "no domain"},
		{"10.0.0.1", "x@dot.example", "exists:%{d}.", StatusPermerror, "at least two labels"},
	} {
		args := Args{IP: netip.MustParseAddr(tc.ip), MailFrom: from(t, tc.from), Hello: hello("host.pass.example")}
		res := CheckMailFrom(t.Context(), nil, resolver, args)
		mechanism := res.Mechanism
		if tc.from == "x@dot.example" {
			mechanism = tc.mechanism // a syntax error: no term was evaluated
		}
		text := ""
		if res.Err != nil {
			text = res.Err.Error()
		}
		if res.Status != tc.status || mechanism != tc.mechanism || !strings.Contains(text, tc.err) || (text == "") != (tc.err == "") {
			t.Errorf("%s from %s: got %+v", tc.from, tc.ip, res)
		}
	}

	check := func(addr string, mod func(*Args)) Result {
		args := Args{IP: netip.MustParseAddr("192.0.2.1"), MailFrom: from(t, addr), Hello: hello("host.pass.example")}
		if mod != nil {
			mod(&args)
		}
		return CheckMailFrom(t.Context(), nil, resolver, args)
	}
	if res := check("x@pass.example", nil); !res.Authentic || res.Domain.ASCII != "pass.example" || res.Record != txt["pass.example"][0] || res.Lookups != 0 {
		t.Errorf("got %+v", res)
	}
	if res := check("x@redirect.example", nil); res.Lookups != 1 || res.Record != txt["redirect.example"][0] || res.MechanismDomain != "pass.example" {
		t.Errorf("got %+v", res)
	}
	if res := check("", nil); res.Authentic || res.Identity != IdentityMailFrom || res.Lookups != 1 {
		t.Errorf("got %+v", res)
	}
	// Explanations that are not ASCII, or too long, are not used.
	if res := check("ü@utf8exp.example", nil); res.Status != StatusFail || res.Explanation != "" {
		t.Errorf("got %+v", res)
	}
	if res := check("u@utf8exp.example", nil); res.Explanation != "u is not allowed" {
		t.Errorf("got %+v", res)
	}
	if res := check("u@long.example", nil); res.Status != StatusFail || res.Explanation != "" {
		t.Errorf("got %+v", res)
	}
	if res := check("x@pass.example", func(a *Args) { a.IP = netip.Addr{} }); res.Status != StatusNone || !errors.Is(res.Err, ErrNoAddress) {
		t.Errorf("got %+v", res)
	}
	if res := check("x@pass.example", func(a *Args) { a.MailFrom = smtp.Path{Localpart: "postmaster"} }); res.Status != StatusNone {
		t.Errorf("got %+v", res)
	}
}

func TestCheckHello(t *testing.T) {
	resolver := dns.MockResolver{TXT: map[string][]string{"mx.example.org": {"v=spf1 exists:%{l}.%{o}.ok.example -all"}}, A: map[string][]string{"postmaster.mx.example.org.ok.example": {"127.0.0.2"}}}
	args := Args{IP: netip.MustParseAddr("10.0.0.1"), Hello: hello("mx.example.org"), MailFrom: from(t, "x@y.example")}
	if res := CheckHello(t.Context(), nil, resolver, args); res.Status != StatusPass || res.Identity != IdentityHello || res.Domain.ASCII != "mx.example.org" {
		t.Errorf("got %+v", res)
	}
	for _, h := range []smtp.Host{{Raw: "JUMPIN' JUPITER"}, {IPDomain: smtp.IPDomain{IP: args.IP}}, {}, hello("single")} {
		args.Hello = h
		if res := CheckHello(t.Context(), nil, resolver, args); res.Status != StatusNone || !errors.Is(res.Err, ErrNoDomain) {
			t.Errorf("%v: got %+v", h, res)
		}
	}
}

// RFC 7208 4.6.4: the time limit gives temperror.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := dns.MockResolver{TXT: map[string][]string{"slow.example": {"v=spf1 a mx a:slow.example -all"}}, A: map[string][]string{"slow.example": {"10.0.0.2"}},
			MX: map[string][]dns.MX{"slow.example": {{Host: "slow.example"}}}, Delay: map[string]time.Duration{"a slow.example": 8 * time.Second}}
		args := Args{IP: netip.MustParseAddr("10.0.0.1"), MailFrom: from(t, "x@slow.example")}
		start := time.Now()
		if res := CheckMailFrom(t.Context(), nil, r, args); res.Status != StatusFail || time.Since(start) != 24*time.Second {
			t.Errorf("got %+v after %v", res, time.Since(start))
		}
		args.Timeout = 20 * time.Second
		start = time.Now()
		if res := CheckMailFrom(t.Context(), nil, r, args); res.Status != StatusTemperror || time.Since(start) < args.Timeout {
			t.Errorf("got %+v after %v", res, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if res := CheckMailFrom(ctx, nil, r, args); res.Status != StatusTemperror {
			t.Errorf("got %+v", res)
		}
	})
}

func TestLookup(t *testing.T) {
	r := dns.MockResolver{TXT: map[string][]string{"a.example": {"x", "v=spf1 -all"}, "two.example": {"v=spf1", "v=spf1"}, "bad.example": {"v=spf1 x"}, "other.example": {"x"}},
		Fail: map[string]error{"txt down.example": nil}, AllAuthentic: true}
	for _, tc := range []struct {
		domain string
		status Status
		txt    string
		err    error
	}{
		{"a.example", StatusNone, "v=spf1 -all", nil},
		{"two.example", StatusPermerror, "", ErrMultipleRecords},
		{"bad.example", StatusPermerror, "v=spf1 x", new(SyntaxError)},
		{"other.example", StatusNone, "", ErrNoRecord},
		{"nx.example", StatusNone, "", ErrNoRecord},
		{"down.example", StatusTemperror, "", new(dns.Error)},
		{"single", StatusNone, "", ErrNoDomain},
	} {
		txt, rec, authentic, status, err := Lookup(t.Context(), nil, r, dns.Domain{ASCII: tc.domain})
		ok := errors.Is(err, tc.err)
		switch e := tc.err.(type) {
		case *SyntaxError:
			ok = errors.As(err, &e)
		case *dns.Error:
			ok = errors.As(err, &e)
		}
		if !ok || status != tc.status || txt != tc.txt || (rec != nil) != (err == nil) || authentic != (tc.domain != "single" && tc.domain != "down.example") {
			t.Errorf("%s: got %q, %v, %v, %v, %v", tc.domain, txt, rec, authentic, status, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"v=spf1 ip4:10.0.0.0/8 -all", nil},
		{"v=spf1 a", []string{"neither all nor redirect"}},
		{"v=spf1 all", []string{"every host in the world"}},
		{"v=spf1 ptr -all a redirect=x.example", []string{"ptr is slow", "1 mechanisms after all", "redirect has no effect"}},
		{"v=spf1 ip4:10.0.0.1/24 a/0 ip6:::ffff:1.2.3.4 -all", []string{"the network is 10.0.0.0/24", "a/0 matches a very large", "never matches"}},
		{"v=spf1 include=x.example foo=bar -all", []string{"include: may be meant", "unknown modifier foo"}},
		{"v=spf1 " + strings.Repeat("mx ", 11) + "-all", []string{"11 terms"}},
		{"v=spf1 " + strings.Repeat("ip4:100.100.100.100 ", 25) + "-all", []string{"octets"}},
	} {
		r, _, err := Parse(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		got := r.Warnings(tc.in)
		ok := len(got) == len(tc.want)
		for i := range min(len(got), len(tc.want)) {
			ok = ok && strings.Contains(got[i], tc.want[i])
		}
		if !ok {
			t.Errorf("%s: got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestReceivedSPF(t *testing.T) {
	args := Args{IP: netip.MustParseAddr("192.0.2.1"), MailFrom: from(t, "myname@example.com"), Hello: hello("foo.example.com"), LocalHostname: dns.Domain{ASCII: "mybox.example.org"}}
	res := Result{Status: StatusPass, Identity: IdentityMailFrom, Mechanism: "ip4:192.0.2.1"}
	want := "Received-SPF: pass (domain designates the client as permitted sender)\r\n\treceiver=mybox.example.org;\r\n\tclient-ip=192.0.2.1;\r\n\t" +
		"envelope-from=\"myname@example.com\";\r\n\thelo=foo.example.com;\r\n\tidentity=mailfrom;\r\n\tmechanism=\"ip4:192.0.2.1\"\r\n"
	if got := res.ReceivedSPF(args); got != want {
		t.Error(cmp.Diff(want, got))
	}
	// What the client says cannot end the value, the line or the field.
	args.Hello = smtp.Host{Raw: "x\"; identity=evil\r\nSubject: y\x00\xff\\"}
	args.MailFrom = smtp.Path{}
	args.IP = netip.MustParseAddr("2001:db8::1")
	res = Result{Status: StatusPermerror, Identity: IdentityMailFrom, Domain: dns.Domain{ASCII: "foo.example"}, Err: errors.New(strings.Repeat("é\n", 1000))}
	got := res.ReceivedSPF(args)
	for _, s := range []string{`helo="x\"; identity=evil??Subject: y??\\";`, `client-ip="2001:db8::1"`, `envelope-from="postmaster@foo.example"`, `..."` + "\r\n"} {
		if !strings.Contains(got, s) {
			t.Errorf("no %s in %s", s, got)
		}
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(got, "\r\n"), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") || line[0] != '\t' && !strings.HasPrefix(line, "Received-SPF: ") {
			t.Errorf("line %q", line)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"v=spf1 a mx/24//64 ip4:10.0.0.0/8 ip6:2001:db8::/32 include:%{ir}.%{l1r+-}._spf.%{d2} exists:a.b ptr ?all", "v=spf1 redirect=a.b exp=%{H} x=%%", "v=spf1 a:%{d}.", "v=spf1 a:x.y/z.example/24"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, is, err := Parse(s)
		if err != nil || !is {
			if r != nil {
				t.Fatal("record with an error")
			}
			return
		}
		r2, _, err := Parse(r.String())
		if err != nil || !cmp.Equal(r, r2, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })) {
			t.Fatalf("%q printed as %q: %v", s, r, err)
		}
		r.Warnings(s)
	})
}

func FuzzExpand(f *testing.F) {
	f.Add("%{ir}.%{v}.%{L2r+-=}%%%_%-%{p}%{h}%{t}%{c}%{r}%{S}", "a.b+c-d", "\xff x")
	f.Fuzz(func(t *testing.T, s, localpart, raw string) {
		if _, text := checkMacros(s, lettersExp); text != "" {
			return
		}
		c := &check{resolver: dns.MockResolver{}, args: &Args{Hello: smtp.Host{Raw: raw}}, ip: netip.MustParseAddr("2001:db8::1"), localpart: localpart, senderDomain: "x.example"}
		b, err := c.expand(t.Context(), nil, s, "y.example", 300)
		if err == nil && len(b) > 300 {
			t.Fatal("over the bound")
		}
		name, ok, _ := c.target(t.Context(), s, "y.example")
		if ok && !isName(name) {
			t.Fatal("not a name")
		}
	})
}

// fuzzResolver answers everything with records made of the same texts, and counts.
type fuzzResolver struct {
	dns.Resolver
	txts, names []string
	ips         []netip.Addr
	asked       *int
}

func (r fuzzResolver) LookupTXT(_ context.Context, name string) ([]string, dns.Result, error) {
	*r.asked++
	if len(name)%5 == 4 {
		return nil, dns.Result{}, &dns.Error{NotFound: true}
	}
	return r.txts[len(name)%len(r.txts):][:1], dns.Result{}, nil
}
func (r fuzzResolver) LookupIP(_ context.Context, _, name string) ([]netip.Addr, dns.Result, error) {
	*r.asked++
	if len(name)%3 == 2 {
		return nil, dns.Result{}, &dns.Error{NotFound: true}
	}
	return r.ips, dns.Result{}, nil
}
func (r fuzzResolver) LookupAddr(context.Context, netip.Addr) ([]string, dns.Result, error) {
	*r.asked++
	return r.names, dns.Result{}, nil
}
func (r fuzzResolver) LookupMX(context.Context, string) ([]dns.MX, dns.Result, error) {
	*r.asked++
	var l []dns.MX
	for _, n := range r.names {
		l = append(l, dns.MX{Host: n})
	}
	return l, dns.Result{}, nil
}

func FuzzCheck(f *testing.F) {
	f.Add("v=spf1 include:%{d}.x.y redirect=%{h}.a.b", "v=spf1 mx a ptr exists:%{p}.%{l}.x -all exp=%{s}.x.y", "a.b,c.d,mx.x.y", "user", "mx.x.y")
	f.Add("v=spf1 redirect=%{d}", "%{c} %{r}", "a,b,c,d,e,f,g,h,i,j,k,l", "ü", "\xff\"\r\n")
	f.Fuzz(func(t *testing.T, txt1, txt2, names, localpart, raw string) {
		asked := 0
		r := fuzzResolver{txts: []string{txt1, txt2}, names: strings.Split(names, ","), ips: []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("2001:db8::1")}, asked: &asked}
		args := Args{IP: netip.MustParseAddr("10.0.0.1"), Hello: smtp.Host{Raw: raw}, MailFrom: smtp.Path{Localpart: smtp.Localpart(localpart), IPDomain: smtp.IPDomain{Domain: dns.Domain{ASCII: "x.example"}}}}
		res := CheckMailFrom(t.Context(), nil, r, args)
		// The first record; ten terms, each with a record or ten addresses; PTR names; and the
		// explanation.
		if asked > 1+maxLookups*(1+maxNames)+1+maxNames+2 {
			t.Fatalf("asked %d times", asked)
		}
		if (res.Err == nil) != (res.Status != StatusNone && res.Status != StatusTemperror && res.Status != StatusPermerror) {
			t.Fatalf("got %+v", res)
		}
		if field := res.ReceivedSPF(args); strings.Count(field, "\n") != strings.Count(field, "\r\n\t")+1 || strings.Count(field, "\r") != strings.Count(field, "\n") {
			t.Fatalf("field %q", field)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	r := dns.MockResolver{
		TXT: map[string][]string{
			"example.org":      {"v=spf1 mx include:_spf.example.net ip4:192.0.2.0/24 -all"},
			"_spf.example.net": {"v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/24 ip6:2001:db8::/32 ~all"},
		},
		MX: map[string][]dns.MX{"example.org": {{Preference: 10, Host: "mx.example.org"}}},
		A:  map[string][]string{"mx.example.org": {"192.0.2.1"}},
	}
	args := Args{IP: netip.MustParseAddr("203.0.113.7"), MailFrom: from(b, "user@example.org"), Hello: hello("mx.example.org")}
	b.ReportAllocs()
	for b.Loop() {
		if res := CheckMailFrom(b.Context(), nil, r, args); res.Status != StatusPass {
			b.Fatal(res)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	const txt = "v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/24 ip6:2001:db8::/32 include:_spf.example.net mx a:mail.example.org exists:%{ir}.%{v}._spf.%{d2} -all"
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(txt); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleCheckMailFrom() {
	resolver := dns.MockResolver{TXT: map[string][]string{"example.org": {"v=spf1 ip4:192.0.2.0/24 -all"}}}
	mailFrom, _ := smtp.ParsePath("<user@example.org>", smtp.Options{})
	res := CheckMailFrom(context.Background(), nil, resolver, Args{IP: netip.MustParseAddr("198.51.100.1"), MailFrom: mailFrom})
	fmt.Println(res.Status, res.Mechanism)
	// Output: fail -all
}

func ExampleParse() {
	r, _, _ := Parse("V=spf1  +MX/24 -ALL redirect=other.example")
	fmt.Println(r)
	_, _, err := Parse("v=spf1 mx a:mail")
	fmt.Println(err)
	// Output:
	// v=spf1 mx/24 -all redirect=other.example
	// SPF record, at 12, "a:mail": domain must have at least two labels, or end in a macro
}
