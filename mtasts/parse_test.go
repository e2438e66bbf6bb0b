package mtasts

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mox/dns"
)

func domain(t testing.TB, s string) dns.Domain {
	t.Helper()
	d, err := dns.ParseDomainLax(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var goodRecords = []struct{ text, id, printed string }{
	// RFC 8461 3.1.
	{"v=STSv1; id=20160831085700Z;", "20160831085700Z", "v=STSv1; id=20160831085700Z"},
	{"v=STSv1;id=1", "1", "v=STSv1; id=1"},
	{"v=STSv1 ;\t id=1 \t; ", "1", "v=STSv1; id=1"},
	{"v=STSv1; id=abcdefghijklmnopqrstuvwxyzABCDEF;", "abcdefghijklmnopqrstuvwxyzABCDEF", "v=STSv1; id=abcdefghijklmnopqrstuvwxyzABCDEF"},
	{"v=STSv1; a.b-c_d=x:y!; id=2; id=3; a.b-c_d=z; ID=4", "2", "v=STSv1; id=2; a.b-c_d=x:y!; ID=4"},
	{"v=STSv1; id=1; id=not/an/id; v=STSv2", "1", "v=STSv1; id=1"},
	{"v=STSv1; " + strings.Repeat("n", 32) + "=1; id=1", "1", "v=STSv1; id=1; " + strings.Repeat("n", 32) + "=1"},
}

var badRecords = []string{
	"v=STSv1;", "v=STSv1; ", "v=STSv1;;id=1", "v=STSv1; id=", "v=STSv1; id=a-b", "v=STSv1; id=" + strings.Repeat("a", 33),
	"v=STSv1; id = 1", "v=STSv1; id=1 ", "v=STSv1; id=1;;", "v=STSv1; id=1; x", "v=STSv1; id=1; =x", "v=STSv1; id=1; x=", "v=STSv1; id=1; x=a=b",
	"v=STSv1; id=1; x=a b", "v=STSv1; id=1; .x=a", "v=STSv1; id=1; x=\u00fc", "v=STSv1; " + strings.Repeat("n", 33) + "=1; id=1",
	"v=STSv1; a=b", "v=STSv1; ID=1", "v=STSv1; id=1\n", "v=STSv1; id=1; " + strings.Repeat("a=b; ", 1000), "v=STSv1; id=ä",
}

var otherRecords = []string{"", "v=STSv1", "v=STSv2; id=1", "v=stsv1; id=1", "V=STSv1; id=1", " v=STSv1; id=1", "id=1; v=STSv1", "v=STSv11; id=1", "v=spf1 -all", "v=STSv1 id=1"}

func TestParseRecord(t *testing.T) {
	for _, tt := range goodRecords {
		r, is, err := ParseRecord(tt.text)
		if err != nil || !is || r.ID != tt.id || r.String() != tt.printed {
			t.Errorf("%q: got %v, %q, %v", tt.text, is, r, err)
		}
	}
	for _, s := range badRecords {
		if r, is, err := ParseRecord(s); !errors.Is(err, ErrRecord) || !is || !reflect.DeepEqual(r, Record{}) {
			t.Errorf("%q: got %v, %q, %v", s, is, r, err)
		}
	}
	for _, s := range otherRecords {
		if r, is, err := ParseRecord(s); !errors.Is(err, ErrRecord) || is {
			t.Errorf("%q: got %v, %q, %v", s, is, r, err)
		}
	}
}

// RFC 8461 3.2.
const example = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n"

func TestParsePolicy(t *testing.T) {
	p, err := ParsePolicy(example)
	if err != nil || p.Mode != ModeEnforce || len(p.MX) != 3 || !p.MX[1].Wildcard || p.MaxAge != 7*24*time.Hour || p.String() != example {
		t.Errorf("%v %v", p, err)
	}
	for _, tt := range []struct{ text, printed string }{
		{strings.ReplaceAll(example, "\r", ""), example},
		{strings.TrimSuffix(example, "\r\n"), example},
		{"mode:testing \nmax_age:\t0\t\r\n\r\nmx:\t A.Example\nversion:STSv1", "version: STSv1\r\nmode: testing\r\nmx: a.example\r\nmax_age: 0\r\n"},
		{"version: STSv1\nmode: none\nmax_age: 86400\n", "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n"},
		{"version: STSv1\nmode: none\nmx: a.example\nmax_age: 31557600", "version: STSv1\r\nmode: none\r\nmx: a.example\r\nmax_age: 31557600\r\n"},
		// RFC 8461 3.2: unknown fields are ignored, and the first of those that are there again counts.
		{"version: STSv1\nmode: testing\nmode: enforce\nfuture.x: any thing: ü\nmx: a.example\nmx: a.example\nmax_age: 0000000001\nmax_age: x\nversion: STSv2\nfuture.x: y",
			"version: STSv1\r\nmode: testing\r\nmx: a.example\r\nmax_age: 1\r\nfuture.x: any thing: ü\r\n"},
		{"version: STSv1\nmode: enforce\nmx: my_host.example\nmx: *.xn--bcher-kva.example\nmax_age: 1", "version: STSv1\r\nmode: enforce\r\nmx: my_host.example\r\nmx: *.xn--bcher-kva.example\r\nmax_age: 1\r\n"},
	} {
		if p, err := ParsePolicy(tt.text); err != nil || p.String() != tt.printed {
			t.Errorf("%q: got %q, %v", tt.text, p, err)
		}
	}
	field := func(old, new string) string {
		if !strings.Contains(example, old) {
			t.Fatal(old)
		}
		return strings.Replace(example, old, new, 1)
	}
	for _, s := range []string{
		"", "\r\n", "<html><body>404</body></html>",
		field("version: STSv1\r\n", ""), field("mode: enforce\r\n", ""), field("max_age: 604800\r\n", ""),
		field("STSv1", "STSv2"), field("STSv1", "stsv1"), field("version", "Version"), field("enforce", "Enforce"), field("enforce", "report"), field("enforce", ""),
		field("604800", "-1"), field("604800", "+1"), field("604800", "1.5"), field("604800", "x"), field("604800", ""), field("604800", "00000000001"),
		field("604800", "31557601"), field("604800", "9999999999"), field("604800", "99999999999999999999"),
		field("mail.example.com", ""), field("mail.example.com", "*"), field("mail.example.com", "*."), field("mail.example.com", "a.*.example"), field("mail.example.com", "*.*.example"),
		field("mail.example.com", ".example.com"), field("mail.example.com", "*example.com"), field("mail.example.com", "mail.example.com."), field("mail.example.com", "b\u00fccher.example"),
		field("mail.example.com", "a.example b.example"), field("mail.example.com", "a..example"),
		"version: STSv1\nmode: enforce\nmax_age: 1\n", "version: STSv1\nmode: testing\nmax_age: 1\n",
		example + "no field\r\n", example + "x y: z\r\n", example + ": z\r\n", example + "x:\r\n", example + "x: a\x00b\r\n", example + "x: \xff\r\n", example + " x: y\r\n",
		example + strings.Repeat("n", 33) + ": x\r\n", example + "x: a\rb\r\n", example + "x: " + strings.Repeat("y", MaxPolicySize),
	} {
		if p, err := ParsePolicy(s); !errors.Is(err, ErrPolicy) || !reflect.DeepEqual(p, Policy{}) || len(err.Error()) > 400 {
			t.Errorf("%.100q: got %v %v", s, p, err)
		}
	}
	// A policy as long as it can be.
	long := example + "x: "
	if _, err := ParsePolicy(long + strings.Repeat("y", MaxPolicySize-len(long))); err != nil {
		t.Error(err)
	}
}

// RFC 8461 4.1.
func TestMatches(t *testing.T) {
	p, err := ParsePolicy(example)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"mail.example.com": true, "MAIL.Example.COM": true, "backupmx.example.com": true, "example.com": false, "x.mail.example.com": false,
		"mx.example.net": true, "example.net": false, "a.b.example.net": false, "mxexample.net": false, "mx.example.net.org": false, "my_host.example.net": true,
		"bücher.example.net": true,
	} {
		if got := p.Matches(domain(t, host)); got != want {
			t.Errorf("%s: got %v", host, got)
		}
	}
	if (Policy{Mode: ModeNone}).Matches(domain(t, "mail.example.com")) {
		t.Error("no policy matches nothing")
	}
}

func FuzzRecord(f *testing.F) {
	for _, tt := range goodRecords {
		f.Add(tt.text)
	}
	for _, s := range append(badRecords, otherRecords...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, _, err := ParseRecord(s)
		if err != nil {
			return
		}
		again, _, err := ParseRecord(r.String())
		if err != nil && len(r.String()) <= maxRecord || err == nil && !reflect.DeepEqual(r, again) {
			t.Errorf("%q is %q, and again %q, %v", s, r, again, err)
		}
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add(example)
	f.Add("version: STSv1\nmode: none\nx: y\nmax_age: 86400\n")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePolicy(s)
		if err != nil {
			return
		}
		again, err := ParsePolicy(p.String())
		if err != nil && len(p.String()) <= MaxPolicySize || err == nil && !reflect.DeepEqual(p, again) {
			t.Errorf("%q is %q, and again %q, %v", s, p, again, err)
		}
	})
}
