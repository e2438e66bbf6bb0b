package dane

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"testing"
	"time"

	"mox/dns"
	"mox/sessiontest"
)

const (
	full = dns.MatchFull
	s256 = dns.MatchSHA256
	s512 = dns.MatchSHA512
	cert = dns.SelectorCert
	spki = dns.SelectorSPKI
)

// reason is the reason of an error, empty without one.
func reason(t *testing.T, err error) Reason {
	t.Helper()
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.Err == nil || e.Error() == "") {
		t.Fatalf("error %v is not an *Error", err)
	}
	if e == nil {
		return ""
	}
	return e.Reason
}

func TestVerify(t *testing.T) {
	ca := issue(t, nil, "ca", true, nil)
	mid := issue(t, ca, "mid", true, nil)
	leaf := issue(t, mid, "mx.example", false, nil)
	other := issue(t, nil, "ca", true, nil)
	expired := issue(t, mid, "mx.example", false, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) })
	expiredMid := issue(t, ca, "mid2", true, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) })
	underExpired := issue(t, expiredMid, "mx.example", false, nil)
	self := issue(t, nil, "mx.example", false, nil)
	direct := issue(t, ca, "mx.example", false, nil)
	notCA := issue(t, ca, "notca", false, nil)
	underNotCA := issue(t, notCA, "mx.example", false, nil)
	wild := issue(t, ca, "*.example", false, nil)
	common := issue(t, ca, "MX.example", false, func(c *x509.Certificate) { c.DNSNames = nil })
	commonWild := issue(t, ca, "*.example.org", false, func(c *x509.Certificate) { c.DNSNames = nil })
	commonNot := issue(t, ca, "mx.example", false, func(c *x509.Certificate) { c.DNSNames = []string{"else.example"} })
	clientOnly := issue(t, ca, "mx.example", false, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	underscore := issue(t, ca, "my_host.example", false, nil)

	type records = []dns.TLSA
	chain := func(l ...*authority) []*authority { return l }
	for _, tt := range []struct {
		what    string
		records records
		chain   []*authority
		name    string
		want    Reason
	}{
		// RFC 7671 5.1: DANE-EE is about the certificate alone.
		{"ee", records{record(t, 3, spki, s256, leaf)}, chain(leaf), "mx.example", ""},
		{"ee cert sha512", records{record(t, 3, cert, s512, leaf)}, chain(leaf, mid), "mx.example", ""},
		{"ee full cert", records{record(t, 3, cert, full, leaf)}, chain(leaf), "mx.example", ""},
		{"ee full key", records{record(t, 3, spki, full, leaf)}, chain(leaf), "mx.example", ""},
		{"ee other name", records{record(t, 3, spki, s256, leaf)}, chain(leaf), "other.example", ""},
		{"ee expired", records{record(t, 3, spki, s256, expired)}, chain(expired), "mx.example", ""},
		{"ee self-signed", records{record(t, 3, cert, s256, self)}, chain(self), "mx.example", ""},
		{"ee mismatch", records{record(t, 3, spki, s256, other)}, chain(leaf, mid, ca), "mx.example", ReasonNotTrusted},
		{"ee of authority", records{record(t, 3, spki, s256, mid)}, chain(leaf, mid, ca), "mx.example", ReasonNotTrusted},
		{"ee second record", records{record(t, 3, spki, s256, other), record(t, 3, spki, s256, leaf)}, chain(leaf), "mx.example", ""},

		// RFC 7671 5.2: DANE-TA is an authority that the server sends.
		{"ta", records{record(t, 2, cert, s256, ca)}, chain(leaf, mid, ca), "mx.example", ""},
		{"ta key", records{record(t, 2, spki, s512, ca)}, chain(leaf, mid, ca), "mx.example", ""},
		{"ta of intermediate", records{record(t, 2, spki, s256, mid)}, chain(leaf, mid), "mx.example", ""},
		{"ta disorder", records{record(t, 2, cert, s256, ca)}, chain(leaf, ca, other, mid), "mx.example", ""},
		{"ta digest, not sent", records{record(t, 2, cert, s256, ca)}, chain(leaf, mid), "mx.example", ReasonNotTrusted},
		{"ta sent, but not the issuer", records{record(t, 2, cert, s256, other)}, chain(leaf, mid, other), "mx.example", ReasonNotTrusted},
		{"ta intermediate missing", records{record(t, 2, cert, s256, ca)}, chain(leaf, ca), "mx.example", ReasonNotTrusted},
		{"ta other name", records{record(t, 2, cert, s256, ca)}, chain(leaf, mid, ca), "other.example", ReasonHostMismatch},
		{"ta expired", records{record(t, 2, cert, s256, ca)}, chain(expired, mid, ca), "mx.example", ReasonExpired},
		{"ta intermediate expired", records{record(t, 2, cert, s256, ca)}, chain(underExpired, expiredMid, ca), "mx.example", ReasonExpired},
		{"ta by no authority", records{record(t, 2, cert, s256, ca)}, chain(underNotCA, notCA, ca), "mx.example", ReasonNotTrusted},
		{"ta not for servers", records{record(t, 2, cert, s256, ca)}, chain(clientOnly, ca), "mx.example", ReasonNotTrusted},
		{"ta itself", records{record(t, 2, cert, s256, self)}, chain(self), "mx.example", ""},
		{"ta itself other name", records{record(t, 2, cert, s256, self)}, chain(self), "other.example", ReasonHostMismatch},

		// RFC 7671 5.2.2: an authority that is in DNS as a whole need not be sent.
		{"ta full cert", records{record(t, 2, cert, full, ca)}, chain(leaf, mid), "mx.example", ""},
		{"ta full cert sent", records{record(t, 2, cert, full, ca)}, chain(leaf, mid, ca), "mx.example", ""},
		{"ta full cert other name", records{record(t, 2, cert, full, ca)}, chain(leaf, mid), "other.example", ReasonHostMismatch},
		{"ta full cert wrong", records{record(t, 2, cert, full, other)}, chain(leaf, mid), "mx.example", ReasonNotTrusted},
		// RFC 7671 5.2.3: the same of its key.
		{"ta full key", records{record(t, 2, spki, full, ca)}, chain(leaf, mid), "mx.example", ""},
		{"ta full key sent", records{record(t, 2, spki, full, ca)}, chain(leaf, mid, ca), "mx.example", ""},
		{"ta full key direct", records{record(t, 2, spki, full, ca)}, chain(direct), "mx.example", ""},
		{"ta full key direct other name", records{record(t, 2, spki, full, ca)}, chain(direct), "other.example", ReasonHostMismatch},
		{"ta full key expired", records{record(t, 2, spki, full, mid)}, chain(expired), "mx.example", ReasonExpired},
		{"ta full key expired intermediate", records{record(t, 2, spki, full, ca)}, chain(underExpired, expiredMid), "mx.example", ReasonExpired},
		{"ta full key by no authority", records{record(t, 2, spki, full, ca)}, chain(underNotCA, notCA), "mx.example", ReasonNotTrusted},
		{"ta full key wrong", records{record(t, 2, spki, full, other)}, chain(leaf, mid), "mx.example", ReasonNotTrusted},

		// RFC 7672 3.2.2, 3.2.3: names.
		{"wildcard", records{record(t, 2, cert, s256, ca)}, chain(wild, ca), "mx.example", ""},
		{"wildcard, two labels", records{record(t, 2, cert, s256, ca)}, chain(wild, ca), "a.mx.example", ReasonHostMismatch},
		{"common name", records{record(t, 2, cert, s256, ca)}, chain(common, ca), "mx.example", ""},
		{"common name wildcard", records{record(t, 2, cert, s256, ca)}, chain(commonWild, ca), "mx.example.org", ""},
		{"common name wildcard, two labels", records{record(t, 2, cert, s256, ca)}, chain(commonWild, ca), "a.mx.example.org", ReasonHostMismatch},
		{"common name beside names", records{record(t, 2, cert, s256, ca)}, chain(commonNot, ca), "mx.example", ReasonHostMismatch},
		{"underscore", records{record(t, 2, cert, s256, ca)}, chain(underscore, ca), "my_host.example", ""},

		// RFC 7672 3.1.3: usages 0 and 1 are not for SMTP.
		{"pkix", records{record(t, 1, spki, s256, leaf), record(t, 0, cert, s256, ca)}, chain(leaf, mid, ca), "mx.example", ReasonTLSAInvalid},
		{"pkix beside other", records{record(t, 1, spki, s256, leaf), record(t, 3, cert, s256, other)}, chain(leaf), "mx.example", ReasonNotTrusted},
		{"no record", nil, chain(leaf), "mx.example", ReasonTLSAInvalid},
		{"no certificate", records{record(t, 3, spki, s256, leaf)}, nil, "mx.example", ReasonValidationFailure},
		// What came nearest is told.
		{"nearest", records{record(t, 3, cert, s256, other), record(t, 2, cert, s256, ca)}, chain(leaf, mid, ca), "x.example", ReasonHostMismatch},
	} {
		var certs []*x509.Certificate
		for _, a := range tt.chain {
			certs = append(certs, a.cert)
		}
		r := Records{All: tt.records, Base: domain(t, tt.name)}
		got, err := r.Verify(now, tls.ConnectionState{PeerCertificates: certs}, nil, nil)
		if reason(t, err) != tt.want || (err == nil) != (got.Data != nil) {
			t.Errorf("%s: got %v, %v; want %q", tt.what, got, err, tt.want)
		}
	}

	// Any of the names will do.
	r := Records{All: records{record(t, 2, cert, s256, ca)}, Base: domain(t, "else.example")}
	certs := []*x509.Certificate{leaf.cert, mid.cert, ca.cert}
	names := []dns.Domain{domain(t, "else.example"), domain(t, "mx.example")}
	if _, err := r.Verify(now, tls.ConnectionState{PeerCertificates: certs}, names, nil); err != nil {
		t.Error(err)
	}
}

