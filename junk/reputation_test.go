package junk

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/store"
	"mox/trace"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// said is a classified message of a sender, some time ago.
type said struct {
	from trace.Facts
	junk bool
	ago  time.Duration
}

func mailFacts(change func(*trace.Facts)) trace.Facts {
	f := trace.Facts{Mailbox: "Inbox", From: "bob@news.example.org", OrgDomain: "example.org", Validation: trace.ValidationStrict}
	if change != nil {
		change(&f)
	}
	return f
}

func forged(f *trace.Facts) { f.Validation = trace.ValidationNone }

func from(addr string) func(*trace.Facts) { return func(f *trace.Facts) { f.From = addr } }

// with returns facts of a message whose From says nothing.
func with(change func(*trace.Facts)) trace.Facts {
	f := trace.Facts{Mailbox: "Inbox"}
	change(&f)
	return f
}

func dkim(domains ...string) trace.Facts {
	return with(func(f *trace.Facts) {
		for _, d := range domains {
			f.DKIM = append(f.DKIM, trace.DKIM{Domain: d, Status: "pass"})
		}
	})
}

func spf(mailfrom, domain, hello string) trace.Facts {
	return with(func(f *trace.Facts) {
		if domain != "" {
			f.MailFrom = mailfrom
			f.SPF = append(f.SPF, trace.SPF{Identity: "mailfrom", Domain: domain, Status: "pass"})
		}
		if hello != "" {
			f.SPF = append(f.SPF, trace.SPF{Identity: "helo", Domain: hello, Status: "pass"})
		}
	})
}

func ip(s string) trace.Facts {
	return with(func(f *trace.Facts) { f.Remote = netip.MustParseAddr(s) })
}

// many repeats messages, of which the first junk are junk.
func many(f func(i int) trace.Facts, n, junk int, ago time.Duration) []said {
	var l []said
	for i := range n {
		l = append(l, said{f(i), i < junk, ago + time.Duration(i)*time.Minute})
	}
	return l
}

func same(f trace.Facts) func(int) trace.Facts { return func(int) trace.Facts { return f } }

func users(i int) trace.Facts {
	return mailFacts(from(fmt.Sprintf("user%d@news.example.org", i)))
}

