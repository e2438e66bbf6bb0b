package smtp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mox/dns"
)

var cmpOpts = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, dns.Domain{}), cmpopts.EquateEmpty()}

func path(local, domain string) Path {
	d, err := dns.ParseDomainLax(domain)
	if err != nil {
		panic(err)
	}
	return Path{Localpart(local), IPDomain{Domain: d}}
}

func TestPath(t *testing.T) {
	l64, l65, l128 := strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("a", 128)
	ip := func(l, ip string) Path { return Path{Localpart(l), IPDomain{IP: netip.MustParseAddr(ip)}} }
	for _, tc := range []struct {
		in          string
		want        Path
		lax, strict bool
		print       string // empty: as in
	}{
		{"<>", Path{}, true, true, ""},
		{"<a@b.example>", path("a", "b.example"), true, true, ""},
		{"<A.b+c@B.Example>", path("A.b+c", "b.example"), true, true, "<A.b+c@b.example>"},
		{`<"a b"@b.example>`, path("a b", "b.example"), true, true, ""},
		{`<"a\"\\\b"@b.example>`, path(`a"\b`, "b.example"), true, true, `<"a\"\\b"@b.example>`},
		{`<"plain"@b.example>`, path("plain", "b.example"), true, true, "<plain@b.example>"},
		{`<""@b.example>`, path("", "b.example"), true, true, ""},
		{`<"a@b"@b.example>`, path("a@b", "b.example"), true, true, ""},
		{"<!#$%&'*+-/=?^_`{|}~@b.example>", path("!#$%&'*+-/=?^_`{|}~", "b.example"), true, true, ""},
		// RFC 5321 4.1.1.3: source routes are accepted and ignored.
		{"<@x.example,@y.example:a@b.example>", path("a", "b.example"), true, true, "<a@b.example>"},
		{"<@x.example:a@b.example>", path("a", "b.example"), true, true, "<a@b.example>"},
		{"<@x.example,a@b.example>", Path{}, false, false, ""},
		{"<@:a@b.example>", Path{}, false, false, ""},
		// RFC 5321 4.1.3: address literals.
		{"<a@[10.0.0.1]>", ip("a", "10.0.0.1"), true, true, ""},
		{"<a@[IPv6:2001:db8::1]>", ip("a", "2001:db8::1"), true, true, ""},
		{"<a@[ipv6:::1]>", ip("a", "::1"), true, true, "<a@[IPv6:::1]>"},
		{"<a@[::1]>", ip("a", "::1"), true, false, "<a@[IPv6:::1]>"},
		{"<a@[IPv6:10.0.0.1]>", Path{}, false, false, ""},
		{"<a@[IPv6:fe80::1%eth0]>", Path{}, false, false, ""},
		{"<a@[10.0.0.256]>", Path{}, false, false, ""},
		{"<a@[x:y]>", Path{}, false, false, ""},
		{"<a@[10.0.0.1>", Path{}, false, false, ""},
		{"<a@10.0.0.1>", Path{}, false, false, ""},
		// RFC 6531 3.3: UTF-8.
		{"<ü@b.example>", path("ü", "b.example"), true, true, ""},
		{"<a@bücher.example>", path("a", "bücher.example"), true, true, ""},
		{"<\xff@b.example>", Path{}, false, false, ""},
		// Leniency.
		{"<.a..b.@b.example>", path(".a..b.", "b.example"), true, false, `<".a..b."@b.example>`},
		{"a@b.example", path("a", "b.example"), true, false, "<a@b.example>"},
		{"<a@b_c.example>", path("a", "b_c.example"), true, false, ""},
		{"<" + l64 + "@b.example>", path(l64, "b.example"), true, true, ""},
		{"<" + l65 + "@b.example>", path(l65, "b.example"), true, false, ""},
		{"<" + l128 + "@b.example>", path(l128, "b.example"), true, false, ""},
		{"<" + l128 + "a@b.example>", Path{}, false, false, ""},
		// Errors.
		{"", Path{}, false, false, ""},
		{"<a>", Path{}, false, false, ""},
		{"<a@>", Path{}, false, false, ""},
		{"<@b.example>", Path{}, false, false, ""},
		{"<a@b.example", Path{}, false, false, ""},
		{"<a@b.example>x", Path{}, false, false, ""},
		{"<a@b..example>", Path{}, false, false, ""},
		{"<a@b.example.>", Path{}, false, false, ""},
		{"<a b@b.example>", Path{}, false, false, ""},
		{`<"a@b.example>`, Path{}, false, false, ""},
		{"<\"a\x01\"@b.example>", Path{}, false, false, ""},
		{"<a@b.example\x00>", Path{}, false, false, ""},
		{"<<a@b.example>>", Path{}, false, false, ""},
	} {
		for _, pedantic := range []bool{false, true} {
			ok := tc.lax
			if pedantic {
				ok = tc.strict
			}
			got, err := ParsePath(tc.in, Options{Pedantic: pedantic})
			if (err == nil) != ok || ok && got != tc.want {
				t.Errorf("%q, pedantic %v: got %+v, %v", tc.in, pedantic, got, err)
				continue
			}
			if err != nil {
				if !errors.Is(err, ErrAddress) {
					t.Errorf("%q: error %v is not ErrAddress", tc.in, err)
				}
				continue
			}
			want := tc.print
			if want == "" {
				want = tc.in
			}
			if s := "<" + got.XString(true) + ">"; s != want {
				t.Errorf("%q: printed as %q, want %q", tc.in, s, want)
			}
		}
	}
}