// RFC 6698 2.1.1: usages 0 and 1 need the usual authorities too.
func TestVerifyPKIX(t *testing.T) {
	ca := issue(t, nil, "ca", true, nil)
	mid := issue(t, ca, "mid", true, nil)
	leaf := issue(t, mid, "mx.example", false, nil)
	other := issue(t, nil, "other", true, nil)
	roots, none := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca.cert)
	for _, tt := range []struct {
		what  string
		rec   dns.TLSA
		roots *x509.CertPool
		name  string
		want  Reason
	}{
		{"ee", record(t, 1, spki, s256, leaf), roots, "mx.example", ""},
		{"ee untrusted", record(t, 1, spki, s256, leaf), none, "mx.example", ReasonNotTrusted},
		{"ee other name", record(t, 1, spki, s256, leaf), roots, "x.example", ReasonHostMismatch},
		{"ee mismatch", record(t, 1, spki, s256, mid), roots, "mx.example", ReasonNotTrusted},
		{"ta", record(t, 0, cert, s256, ca), roots, "mx.example", ""},
		{"ta intermediate", record(t, 0, spki, s512, mid), roots, "mx.example", ""},
		{"ta is not the certificate itself", record(t, 0, cert, s256, leaf), roots, "mx.example", ReasonNotTrusted},
		{"ta untrusted", record(t, 0, cert, s256, ca), none, "mx.example", ReasonNotTrusted},
		{"ta other name", record(t, 0, cert, s256, ca), roots, "x.example", ReasonHostMismatch},
		{"ta mismatch", record(t, 0, cert, s256, other), roots, "mx.example", ReasonNotTrusted},
	} {
		v := Verifier{
			Records: Records{All: []dns.TLSA{tt.rec}, Base: domain(t, tt.name)}, Roots: tt.roots,
			Usages: []dns.TLSAUsage{dns.PKIXTA, dns.PKIXEE}, Now: func() time.Time { return now },
		}
		if _, err := v.Verify([]*x509.Certificate{leaf.cert, mid.cert}); reason(t, err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.want)
		}
	}
}

