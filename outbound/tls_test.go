package outbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/dane"
	"mox/dns"
	"mox/mtasts"
	"mox/mtastsdb"
	"mox/queue"
	"mox/smtpclient"
)

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

// TestDecide is the table of what wins over what.
func TestDecide(t *testing.T) {
	const (
		opp, req = smtpclient.TLSOpportunistic, smtpclient.TLSRequired
		none     = checkNone
		see      = checkObserve
		must     = checkRequire
	)
	for name, tc := range map[string]struct {
		f tlsFacts
		d tlsDecision
	}{
		"nothing known":                         {tlsFacts{}, tlsDecision{Mode: opp, Plaintext: true}},
		"DMARC report":                          {tlsFacts{Report: true}, tlsDecision{Mode: opp}},
		"testing":                               {tlsFacts{STS: stsTesting, STSMatch: true}, tlsDecision{Mode: opp, PKIX: see, Plaintext: true}},
		"testing, other host":                   {tlsFacts{STS: stsTesting}, tlsDecision{Mode: opp, PKIX: see, Plaintext: true}},
		"enforce":                               {tlsFacts{STS: stsEnforce, STSMatch: true}, tlsDecision{Mode: req, PKIX: must}},
		"enforce, other host":                   {tlsFacts{STS: stsEnforce}, tlsDecision{Refused: refusedSTS, Mode: opp, Plaintext: true}},
		"DANE":                                  {tlsFacts{DANE: daneUsable, MXSecure: true}, tlsDecision{Mode: req, DANE: must}},
		"DANE unusable":                         {tlsFacts{DANE: daneUnusable, MXSecure: true}, tlsDecision{Mode: req}},
		"DANE bogus":                            {tlsFacts{DANE: daneError, MXSecure: true}, tlsDecision{Refused: refusedDANE, Mode: opp, Plaintext: true}},
		"DANE bogus, enforce":                   {tlsFacts{DANE: daneError, STS: stsEnforce, STSMatch: true}, tlsDecision{Refused: refusedDANE, Mode: opp, Plaintext: true}},
		"DANE and enforce":                      {tlsFacts{DANE: daneUsable, STS: stsEnforce, STSMatch: true}, tlsDecision{Mode: req, DANE: must, PKIX: must}},
		"DANE and testing":                      {tlsFacts{DANE: daneUsable, STS: stsTesting, STSMatch: true}, tlsDecision{Mode: req, DANE: must, PKIX: see}},
		"DANE unusable and enforce, other host": {tlsFacts{DANE: daneUnusable, STS: stsEnforce}, tlsDecision{Refused: refusedSTS, Mode: req}},

		"required, nothing known":       {tlsFacts{Wish: tlsRequired}, tlsDecision{Refused: refusedNoPolicy, Permanent: true, Mode: req, Extension: true, Plaintext: false}},
		"required, secure MX":           {tlsFacts{Wish: tlsRequired, MXSecure: true}, tlsDecision{Mode: req, PKIX: must, Extension: true}},
		"required, DANE":                {tlsFacts{Wish: tlsRequired, MXSecure: true, DANE: daneUsable}, tlsDecision{Mode: req, DANE: must, Extension: true}},
		"required, DANE unusable":       {tlsFacts{Wish: tlsRequired, MXSecure: true, DANE: daneUnusable}, tlsDecision{Mode: req, PKIX: must, Extension: true}},
		"required, DANE bogus":          {tlsFacts{Wish: tlsRequired, MXSecure: true, DANE: daneError}, tlsDecision{Refused: refusedDANE, Mode: req, Extension: true}},
		"required, testing":             {tlsFacts{Wish: tlsRequired, STS: stsTesting, STSMatch: true}, tlsDecision{Mode: req, PKIX: must, Extension: true}},
		"required, testing, other host": {tlsFacts{Wish: tlsRequired, STS: stsTesting}, tlsDecision{Refused: refusedNoPolicy, Permanent: true, Mode: req, PKIX: see, Extension: true}},
		"required, enforce":             {tlsFacts{Wish: tlsRequired, STS: stsEnforce, STSMatch: true}, tlsDecision{Mode: req, PKIX: must, Extension: true}},

		"optional, nothing known":       {tlsFacts{Wish: tlsOptional}, tlsDecision{Mode: opp, Plaintext: true}},
		"optional, enforce":             {tlsFacts{Wish: tlsOptional, STS: stsEnforce, STSMatch: true}, tlsDecision{Mode: opp, PKIX: see, Plaintext: true}},
		"optional, enforce, other host": {tlsFacts{Wish: tlsOptional, STS: stsEnforce}, tlsDecision{Mode: opp, PKIX: see, Plaintext: true, Ignored: []string{"mtastsmx"}}},
		"optional, DANE":                {tlsFacts{Wish: tlsOptional, DANE: daneUsable}, tlsDecision{Mode: opp, DANE: see, Plaintext: true}},
		"optional, DANE bogus":          {tlsFacts{Wish: tlsOptional, DANE: daneError}, tlsDecision{Mode: opp, Plaintext: true, Ignored: []string{"badtlsa"}}},
	} {
		if d := decide(tc.f); fmt.Sprint(d) != fmt.Sprint(tc.d) {
			t.Errorf("%s: %+v, want %+v", name, d, tc.d)
		}
	}
}

