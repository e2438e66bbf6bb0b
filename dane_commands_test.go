package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/dane"
	"mox/dns"
	"mox/sessiontest"
)

// tlsCertificate is a self-signed one for names.
func tlsCertificate(t *testing.T, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0] + "\x1b"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// commandTest is the use of a command that is expected to go in a certain way.
type commandTest struct {
	args   string
	stdin  string
	status int
	stdout []string
	stderr string
}

func runCommandTests(t *testing.T, change func(*program), tests []commandTest) {
	t.Helper()
	for _, tc := range tests {
		p, stdout, stderr := testProgram()
		p.stdin = strings.NewReader(tc.stdin)
		change(p)
		if got := p.main(strings.Fields(tc.args)); got != tc.status {
			t.Errorf("mox %s: exit status %d, want %d", tc.args, got, tc.status)
		}
		for _, s := range tc.stdout {
			if !strings.Contains(stdout.String(), s) {
				t.Errorf("mox %s: standard output lacks %q:\n%s", tc.args, s, stdout)
			}
		}
		if !strings.Contains(stderr.String(), tc.stderr) || tc.stderr == "" && stderr.Len() > 0 {
			t.Errorf("mox %s: want %q on standard error:\n%s", tc.args, tc.stderr, stderr)
		}
		if strings.ContainsRune(stdout.String()+stderr.String(), '\x1b') {
			t.Errorf("mox %s: an escape reaches the terminal", tc.args)
		}
	}
}

// starttlsServer speaks as much SMTP as a look at its certificate takes.
func starttlsServer(conn net.Conn, cert tls.Certificate, offer bool) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 mx ESMTP\r\n")
	for {
		line, err := r.ReadString('\n')
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case err != nil:
			return
		case verb == "EHLO" && offer:
			fmt.Fprint(conn, "250-mx\r\n250 STARTTLS\r\n")
		case verb == "EHLO":
			fmt.Fprint(conn, "250 mx\r\n")
		case verb == "STARTTLS":
			fmt.Fprint(conn, "220 go\r\n")
			c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
			if c.Handshake() != nil {
				return
			}
			conn, r = c, bufio.NewReader(c)
		default:
			fmt.Fprint(conn, "221 bye\r\n")
			return
		}
	}
}