// The configuration does what Verify does, and is content with any certificate when no
// record can be used.
func TestTLSConfig(t *testing.T) {
	leaf := issue(t, nil, "mx.example", false, nil)
	other := issue(t, nil, "mx.example", false, nil)
	for _, tt := range []struct {
		rec dns.TLSA
		ok  bool
	}{
		{record(t, 3, spki, s256, leaf), true},
		{record(t, 3, spki, s256, other), false},
		{record(t, 1, spki, s256, other), true},
		{dns.TLSA{Usage: 3, Selector: 1, MatchType: 1, Data: []byte("short")}, true},
	} {
		a, b := sessiontest.TCPPair(t)
		done := make(chan string, 1)
		go func() {
			defer b.Close()
			s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}}})
			s.Handshake()
			done <- s.ConnectionState().ServerName
		}()
		c := tls.Client(a, TLSConfig(Records{All: []dns.TLSA{tt.rec}, Base: domain(t, "mx.example")}, nil))
		err := c.Handshake()
		a.Close()
		if name := <-done; (err == nil) != tt.ok || name != "mx.example" {
			t.Errorf("%v: %v, server name %q", tt.rec, err, name)
		}
		if err != nil && reason(t, err) != ReasonNotTrusted {
			t.Error(err)
		}
	}
}