// TestNeverDown goes through all facts: nothing that makes the facts stricter may make the
// decision laxer.
func TestNeverDown(t *testing.T) {
	for _, sts := range []stsMode{stsNone, stsTesting, stsEnforce} {
		for _, d := range []daneState{daneNone, daneUsable, daneUnusable, daneError} {
			for _, match := range []bool{false, true} {
				for _, secure := range []bool{false, true} {
					for _, wish := range []tlsWish{tlsDefault, tlsRequired} {
						f := tlsFacts{Wish: wish, MXSecure: secure, STS: sts, STSMatch: match, DANE: d}
						got := decide(f)
						strict := sts == stsEnforce || d != daneNone || wish == tlsRequired
						if strict && got.Refused == "" && (got.Plaintext || got.Mode != smtpclient.TLSRequired) {
							t.Errorf("%+v: %+v", f, got)
						}
						if wish == tlsRequired && got.Refused == "" && !(got.verified() && got.Extension) {
							t.Errorf("%+v: %+v", f, got)
						}
					}
				}
			}
		}
	}
}

// TestTLS has servers of all kinds, and what comes of a message under each policy.
func TestTLS(t *testing.T) {
	a := newAuthority(t)
	good, other := a.issue(t, "mx1.dest.test"), a.issue(t, "other.test")
	selfSigned := newAuthority(t).issue(t, "mx1.dest.test")
	enforce := &mtasts.Policy{Mode: mtasts.ModeEnforce}
	testing_ := &mtasts.Policy{Mode: mtasts.ModeTesting}
	for name, tc := range map[string]struct {
		cert     *tls.Certificate
		ext      []string
		starttls string // reply to STARTTLS
		sts      *mtasts.Policy
		tlsa     *tls.Certificate // DANE-EE
		unusable bool
		bogus    bool
		require  *bool
		want     string
		plain    bool // went in plaintext
		results  string
	}{
		"good":                      {cert: good, want: "delivered", results: "no-policy-found ok"},
		"wrong name":                {cert: other, want: "delivered", results: "no-policy-found ok"},
		"none":                      {want: "delivered", plain: true, results: "no-policy-found starttls-not-supported"},
		"refused":                   {cert: good, starttls: "454 4.7.0 not now", want: "delivered", plain: true, results: "no-policy-found starttls-not-supported"},
		"testing, good":             {cert: good, sts: testing_, want: "delivered", results: "sts ok"},
		"testing, wrong name":       {cert: other, sts: testing_, want: "delivered", results: "sts certificate-host-mismatch"},
		"testing, none":             {sts: testing_, want: "delivered", plain: true, results: "sts starttls-not-supported"},
		"enforce, good":             {cert: good, sts: enforce, want: "delivered", results: "sts ok"},
		"enforce, wrong name":       {cert: other, sts: enforce, want: "delayed 4.7.5", results: "sts certificate-host-mismatch"},
		"enforce, not trusted":      {cert: selfSigned, sts: enforce, want: "delayed 4.7.5", results: "sts certificate-not-trusted"},
		"enforce, none":             {sts: enforce, want: "delayed 4.7.10", results: "sts starttls-not-supported"},
		"enforce, refused":          {cert: good, starttls: "454 4.7.0 not now", sts: enforce, want: "delayed 4.7.0", results: "sts validation-failure"},
		"enforce, none, optional":   {sts: enforce, require: no(), want: "delivered", plain: true, results: "sts starttls-not-supported"},
		"enforce, other, optional":  {cert: other, sts: enforce, require: no(), want: "delivered", results: "sts certificate-host-mismatch"},
		"DANE, match":               {cert: selfSigned, tlsa: selfSigned, want: "delivered", results: "tlsa ok"},
		"DANE, mismatch":            {cert: good, tlsa: selfSigned, want: "delayed 4.7.5", results: "tlsa certificate-not-trusted"},
		"DANE, none":                {tlsa: selfSigned, want: "delayed 4.7.10", results: "tlsa starttls-not-supported"},
		"DANE, bogus":               {cert: good, bogus: true, want: "delayed 4.7.5", results: "tlsa dnssec-invalid"},
		"DANE, bogus, optional":     {cert: good, bogus: true, require: no(), want: "delivered", results: "tlsa dnssec-invalid"},
		"DANE, mismatch, optional":  {cert: good, tlsa: selfSigned, require: no(), want: "delivered", results: "tlsa certificate-not-trusted"},
		"DANE, unusable":            {cert: other, unusable: true, want: "delivered", results: "tlsa tlsa-invalid"},
		"DANE, unusable, none":      {unusable: true, want: "delayed 4.7.10", results: "tlsa starttls-not-supported"},
		"DANE and enforce":          {cert: good, tlsa: good, sts: enforce, want: "delivered", results: "sts ok, tlsa ok"},
		"DANE and enforce, expired": {cert: selfSigned, tlsa: selfSigned, sts: enforce, want: "delayed 4.7.5", results: "sts certificate-not-trusted, tlsa certificate-not-trusted"},
		"required, no policy":       {cert: good, ext: []string{"REQUIRETLS"}, require: yes(), want: "failed 5.7.10"},
		"required, enforce":         {cert: good, ext: []string{"REQUIRETLS"}, sts: enforce, require: yes(), want: "delivered", results: "sts ok"},
		"required, not supported":   {cert: good, sts: enforce, require: yes(), want: "failed 5.7.30", results: "sts ok"},
		"required, wrong name":      {cert: other, ext: []string{"REQUIRETLS"}, sts: testing_, require: yes(), want: "failed 5.7.10", results: "sts certificate-host-mismatch"},
		"required, none":            {sts: testing_, require: yes(), want: "failed 5.7.10", results: "sts starttls-not-supported"},
		"required, DANE":            {cert: selfSigned, ext: []string{"REQUIRETLS"}, tlsa: selfSigned, require: yes(), want: "delivered", results: "tlsa ok"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := setup(t, "", func(b *bench) {
					s := b.server("192.0.2.1")
					s.cert, s.ext = tc.cert, tc.ext
					if tc.starttls != "" {
						s.handle = func(verb, _ string, _ int) string {
							if verb == "STARTTLS" {
								return tc.starttls
							}
							return ""
						}
					}
					c := *b.snapshot
					i := *c.StaticInfo
					i.RootCAs = a.pool
					c.StaticInfo = &i
					b.snapshot = &c
					if tc.sts != nil {
						p := *tc.sts
						p.MX = stsHosts("mx1.dest.test")
						b.c.MTASTS = policyTable{"dest.test": &p}
					}
					r, _ := dns.MockZone(zone)
					r.TLSA = map[string][]dns.TLSA{}
					const name = "_25._tcp.mx1.dest.test"
					switch {
					case tc.tlsa != nil:
						rec, err := dane.MakeRecord(dns.DANEEE, dns.SelectorSPKI, dns.MatchSHA256, tc.tlsa.Leaf)
						if err != nil {
							t.Fatal(err)
						}
						r.TLSA[name] = []dns.TLSA{rec}
					case tc.unusable:
						r.TLSA[name] = []dns.TLSA{{Usage: dns.PKIXEE, Selector: dns.SelectorSPKI, MatchType: dns.MatchSHA256, Data: make([]byte, 32)}}
					case tc.bogus:
						r.Fail = map[string]error{"tlsa " + name: nil}
					}
					r.AllAuthentic = tc.tlsa != nil || tc.unusable || tc.bogus
					b.c.Resolver = r
				})
				id := b.sendAs(queue.Message{RequireTLS: tc.require}, "a@dest.test")[0]
				synctest.Wait()
				b.want(id, tc.want)
				got := b.server("192.0.2.1").messages()
				if len(got) == 1 && got[0].tls == tc.plain {
					t.Errorf("TLS: %v", got[0].tls)
				}
				if tc.require == nil || !*tc.require {
					for _, m := range got {
						if strings.Contains(m.from, "REQUIRETLS") {
							t.Error("REQUIRETLS")
						}
					}
				} else if len(got) > 0 && !strings.Contains(got[0].from, "REQUIRETLS") {
					t.Errorf("no REQUIRETLS: %s", got[0].from)
				}
				if s := b.results.String(); s != tc.results {
					t.Errorf("results %q, want %q", s, tc.results)
				}
			})
		})
	}
}

