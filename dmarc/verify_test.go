package dmarc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
)

// input makes an Input from "from=d,d spf=status:d dkim=status:d" in any number.
func input(t testing.TB, s string) Input {
	t.Helper()
	var in Input
	for f := range strings.FieldsSeq(s) {
		key, value, _ := strings.Cut(f, "=")
		if key == "from" {
			for d := range strings.SplitSeq(value, ",") {
				in.From = append(in.From, domain(t, d))
			}
			continue
		}
		status, name, _ := strings.Cut(value, ":")
		switch d := domain(t, name); key {
		case "spf":
			in.SPF = SPF{status, d}
		case "dkim":
			in.DKIM = append(in.DKIM, DKIM{status, d})
		default:
			t.Fatalf("unknown %q", f)
		}
	}
	return in
}

// summary is a result in a line: status, who is aligned, and what is wanted.
func summary(r Result) string {
	s := string(r.Status)
	if r.AlignedSPF {
		s += " spf"
	}
	for i, a := range r.AlignedDKIM {
		if a {
			s += fmt.Sprintf(" dkim%d", i)
		}
	}
	if r.Status != StatusFail {
		return s
	}
	s += fmt.Sprintf(" %s=%s", r.Tag, r.Policy)
	if r.Wanted != r.Policy {
		s += " wanted " + string(r.Wanted)
	}
	if r.Reject {
		s += " reject"
	}
	return strings.TrimSpace(s + " " + r.Override)
}

