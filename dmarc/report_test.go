package dmarc

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"mox/dns"
)

func TestCheckReportURIs(t *testing.T) {
	const third = "v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@thirdparty.example.net"
	const consent = "example.com._report._dmarc.thirdparty.example.net"
	internal := "rua mailto:dmarc-feedback@example.com -> mailto:dmarc-feedback@example.com"
	for _, tc := range []struct {
		name, record string
		txt          map[string][]string
		want         []string
	}{
		// RFC 9989 B.2.3 and B.2.4.
		{"B.2.3", third, map[string][]string{consent: {"v=DMARC1;"}}, []string{internal, "ruf mailto:auth-reports@thirdparty.example.net external -> mailto:auth-reports@thirdparty.example.net"}},
		{"B.2.4", third, map[string][]string{consent: {"v=DMARC1; rua=mailto:aggregate-reports@thirdparty.example.net; ruf=mailto:failure-reports@thirdparty.example.net"}},
			[]string{internal, "ruf mailto:auth-reports@thirdparty.example.net external -> mailto:failure-reports@thirdparty.example.net"}},
		{"no consent", third, nil, []string{internal, "ruf mailto:auth-reports@thirdparty.example.net external: thirdparty.example.net has not agreed"}},
		{"other text", third, map[string][]string{consent: {"yes"}}, []string{internal, "ruf mailto:auth-reports@thirdparty.example.net external: thirdparty.example.net has not agreed"}},
		{"override at another host", third, map[string][]string{consent: {"v=DMARC1; ruf=mailto:x@example.org"}}, []string{internal, "ruf mailto:auth-reports@thirdparty.example.net external: the record of thirdparty.example.net names an address at another host, example.org"}},
		{"several records", third, map[string][]string{consent: {"other", "v=DMARC1", "v=DMARC1; ruf=mailto:x@thirdparty.example.net!1k, mailto:y@thirdparty.example.net"}},
			[]string{internal, "ruf mailto:auth-reports@thirdparty.example.net external -> mailto:x@thirdparty.example.net!1024 mailto:y@thirdparty.example.net"}},
		{"same organization", "v=DMARC1; p=none; rua=mailto:a@reports.example.com", map[string][]string{"_dmarc.example.com": {plain}}, []string{"rua mailto:a@reports.example.com -> mailto:a@reports.example.com"}},
		{"own organization below", "v=DMARC1; p=none; rua=mailto:a@reports.example.com", map[string][]string{"_dmarc.example.com": {plain}, "_dmarc.reports.example.com": {"v=DMARC1; p=none; psd=n"}},
			[]string{"rua mailto:a@reports.example.com external: reports.example.com has not agreed"}},
		{"same top-level domain", "v=DMARC1; p=none; rua=mailto:a@example2.com", map[string][]string{"example.com._report._dmarc.example2.com": {"v=DMARC1"}}, []string{"rua mailto:a@example2.com external -> mailto:a@example2.com"}},
		{"no mail", "v=DMARC1; p=none; rua=https://example.com/report", nil, []string{"rua https://example.com/report: not a mailto: URI"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := Parse(tc.record)
			if err != nil {
				t.Fatal(err)
			}
			got := CheckReportURIs(t.Context(), nil, dns.MockResolver{TXT: tc.txt}, domain(t, "example.com"), r)
			if len(got) != len(tc.want) {
				t.Fatalf("%d destinations", len(got))
			}
			for i, d := range got {
				if s := describe(d); !strings.HasPrefix(s, tc.want[i]) {
					t.Errorf("got %q, want %q", s, tc.want[i])
				}
				if d.Accepted != (d.Problem == "") || d.Accepted != (len(d.Send) > 0) || d.Err != nil {
					t.Errorf("got %+v", d)
				}
			}
		})
	}
}

func describe(d Destination) string {
	s := d.Tag + " " + d.URI.String()
	if d.External {
		s += " external"
	}
	if !d.Accepted {
		return s + ": " + d.Problem
	}
	s += " ->"
	for _, u := range d.Send {
		s += " " + u.String()
	}
	return s
}

func TestCheckReportURIsFails(t *testing.T) {
	for _, lookup := range []string{
		"txt example.com._report._dmarc.example.net", "txt _dmarc.com", "txt _dmarc.a.example.com",
	} {
		r := dns.MockResolver{Fail: map[string]error{lookup: nil}, TXT: map[string][]string{"_dmarc.example.com": {plain}}}
		rec, _ := Parse("v=DMARC1; p=none; rua=mailto:x@example.net,mailto:x@a.example.com")
		failed := 0
		for _, d := range CheckReportURIs(t.Context(), nil, r, domain(t, "example.com"), rec) {
			if d.Err != nil {
				failed++
				if d.Accepted || d.Problem == "" || !dns.IsTemporary(d.Err) {
					t.Errorf("%s: got %+v", lookup, d)
				}
			}
		}
		if failed != 1 {
			t.Errorf("%s: %d destinations failed", lookup, failed)
		}
	}
}

func TestCheckReportURIsBounds(t *testing.T) {
	r := newRecord()
	for i := range 2 * maxDestinations {
		r.RUA = append(r.RUA, uris(fmt.Sprintf("a@d%d.example", i), fmt.Sprintf("b@d%d.example", i))...)
	}
	rec := &recorder{Resolver: dns.MockResolver{}}
	CheckReportURIs(t.Context(), nil, rec, domain(t, "example.com"), r)
	if len(rec.names) != maxDestinations {
		t.Errorf("%d lookups", len(rec.names))
	}
}

func ExampleCheckReportURIs() {
	resolver := dns.MockResolver{TXT: map[string][]string{
		"example.com._report._dmarc.reports.example.net": {"v=DMARC1"},
	}}
	r, _ := Parse("v=DMARC1; p=none; rua=mailto:d@example.com,mailto:x@reports.example.net,mailto:y@example.org")
	for _, d := range CheckReportURIs(context.Background(), nil, resolver, dns.Domain{ASCII: "example.com"}, r) {
		fmt.Println(d.URI, d.External, d.Accepted)
	}
	// Output:
	// mailto:d@example.com false true
	// mailto:x@reports.example.net true true
	// mailto:y@example.org true false
}

func ExampleParse() {
	r, err := Parse("v=DMARC1; p=reject; t=y; adkim=s; rua=mailto:reports@example.com")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.P, r.Testing, r.ADKIM == Strict)
	// Output: reject true true
}