// stsHosts are patterns of a policy.
func stsHosts(l ...string) []mtasts.MX {
	var mx []mtasts.MX
	for _, s := range l {
		m, err := mtasts.ParseMX(s)
		if err != nil {
			panic(err)
		}
		mx = append(mx, m)
	}
	return mx
}

// TestFallback: a handshake that fails is no reason not to deliver where nothing asks for
// TLS, but it is where something does.
func TestFallback(t *testing.T) {
	bad := &tls.Certificate{} // no handshake is possible
	for _, kind := range []queue.Kind{queue.Ordinary, queue.DMARCReport} {
		bubble(t, func(t *testing.T) {
			b := setup(t, "", nil)
			b.server("192.0.2.1").cert = bad
			id := b.sendAs(queue.Message{Kind: kind, Sender: path("mjl@mx.example")}, "a@dest.test")[0]
			synctest.Wait()
			if kind == queue.DMARCReport {
				b.want(id, "delayed 4.7.5")
				b.wantCount("plaintext", 0)
				return
			}
			b.want(id, "delivered")
			b.wantCount("plaintext", 1)
			if s := b.results.String(); !strings.HasPrefix(s, "no-policy-found validation-failure") {
				t.Errorf("results %q", s)
			}
		})
	}
}

// TestStripped: a host that had STARTTLS and has not any more is noted.
func TestStripped(t *testing.T) {
	a := newAuthority(t)
	cert := a.issue(t, "mx1.dest.test")
	bubble(t, func(t *testing.T) {
		var seen []HostTLS
		b := setup(t, "", func(b *bench) {
			b.c.Learned = func(_ context.Context, h HostTLS) { seen = append(seen, h) }
		})
		s := b.server("192.0.2.1")
		s.cert, s.ext = cert, []string{"REQUIRETLS"}
		b.send("a@dest.test")
		time.Sleep(time.Minute)
		synctest.Wait()
		s.mu.Lock()
		s.cert = nil
		s.mu.Unlock()
		id := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delivered")
		l := b.results.l
		if d := l[len(l)-1].Results[0].FailureDetails; len(d) != 1 || d[0].FailureReasonCode != "starttls-offered-before" || d[0].ReceivingIP != "192.0.2.1" {
			t.Errorf("results %+v", l)
		}
		if len(seen) != 2 || !seen[0].STARTTLS || !seen[0].RequireTLS || seen[1].STARTTLS || seen[0].Domain.ASCII != "dest.test" {
			t.Errorf("seen %+v", seen)
		}
	})
}