func TestAddress(t *testing.T) {
	a, err := ParseAddress("Jörg@Bücher.example")
	if err != nil || a.Pack(false) != "Jörg@xn--bcher-kva.example" || a.Pack(true) != "Jörg@bücher.example" || !a.Localpart.IsInternational() {
		t.Error(a, err)
	}
	if a.Path().Address() != a || a.LogString() != "Jörg@bücher.example/Jörg@xn--bcher-kva.example" {
		t.Error(a.LogString())
	}
	for _, s := range []string{"", "a", "a@", "@b", "a@[10.0.0.1]", "<a@b.example>", "a@b.example ", "a..b@b.example"} {
		if a, err := ParseAddress(s); err == nil {
			t.Errorf("%q: %v", s, a)
		}
	}
	if l, err := ParseLocalpart(`"a b"`); err != nil || l != "a b" {
		t.Error(l, err)
	}
	if _, err := ParseLocalpart("a@b"); err == nil {
		t.Error("localpart with domain accepted")
	}
}

func host(s string) Host {
	d, err := ParseIPDomain(s, Options{})
	if err != nil {
		return Host{Raw: s}
	}
	return Host{IPDomain: d}
}

func TestCommand(t *testing.T) {
	ab := path("a", "b.example")
	long := MailParams{HasSize: true, Size: 1000, Body: Body8BitMIME, SMTPUTF8: true, RequireTLS: true, Ret: RetHdrs, EnvID: "id 1+", Auth: "a=b@c.example", HoldFor: 60}
	for _, tc := range []struct {
		in     string
		want   Command
		strict bool // also when pedantic
	}{
		{"EHLO mx.example", Ehlo{host("mx.example")}, true},
		{"ehlo [10.0.0.1]", Ehlo{host("[10.0.0.1]")}, true},
		{"EHLO my_host", Ehlo{host("my_host")}, false},
		{"EHLO 10.0.0.1", Ehlo{host("10.0.0.1")}, false},
		{"HELO mx.example  ", Helo{host("mx.example")}, true},
		{"LHLO mx.example", Lhlo{host("mx.example")}, true},
		{"MAIL FROM:<a@b.example>", Mail{From: ab}, true},
		{"mail from:<A@b.example> size=0", Mail{From: path("A", "b.example"), Params: MailParams{HasSize: true}}, true},
		{"MAIL FROM: <a@b.example>", Mail{From: ab}, false},
		{"MAIL FROM:a@b.example BODY=7bit", Mail{From: ab, Params: MailParams{Body: Body7Bit}}, false},
		{"MAIL FROM:<>", Mail{}, true},
		{"MAIL FROM:<a@b.example> SIZE=1000 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=hdrs ENVID=id+201+2B AUTH=a+3Db@c.example HOLDFOR=60", Mail{ab, long}, true},
		{"MAIL FROM:<ü@b.example> SMTPUTF8", Mail{path("ü", "b.example"), MailParams{SMTPUTF8: true}}, true},
		{"MAIL FROM:<a@b.example> HOLDUNTIL=2026-01-02T03:04:05Z", Mail{ab, MailParams{HoldUntil: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}, true},
		{"MAIL FROM:<a@b.example> XFOO=bar XBAZ", Mail{ab, MailParams{Other: []Param{{"XFOO", "bar", true}, {"XBAZ", "", false}}}}, true},
		{"MAIL FROM:<a@b.example> AUTH=<>", Mail{ab, MailParams{Auth: "<>"}}, true},
		{"RCPT TO:<a@b.example>", Rcpt{To: ab}, true},
		{"RCPT TO:<Postmaster>", Rcpt{To: Path{Localpart: "Postmaster"}}, true},
		{"RCPT TO:<postmaster@b.example>", Rcpt{To: path("postmaster", "b.example")}, true},
		{"RCPT TO:<postmasters@b.example>", Rcpt{To: path("postmasters", "b.example")}, true},
		{"RCPT TO:<a@b.example> NOTIFY=SUCCESS,failure ORCPT=rfc822;x+2By@z.example", Rcpt{ab, RcptParams{NotifySuccess | NotifyFailure, ORcpt{"rfc822", "x+y@z.example"}, nil}}, true},
		{"RCPT TO:<a@b.example> ORCPT=rfc822;+C3+BC@z.example", Rcpt{ab, RcptParams{ORcpt: ORcpt{"utf-8", "ü@z.example"}}}, true},
		{`RCPT TO:<a@b.example> NOTIFY=NEVER ORCPT=utf-8;\x{FC}@z.example`, Rcpt{ab, RcptParams{NotifyNever, ORcpt{"utf-8", "ü@z.example"}, nil}}, true},
		{"DATA", Data{}, true}, {"data \t", Data{}, true},
		{"RSET", Rset{}, true}, {"QUIT", Quit{}, true}, {"STARTTLS", StartTLS{}, true},
		{"BDAT 0 LAST", Bdat{0, true}, true}, {"BDAT 100", Bdat{100, false}, true}, {"bdat 5 last", Bdat{5, true}, true},
		{"BURL imap://harry@gryffindor.example.com/outbox;uidvalidity=1078863300/;uid=25;urlauth=submit+harry:internal:91354a473744909de610943775f92038 LAST", Burl{"imap://harry@gryffindor.example.com/outbox;uidvalidity=1078863300/;uid=25;urlauth=submit+harry:internal:91354a473744909de610943775f92038", true}, true},
		{"burl http://x/", Burl{"http://x/", false}, true}, {"BURL imap://x/;UID=1 last", Burl{"imap://x/;UID=1", true}, true},
		{"NOOP", Noop{}, true}, {"NOOP what ever", Noop{"what ever"}, true},
		{"HELP", Help{}, true}, {"HELP MAIL", Help{"MAIL"}, true},
		{"VRFY a b", Vrfy{"a b", false}, true}, {"VRFY ü SMTPUTF8", Vrfy{"ü", true}, true}, {"EXPN list", Expn{"list", false}, true},
		{"AUTH PLAIN", Auth{"PLAIN", nil}, true}, {"AUTH plain AGEAYg==", Auth{"PLAIN", []byte("\x00a\x00b")}, true}, {"AUTH EXTERNAL =", Auth{"EXTERNAL", []byte{}}, true},
	} {
		for _, pedantic := range []bool{false, true} {
			got, err := ParseCommand(tc.in, Options{Pedantic: pedantic})
			if pedantic && !tc.strict {
				if err == nil {
					t.Errorf("%q: accepted when pedantic", tc.in)
				}
				continue
			}
			if err != nil {
				t.Errorf("%q, pedantic %v: %v", tc.in, pedantic, err)
				continue
			}
			if d := cmp.Diff(tc.want, got, cmpOpts); d != "" {
				t.Errorf("%q: %s", tc.in, d)
			}
			checkPrint(t, got, Options{Pedantic: pedantic})
		}
	}
}

// checkPrint demands that what c prints parses back to c.
func checkPrint(t *testing.T, c Command, o Options) {
	t.Helper()
	again, err := ParseCommand(c.String(), o)
	if err != nil {
		t.Fatalf("%#v printed as %q, which fails: %v", c, c, err)
	}
	if a, isAuth := c.(Auth); isAuth && (a.Initial == nil) != (again.(Auth).Initial == nil) {
		t.Fatalf("%#v printed as %q, parsed as %#v", c, c, again)
	}
	if d := cmp.Diff(c, again, cmpOpts); d != "" {
		t.Fatalf("%#v printed as %q: %s", c, c, d)
	}
}

func TestCommandErrors(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want string
	}{
		{"", "500 5.5.1"}, {"FOO", "500 5.5.1"}, {"MAILFROM:<a@b>", "500 5.5.1"}, {"GET / HTTP/1.1", "500 5.5.1"}, {"\x16\x03\x01", "500 5.5.1"},
		{"EHLO", "501 5.5.4"}, {"EHLO a b", "501 5.5.4"}, {"EHLO \xff", "501 5.5.4"},
		{"MAIL", "501 5.1.7"}, {"MAIL FROM", "501 5.1.7"}, {"MAIL FROM:", "501 5.1.7"}, {"MAIL FROM:<a>", "501 5.1.7"}, {"MAIL TO:<a@b>", "501 5.1.7"},
		{"MAIL FROM:<a@b>SIZE=1", "501 5.5.2"}, {"MAIL FROM:<a@b> SIZE=", "501 5.5.2"}, {"MAIL FROM:<a@b> =1", "501 5.5.2"},
		{"MAIL FROM:<a@b> SIZE=x", "501 5.5.4"}, {"MAIL FROM:<a@b> SIZE=123456789012345678901", "501 5.5.4"}, {"MAIL FROM:<a@b> SIZE=-1", "501 5.5.4"},
		{"MAIL FROM:<a@b> SIZE=1 size=2", "501 5.5.4"}, {"MAIL FROM:<a@b> BODY=9BIT", "504 5.5.4"}, {"MAIL FROM:<a@b> SMTPUTF8=1", "501 5.5.4"},
		{"MAIL FROM:<a@b> RET=X", "501 5.5.4"}, {"MAIL FROM:<a@b> ENVID=+0", "501 5.5.4"}, {"MAIL FROM:<a@b> ENVID=+00", "501 5.5.4"},
		{"MAIL FROM:<a@b> HOLDFOR=0", "501 5.5.4"}, {"MAIL FROM:<a@b> HOLDUNTIL=tomorrow", "501 5.5.4"},
		{"MAIL FROM:<a@b> HOLDFOR=1 HOLDUNTIL=2026-01-02T03:04:05Z", "501 5.5.4"},
		{"MAIL FROM:<ü@b>", "553 5.6.7"}, {"MAIL FROM:<a@bücher.example>", "553 5.6.7"},
		{"RCPT TO:<>", "501 5.1.3"}, {"RCPT FROM:<a@b>", "501 5.1.3"}, {"RCPT TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4"}, {"RCPT TO:<a@b> NOTIFY=X", "501 5.5.4"},
		{"RCPT TO:<a@b> NOTIFY=NEVER,NEVER,DELAY", "501 5.5.4"}, {"RCPT TO:<a@b> ORCPT=x", "501 5.5.4"}, {"RCPT TO:<a@b> ORCPT=rfc822;+", "501 5.5.4"},
		{"DATA x", "501 5.5.4"}, {"RSET x", "501 5.5.4"}, {"QUIT x", "501 5.5.4"}, {"STARTTLS x", "501 5.5.4"},
		{"BDAT", "501 5.5.4"}, {"BDAT x", "501 5.5.4"}, {"BDAT 1 FIRST", "501 5.5.4"}, {"BDAT 1LAST", "501 5.5.4"}, {"BDAT 1 LAST x", "501 5.5.4"}, {"BDAT -1", "501 5.5.4"},
		{"BURL", "501 5.5.4"}, {"BURL x", "501 5.5.4"}, {"BURL x: LAST", "501 5.5.4"}, {"BURL imap://\xff LAST", "501 5.5.4"}, {"BURL imap://x FIRST", "501 5.5.4"}, {"BURL imap://x LAST x", "501 5.5.4"},
		{"VRFY", "501 5.5.4"}, {"EXPN", "501 5.5.4"}, {"VRFY ü", "553 5.6.7"},
		{"AUTH", "501 5.5.4"}, {"AUTH PL@IN", "501 5.5.4"}, {"AUTH PLAIN ***", "501 5.5.2"}, {"AUTH PLAIN YQ", "501 5.5.2"}, {"AUTH ABCDEFGHIJKLMNOPQRSTU", "501 5.5.4"},
		{"MAIL FROM:<a@b>" + manyParams(31), "501 5.5.4"},
	} {
		for _, o := range []Options{{}, {Pedantic: true}} {
			c, err := ParseCommand(tc.in, o)
			if err == nil {
				t.Errorf("%q accepted as %#v", tc.in, c)
			} else if got := fmt.Sprintf("%d %s", err.Code, err.Enhanced); got != tc.want {
				t.Errorf("%q: got %v, want %s", tc.in, err, tc.want)
			}
		}
	}
	if c, err := ParseCommand("MAIL FROM:<a@b> SIZE=99999999999999999999", Options{}); err != nil || c.(Mail).Params.Size < 1<<62 {
		t.Error(c, err)
	}
}

