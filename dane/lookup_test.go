package dane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"mox/dns"
	"mox/sessiontest"
)

// RFC 7672 2.1.1 to 2.2.2: what each state of DNSSEC means for each of the lookups.
func TestLookup(t *testing.T) {
	one := []dns.TLSA{{Usage: 3, Selector: 1, MatchType: 1, Data: make([]byte, 32)}}
	r := dns.MockResolver{
		A: map[string][]string{},
		TLSA: map[string][]dns.TLSA{
			"_25._tcp.secure.example": one, "_25._tcp.insecure.example": one, "_25._tcp.insecuretlsa.example": one, "_25._tcp.end.example": one,
			"_25._tcp.alias.example": one, "_25._tcp.alias2.example": one, "_25._tcp.half.example": one, "_25._tcp.toinsecure.example": one,
			"_465._tcp.port.example": one, "_25._tcp.failhost.example": one, "shared.example": one, "_25._tcp.unsigned.example": one,
		},
		CNAME: map[string]string{
			"alias.example": "end.example", "alias2.example": "notlsa.example", "toinsecure.example": "insecure.example",
			"alias3.example": "bogus.example", "alias4.example": "insecuretlsa.example",
			"_25._tcp.tlsaalias.example": "shared.example", "failalias.example": "insecure.example", "unsigned.example": "insecure.example",
		},
		Fail: map[string]error{
			"tlsa _25._tcp.bogus.example": nil, "aaaa half.example": nil, "a failhost.example": nil, "aaaa failhost.example": nil,
			"cname failalias.example": errors.New("timeout"),
		},
		AllAuthentic: true,
		Inauthentic:  []string{"a insecure.example", "aaaa insecure.example", "tlsa _25._tcp.insecuretlsa.example", "cname unsigned.example"},
	}
	for _, h := range []string{"secure", "notlsa", "insecure", "insecuretlsa", "bogus", "end", "half", "port", "failhost", "tlsaalias"} {
		r.A[h+".example"] = []string{"192.0.2.1"}
	}
	// Servers without DNSSEC are not asked for TLSA: some fail.
	r.Script = func(_ context.Context, typ, name string) error {
		if typ == "tlsa" && strings.HasSuffix(name, ".insecure.example") {
			t.Error("lookup of ", name)
		}
		return nil
	}
	for _, tt := range []struct{ host, base string }{
		{"secure.example", "secure.example"},
		{"notlsa.example", ""},
		{"insecure.example", ""},
		{"insecuretlsa.example", ""},
		{"port.example", ""},
		{"tlsaalias.example", "tlsaalias.example"},
		// The failure for one kind of address does not do away with the records.
		{"half.example", "half.example"},
		// The end of the aliases first, then the name itself.
		{"alias.example", "end.example"},
		{"alias2.example", "alias2.example"},
		{"alias4.example", ""},
		// Only the alias is secure: its own records apply.
		{"toinsecure.example", "toinsecure.example"},
		{"unsigned.example", ""},
		// What fails is no answer.
		{"bogus.example", "error"},
		{"alias3.example", "error"},
		{"failhost.example", "noaddress"},
		{"failalias.example", "noaddress"},
	} {
		addrs, err := dns.GatherIPs(t.Context(), r, domain(t, tt.host))
		if err != nil {
			if tt.base != "noaddress" || !dns.IsTemporary(err) {
				t.Errorf("%s: %v", tt.host, err)
			}
			continue
		}
		got, err := Lookup(t.Context(), r, domain(t, tt.host), 25, addrs)
		base := got.Base.ASCII
		if err != nil {
			base = "error"
			if reason(t, err) != ReasonDNSSECInvalid || !dns.IsTemporary(err) || got.Required() {
				t.Errorf("%s: %v %v", tt.host, got, err)
			}
		}
		if base != tt.base || got.Required() != (base != "" && base != "error") {
			t.Errorf("%s: got %v %v, want %q", tt.host, got, err, tt.base)
		}
	}
}