func TestReputation(t *testing.T) {
	const hour = time.Hour
	bob := mailFacts(nil)
	forgedBob := mailFacts(forged)
	type result struct {
		Method, Judgment string
		Conclusive       bool
	}
	for _, tc := range []struct {
		name    string
		history []said
		sent    []string
		ask     trace.Facts
		want    result
	}{
		{"nothing", nil, nil, bob, result{"none", "", false}},
		{"no sender", []said{{bob, true, hour}}, nil, trace.Facts{Mailbox: "Inbox"}, result{"none", "", false}},
		{"other mailbox", []said{{bob, true, hour}}, nil, mailFacts(func(f *trace.Facts) { f.Mailbox = "Lists" }), result{"none", "", false}},

		{"last is ham", []said{{bob, false, hour}, {bob, true, 2 * hour}}, nil, bob, result{"msgfromfull", "ham", true}},
		{"last is junk, one before is ham", []said{{bob, true, hour}, {bob, false, 2 * hour}}, nil, bob, result{"msgfromfull", "ham", true}},
		{"only one, junk", []said{{bob, true, hour}}, nil, bob, result{"msgfromfull", "junk", true}},
		{"last two are junk", []said{{bob, true, hour}, {bob, true, 2 * hour}, {bob, false, 3 * hour}}, nil, bob, result{"msgfromfull", "junk", true}},
		{"other case of address", []said{{bob, true, hour}}, nil, mailFacts(from("BOB@News.Example.org")), result{"msgfromfull", "junk", true}},
		{"3 years ago", []said{{bob, true, 3*year - hour}}, nil, bob, result{"msgfromfull", "junk", true}},
		{"more than 3 years ago", []said{{bob, true, 3*year + hour}}, nil, bob, result{"none", "", false}},
		{"other way of validation", []said{{bob, true, hour}}, nil, mailFacts(func(f *trace.Facts) { f.Validation = trace.ValidationDMARC }), result{"msgfromfull", "junk", true}},
		{"not validated", []said{{forgedBob, false, hour}}, nil, forgedBob, result{"msgfromfull", "ham", false}},
		{"not validated, history is, ham", []said{{bob, false, hour}}, nil, forgedBob, result{"msgfromfull", "junk", false}},
		{"not validated, history is, junk", []said{{bob, true, hour}}, nil, forgedBob, result{"msgfromfull", "junk", true}},
		{"validated, history is not", []said{{forgedBob, true, hour}}, nil, bob, result{"none", "", false}},

		{"wrote to", nil, []string{"Bob@NEWS.example.org"}, bob, result{"msgtofull", "ham", true}},
		{"wrote to, but their last was junk", []said{{bob, true, hour}}, []string{"bob@news.example.org"}, bob, result{"msgfromfull", "junk", true}},
		{"wrote to, before domain", []said{{users(1), true, hour}}, []string{"bob@news.example.org"}, bob, result{"msgtofull", "ham", true}},

		{"domain, more than 80 % ham", many(users, 6, 1, hour), nil, bob, result{"msgfromdomain", "ham", true}},
		{"domain, 80 % ham", many(users, 5, 1, hour), nil, bob, result{"msgfromdomain", "", false}},
		{"domain, only junk of two addresses", many(users, 2, 2, hour), nil, bob, result{"msgfromdomain", "junk", false}},
		{"domain, only junk of one address", many(same(users(1)), 5, 5, hour), nil, bob, result{"msgfromdomain", "junk", false}},
		{"domain, only junk of three", many(users, 3, 3, hour), nil, bob, result{"msgfromdomain", "junk", true}},
		{"domain, last 20", append(many(users, 20, 20, hour), many(users, 50, 0, 100*hour)...), nil, bob, result{"msgfromdomain", "junk", true}},
		{"domain, 2 years ago", many(users, 3, 3, 2*year+hour), nil, bob, result{"none", "", false}},
		{"domain, not validated, history is one", many(users, 1, 1, hour), nil, forgedBob, result{"msgfromdomain", "junk", false}},
		{"domain, not validated, history is junk", many(users, 3, 2, hour), nil, forgedBob, result{"msgfromdomain", "junk", true}},
		{"domain, not validated, history is ham", many(users, 3, 1, hour), nil, forgedBob, result{"msgfromdomain", "junk", false}},
		{"wrote to domain", nil, []string{"carol@news.example.org"}, bob, result{"msgtodomain", "ham", true}},
		{"wrote to domain, after its history", many(users, 2, 2, hour), []string{"carol@news.example.org"}, bob, result{"msgfromdomain", "junk", false}},
		{"organization", many(users, 6, 0, hour), nil, mailFacts(from("bob@other.example.org")), result{"msgfromorgdomain", "ham", true}},
		{"organization, not validated", many(users, 6, 6, hour), nil, mailFacts(func(f *trace.Facts) { from("bob@other.example.org")(f); forged(f) }), result{"msgfromorgdomain", "junk", true}},
		{"wrote to organization", nil, []string{"carol@mail.example.org"}, bob, result{"msgtoorgdomain", "ham", true}},
		{"wrote to organization, after its history", many(users, 1, 1, hour), []string{"carol@mail.example.org"}, mailFacts(from("bob@other.example.org")), result{"msgfromorgdomain", "junk", false}},
		{"wrote to domain, before organization", many(users, 1, 1, hour), []string{"carol@other.example.org"}, mailFacts(from("bob@other.example.org")), result{"msgtodomain", "ham", true}},

		{"dkim, ham", many(same(dkim("a.example")), 2, 0, hour), nil, dkim("a.example"), result{"dkimspf", "ham", true}},
		{"dkim, one junk", many(same(dkim("a.example")), 1, 1, hour), nil, dkim("a.example"), result{"dkimspf", "junk", false}},
		{"dkim, two junk", many(same(dkim("a.example")), 2, 2, hour), nil, dkim("a.example"), result{"dkimspf", "junk", true}},
		{"dkim, 10 % junk", many(same(dkim("a.example")), 10, 1, hour), nil, dkim("a.example"), result{"dkimspf", "", false}},
		{"dkim, less than 10 % junk", many(same(dkim("a.example")), 11, 1, hour), nil, dkim("a.example"), result{"dkimspf", "ham", true}},
		{"dkim, two domains differ", append(many(same(dkim("a.example")), 2, 2, hour), many(same(dkim("b.example")), 2, 0, hour)...), nil, dkim("a.example", "b.example"), result{"dkimspf", "", false}},
		{"dkim, one domain of two known", many(same(dkim("a.example")), 2, 2, hour), nil, dkim("c.example", "a.example"), result{"dkimspf", "junk", true}},
		{"dkim, half a year ago", many(same(dkim("a.example")), 2, 2, year/2+hour), nil, dkim("a.example"), result{"none", "", false}},
		{"dkim, last 50", append(many(same(dkim("a.example")), 50, 0, hour), many(same(dkim("a.example")), 20, 20, 1000*hour)...), nil, dkim("a.example"), result{"dkimspf", "ham", true}},
		{"mail from", many(same(spf("x@a.example", "a.example", "")), 2, 2, hour), nil, spf("x@a.example", "a.example", "h.example"), result{"dkimspf", "junk", true}},
		{"mail from, its domain", many(same(spf("y@a.example", "a.example", "")), 2, 2, hour), nil, spf("x@a.example", "a.example", ""), result{"dkimspf", "junk", true}},
		{"mail from, address before domain", append(many(same(spf("y@a.example", "a.example", "")), 2, 2, hour), many(same(spf("x@a.example", "a.example", "")), 1, 0, hour)...), nil, spf("x@a.example", "a.example", ""), result{"dkimspf", "ham", true}},
		{"ehlo", many(same(spf("", "", "h.example")), 2, 0, hour), nil, spf("x@a.example", "a.example", "h.example"), result{"dkimspf", "ham", true}},
		{"dkim and spf differ", append(many(same(dkim("a.example")), 2, 0, hour), many(same(spf("", "", "h.example")), 2, 2, hour)...), nil,
			with(func(f *trace.Facts) { f.DKIM = dkim("a.example").DKIM; f.SPF = spf("", "", "h.example").SPF }), result{"dkimspf", "", false}},

		{"ip, one junk", many(same(ip("10.0.0.1")), 1, 1, hour), nil, ip("10.0.0.1"), result{"ip1", "junk", false}},
		{"ip, two junk", many(same(ip("10.0.0.1")), 2, 2, hour), nil, ip("10.0.0.1"), result{"ip1", "junk", true}},
		{"ip, two ham", many(same(ip("10.0.0.1")), 2, 0, hour), nil, ip("10.0.0.1"), result{"ip1", "ham", true}},
		{"ip, 25 % junk", many(same(ip("10.0.0.1")), 4, 1, hour), nil, ip("10.0.0.1"), result{"ip1", "", false}},
		{"ip, 20 % junk", many(same(ip("10.0.0.1")), 5, 1, hour), nil, ip("10.0.0.1"), result{"ip1", "ham", false}},
		{"ip, 75 % junk", many(same(ip("10.0.0.1")), 4, 3, hour), nil, ip("10.0.0.1"), result{"ip1", "", false}},
		{"ip, 80 % junk", many(same(ip("10.0.0.1")), 5, 4, hour), nil, ip("10.0.0.1"), result{"ip1", "junk", false}},
		{"ip, 90 % junk", many(same(ip("10.0.0.1")), 10, 9, hour), nil, ip("10.0.0.1"), result{"ip1", "junk", true}},
		{"/26, four", many(same(ip("10.0.0.1")), 4, 4, hour), nil, ip("10.0.0.2"), result{"ip2", "junk", false}},
		{"/26, five", many(same(ip("10.0.0.1")), 5, 5, hour), nil, ip("10.0.0.2"), result{"ip2", "junk", true}},
		{"/21, nine", many(same(ip("10.0.0.1")), 9, 0, hour), nil, ip("10.0.7.255"), result{"ip3", "ham", false}},
		{"/21, ten", many(same(ip("10.0.0.1")), 10, 0, hour), nil, ip("10.0.7.255"), result{"ip3", "ham", true}},
		{"beyond /21", many(same(ip("10.0.0.1")), 10, 0, hour), nil, ip("10.0.8.0"), result{"none", "", false}},
		{"/64 of IPv6", many(same(ip("2001:db8::1")), 2, 2, hour), nil, ip("2001:db8::2"), result{"ip1", "junk", true}},
		{"ip, more than a quarter ago", many(same(ip("10.0.0.1")), 2, 2, year/4+hour), nil, ip("10.0.0.1"), result{"none", "", false}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, Config{Now: func() time.Time { return now }, OrgDomain: lastTwo, Linger: time.Hour})
			for _, h := range tc.history {
				flag := store.FlagNotJunk
				if h.junk {
					flag = store.FlagJunk
				}
				f.classified(h.from, flag, now.Add(-h.ago))
			}
			x := f.filter()
			defer x.Release()
			must(t, x.Sent(f.ctx, tc.sent, now.Add(-hour)))
			f.settled()
			r := f.reputation(tc.ask)
			if d := cmp.Diff(tc.want, result{r.Method, r.Judgment, r.Conclusive}); d != "" {
				t.Errorf("%s\n%+v", d, r)
			}
			if known := r.Method == "msgfromfull" || r.Method == "msgtofull"; r.KnownAddress != known {
				t.Errorf("known address: %v", r.KnownAddress)
			}
		})
	}
}