func manyParams(n int) string {
	s := ""
	for i := range n {
		s += fmt.Sprintf(" X%d", i)
	}
	return s
}

func TestReply(t *testing.T) {
	for _, tc := range []struct {
		r    Reply
		want string
	}{
		{Reply{Code: 250}, "250 \r\n"},
		{Reply{250, "2.1.0", []string{"ok"}}, "250 2.1.0 ok\r\n"},
		{Reply{250, "", []string{"mx.example", "SIZE 10"}}, "250-mx.example\r\n250 SIZE 10\r\n"},
		{Reply{550, "5.1.1", []string{"no", "such"}}, "550-5.1.1 no\r\n550 5.1.1 such\r\n"},
		{Reply{550, "5.1.1", []string{"a\r\n250 ok\x00"}}, "550 5.1.1 a??250 ok?\r\n"},
	} {
		if got := string(tc.r.Append(nil)); got != tc.want {
			t.Errorf("%v: got %q, want %q", tc.r, got, tc.want)
		}
	}
	long := Reply{550, "5.1.1", []string{strings.Repeat("ü", 1000)}}
	lines := strings.SplitAfter(string(long.Append(nil)), "\r\n")
	for _, l := range lines {
		if len(l) > MaxReplyLine || strings.Contains(l, "\ufffd") {
			t.Errorf("line of %d octets", len(l))
		}
	}
	if len(lines) != 5 {
		t.Errorf("%d lines", len(lines))
	}
}