// stsTable is an MTASTS with failures.
type stsTable func(d dns.Domain) (*mtasts.Policy, mtastsdb.Info, error)

func (f stsTable) Get(_ context.Context, d dns.Domain) (*mtasts.Policy, mtastsdb.Info, error) {
	return f(d)
}

// TestSTSFailures: a policy that cannot be had is none, and is reported; one from before
// counts (RFC 8461 5.1).
func TestSTSFailures(t *testing.T) {
	fetch := &mtastsdb.FetchError{Reason: mtasts.ReasonWebPKI, Text: "bad certificate"}
	enforce := &mtasts.Policy{Mode: mtasts.ModeEnforce, MX: stsHosts("mx1.dest.test"), MaxAge: time.Hour}
	for name, tc := range map[string]struct {
		policy        *mtasts.Policy
		info          mtastsdb.Info
		err           error
		want, results string
	}{
		"announced, not to be had": {nil, mtastsdb.Info{FetchError: fetch}, nil, "delivered", "sts sts-webpki-invalid"},
		"no answer from DNS":       {nil, mtastsdb.Info{}, &dns.Error{RCode: "SERVFAIL"}, "delivered", "no-policy-found starttls-not-supported"},
		"none":                     {nil, mtastsdb.Info{}, nil, "delivered", "no-policy-found starttls-not-supported"},
		"mode none":                {&mtasts.Policy{Mode: mtasts.ModeNone}, mtastsdb.Info{}, nil, "delivered", "no-policy-found starttls-not-supported"},
		"from before":              {enforce, mtastsdb.Info{FetchError: fetch}, nil, "delayed 4.7.10", "sts starttls-not-supported"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := setup(t, "", func(b *bench) {
					b.c.MTASTS = stsTable(func(dns.Domain) (*mtasts.Policy, mtastsdb.Info, error) { return tc.policy, tc.info, tc.err })
				})
				id := b.send("a@dest.test")[0]
				synctest.Wait()
				b.want(id, tc.want)
				if s := b.results.String(); s != tc.results {
					t.Errorf("results %q, want %q", s, tc.results)
				}
			})
		})
	}
}