// lastTwo stands for the public suffix list.
func lastTwo(d string) string {
	dots := 0
	for i := len(d) - 1; i >= 0; i-- {
		if d[i] == '.' {
			if dots++; dots == 2 {
				return d[i+1:]
			}
		}
	}
	return d
}

// TestAtOnce: what the user just said holds for the next message.
func TestAtOnce(t *testing.T) {
	f := newFixture(t, Config{Now: func() time.Time { return now }, Linger: time.Hour})
	bob := mailFacts(nil)
	for i := range 20 {
		uid := f.classified(bob, 0, now.Add(time.Duration(i)*time.Second))
		f.setFlags("Inbox", uid, store.FlagsAdd, store.FlagJunk)
		if r := f.reputation(bob); r.Judgment != "junk" || !r.Conclusive || r.Junk != 1 {
			t.Fatalf("marked as junk: %+v", r)
		}
		f.setFlags("Inbox", uid, store.FlagsAdd, store.FlagNotJunk)
		if r := f.reputation(bob); r.Method != "none" {
			t.Fatalf("marked as both: %+v", r)
		}
		f.setFlags("Inbox", uid, store.FlagsRemove, store.FlagJunk)
		if r := f.reputation(bob); r.Judgment != "ham" || !r.Conclusive {
			t.Fatalf("marked as not junk: %+v", r)
		}
		_, _, err := f.acc.Remove(f.ctx, f.box("Inbox"), store.AllUIDs())
		must(t, err)
		if r := f.reputation(bob); r.Method != "none" {
			t.Fatalf("removed: %+v", r)
		}
	}
}

func TestCanonicalAddress(t *testing.T) {
	for in, want := range map[string]string{
		"Bob@Example.ORG": "bob@example.org", "bob@example.org.": "bob@example.org", `"bob"@example.org`: "bob@example.org",
		"x@bücher.example": "x@xn--bcher-kva.example", "": "", "bob": "", "@example.org": "", "bob@": "",
	} {
		if got := canonicalAddress(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
