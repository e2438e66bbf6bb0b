package dmarc

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// uris makes a list of mailto: destinations.
func uris(addrs ...string) []URI {
	var l []URI
	for _, a := range addrs {
		l = append(l, URI{Address: "mailto:" + a})
	}
	return l
}

// record is a Record with defaults, changed by f.
func record(f func(r *Record)) *Record {
	r := newRecord()
	f(r)
	return r
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		txt  string
		want *Record
	}{
		// RFC 9989 B.2.1 to B.2.5.
		{"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com", record(func(r *Record) {
			r.P, r.RUA = PolicyNone, uris("dmarc-feedback@example.com")
		})},
		{"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@example.com", record(func(r *Record) {
			r.P, r.RUA, r.RUF = PolicyNone, uris("dmarc-feedback@example.com"), uris("auth-reports@example.com")
		})},
		{"v=DMARC1;", record(func(r *Record) { r.Problems = []string{"no tag p"} })},
		{"v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net; t=y", record(func(r *Record) {
			r.P, r.RUA, r.Testing = PolicyQuarantine, uris("dmarc-feedback@example.com", "tld-test@thirdparty.example.net"), true
		})},
		// RFC 9989 B.3.1, folded.
		{"v=DMARC1; p=reject; aspf=r;\trua=mailto:dmarc-feedback@example.com", record(func(r *Record) {
			r.P, r.RUA = PolicyReject, uris("dmarc-feedback@example.com")
		})},
		// All tags, any order, any case of what is not the version.
		{"V = DMARC1 ;RUA=mailto:a@example.org!10m , https://example.org/x!2K;ruf=MAILTO:b@example.org;FO=D:s:1:0:d;aspf=S;adkim=s;np=Reject;sp=QUARANTINE;p=None;t=N;psd=Y;pct=20;ri=3600;rf=afrf:iodef;", record(func(r *Record) {
			r.P, r.SP, r.NP, r.ADKIM, r.ASPF, r.PSD = PolicyNone, PolicyQuarantine, PolicyReject, Strict, Strict, PSDYes
			r.RUA = []URI{{"mailto:a@example.org", 10 << 20}, {"https://example.org/x", 2 << 10}}
			r.RUF = []URI{{"MAILTO:b@example.org", 0}}
			r.FO, r.Pct, r.RI, r.RF = []string{"d", "s", "1", "0"}, 20, 3600, []string{"afrf", "iodef"}
		})},
		// Unknown tags are ignored, without a word.
		{"v=DMARC1;p=reject;x=y;bis=1", record(func(r *Record) { r.P = PolicyReject })},
		// Faults give defaults.
		{"v=DMARC1; p=reject; adkim=x; aspf=; fo=9; pct=101; ri=-1; rf=!; psd=z; t=yes; ;x; p=none", record(func(r *Record) {
			r.P = PolicyReject
			r.Problems = []string{
				`invalid value "x" of tag adkim`, `"aspf=" is not of the form tag=value`, `invalid value "9" of tag fo`,
				`invalid value "101" of tag pct`, `invalid value "-1" of tag ri`, `invalid value "!" of tag rf`,
				`invalid value "z" of tag psd`, `invalid value "yes" of tag t`, "empty tag", `"x" is not of the form tag=value`,
				"tag p again, only the first counts",
			}
		})},
		{"v=DMARC1; p=reject; v=DMARC2; fo=1", record(func(r *Record) {
			r.P, r.Problems = PolicyReject, []string{"tag v again, only the first counts"}
		})},
		// RFC 9989 4.10.1: an invalid policy voids all of them.
		{"v=DMARC1; p=reject; sp=maybe; rua=mailto:a@example.org", record(func(r *Record) {
			r.BadPolicy, r.RUA, r.Problems = true, uris("a@example.org"), []string{`invalid value "maybe" of tag sp`}
		})},
		{"v=DMARC1; p=none; rua=dmarc@example.org, mailto:, mailto:a@b@c, mailto:x@example.org!0, foo:bar baz, mailto:y@example.org!99999999999t", record(func(r *Record) {
			r.P = PolicyNone
			r.Problems = []string{
				`invalid URI "dmarc@example.org" in tag rua, mailto: is missing`, `invalid URI "mailto:" in tag rua`,
				`invalid URI "mailto:a@b@c" in tag rua`, `invalid URI "mailto:x@example.org!0" in tag rua`,
				`invalid URI "foo:bar baz" in tag rua`, `invalid URI "mailto:y@example.org!99999999999t" in tag rua`,
				`invalid value "dmarc@example.org, mailto:, mailto:a@b@c, mailto:x@example.org!0..." of tag rua`,
			}
		})},
	} {
		got, err := Parse(tc.txt)
		if err != nil {
			t.Errorf("%q: %v", tc.txt, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.txt, diff)
		}
	}
}