// TestSTSHosts: hosts that the policy does not have are passed over.
func TestSTSHosts(t *testing.T) {
	a := newAuthority(t)
	cert := a.issue(t, "mx2.two.test")
	bubble(t, func(t *testing.T) {
		b := setup(t, "", func(b *bench) {
			b.n.servers["192.0.2.2"] = &server{cert: cert}
			b.c.MTASTS = policyTable{"two.test": {Mode: mtasts.ModeEnforce, MX: stsHosts("mx2.two.test"), MaxAge: time.Hour}}
			c := *b.snapshot
			i := *c.StaticInfo
			i.RootCAs = a.pool
			c.StaticInfo = &i
			b.snapshot = &c
		})
		id := b.send("a@two.test")[0]
		synctest.Wait()
		b.want(id, "delivered")
		if n := b.server("192.0.2.1").conns; n != 0 {
			t.Errorf("%d connections to a host that the policy does not have", n)
		}
		if s := b.results.String(); s != "sts validation-failure, sts ok" {
			t.Errorf("results %q", s)
		}
		p := b.results.l[0].Results[0].Policy
		if want := []string{"version: STSv1", "mode: enforce", "mx: mx2.two.test", "max_age: 3600"}; !slices.Equal(p.String, want) || !slices.Equal(p.MXHost, []string{"mx2.two.test"}) {
			t.Errorf("policy %+v", p)
		}
		if !b.records()[0].Result.Secure {
			t.Error("not secure")
		}
	})
}

// TestHostResult: TLSA results go to the domain and to the host.
func TestHostResult(t *testing.T) {
	cert := newAuthority(t).issue(t, "mx1.dest.test")
	rec, err := dane.MakeRecord(dns.DANEEE, dns.SelectorSPKI, dns.MatchSHA256, cert.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T) {
		b := setup(t, "", func(b *bench) {
			b.server("192.0.2.1").cert = cert
			r, _ := dns.MockZone(zone)
			r.TLSA, r.AllAuthentic = map[string][]dns.TLSA{"_25._tcp.mx1.dest.test": {rec}}, true
			b.c.Resolver = r
		})
		b.send("a@dest.test")
		b.sendAs(queue.Message{Kind: queue.TLSReport, Sender: path("postmaster@mx.example")}, "b@dest.test")
		synctest.Wait()
		l := b.results.l
		if len(l) != 2 || l[0].Host || !l[1].Host || !l[0].SendReport || l[0].RecipientDomain.ASCII != "dest.test" || l[1].Results[0].Policy.Domain != "mx1.dest.test" {
			t.Errorf("results %+v", l)
		}
		b.wantCount("delivery requiredstarttls+dane ok", 2)
	})
}