// RFC 7672 3.2.2.
func TestNames(t *testing.T) {
	d := func(s string) dns.Domain { return domain(t, s) }
	x := dns.Exchanges{Domain: d("end.example"), Authentic: true}
	r := Records{Base: d("host2.example")}
	addrs := dns.Addresses{Host: d("host2.example"), Authentic: true}
	for _, tt := range []struct {
		x     dns.Exchanges
		addrs dns.Addresses
		want  string
	}{
		{x, addrs, "[host2.example mx.example start.example end.example]"},
		{x, dns.Addresses{Host: d("host3.example")}, "[host2.example mx.example start.example end.example]"},
		{dns.Exchanges{}, addrs, "[host2.example mx.example]"},
	} {
		if got := fmt.Sprint(r.Names(d("start.example"), tt.x, d("mx.example"), tt.addrs)); got != tt.want {
			t.Errorf("got %v, want %v", got, tt.want)
		}
	}
}

// RFC 6698 2.3, with the record of each kind for one certificate.
func TestMakeRecord(t *testing.T) {
	a := issue(t, nil, "mx.example", false, nil)
	for u := range dns.TLSAUsage(4) {
		for s := range dns.TLSASelector(2) {
			for m := range dns.TLSAMatchType(3) {
				r, err := MakeRecord(u, s, m, a.cert)
				if err != nil || r.Usage != u || r.Selector != s || r.MatchType != m || Problem(r) != nil || !matches(r, a.cert) {
					t.Error(r, err)
				}
				if s == spki {
					if k, err := MakeKeyRecord(u, m, a.key); err != nil || k.Record() != r.Record() {
						t.Error(k, err)
					}
					if k, err := MakeKeyRecord(u, m, a.key.Public()); err != nil || k.Record() != r.Record() {
						t.Error(k, err)
					}
				}
			}
		}
	}
	for _, bad := range [][3]uint8{{4, 0, 0}, {0, 2, 0}, {0, 0, 3}} {
		if r, err := MakeRecord(dns.TLSAUsage(bad[0]), dns.TLSASelector(bad[1]), dns.TLSAMatchType(bad[2]), a.cert); err == nil {
			t.Error(r)
		}
	}
	if _, err := MakeKeyRecord(3, 1, "no key"); err == nil {
		t.Error("record for no key")
	}
}

// The same certificate in the hands of OpenSSL ("x509", "pkey" and "dgst").
func TestVector(t *testing.T) {
	block, _ := pem.Decode([]byte(vectorPEM))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range vectors {
		var u, s, m uint8
		fmt.Sscan(want, &u, &s, &m)
		r, err := MakeRecord(dns.TLSAUsage(u), dns.TLSASelector(s), dns.TLSAMatchType(m), c)
		if err != nil || r.Record() != want {
			t.Errorf("got %s, want %s", r.Record(), want)
		}
	}
}

func TestParseNames(t *testing.T) {
	for s, want := range map[string]int{"pkix-ta": 0, "PKIX-EE": 1, "Dane-TA": 2, "dane-ee": 3, "3": 3, "4": -1, "": -1, "x": -1} {
		if u, err := ParseUsage(s); (err == nil) != (want >= 0) || err == nil && int(u) != want {
			t.Error(s, u, err)
		}
	}
	for s, want := range map[string]int{"Cert": 0, "spki": 1, "1": 1, "2": -1} {
		if u, err := ParseSelector(s); (err == nil) != (want >= 0) || err == nil && int(u) != want {
			t.Error(s, u, err)
		}
	}
	for s, want := range map[string]int{"Full": 0, "SHA2-256": 1, "sha256": 1, "sha2-512": 2, "SHA512": 2, "2": 2, "3": -1} {
		if u, err := ParseMatchType(s); (err == nil) != (want >= 0) || err == nil && int(u) != want {
			t.Error(s, u, err)
		}
	}
}

