package authres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mox/dns"
)

// crlf makes lines of a raw string those of a message.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     Results
	}{
		{"RFC 8601 B.2", " example.org 1; none", Results{Hostname: "example.org", Version: "1"}},
		{"RFC 8601 B.3", " example.com;\n          spf=pass smtp.mailfrom=example.net", Results{Hostname: "example.com", Methods: []Method{
			{Method: "spf", Result: "pass", Props: []Prop{{"smtp", "mailfrom", "example.net", ""}}}}}},
		{"RFC 8601 B.4", " example.com;\n          auth=pass (cram-md5) smtp.auth=sender@example.net;\n          spf=pass smtp.mailfrom=example.net", Results{Hostname: "example.com", Methods: []Method{
			{Method: "auth", Result: "pass", Comment: "cram-md5", Props: []Prop{{"smtp", "auth", "sender@example.net", ""}}},
			{Method: "spf", Result: "pass", Props: []Prop{{"smtp", "mailfrom", "example.net", ""}}}}}},
		{"RFC 8601 B.5", " example.com;\n\tsender-id=fail header.from=example.com;\n\tdkim=pass (good signature) header.d=example.com", Results{Hostname: "example.com", Methods: []Method{
			{Method: "sender-id", Result: "fail", Props: []Prop{{"header", "from", "example.com", ""}}},
			{Method: "dkim", Result: "pass", Comment: "good signature", Props: []Prop{{"header", "d", "example.com", ""}}}}}},
		{"RFC 8601 B.6", " example.com;\n      dkim=pass reason=\"good signature\"\n        header.i=@mail-router.example.net;\n      dkim=fail reason=\"bad signature\"\n        header.i=@newyork.example.com", Results{Hostname: "example.com", Methods: []Method{
			{Method: "dkim", Result: "pass", Reason: "good signature", Props: []Prop{{"header", "i", "@mail-router.example.net", ""}}},
			{Method: "dkim", Result: "fail", Reason: "bad signature", Props: []Prop{{"header", "i", "@newyork.example.com", ""}}}}}},
		{"RFC 8601 B.7", " foo.example.net (foobar) 1 (baz);\n    dkim (Because I like it) / 1 (One yay) = (wait for it) fail\n      policy (A dot can go here) . (like that) expired\n      (this surprised me) = (as I wasn't expecting it) 1362471462", Results{
			Hostname: "foo.example.net", Version: "1", Comment: "foobar baz", Methods: []Method{
				{Method: "dkim", Version: "1", Result: "fail", Comment: "Because I like it One yay wait for it", Props: []Prop{
					{"policy", "expired", "1362471462", "A dot can go here like that this surprised me as I wasn't expecting it"}}}}}},
		{"base64 and nested comments", ` mx.google.example; dkim=pass header.i=@x.example header.s=sel header.b="ab/c+d="; dkim=pass header.b=Zx/1=; spf=pass (domain of a(b)c designates 1.2.3.4) smtp.mailfrom="b+1=a.b@x.example"; dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=x.example`, Results{Hostname: "mx.google.example", Methods: []Method{
			{Method: "dkim", Result: "pass", Props: []Prop{{"header", "i", "@x.example", ""}, {"header", "s", "sel", ""}, {"header", "b", "ab/c+d=", ""}}},
			{Method: "dkim", Result: "pass", Props: []Prop{{"header", "b", "Zx/1=", ""}}},
			{Method: "spf", Result: "pass", Comment: "domain of a(b)c designates 1.2.3.4", Props: []Prop{{"smtp", "mailfrom", "b+1=a.b@x.example", ""}}},
			{Method: "dmarc", Result: "pass", Comment: "p=NONE sp=QUARANTINE dis=NONE", Props: []Prop{{"header", "from", "x.example", ""}}}}}},
		{"no authserv-id", " spf=pass (sender IP is 1.2.3.4) smtp.mailfrom=x.example; dmarc=pass action=none header.from=x.example;compauth=pass reason=100", Results{Methods: []Method{
			{Method: "spf", Result: "pass", Comment: "sender IP is 1.2.3.4", Props: []Prop{{"smtp", "mailfrom", "x.example", ""}}},
			{Method: "dmarc", Result: "pass", Props: []Prop{{"", "action", "none", ""}, {"header", "from", "x.example", ""}}},
			{Method: "compauth", Result: "pass", Reason: "100"}}}},
		{"trailing semicolons, quoted id", ` "mx.example" ; ; iprev=PASS policy.iprev=2001:db8::1 (x) smtp.mailfrom="a b"@x.example smtp.rcptto=<a@b>;`, Results{Hostname: "mx.example", Methods: []Method{
			{Method: "iprev", Result: "pass", Props: []Prop{{"policy", "iprev", "2001:db8::1", "x"}, {"smtp", "mailfrom", `"a b"@x.example`, ""}, {"smtp", "rcptto", "<a@b>", ""}}}}}},
		{"only an id", "mx.example", Results{Hostname: "mx.example"}},
		{"UTF-8", "mx.example; spf=pass smtp.mailfrom=ü@bücher.example", Results{Hostname: "mx.example", Methods: []Method{{Method: "spf", Result: "pass", Props: []Prop{{"smtp", "mailfrom", "ü@bücher.example", ""}}}}}},
	} {
		got, err := Parse(crlf(tc.in))
		if err != nil || !cmp.Equal(got, tc.want) {
			t.Errorf("%s: %v\n%s", tc.name, err, cmp.Diff(tc.want, got))
		}
		if again, err := Parse(got.String()); err != nil || !cmp.Equal(again, got) {
			t.Errorf("%s: printed as %q: %v\n%s", tc.name, got, err, cmp.Diff(got, again))
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, s := range []string{
		"", "  (only a comment)", "; none", "(", `"`, "mx.example; spf", "mx.example; spf=", "mx.example; =pass", "mx.example; spf=pass x", "mx.example; spf=pass smtp.=x",
		"mx.example; spf/x=pass", `mx.example; spf=pass smtp.mailfrom="x`, "mx.example; spf=pass (", "mx.example what; none", "mx.example; " + strings.Repeat("(", 40) + strings.Repeat(")", 40),
		"mx.example" + strings.Repeat("; a=b", maxMethods+1), "mx.example; a=b" + strings.Repeat(" c.d=e", maxProps+1), strings.Repeat("x", maxValue+1),
	} {
		if r, err := Parse(s); !errors.Is(err, ErrSyntax) {
			t.Errorf("%.40q: got %+v, %v", s, r, err)
		}
	}
}

func TestARC(t *testing.T) {
	in := "i=1; lists.example.org;\r\n\tspf=pass smtp.mfrom=jqd@d1.example;\r\n\tdkim=pass (1024-bit key) header.i=@d1.example"
	r, err := ParseARC(in)
	if err != nil || r.Instance != 1 || r.Hostname != "lists.example.org" || len(r.Methods) != 2 {
		t.Errorf("got %+v, %v", r, err)
	}
	if r.Field() != "ARC-Authentication-Results: "+in+"\r\n" {
		t.Errorf("printed as %q", r.Field())
	}
	if v, ok := r.Methods[1].Prop("header", "i"); v != "@d1.example" || !ok {
		t.Error(v, ok)
	}
	if _, ok := r.Methods[1].Prop("header", "d"); ok {
		t.Error("property that is not there")
	}
	if r, err := ParseARC("(c) I (c) = 50 ; mx.example ; none"); err != nil || r.Instance != 50 || r.Hostname != "mx.example" {
		t.Errorf("got %+v, %v", r, err)
	}
	for _, s := range []string{"", "mx.example; none", "i; x; none", "i=0; x; none", "i=51; x; none", "i=1 x; none", "i=99999999999999999999; x", "a=1; x; none"} {
		if r, err := ParseARC(s); err == nil {
			t.Errorf("%q: got %+v", s, r)
		}
	}
}

func TestField(t *testing.T) {
	r := Results{Hostname: "mx.example.org", Methods: []Method{
		{Method: "iprev", Result: "pass", Props: []Prop{{"policy", "iprev", "192.0.2.1", ""}}},
		{Method: "dkim", Result: "pass", Comment: "2048 bit rsa, dnssec", Props: []Prop{{"header", "d", "example.com", ""}, {"header", "s", "sel", ""}, {"header", "a", "rsa-sha256", ""}, {"header", "b", "ab/c+d==", ""}}},
		{Method: "spf", Result: "fail", Reason: "client is not authorized", Props: []Prop{{"smtp", "mailfrom", "user@example.com", "without dnssec"}}},
		{Method: "dmarc", Result: "fail", Props: []Prop{{"header", "from", "example.com", ""}}},
	}}
	want := crlf(`Authentication-Results: mx.example.org;
	iprev=pass policy.iprev=192.0.2.1;
	dkim=pass (2048 bit rsa, dnssec) header.d=example.com header.s=sel
 header.a=rsa-sha256 header.b="ab/c+d==";
	spf=fail reason="client is not authorized"
 smtp.mailfrom=user@example.com (without dnssec);
	dmarc=fail header.from=example.com
`)
	if got := r.Field(); got != want {
		t.Error(cmp.Diff(want, got))
	}
	for value, want := range map[string]string{
		"user@example.org": "user@example.org", "@example.org": "@example.org", `"a b"@example.org`: `"a b"@example.org`, `"a@b"@example.org`: `"a@b"@example.org`,
		"ü@bücher.example": "ü@bücher.example", `"a"b"@x.example`: `"\"a\"b\"@x.example"`, "a b@x.example": `"a b@x.example"`, "a@b@x.example": `"a@b@x.example"`,
		"a\u3000b@x.example": "\"a\u3000b@x.example\"", "": `""`, "2001:db8::1": `"2001:db8::1"`, "x@[192.0.2.1]": `"x@[192.0.2.1]"`, "a@b..c": `"a@b..c"`,
	} {
		if got := pvalue(value); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
	if got := (Results{Hostname: "mx.example.org"}).Field(); got != "Authentication-Results: mx.example.org; none\r\n" {
		t.Errorf("got %q", got)
	}
}

// Whatever the strings are, one field comes out, and they stay where they are.
func TestHostile(t *testing.T) {
	for _, s := range []string{"x\r\nSubject: y", "x; spf=pass", `x" header.d="evil`, "x) spf=pass (", "x\\", `\"`, "x\x00\x7f", "\xff\xfe", "x\u2028y", "((((", "))))", "", " ", "a@b@c", "ü@bücher.example", strings.Repeat("x", 5000), strings.Repeat("(", 5000), strings.Repeat("\"", 5000), strings.Repeat("a ", 5000)} {
		in := Results{Hostname: s, Version: s, Comment: s, Methods: []Method{
			{Method: s, Version: s, Result: s, Comment: s, Reason: s, Props: []Prop{{s, s, s, s}}},
			{Method: "dkim", Result: "pass", Props: []Prop{{"header", "d", "example.com", s}}},
		}}
		field := in.Field()
		checkLines(t, field)
		r, err := Parse(strings.TrimPrefix(field, "Authentication-Results:"))
		if err != nil || len(r.Methods) != 2 || len(r.Methods[0].Props) != 1 || r.Methods[1].Method != "dkim" || r.Methods[1].Result != "pass" {
			t.Errorf("%.50q: printed as %q, read as %+v, %v", s, field, r, err)
			continue
		}
		if r.Hostname != clean(s) || r.Methods[0].Props[0].Value != clean(s) || r.Methods[0].Comment != collapse(s) {
			t.Errorf("%.50q: read as %+v", s, r)
		}
	}
}

func checkLines(t *testing.T, field string) {
	t.Helper()
	if !strings.HasSuffix(field, "\r\n") {
		t.Fatalf("no line end: %q", field)
	}
	for i, line := range strings.Split(strings.TrimSuffix(field, "\r\n"), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") || strings.TrimSpace(line) == "" || i > 0 && line[0] != ' ' && line[0] != '\t' {
			t.Fatalf("line %q", line)
		}
	}
}

func TestClaims(t *testing.T) {
	mx, err := dns.ParseDomain("mx.bücher.example")
	if err != nil {
		t.Fatal(err)
	}
	other, err := dns.ParseDomain("mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{
		"mail.example.org; spf=pass":                                 true,
		" MAIL.Example.ORG; spf=pass":                                true,
		"mail.example.org.; spf=pass":                                true,
		"mail.example.org 1; spf=pass":                               true,
		"mail.example.org":                                           true,
		"\r\n\tmail.example.org;spf=pass":                            true,
		"(x) (y (z)) mail.example.org (x); spf=pass":                 true,
		`"mail.example.org"; spf=pass`:                               true,
		`"mail\.example\.org"; spf=pass`:                             true,
		`mail\.example.org; spf=pass`:                                true,
		"mail(x).example(y).org; spf=pass":                           true,
		"mail . example . org; spf=pass":                             true,
		`"mail".example.org; spf=pass`:                               true,
		"mail.example.org/1; spf=pass":                               true,
		"mail.example.org (unfinished; spf=pass":                     true,
		"(unfinished mail.example.org; spf=pass":                     true,
		`"mail.example.org; spf=pass`:                                true,
		"mx.bücher.example; spf=pass":                                true,
		"MX.BÜCHER.example; spf=pass":                                true,
		"mx.xn--bcher-kva.example; spf=pass":                         true,
		"MX.XN--BCHER-KVA.example.; spf=pass":                        true,
		"mx.bu\u0308cher.example; spf=pass":                          true, // not normalized
		"mail.example.org.evil.example; spf=pass":                    false,
		"xmail.example.org; spf=pass":                                false,
		"mail.example.orgx; spf=pass":                                false,
		"example.org; spf=pass":                                      false,
		"mx.google.example; spf=pass smtp.mailfrom=mail.example.org": false,
		"spf=pass smtp.mailfrom=mail.example.org":                    false,
		"":  false,
		";": false,
	} {
		if got := Claims(s, mx, other); got != want {
			t.Errorf("%q: got %v", s, got)
		}
	}
	if Claims("mail.example.org; none") || Claims("mail.example.org; none", dns.Domain{}) {
		t.Error("claims to be nobody")
	}
	for s, want := range map[string]string{" (c) Mx.Example.; none": "mx.example", `"a b"; none`: "a b", "": "", "(": ""} {
		if got, ok := AuthservID(s); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", s, got, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"example.com 1 (c); dkim/1=pass (good \\) (x)) reason=\"a b\" header.i=@x.example header.b=\"a/b\" (c); none", "spf=pass x=y", `i=1; x; spf=pass smtp.mailfrom="a b"@x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (Results, error){Parse, ParseARC} {
			r, err := parse(s)
			if err != nil {
				continue
			}
			checkLines(t, r.Field())
			again, err := parse(r.String())
			if err != nil || !cmp.Equal(again, r) {
				t.Fatalf("%q printed as %q: %v\n%s", s, r, err, cmp.Diff(r, again))
			}
			if id, ok := AuthservID(s); r.Instance == 0 && r.Hostname != "" && (!ok || id != strings.ToLower(strings.TrimSuffix(r.Hostname, "."))) {
				t.Fatalf("%q: authserv-id %q, %q", s, id, r.Hostname)
			}
		}
		Claims(s, dns.Domain{ASCII: "mx.example"})
	})
}

func FuzzField(f *testing.F) {
	f.Add("mx.example", "comment (x)", "a@b.example", "dkim")
	f.Fuzz(func(t *testing.T, host, comment, value, key string) {
		r := Results{Hostname: host, Comment: comment, Methods: []Method{{Method: key, Result: key, Comment: comment, Reason: value, Props: []Prop{{key, key, value, comment}, {"header", "d", value, ""}}}}}
		checkLines(t, r.Field())
		got, err := Parse(r.String())
		if err != nil || len(got.Methods) != 1 || len(got.Methods[0].Props) != 2 {
			t.Fatalf("%q: %v", r, err)
		}
		if got.Hostname != clean(host) || got.Comment != collapse(comment) || got.Methods[0].Props[1].Value != clean(value) {
			t.Fatalf("%q read as %+v", r, got)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	const s = "mx.google.example; dkim=pass header.i=@x.example header.s=sel header.b=AbCdEfGh; spf=pass (google.example: domain of a@x.example designates 192.0.2.1 as permitted sender) smtp.mailfrom=a@x.example; dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=x.example"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(s); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleResults_Field() {
	r := Results{Hostname: "mx.example.org", Methods: []Method{
		{Method: "spf", Result: "pass", Props: []Prop{{Type: "smtp", Property: "mailfrom", Value: "user@example.com"}}},
	}}
	fmt.Println(strings.ReplaceAll(r.Field(), "\r\n", "\n"))
	// Output:
	// Authentication-Results: mx.example.org;
	// 	spf=pass smtp.mailfrom=user@example.com
}