// RFC 7671 9: digest agility; RFC 7672 2.2: what is not usable.
func TestUsable(t *testing.T) {
	a := issue(t, nil, "mx.example", false, func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: []string{"x"}} })
	r := func(u dns.TLSAUsage, s dns.TLSASelector, m dns.TLSAMatchType) dns.TLSA { return record(t, u, s, m, a) }
	bad := func(u, s, m uint8, n int) dns.TLSA {
		return dns.TLSA{Usage: dns.TLSAUsage(u), Selector: dns.TLSASelector(s), MatchType: dns.TLSAMatchType(m), Data: make([]byte, n)}
	}
	for _, tt := range []struct {
		all  []dns.TLSA
		want string
	}{
		{nil, ""},
		{[]dns.TLSA{r(3, 1, 1)}, "311 "},
		{[]dns.TLSA{r(3, 1, 1), r(3, 1, 2)}, "312 "},
		{[]dns.TLSA{r(3, 1, 2), r(3, 1, 1), r(3, 1, 2)}, "312 312 "},
		{[]dns.TLSA{r(3, 1, 0), r(3, 1, 1), r(3, 1, 2)}, "310 312 "},
		// Each usage and selector has its own.
		{[]dns.TLSA{r(3, 1, 1), r(3, 0, 2), r(2, 1, 1), r(2, 0, 1)}, "311 302 211 201 "},
		// What is malformed does not outdo what is not.
		{[]dns.TLSA{r(3, 1, 1), bad(3, 1, 2, 63)}, "311 "},
		{[]dns.TLSA{bad(3, 1, 1, 31), bad(3, 1, 1, 0), bad(3, 1, 1, 33), bad(3, 2, 1, 32), bad(3, 1, 3, 32), bad(4, 1, 1, 32), bad(255, 255, 255, 1)}, ""},
		{[]dns.TLSA{bad(2, 0, 0, 300), bad(2, 1, 0, 300), bad(3, 0, 0, 0)}, ""},
		{[]dns.TLSA{r(0, 0, 1), r(1, 1, 1)}, ""},
	} {
		got := ""
		for _, u := range (Records{All: tt.all}).Usable() {
			got += fmt.Sprintf("%d%d%d ", u.Usage, u.Selector, u.MatchType)
		}
		if got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.all, got, tt.want)
		}
	}
}

// Records are others' data: none makes trouble, and none but the right ones vouch for a
// certificate.
func FuzzVerify(f *testing.F) {
	leaf := issue(f, nil, "mx.example", false, nil)
	for m := range dns.TLSAMatchType(3) {
		for s := range dns.TLSASelector(2) {
			f.Add(uint8(3), uint8(s), uint8(m), record(f, 3, s, m, leaf).Data)
			f.Add(uint8(2), uint8(s), uint8(m), record(f, 2, s, m, leaf).Data)
		}
	}
	f.Fuzz(func(t *testing.T, usage, selector, match uint8, data []byte) {
		r := dns.TLSA{Usage: dns.TLSAUsage(usage), Selector: dns.TLSASelector(selector), MatchType: dns.TLSAMatchType(match), Data: data}
		records := Records{All: []dns.TLSA{r}, Base: domain(t, "mx.example")}
		_, err := records.Verify(now, tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf.cert}}, nil, nil)
		if err == nil && (Problem(r) != nil || !matches(r, leaf.cert) && !(match == 0 && selector == 1)) {
			t.Errorf("%v vouches for a certificate", r)
		}
	})
}
