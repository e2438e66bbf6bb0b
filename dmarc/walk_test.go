package dmarc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
)

func domain(t testing.TB, s string) dns.Domain {
	t.Helper()
	d, err := dns.ParseDomain(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// zone makes a resolver with policy records, from lines "domain record". A line "domain
// fail" makes the lookup fail, "domain exists" gives the domain an MX record.
func zone(lines ...string) dns.MockResolver {
	r := dns.MockResolver{TXT: map[string][]string{}, MX: map[string][]dns.MX{}, Fail: map[string]error{}}
	for _, l := range lines {
		d, txt, _ := strings.Cut(l, " ")
		switch txt {
		case "fail":
			r.Fail["txt _dmarc."+d] = nil
		case "exists":
			r.MX[d] = []dns.MX{{Host: "mx." + d}}
		default:
			r.TXT["_dmarc."+d] = append(r.TXT["_dmarc."+d], txt)
		}
	}
	return r
}

// recorder notes the names of TXT lookups.
type recorder struct {
	dns.Resolver
	mu    sync.Mutex
	names []string
}

func (r *recorder) LookupTXT(ctx context.Context, name string) ([]string, dns.Result, error) {
	r.mu.Lock()
	r.names = append(r.names, name)
	r.mu.Unlock()
	return r.Resolver.LookupTXT(ctx, name)
}

func (r *recorder) sorted() []string {
	slices.Sort(r.names)
	return r.names
}

const plain = "v=DMARC1; p=reject"

func TestLookup(t *testing.T) {
	long := strings.Repeat("a.", 60) + "example.com"
	for _, tc := range []struct {
		name, domain string
		zone         []string
		policy, org  string
		fails        bool
	}{
		// RFC 9989 4.10.2.
		{"4.10.2 first", "a.mail.example.com", []string{"mail.example.com " + plain, "example.com " + plain}, "example.com", "example.com", false},
		{"4.10.2 second, psd=n", "a.mail.example.com", []string{"mail.example.com v=DMARC1; p=none; psd=n", "example.com " + plain}, "mail.example.com", "mail.example.com", false},
		{"4.10.2 third, psd=y", "a.mail.example.com", []string{"com v=DMARC1; p=none; psd=y"}, "com", "example.com", false},
		{"4.10.2 psd=y in the middle", "mail.example.com", []string{"mail.example.com " + plain, "example.com v=DMARC1; p=none; psd=y", "com fail"}, "mail.example.com", "mail.example.com", false},
		// RFC 9989 B.4.
		{"B.4.1 author", "example.com", []string{"example.com " + plain, "signing.example.com " + plain}, "example.com", "example.com", false},
		{"B.4.1 signer", "signing.example.com", []string{"example.com " + plain, "signing.example.com " + plain}, "signing.example.com", "example.com", false},
		{"B.4.2", "a.b.c.d.e.f.g.h.i.j.k.example.com", []string{"example.com " + plain, "signing.example.com " + plain}, "example.com", "example.com", false},
		{"B.4.3 author", "giant.bank.example", []string{"bank.example v=DMARC1; p=none; psd=y", "giant.bank.example " + plain}, "giant.bank.example", "giant.bank.example", false},
		{"B.4.3 mail from", "mail.giant.bank.example", []string{"bank.example v=DMARC1; p=none; psd=y", "giant.bank.example " + plain}, "giant.bank.example", "giant.bank.example", false},
		{"B.4.3 DKIM", "mail.mega.bank.example", []string{"bank.example v=DMARC1; p=none; psd=y", "giant.bank.example " + plain}, "bank.example", "mega.bank.example", false},

		{"nothing", "a.example.com", nil, "", "a.example.com", false},
		{"no policy of a mere ancestor", "a.b.example.com", []string{"b.example.com " + plain, "com v=DMARC1; p=none; psd=y"}, "com", "example.com", false},
		{"start with psd=n stops", "a.example.com", []string{"a.example.com v=DMARC1; p=none; psd=n", "example.com fail"}, "a.example.com", "a.example.com", false},
		{"start with psd=y goes on", "bank.example", []string{"bank.example v=DMARC1; p=none; psd=y", "example " + plain}, "bank.example", "example", false},
		{"start with psd=y alone", "bank.example", []string{"bank.example v=DMARC1; p=none; psd=y"}, "bank.example", "bank.example", false},
		{"psd=n above", "a.b.example.com", []string{"a.b.example.com " + plain, "example.com v=DMARC1; psd=n"}, "a.b.example.com", "example.com", false},
		{"several records are void", "a.example.com", []string{"a.example.com " + plain, "a.example.com " + plain, "example.com v=DMARC1; p=none"}, "example.com", "example.com", false},
		{"other texts do not count", "a.example.com", []string{"a.example.com " + plain, "a.example.com v=spf1 -all", "example.com v=DMARC2; p=none"}, "a.example.com", "a.example.com", false},
		{"skipped names have no say", "a.b.c.d.e.f.g.h.example.com", []string{"b.c.d.e.f.g.h.example.com " + plain, "d.e.f.g.h.example.com v=DMARC1; p=none"}, "d.e.f.g.h.example.com", "d.e.f.g.h.example.com", false},
		{"one label below a deep psd", "a.b.c.d.e.f.g.h.i.example", []string{"d.e.f.g.h.i.example v=DMARC1; p=none; psd=y"}, "d.e.f.g.h.i.example", "c.d.e.f.g.h.i.example", false},
		{"eight labels", "a.b.c.d.e.f.g.example", []string{"b.c.d.e.f.g.example " + plain}, "b.c.d.e.f.g.example", "b.c.d.e.f.g.example", false},
		{"many labels", long, []string{"example.com " + plain}, "example.com", "example.com", false},
		{"too long a name", strings.Repeat("abcdefghi.", 24) + "example.com", []string{"example.com " + plain}, "example.com", "example.com", false},
		{"one label", "localhost", []string{"localhost " + plain}, "localhost", "localhost", false},
		{"A-labels", "a.bücher.example", []string{"xn--bcher-kva.example " + plain}, "bücher.example", "bücher.example", false},
		{"failure at the start", "a.example.com", []string{"a.example.com fail", "example.com " + plain}, "", "", true},
		{"failure above", "a.example.com", []string{"example.com fail"}, "", "", true},
		{"failure above with own record", "a.example.com", []string{"a.example.com " + plain, "example.com fail"}, "a.example.com", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := &recorder{Resolver: zone(tc.zone...)}
			d := Lookup(t.Context(), nil, rec, domain(t, tc.domain))
			if d.PolicyDomain.Name() != tc.policy || d.OrgDomain.Name() != tc.org || (d.Err != nil) != tc.fails {
				t.Errorf("policy domain %q, organizational domain %q, error %v; want %q, %q, %v", d.PolicyDomain.Name(), d.OrgDomain.Name(), d.Err, tc.policy, tc.org, tc.fails)
			}
			if (d.Record != nil) != (tc.policy != "") {
				t.Errorf("record %v", d.Record)
			}
			if len(rec.names) > 8 {
				t.Errorf("%d queries: %q", len(rec.names), rec.names)
			}
		})
	}
}

// RFC 9989 4.10: the example's eight queries.
func TestWalkQueries(t *testing.T) {
	rec := &recorder{Resolver: zone()}
	d := Lookup(t.Context(), nil, rec, domain(t, "a.b.c.d.e.f.g.h.i.j.mail.example.com"))
	var got []string
	for _, q := range d.Queries {
		got = append(got, "_dmarc."+q.Domain.ASCII)
	}
	want := []string{
		"_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com", "_dmarc.g.h.i.j.mail.example.com", "_dmarc.h.i.j.mail.example.com",
		"_dmarc.i.j.mail.example.com", "_dmarc.j.mail.example.com", "_dmarc.mail.example.com", "_dmarc.example.com", "_dmarc.com",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if slices.Sort(want); !slices.Equal(rec.sorted(), want) {
		t.Errorf("looked up %q", rec.names)
	}
}

func TestOrganizationalDomain(t *testing.T) {
	r := zone("example.com " + plain)
	r.AllAuthentic = true
	org, authentic, err := OrganizationalDomain(t.Context(), nil, r, domain(t, "a.b.example.com"))
	if org.ASCII != "example.com" || !authentic || err != nil {
		t.Errorf("got %s, %v, %v", org, authentic, err)
	}
	r.Inauthentic = []string{"txt _dmarc.com"}
	if _, authentic, _ := OrganizationalDomain(t.Context(), nil, r, domain(t, "a.b.example.com")); authentic {
		t.Error("authentic with an answer that is not")
	}
}

// The names above the start are asked for at once, and none outlives the call.
func TestWalkConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := zone("example.com v=DMARC1; p=none; psd=n")
		r.Delay = map[string]time.Duration{}
		for _, d := range []string{"a.b.c.d.example.com", "b.c.d.example.com", "c.d.example.com", "d.example.com", "example.com"} {
			r.Delay["txt _dmarc."+d] = time.Second
		}
		r.Delay["txt _dmarc.com"] = time.Hour // not needed, psd=n being below it
		start := time.Now()
		d := Lookup(t.Context(), nil, r, domain(t, "a.b.c.d.example.com"))
		if d.OrgDomain.ASCII != "example.com" || time.Since(start) != 2*time.Second {
			t.Errorf("%s after %v, %v", d.OrgDomain, time.Since(start), d.Err)
		}
		// A context that ends makes the error temporary.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if d := Lookup(ctx, nil, r, domain(t, "example.com")); d.Err == nil || !dns.IsTemporary(d.Err) {
			t.Errorf("got %v", d.Err)
		}
	})
}

func ExampleLookup() {
	resolver := dns.MockResolver{TXT: map[string][]string{
		"_dmarc.example.com": {"v=DMARC1; p=reject; sp=quarantine"},
	}}
	d := Lookup(context.Background(), nil, resolver, dns.Domain{ASCII: "news.example.com"})
	policy, tag := d.Record.PolicyFor(d.PolicyDomain != d.Domain, false)
	fmt.Println(d.PolicyDomain, policy, tag)
	// Output: example.com quarantine sp
}