func readReply(s string) (Reply, error) {
	lines := strings.Split(s, "\r\n")
	return ReadReply(func() ([]byte, error) {
		if len(lines) == 0 {
			return nil, errors.New("end")
		}
		l := lines[0]
		lines = lines[1:]
		return []byte(l), nil
	})
}

func TestReadReply(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Reply
		ok   bool
	}{
		{"250", Reply{250, "", []string{""}}, true},
		{"250 ok", Reply{250, "", []string{"ok"}}, true},
		{"250-mx\r\n250-SIZE\r\n250 X", Reply{250, "", []string{"mx", "SIZE", "X"}}, true},
		{"550-5.1.1 no\r\n550 5.1.1 such", Reply{550, "5.1.1", []string{"no", "such"}}, true},
		{"550-5.1.1 no\r\n550 such", Reply{550, "5.1.1", []string{"no", "such"}}, true},
		{"550 2.1.1 no", Reply{550, "", []string{"2.1.1 no"}}, true},
		{"550 5.1.1", Reply{550, "5.1.1", []string{""}}, true},
		{"550 5.1.1000 no", Reply{550, "", []string{"5.1.1000 no"}}, true},
		{"250-a\r\n550 b", Reply{}, false},
		{"25", Reply{}, false}, {"650 x", Reply{}, false}, {"250x", Reply{}, false}, {"abc d", Reply{}, false}, {"250-a", Reply{}, false},
		{strings.Repeat("250-a\r\n", 1000) + "250 b", Reply{}, false},
	} {
		got, err := readReply(tc.in)
		if (err == nil) != tc.ok {
			t.Errorf("%.30q: %v, %v", tc.in, got, err)
		} else if d := cmp.Diff(tc.want, got); tc.ok && d != "" {
			t.Errorf("%.30q: %s", tc.in, d)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("disk on fire")
	e := AsError(fmt.Errorf("delivering: %w", cause))
	if e.Code != 451 || e.Enhanced != "4.3.0" || !errors.Is(e, cause) || strings.Contains(e.Text, "fire") {
		t.Error(e)
	}
	if e := AsError(fmt.Errorf("at rcpt: %w", Errorf(550, "5.1.1", "no %s", "one"))); e.Code != 550 || e.Error() != "550 5.1.1 no one" || !e.Permanent() {
		t.Error(e)
	}
	if AsError(nil) != nil {
		t.Error("error from nil")
	}
	for want, e := range map[string]*Error{
		"451 4.3.0 failed: disk on fire":    WrapErrorf(cause, 451, "4.3.0", "failed"),
		"501 5.1.3 bad file: disk on fire":  WrapErrorf(cause, 501, "5.1.3", "bad file: %v", cause),
		"451 4.3.0 failed: 501 5.1.3 wrong": WrapErrorf(Errorf(501, "5.1.3", "wrong"), 451, "4.3.0", "failed"),
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}

func TestXtext(t *testing.T) {
	for _, s := range []string{"", "abc", "a b+c=d\x00\xff~!"} {
		if got, err := DecodeXtext(EncodeXtext(s)); err != nil || got != s {
			t.Errorf("%q: %q %v", s, got, err)
		}
	}
	for _, s := range []string{"+", "+2", "+2b", "+GG", "a b", "a=b", "ü"} {
		if got, err := DecodeXtext(s); err == nil {
			t.Errorf("%q: %q", s, got)
		}
	}
	for _, s := range []string{"", "abc", "ü\x01+=\\{}", "\U0001F600"} {
		if got, err := DecodeUTF8Xtext(EncodeUTF8Xtext(s)); err != nil || got != s {
			t.Errorf("%q: %q %v", s, got, err)
		}
	}
	for _, s := range []string{`\x{}`, `\x{1}`, `\x{110000}`, `\x{D800}`, `\x{fc}`, `\x{FC`, `\`, "\xff", "a b"} {
		if got, err := DecodeUTF8Xtext(s); err == nil {
			t.Errorf("%q: %q", s, got)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{
		"EHLO mx.example", "EHLO [IPv6:::1]", "HELO my_host", "MAIL FROM:<>", "MAIL FROM:<a@b.example> SIZE=1 BODY=8BITMIME SMTPUTF8 AUTH=<> ENVID=a+20b RET=FULL",
		"MAIL FROM:<@x,@y:\"a\\\" b\"@[10.0.0.1]> HOLDFOR=1", "RCPT TO:<ü@bücher.example> NOTIFY=DELAY,SUCCESS ORCPT=utf-8;\\x{FC}@x", "RCPT TO:<postmaster>",
		"BDAT 10 LAST", "BURL imap://x/;UID=1 LAST", "AUTH PLAIN =", "AUTH X YQ==", "VRFY ü SMTPUTF8", "NOOP a b", "MAIL FROM:<a@b> HOLDUNTIL=2026-01-02T03:04:05+01:00 X-Y=z",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, pedantic bool) {
		if strings.ContainsAny(s, "\r\n") || len(s) > 4096 {
			return
		}
		o := Options{Pedantic: pedantic}
		c, err := ParseCommand(s, o)
		if err != nil {
			if err.Code < 500 || err.Code > 599 || !IsEnhanced(err.Enhanced) {
				t.Fatalf("%q: error %v", s, err)
			}
			return
		}
		checkPrint(t, c, o)
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"<>", "<a@b.example>", `<"a b"@[IPv6:::1]>`, "<@x:a@b>", "<ü@bücher.example>", "<Postmaster>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, o := range []Options{{}, {Pedantic: true}} {
			p, err := ParsePath(s, o)
			if err != nil {
				continue
			}
			for _, utf8 := range []bool{false, true} {
				if again, err := ParsePath("<"+p.XString(utf8)+">", o); err != nil || again != p {
					t.Fatalf("%q: parsed %+v, printed %q, parsed %+v, %v", s, p, p.XString(utf8), again, err)
				}
			}
		}
	})
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"250 ok", "250-a\r\n250 b", "550 5.1.1 x", "550-5.1.1 x\r\n550 5.1.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := readReply(s)
		if err != nil || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\r' && c != '\n' || c == 0x7f }) {
			return
		}
		// Lines that look like they had a code of their own are not printed back.
		if r.Enhanced == "" && IsEnhanced(strings.Split(r.Lines[0]+" ", " ")[0]) || len(s) > 400 || strings.ContainsAny(r.Text(), "\r") ||
			strings.Count(r.Text(), "\n") != len(r.Lines)-1 {
			return
		}
		again, err := readReply(strings.TrimSuffix(string(r.Append(nil)), "\r\n"))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if r.Enhanced == "" && cmp.Diff(r, again) != "" {
			t.Fatalf("%q: %s", s, cmp.Diff(r, again))
		}
	})
}