func TestVerify(t *testing.T) {
	exampleCom := []string{"example.com " + plain}
	bank := []string{"bank.example v=DMARC1; p=reject; psd=y", "giant.bank.example " + plain}
	np := []string{"example.com v=DMARC1; p=none; sp=quarantine; np=reject", "there.example.com exists"}
	for _, tc := range []struct {
		name string
		zone []string
		in   string
		want string
	}{
		// RFC 9989 B.1.1 and B.1.2.
		{"SPF strict", exampleCom, "from=example.com spf=pass:example.com", "pass spf"},
		{"SPF relaxed", exampleCom, "from=example.com spf=pass:child.example.com", "pass spf"},
		{"SPF other", exampleCom, "from=child.example.com spf=pass:example.net", "fail p=reject reject"},
		{"DKIM strict", exampleCom, "from=example.com dkim=pass:example.com", "pass dkim0"},
		{"DKIM relaxed", exampleCom, "from=child.example.com dkim=pass:example.com", "pass dkim0"},
		{"DKIM other", exampleCom, "from=child.example.com dkim=pass:example.net", "fail p=reject reject"},
		// RFC 9989 B.3.1 and B.4.
		{"B.3.1", []string{"example.com v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com"}, "from=example.com spf=pass:mail.example.com dkim=pass:example.com", "pass spf dkim0"},
		{"B.4.1", []string{"example.com " + plain, "signing.example.com " + plain}, "from=example.com spf=pass:example.com dkim=pass:signing.example.com", "pass spf dkim0"},
		{"B.4.2", []string{"example.com " + plain, "signing.example.com " + plain}, "from=a.b.c.d.e.f.g.h.i.j.k.example.com spf=pass:example.com dkim=pass:signing.example.com", "pass spf dkim0"},
		{"B.4.3", bank, "from=giant.bank.example spf=pass:mail.giant.bank.example dkim=pass:mail.mega.bank.example", "pass spf"},
		{"B.4.3 DKIM alone", bank, "from=giant.bank.example spf=fail:mail.giant.bank.example dkim=pass:mail.mega.bank.example", "fail p=reject reject"},

		// Which results count.
		{"nothing passes", exampleCom, "from=example.com spf=softfail:example.com dkim=fail:example.com", "fail p=reject reject"},
		{"no results", exampleCom, "from=example.com", "fail p=reject reject"},
		{"the second signature", exampleCom, "from=example.com dkim=fail:example.com dkim=pass:example.com dkim=pass:example.org", "pass dkim1"},
		{"siblings", exampleCom, "from=a.example.com dkim=pass:b.example.com", "pass dkim0"},
		{"sibling that is an organization", append(exampleCom, "b.example.com v=DMARC1; p=none; psd=n"), "from=a.example.com dkim=pass:b.example.com", "fail p=reject reject"},
		{"suffix without dot", exampleCom, "from=example.com dkim=pass:badexample.com", "fail p=reject reject"},
		{"top-level domain signs", exampleCom, "from=example.com dkim=pass:com", "fail p=reject reject"},
		{"public suffix signs", bank, "from=giant.bank.example dkim=pass:bank.example", "fail p=reject reject"},
		{"U-label", []string{"xn--bcher-kva.example " + plain}, "from=bücher.example dkim=pass:a.xn--bcher-kva.example", "pass dkim0"},

		// Strictness is by mechanism.
		{"strict DKIM", []string{"example.com v=DMARC1; p=reject; adkim=s"}, "from=example.com dkim=pass:a.example.com spf=pass:a.example.com", "pass spf"},
		{"strict SPF", []string{"example.com v=DMARC1; p=reject; aspf=s"}, "from=example.com dkim=pass:a.example.com spf=pass:a.example.com", "pass dkim0"},
		{"strict both", []string{"example.com v=DMARC1; p=reject; adkim=s; aspf=s"}, "from=example.com dkim=pass:a.example.com spf=pass:a.example.com", "fail p=reject reject"},
		{"strict subdomain without record", []string{"example.com v=DMARC1; p=reject; aspf=s"}, "from=a.example.com spf=pass:a.example.com", "pass spf"},

		// Which policy.
		{"none", []string{"example.com v=DMARC1; p=none"}, "from=example.com", "fail p=none"},
		{"quarantine is refused", []string{"example.com v=DMARC1; p=quarantine"}, "from=example.com", "fail p=quarantine reject"},
		{"sp", []string{"example.com v=DMARC1; p=none; sp=reject"}, "from=a.example.com", "fail sp=reject reject"},
		{"sp of an own record is not used", []string{"a.example.com v=DMARC1; p=none; sp=reject"}, "from=a.example.com", "fail p=none"},
		{"np", np, "from=missing.example.com", "fail np=reject reject"},
		{"np, domain exists", np, "from=there.example.com", "fail sp=quarantine reject"},
		{"np, at the domain", np, "from=example.com", "fail p=none"},
		{"np weaker", []string{"example.com v=DMARC1; p=reject; np=none"}, "from=missing.example.com", "fail np=none"},
		{"policy of a public suffix", []string{"bank.example v=DMARC1; p=none; np=reject; psd=y"}, "from=missing.bank.example", "fail np=reject reject"},
		{"not of a public suffix with an own record", append(bank, "mail.giant.bank.example exists"), "from=mail.giant.bank.example", "fail p=reject reject"},

		// Testing and sampling; the tests' function samples nothing.
		{"t=y reject", []string{"example.com v=DMARC1; p=reject; t=y"}, "from=example.com", "fail p=reject wanted quarantine policy_test_mode"},
		{"t=y quarantine", []string{"example.com v=DMARC1; p=quarantine; t=y"}, "from=example.com", "fail p=quarantine wanted none policy_test_mode"},
		{"t=y none", []string{"example.com v=DMARC1; p=none; t=y"}, "from=example.com", "fail p=none"},
		{"pct reject", []string{"example.com v=DMARC1; p=reject; pct=99"}, "from=example.com", "fail p=reject wanted quarantine sampled_out"},
		{"pct quarantine", []string{"example.com v=DMARC1; p=quarantine; pct=0"}, "from=example.com", "fail p=quarantine wanted none sampled_out"},
		{"pct=100", []string{"example.com v=DMARC1; p=reject; pct=100"}, "from=example.com", "fail p=reject reject"},

		// Not applied.
		{"no record", nil, "from=example.com dkim=pass:example.com", "none"},
		{"number", nil, "from=1.2.3.4", "none"},
		{"several records", []string{"example.com " + plain, "example.com v=DMARC1; p=none"}, "from=example.com", "none"},
		{"bad policy", []string{"example.com v=DMARC1; p=rejct"}, "from=example.com dkim=pass:example.com", "permerror"},
		{"bad policy with reports", []string{"example.com v=DMARC1; p=rejct; rua=mailto:a@example.com"}, "from=example.com", "fail p=none"},
		{"no policy", []string{"example.com v=DMARC1; psd=n"}, "from=example.com", "none"},
		{"no policy, alignment", []string{"a.example.com v=DMARC1; p=reject", "example.com v=DMARC1; psd=n"}, "from=a.example.com spf=pass:b.example.com", "pass spf"},

		// Failing lookups.
		{"author", []string{"example.com fail"}, "from=example.com dkim=pass:example.com", "temperror"},
		{"above an author without record", []string{"example.com fail"}, "from=a.example.com dkim=pass:a.example.com", "temperror"},
		{"above, not needed", []string{"example.com " + plain, "com fail"}, "from=example.com dkim=pass:example.com", "pass dkim0"},
		{"above, not needed without results", []string{"example.com " + plain, "com fail"}, "from=example.com", "fail p=reject reject"},
		{"above, needed", []string{"example.com " + plain, "com fail"}, "from=example.com dkim=pass:a.example.com", "temperror"},
		{"identifier", []string{"example.com " + plain, "a.example.com fail"}, "from=example.com dkim=pass:a.example.com dkim=fail:example.com", "temperror"},
		{"identifier, another is aligned", []string{"example.com " + plain, "a.example.com fail"}, "from=example.com dkim=pass:a.example.com dkim=pass:b.example.com", "pass dkim1"},
		{"foreign identifiers are not asked about", []string{"example.com " + plain, "example.net fail", "other.com fail"}, "from=example.com dkim=pass:example.net dkim=pass:other.com", "fail p=reject reject"},
		{"SPF of aligned domain", exampleCom, "from=example.com spf=temperror:a.example.com", "temperror"},
		{"SPF of other domain", exampleCom, "from=example.com spf=temperror:example.net", "fail p=reject reject"},
		{"DKIM of aligned domain", exampleCom, "from=example.com dkim=temperror:example.com", "temperror"},
		{"DKIM of aligned domain, SPF passes", exampleCom, "from=example.com dkim=temperror:example.com spf=pass:example.com", "pass spf"},

		// RFC 9989 10.5.
		{"one domain twice", exampleCom, "from=example.com,example.com dkim=pass:example.com", "pass dkim0"},
		{"several, one fails", []string{"example.com " + plain, "example.net v=DMARC1; p=none"}, "from=example.net,example.com dkim=pass:example.net", "fail p=reject reject"},
		{"several, the strictest", []string{"example.com v=DMARC1; p=quarantine", "example.net " + plain, "example.org v=DMARC1; p=none"}, "from=example.com,example.net,example.org", "fail p=reject reject"},
		{"several, one without", exampleCom, "from=example.com,example.net dkim=pass:example.com", "none"},
		{"several, one temperror", []string{"example.com " + plain, "example.net fail"}, "from=example.com,example.net dkim=pass:example.com", "temperror"},
		{"several, all pass", []string{"example.com " + plain, "example.net " + plain}, "from=example.com,example.net dkim=pass:example.com dkim=pass:example.net", "pass dkim0"},
		{"too many", []string{"a.example " + plain, "b.example " + plain, "c.example " + plain, "d.example " + plain}, "from=a.example,b.example,c.example,d.example,e.example dkim=pass:a.example dkim=pass:b.example dkim=pass:c.example dkim=pass:d.example", "permerror"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := input(t, tc.in)
			in.Sample = func(int) bool { return false }
			r := Verify(t.Context(), nil, zone(tc.zone...), in)
			if got := summary(r); got != tc.want {
				t.Errorf("got %q, want %q (%s)", got, tc.want, r.Explain())
			}
			if (r.Err != nil) != (r.Status == StatusTemperror || r.Status == StatusPermerror) {
				t.Errorf("status %s with error %v", r.Status, r.Err)
			}
			if !strings.HasPrefix(r.Explain(), string(r.Status)+": ") {
				t.Errorf("explained as %q", r.Explain())
			}
		})
	}
}