func TestDANECommands(t *testing.T) {
	cert := tlsCertificate(t, "mx.example.org", "tls.example.org")
	rec := func(u dns.TLSAUsage, c tls.Certificate) dns.TLSA {
		r, err := dane.MakeRecord(u, dns.SelectorSPKI, dns.MatchSHA256, c.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	good, wrong, pkix := rec(3, cert), rec(3, tlsCertificate(t, "x")), rec(1, cert)
	bad := dns.TLSA{Usage: 3, Selector: 1, MatchType: 1, Data: []byte{1}}
	zone := dns.MockResolver{
		MX: map[string][]dns.MX{
			"example.org": {{Preference: 10, Host: "mx.example.org"}, {Preference: 20, Host: "mx2.example.org"}, {Preference: 30, Host: "192.0.2.1"}},
			"one.example": {{Preference: 10, Host: "mx.example.org"}}, "insecure.example": {{Preference: 10, Host: "mx.example.org"}},
			"null.example": {{Preference: 0, Host: "."}}, "ta.example": {{Preference: 1, Host: "ta.example.org"}}, "bogus.example": {{Preference: 1, Host: "bogus.example.org"}},
			"plain.example": {{Preference: 1, Host: "plain.example.org"}},
		},
		A: map[string][]string{
			"mx.example.org": {"192.0.2.1"}, "mx2.example.org": {"192.0.2.1"}, "tls.example.org": {"192.0.2.2"}, "ta.example.org": {"192.0.2.1"},
			"implicit.example": {"192.0.2.1"}, "bogus.example.org": {"192.0.2.1"}, "plain.example.org": {"192.0.2.3"},
		},
		CNAME: map[string]string{"alias.example": "one.example", "www.example.org": "tls.example.org"},
		TLSA: map[string][]dns.TLSA{
			"_25._tcp.mx.example.org": {bad, good}, "_25._tcp.mx2.example.org": {wrong}, "_443._tcp.tls.example.org": {pkix, good},
			"_25._tcp.ta.example.org": {rec(2, cert)}, "_444._tcp.tls.example.org": {wrong}, "_25._tcp.plain.example.org": {good},
		},
		Fail:         map[string]error{"tlsa _25._tcp.bogus.example.org": errors.New("SERVFAIL"), "mx fail.example": nil},
		AllAuthentic: true,
		Inauthentic:  []string{"mx insecure.example", "tlsa _445._tcp.tls.example.org"},
	}
	connect := func(_ context.Context, network, address string) (net.Conn, error) {
		if !slices.Contains([]string{"192.0.2.1:25", "192.0.2.3:25", "192.0.2.2:443", "192.0.2.2:444"}, address) {
			return nil, errors.New("connection refused")
		}
		a, b := sessiontest.TCPPair(t)
		switch address {
		case "192.0.2.1:25":
			go starttlsServer(b, cert, true)
		case "192.0.2.3:25":
			go starttlsServer(b, cert, false)
		default:
			go func() {
				defer b.Close()
				c := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{cert}})
				if c.Handshake() == nil {
					io.Copy(io.Discard, c)
				}
			}()
		}
		return a, nil
	}
	runCommandTests(t, func(p *program) { p.dns, p.connect = zone, connect }, []commandTest{
		{"dane dial tls.example.org:443", "", 0, []string{"address: 192.0.2.2\n", "addresses: with dnssec\n", "tlsa records of: _443._tcp.tls.example.org\n", "tlsa record: " + pkix.String() + "\n", "connected to: 192.0.2.2:443\n", "tls: TLS 1.3", "certificate: CN=mx.example.org", "verified by: " + good.String() + "\n"}, ""},
		{"dane dial www.example.org.:443", "", 0, []string{"alias: www.example.org is tls.example.org\n", "verified by: DANE-EE"}, ""},
		{"dane dial -usages dane-ta,dane-ee tls.example.org:443", "", 0, []string{pkix.String() + " (not usable: certificate usage does not count)\n"}, ""},
		{"dane dial -usages pkix-ee tls.example.org:443", "", 1, []string{"connected to"}, "certificate-not-trusted"},
		{"dane dial -usages dane-ta tls.example.org:443", "", 1, nil, "tlsa-invalid: no usable TLSA record"},
		{"dane dial tls.example.org:444", "", 1, []string{"certificate: CN="}, "certificate-not-trusted: certificate is not the one of TLSA record " + wrong.String()},
		{"dane dial tls.example.org:445", "", 1, []string{"addresses: with dnssec\n"}, "dane-required: no TLSA records"},
		{"dane dial gone.example.org:443", "", 1, nil, "no such domain"},
		{"dane dial tls.example.org", "", 2, nil, "missing port"},
		{"dane dial tls.example.org:0", "", 2, nil, "bad port"},
		{"dane dial 192.0.2.1:25", "", 2, nil, "DANE needs a name"},
		{"dane dial -usages x tls.example.org:443", "", 2, nil, "unknown certificate usage"},

		{"dane dialmx one.example", "", 0, []string{"mx: 10 mx.example.org\n", "mx records: with dnssec\n", "host: mx.example.org\n", bad.String() + " (not usable: digest of 1 octets, not 32)\n", "connected to: 192.0.2.1:25\n", "verified by: " + good.String() + "\n"}, ""},
		{"dane dialmx -ehlohostname me.example alias.example", "", 0, []string{"alias: alias.example is one.example\n", "verified by:"}, ""},
		{"dane dialmx example.org", "", 1, []string{"mx, not usable: \"192.0.2.1\"\n", "verified by: " + good.String(), "host: mx2.example.org\n", "failed: dane: certificate-not-trusted"}, ""},
		{"dane dialmx example.org mx.example.org", "", 0, []string{"verified by: " + good.String()}, ""},
		{"dane dialmx example.org mx3.example.org", "", 1, nil, "is not a mail host of"},
		{"dane dialmx insecure.example", "", 1, []string{"mx records: without dnssec"}, "where mail goes is without dnssec"},
		{"dane dialmx implicit.example", "", 1, []string{"no mx records, mail goes to: implicit.example\n", "failed: no tlsa records with dnssec"}, ""},
		{"dane dialmx ta.example", "", 1, []string{"failed: dane: certificate-host-mismatch: certificate is for"}, ""},
		{"dane dialmx bogus.example", "", 1, []string{"failed: dane: dnssec-invalid"}, ""},
		{"dane dialmx plain.example", "", 1, []string{"connected to: 192.0.2.3:25\n", "failed: ", "STARTTLS"}, ""},
		{"dane dialmx null.example", "", 1, []string{"mx records: with dnssec"}, "null MX"},
		{"dane dialmx fail.example", "", 1, nil, "server failure"},
		{"dane dialmx a..b", "", 2, nil, "empty label"},

		{"dane dial -json www.example.org.:443", "", 0, []string{`{"Host":"www.example.org","Alias":"tls.example.org","Addresses":["192.0.2.2"],"DNSSEC":true,"TLSADomain":"_443._tcp.tls.example.org","TLSA":[{"Record":"`, `"ConnectedTo":"192.0.2.2:443","TLS":"TLS 1.3",`, `"VerifiedBy":"DANE-EE`}, ""},
		{"dane dial -json tls.example.org:444", "", 1, []string{`"Problem":"tls handshake with 192.0.2.2:444: dane: certificate-not-trusted`}, "certificate-not-trusted"},
		{"dane dialmx -json example.org", "", 1, []string{`{"Host":"mx.example.org","Addresses":["192.0.2.1"],"DNSSEC":true,`, `"VerifiedBy":"DANE-EE`, "}\n{\"Host\":\"mx2.example.org\""}, ""},
	})
}