func TestParseNotDMARC(t *testing.T) {
	for _, txt := range []string{
		"", "v", "v=", "v=DMARC", "v=dmarc1; p=none", "v=DMARC12; p=none", "v=DMARC1 p=none", "p=none; v=DMARC1", " v=DMARC1; p=none",
		"v=spf1 -all", "x=DMARC1", ";v=DMARC1", "\"v=DMARC1; p=none\"", "v=DMARC1;" + strings.Repeat(" ", MaxRecord),
	} {
		if r, err := Parse(txt); !errors.Is(err, ErrNotDMARC) {
			t.Errorf("%.40q: got %v, %v", txt, r, err)
		}
	}
}

func TestParseBounds(t *testing.T) {
	r, err := Parse("v=DMARC1; p=none; rua=" + strings.Repeat("mailto:a@example.org,", 500) + "mailto:b@example.org")
	if err != nil || len(r.RUA) != MaxURIs || len(r.Problems) != 1 {
		t.Errorf("got %d URIs, problems %q, %v", len(r.RUA), r.Problems, err)
	}
	r, err = Parse("v=DMARC1; p=none" + strings.Repeat(";;", 5000))
	if err != nil || len(r.Problems) != maxProblems {
		t.Errorf("got %d problems, %v", len(r.Problems), err)
	}
}

func TestMailto(t *testing.T) {
	for _, tc := range []struct{ uri, want string }{
		{"mailto:a@example.org", "a@example.org"},
		{"MailTo:a@example.org?subject=x", "a@example.org"},
		{"mailto:a%21b@EXAMPLE.org#f", "a!b@example.org"},
		{"mailto:a%2Cb@example.org", ""},
		{"mailto:a@xn--bcher-kva.example", "a@bücher.example"},
		{"mailto:a@example.org%2Cb@example.org", ""},
		{"mailto:%zz@example.org", ""},
		{"https://example.org/", ""},
		{"a@example.org", ""},
	} {
		a, ok := URI{Address: tc.uri}.Mailto()
		if ok != (tc.want != "") || ok && a.String() != tc.want {
			t.Errorf("%s: got %s, %v, want %q", tc.uri, a, ok, tc.want)
		}
	}
}

func TestPolicyFor(t *testing.T) {
	for _, tc := range []struct {
		txt                               string
		applies                           bool
		domain, subdomain, nonexistent    Policy
		domainTag, subTag, nonexistentTag string
	}{
		{"v=DMARC1; p=reject", true, "reject", "reject", "reject", "p", "p", "p"},
		{"v=DMARC1; p=reject; sp=none", true, "reject", "none", "none", "p", "sp", "sp"},
		{"v=DMARC1; p=none; np=reject", true, "none", "none", "reject", "p", "p", "np"},
		{"v=DMARC1; p=none; sp=quarantine; np=reject", true, "none", "quarantine", "reject", "p", "sp", "np"},
		{"v=DMARC1; sp=reject; rua=mailto:a@example.org", true, "none", "reject", "reject", "p", "sp", "sp"},
		{"v=DMARC1; p=x; sp=reject; rua=mailto:a@example.org", true, "none", "none", "none", "p", "p", "p"},
		{"v=DMARC1; p=reject; np=x", false, "none", "none", "none", "p", "p", "p"},
		{"v=DMARC1; psd=n", false, "none", "none", "none", "p", "p", "p"},
	} {
		r, err := Parse(tc.txt)
		if err != nil {
			t.Fatal(err)
		}
		if r.Applies() != tc.applies {
			t.Errorf("%s: applies %v", tc.txt, r.Applies())
		}
		for _, q := range []struct {
			sub, non bool
			policy   Policy
			tag      string
		}{{false, false, tc.domain, tc.domainTag}, {true, false, tc.subdomain, tc.subTag}, {true, true, tc.nonexistent, tc.nonexistentTag}} {
			if p, tag := r.PolicyFor(q.sub, q.non); p != q.policy || tag != q.tag {
				t.Errorf("%s, subdomain %v, nonexistent %v: got %s of %s, want %s of %s", tc.txt, q.sub, q.non, p, tag, q.policy, q.tag)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@example.com",
		"v=DMARC1;p=reject;sp=none;np=quarantine;adkim=s;aspf=s;psd=y;t=y;fo=1:d;ruf=mailto:x@example.org!1g",
		"v=DMARC1; pct=0; ri=1; rf=a:b; rua=https://a/b!7k",
		"v = DMARC1 ; ; p", "v=DMARC1;rua=mailto:%22a b%22@example.org",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			return
		}
		r.Explain()
		again, err := Parse(r.String())
		if err != nil {
			t.Fatalf("%q printed as %q: %v", s, r, err)
		}
		// What was passed over is not printed.
		r.Problems, again.Problems, r.BadPolicy = nil, nil, false
		if diff := cmp.Diff(r, again); diff != "" {
			t.Fatalf("%q printed as %q (-first +again):\n%s", s, r, diff)
		}
	})
}