func TestVerifyNoAuthor(t *testing.T) {
	r := Verify(t.Context(), nil, zone(), Input{DKIM: make([]DKIM, 2)})
	if r.Status != StatusNone || r.Problem == "" || len(r.AlignedDKIM) != 2 || r.FromDomains != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestVerifySample(t *testing.T) {
	z := zone("example.com v=DMARC1; p=reject; pct=30")
	in := input(t, "from=example.com")
	if r := Verify(t.Context(), nil, z, in); !r.Reject {
		t.Errorf("without sampling: %+v", r)
	}
	got := 0
	in.Sample = func(pct int) bool { got = pct; return true }
	if r := Verify(t.Context(), nil, z, in); !r.Reject || got != 30 {
		t.Errorf("sampled: %+v, pct %d", r, got)
	}
}

// All that a report and a decision trace tell.
func TestVerifyDetails(t *testing.T) {
	z := zone("example.com v=DMARC1; p=none; sp=reject; x")
	z.AllAuthentic = true
	r := Verify(t.Context(), nil, z, input(t, "from=a.example.com spf=pass:b.example.com"))
	if r.From.ASCII != "a.example.com" || r.OrgDomain.ASCII != "example.com" || r.PolicyDomain.ASCII != "example.com" ||
		r.Record == nil || r.RecordText != "v=DMARC1; p=none; sp=reject; x" || r.Policy != PolicyReject || r.Tag != "sp" ||
		r.Wanted != PolicyNone || !r.Authentic || r.FromDomains != 1 || r.Authors != nil || !strings.Contains(r.Problem, `"x"`) {
		t.Errorf("got %+v", r)
	}
	z.Inauthentic = []string{"txt _dmarc.b.example.com"}
	if r := Verify(t.Context(), nil, z, input(t, "from=a.example.com spf=pass:b.example.com")); r.Authentic {
		t.Error("authentic although the walk of the identifier was not")
	}
	r = Verify(t.Context(), nil, z, input(t, "from=a.example.com,example.net spf=pass:a.example.com"))
	if r.Status != StatusNone || r.FromDomains != 2 || len(r.Authors) != 2 || r.Authors[0].Status != StatusPass || !strings.Contains(r.Problem, "2 author domains") {
		t.Errorf("got %+v", r)
	}
}

// What is asked of DNS: nothing for identifiers that cannot be aligned, nothing twice,
// and no walk where the author's own record decides.
func TestVerifyQueries(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []string
	}{
		{"same domain", "from=example.com spf=pass:example.com dkim=pass:example.com", []string{"example.com"}},
		{"nothing passes", "from=example.com spf=fail:a.example.com dkim=fail:b.example.com", []string{"example.com"}},
		{"other top-level domain", "from=example.com spf=pass:example.net", []string{"example.com"}},
		{"other organization", "from=example.com spf=pass:a.example2.com", []string{"com", "example.com"}},
		{"shared walks", "from=example.com spf=pass:a.example.com dkim=pass:b.example.com dkim=pass:a.example.com", []string{"a.example.com", "b.example.com", "com", "example.com"}},
	} {
		rec := &recorder{Resolver: zone("example.com " + plain)}
		Verify(t.Context(), nil, rec, input(t, tc.in))
		var want []string
		for _, d := range tc.want {
			want = append(want, "_dmarc."+d)
		}
		slices.Sort(want)
		if got := rec.sorted(); !slices.Equal(got, want) {
			t.Errorf("%s: looked up %q, want %q", tc.name, got, want)
		}
	}
}