func TestDialer(t *testing.T) {
	leaf := issue(t, nil, "tls.example", false, nil)
	good := record(t, 3, spki, s256, leaf)
	wrong := record(t, 3, spki, s256, issue(t, nil, "tls.example", false, nil))
	r := dns.MockResolver{
		A:            map[string][]string{"tls.example": {"192.0.2.1", "192.0.2.2"}, "plain.example": {"192.0.2.2"}, "down.example": {"192.0.2.1"}, "wrong.example": {"192.0.2.2"}, "pkix.example": {"192.0.2.2"}},
		TLSA:         map[string][]dns.TLSA{"_443._tcp.tls.example": {wrong, good}, "_443._tcp.wrong.example": {wrong}, "_443._tcp.down.example": {good}, "_443._tcp.pkix.example": {record(t, 1, spki, s256, leaf)}},
		AllAuthentic: true,
	}
	d := Dialer{Resolver: r, Dial: func(_ context.Context, network, address string) (net.Conn, error) {
		if address != "192.0.2.2:443" {
			return nil, errors.New("connection refused")
		}
		a, b := sessiontest.TCPPair(t)
		go func() {
			defer b.Close()
			tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}}}).Handshake()
		}()
		return a, nil
	}}
	c, res, err := d.DialTLS(t.Context(), domain(t, "tls.example"), 443)
	if err != nil || res.Matched.Record() != good.Record() || res.Address != netip.MustParseAddrPort("192.0.2.2:443") || res.State == nil {
		t.Fatal(res, err)
	}
	c.Close()
	for host, want := range map[string]Reason{"plain.example": ReasonDANERequired, "wrong.example": ReasonNotTrusted, "pkix.example": ReasonTLSAInvalid} {
		if _, res, err := d.DialTLS(t.Context(), domain(t, host), 443); reason(t, err) != want || (res.State != nil) != (want == ReasonNotTrusted) {
			t.Error(host, res, err)
		}
	}
	for _, host := range []string{"down.example", "gone.example"} {
		if _, _, err := d.DialTLS(t.Context(), domain(t, host), 443); err == nil || errors.As(err, new(*Error)) {
			t.Error(host, err)
		}
	}
}

const vectorPEM = `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUXXTTjgXLHfB16I7Uu4loUvViTeIwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKbXguZXhhbXBsZTAeFw0yNjExMjIwNzQwMTFaFw0zNjExMTkw
NzQwMTFaMBUxEzARBgNVBAMMCm14LmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAT0ZsFQ4t7GC+EgzXEwBoXyTbCinrj+8flvVXAWkRFnL5rdgsMLH6Ks
OhUaoxIElZBCaVYMF9dQzlemdRqQspFHo1MwUTAdBgNVHQ4EFgQUKhkG2XjnuwTn
/nod2AJAvGMHNl0wHwYDVR0jBBgwFoAUKhkG2XjnuwTn/nod2AJAvGMHNl0wDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAl6hd9pKNvdHolkNkMNm4
hWO1r7MkwBGCof9h1egmeCUCIGblT8W9iy+mNlV6Z1quJ7rfl33M+HYhqqZQx7+x
4dIn
-----END CERTIFICATE-----`

var vectors = []string{
	"3 0 1 70048152f108af34db7e7c0ad77bda4bbba3db5865cd3a82995717ebd066db51",
	"3 0 2 08fb86b1f35b778deb980d04a12b9c941bdcb00b260f60070b3a1c8b877f6ff3f0141cfe6de00663e6b22a3d01a296ee951b239a62512a7d5efd6bb7bb614495",
	"3 1 1 9f23d81670b3870010b0d456d2df41b4746100c7af57c976dc4c05d20ef24684",
	"2 1 2 b6524eaa9770a51f81b5224240c4481eba03a79508a6b3c8a0be730758ed82d8ba7bf1cfb30e5fb0213bd51c207ac7b49415fc72d27cf637f7e826d93cb475cd",
	"1 1 0 3059301306072a8648ce3d020106082a8648ce3d03010703420004f466c150e2dec60be120cd71300685f24db0a29eb8fef1f96f5570169111672f9add82c30b1fa2ac3a151aa3120495904269560c17d750ce57a6751a90b29147",
}