func TestDANEMakeRecord(t *testing.T) {
	cert := tlsCertificate(t, "mx.example.org")
	want := func(u dns.TLSAUsage, s dns.TLSASelector, m dns.TLSAMatchType) string {
		r, err := dane.MakeRecord(u, s, m, cert.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		return r.Record() + "\n"
	}
	block := func(typ string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
	}
	certPEM := block("CERTIFICATE", cert.Certificate[0], nil)
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	keyPEM := block("PRIVATE KEY", der, err)
	der, err = x509.MarshalECPrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	ecPEM := block("EC PARAMETERS", []byte{6, 0}, nil) + block("EC PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(cert.PrivateKey.(crypto.Signer).Public())
	publicPEM := block("PUBLIC KEY", der, err)
	file := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, []byte(certPEM), 0o600); err != nil {
		t.Fatal(err)
	}
	runCommandTests(t, func(*program) {}, []commandTest{
		{"dane makerecord 3 1 1", certPEM, 0, []string{want(3, 1, 1)}, ""},
		{"dane makerecord dane-ee SPKI SHA2-256 " + file, "", 0, []string{want(3, 1, 1)}, ""},
		{"dane makerecord dane-ta cert sha512", certPEM, 0, []string{want(2, 0, 2)}, ""},
		{"dane makerecord pkix-ta cert full", "text\n" + certPEM, 0, []string{want(0, 0, 0)}, ""},
		{"dane makerecord 3 1 1", keyPEM, 0, []string{want(3, 1, 1)}, ""},
		{"dane makerecord 3 1 2", ecPEM, 0, []string{want(3, 1, 2)}, ""},
		{"dane makerecord 3 1 0", publicPEM, 0, []string{want(3, 1, 0)}, ""},
		{"dane makerecord 3 0 1", keyPEM, 1, nil, "a key has no record with selector cert"},
		{"dane makerecord 3 1 1", "", 1, nil, "no certificate or key in PEM format"},
		{"dane makerecord 3 1 1", block("CERTIFICATE", []byte{1}, nil), 1, nil, "parsing certificate"},
		{"dane makerecord 3 1 1", block("PRIVATE KEY", []byte{1}, nil), 1, nil, "parsing key"},
		{"dane makerecord 3 1 1 " + file + "x", "", 1, nil, "no such file"},
		{"dane makerecord 4 1 1", certPEM, 2, nil, "unknown certificate usage"},
		{"dane makerecord 3 2 1", certPEM, 2, nil, "unknown selector"},
		{"dane makerecord 3 1 3", certPEM, 2, nil, "unknown matching type"},
	})
}

func TestMTASTSCommands(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == "mta-sts.example.org" && r.URL.Path == "/.well-known/mta-sts.txt":
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 129600\nnew: x\u202e\n")
		case r.Host == "mta-sts.bad.example":
			io.WriteString(w, "no policy\x1b")
		default:
			http.NotFound(w, r)
		}
	}))
	cert := tlsCertificate(t, "mta-sts.example.org", "mta-sts.bad.example", "mta-sts.missing.example")
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	a := map[string][]string{}
	txt := map[string][]string{"_mta-sts.two.example": {"v=STSv1; id=1", "v=STSv1; id=2"}}
	for _, d := range []string{"example.org", "bad.example", "missing.example", "untrusted.example"} {
		a["mta-sts."+d], txt["_mta-sts."+d] = []string{"192.0.2.1"}, []string{"v=STSv1; id=1; x=y;"}
	}
	zone := dns.MockResolver{A: a, TXT: txt, MX: map[string][]dns.MX{"example.org": {{Preference: 1, Host: "mx.example.org"}, {Preference: 2, Host: "a.mx.example.org"}}}}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	change := func(p *program) {
		p.dns, p.roots = zone, roots
		p.connect = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != "192.0.2.1:443" {
				t.Errorf("connecting to %s", address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
		}
	}
	runCommandTests(t, change, []commandTest{
		{"mtasts lookup example.org", "", 0, []string{
			"record: v=STSv1; id=1; x=y\n", "policy of: https://mta-sts.example.org/.well-known/mta-sts.txt\n", "mode: enforce\n", "max age: 129600 seconds, 1.5 days\n", "mx: *.example.org\n", "new: x?\n",
			"warning: media type is \"text/html\"", "host: mx.example.org, allowed by the policy\n", "host: a.mx.example.org, not allowed by the policy\n",
		}, ""},
		{"mtasts lookup bad.example", "", 1, []string{"record: ", "not a policy: \"no policy\\x1b\""}, "sts-policy-invalid"},
		{"mtasts lookup missing.example", "", 1, []string{"record: "}, "sts-policy-fetch-error: http status 404"},
		{"mtasts lookup untrusted.example", "", 1, []string{"record: "}, "sts-webpki-invalid"},
		{"mtasts lookup two.example", "", 1, nil, "invalid MTA-STS record: more than one"},
		{"mtasts lookup none.example", "", 1, nil, "no MTA-STS record"},
		{"mtasts lookup a..b", "", 2, nil, "empty label"},
		{"mtasts lookup -json example.org", "", 0, []string{`{"Record":"v=STSv1; id=1; x=y","URL":"https://mta-sts.example.org/.well-known/mta-sts.txt","Mode":"enforce","MaxAge":129600,"MX":["*.example.org"],`, `"Hosts":[{"Host":"mx.example.org","Allowed":true},{"Host":"a.mx.example.org","Allowed":false}]}`}, ""},
		{"mtasts lookup -json bad.example", "", 1, []string{`"Text":"no policy\u001b`}, "sts-policy-invalid"},
	})
}