// A message with as many signatures and labels as one likes costs a bounded number of
// lookups.
func TestVerifyBounds(t *testing.T) {
	in := input(t, "from=example.com")
	for i := range 500 {
		in.DKIM = append(in.DKIM, DKIM{"pass", domain(t, fmt.Sprintf("a.b.c.d.e.f.s%d.example.com", i))})
	}
	in.DKIM = append(in.DKIM, DKIM{"pass", domain(t, "x.example.com")})
	z := zone("example.com " + plain)
	for i := range 500 {
		z.TXT[fmt.Sprintf("_dmarc.s%d.example.com", i)] = []string{"v=DMARC1; p=none; psd=n"}
	}
	rec := &recorder{Resolver: z}
	r := Verify(t.Context(), nil, rec, in)
	if r.Status != StatusFail || !strings.Contains(r.Problem, "more than 16 authenticated domains") || len(rec.names) > 8*(MaxIdentifiers+1) {
		t.Errorf("%s, %q, %d lookups", r.Status, r.Problem, len(rec.names))
	}
}

// Walks of several identifiers run at the same time.
func TestVerifyConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := zone("example.com " + plain)
		z.Delay = map[string]time.Duration{}
		for _, d := range []string{"com", "example.com", "a.example.com", "b.example.com", "c.example.com"} {
			z.Delay["txt _dmarc."+d] = time.Second
		}
		start := time.Now()
		r := Verify(t.Context(), nil, z, input(t, "from=example.com spf=pass:a.example.com dkim=pass:b.example.com dkim=pass:c.example.com"))
		if took := time.Since(start); took != 3*time.Second || summary(r) != "pass spf dkim0 dkim1" {
			t.Errorf("%s after %v", summary(r), took)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add("example.com", "a.example.com", "b.a.example.com", "v=DMARC1; p=reject; psd=n", "v=DMARC1; p=none", uint8(3))
	f.Add("a.b.c.d.e.f.g.h.i.j.example.com", "com", "example.com", "v=DMARC1; p=reject; psd=y; np=none", "v=DMARC1; t=y; p=quarantine", uint8(200))
	f.Fuzz(func(t *testing.T, from, spf, dkim, txt1, txt2 string, bits uint8) {
		var l []dns.Domain
		for _, s := range []string{from, spf, dkim} {
			d, err := dns.ParseDomain(s)
			if err != nil {
				return
			}
			l = append(l, d)
		}
		z := zone()
		for i, d := range l {
			for n := 0; !d.IsZero(); n++ {
				switch (int(bits) >> (i + n) % 8) & 3 {
				case 0:
					z.TXT["_dmarc."+d.ASCII] = []string{txt1}
				case 1:
					z.TXT["_dmarc."+d.ASCII] = []string{txt2}
				case 2:
					z.Fail["txt _dmarc."+d.ASCII] = nil
				}
				d = parent(d)
			}
		}
		rec := &recorder{Resolver: z}
		r := Verify(context.Background(), nil, rec, Input{From: l[:1], SPF: SPF{"pass", l[1]}, DKIM: []DKIM{{"pass", l[2]}}})
		if len(rec.names) > 24 {
			t.Fatalf("%d lookups", len(rec.names))
		}
		r.Explain()
		if r.Reject && r.Status != StatusFail {
			t.Fatalf("reject with status %s", r.Status)
		}
		for i, aligned := range []bool{r.AlignedSPF, r.AlignedDKIM[0]} {
			if aligned && topLabel(l[i+1]) != topLabel(l[0]) {
				t.Fatalf("%s aligned with %s", l[i+1], l[0])
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	z := zone("example.com " + plain)
	in := input(b, "from=news.example.com spf=pass:bounces.example.com dkim=pass:example.com dkim=pass:example.net")
	b.ReportAllocs()
	for b.Loop() {
		if r := Verify(b.Context(), nil, z, in); r.Status != StatusPass {
			b.Fatal(r.Explain())
		}
	}
}

func ExampleVerify() {
	resolver := dns.MockResolver{TXT: map[string][]string{
		"_dmarc.example.com": {"v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com"},
	}}
	r := Verify(context.Background(), nil, resolver, Input{
		From: []dns.Domain{{ASCII: "example.com"}},
		SPF:  SPF{Status: "pass", Domain: dns.Domain{ASCII: "example.net"}},
		DKIM: []DKIM{{Status: "fail", Domain: dns.Domain{ASCII: "example.com"}}},
	})
	fmt.Println(r.Reject)
	fmt.Println(r.Explain())
	// Output:
	// true
	// fail: no SPF or DKIM pass of a domain aligned with example.com; policy quarantine (p of example.com), treated as reject
}
