package discovery

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"image/png"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/config"
	"mox/dns"
)

var update = flag.Bool("update", false, "write golden files anew")

// fixture is a Discovery with what it tells.
type fixture struct {
	*Discovery
	t       testing.TB
	counted []string
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"mox.conf": "DataDir: data\nLogLevel: info\nHostname: mail.example.org\nACME:\n\tca:\n\t\tDirectoryURL: https://ca.example/\n\t\tContactEmail: x@example.org\n" +
			"Postmaster:\n\tAccount: a\n\tMailbox: Inbox\nListeners:\n\tpublic:\n\t\tIPs:\n\t\t\t- 192.0.2.10\n\t\tTLS:\n\t\t\tACME: ca\n\t\tSubmission:\n\t\t\tEnabled: true\n" +
			"\t\tSubmissions:\n\t\t\tEnabled: true\n\t\tIMAP:\n\t\t\tEnabled: true\n\t\tIMAPS:\n\t\t\tEnabled: true\n\t\t\tEnabledOnHTTPS: true\n\t\tAutoconfigHTTPS:\n\t\t\tEnabled: true\n",
		"domains.conf": "Domains:\n\texample.org:\n\t\tClientSettingsDomain: imap.example.org\n\tbücher.example: nil\n\treports.example:\n\t\tTLSRPT:\n\t\t\tLocalpart: x\n\t\t\tDomain: example.org\n\t\t\tAccount: a\n\t\t\tMailbox: Inbox\n" +
			"Accounts:\n\ta:\n\t\tDomain: example.org\n\t\tDestinations:\n\t\t\ta@example.org: nil\n\t\t\ta@bücher.example: nil\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := config.Load(filepath.Join(dir, "mox.conf"))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t}
	f.Discovery = New(Config{
		Snapshot: func() *config.Snapshot { return snap }, Now: func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) },
		Autoconf: func(d string) { f.counted = append(f.counted, "autoconf "+d) }, Autodiscover: func(d string) { f.counted = append(f.counted, "autodiscover "+d) },
	})
	return f
}

// do makes a request as the web server hands it on; a target has a host.
func (f *fixture) do(method, target, body string) *http.Response {
	f.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	var best *Endpoint
	for _, e := range f.Endpoints() {
		fits := e.Path == r.URL.Path || strings.HasSuffix(e.Path, "/") && strings.HasPrefix(r.URL.Path, e.Path)
		if fits && e.Host(requestHost(r)) && (best == nil || len(e.Path) > len(best.Path)) {
			best = &e
		}
	}
	if best == nil {
		return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody}
	}
	w := httptest.NewRecorder()
	h := best.Handler
	if p, ok := strings.CutSuffix(best.Path, "/"); ok {
		h = http.StripPrefix(p, h)
	}
	h.ServeHTTP(w, r)
	return w.Result()
}

func (f *fixture) get(target string, code int) string {
	f.t.Helper()
	return f.text(f.do("GET", target, ""), code)
}

func (f *fixture) text(resp *http.Response, code int) string {
	f.t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if resp.StatusCode != code {
		f.t.Errorf("status %d, want %d: %s", resp.StatusCode, code, b)
	}
	return string(b)
}

func (f *fixture) golden(name, got string) {
	f.t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		f.t.Errorf("%s: %s", name, d)
	}
}

func (f *fixture) wantCounted(want ...string) {
	f.t.Helper()
	if d := cmp.Diff(want, f.counted); d != "" {
		f.t.Errorf("counted: %s", d)
	}
}

func TestAutoconfig(t *testing.T) {
	f := newFixture(t)
	f.golden("config.xml", f.get("https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=Jane%40EXAMPLE.org", 200))
	byDomain := f.get("https://autoconfig.example.org/mail/config-v1.1.xml", 200)
	f.golden("config-domain.xml", byDomain)
	for _, target := range []string{
		"https://example.org/.well-known/autoconfig/mail/config-v1.1.xml", "https://example.org:8443/mail/config-v1.1.xml?x=1", "https://AUTOCONFIG.example.org./mail/config-v1.1.xml?emailaddress=%25EMAILADDRESS%25",
	} {
		if got := f.get(target, 200); got != byDomain {
			t.Errorf("%s: got %s", target, got)
		}
	}
	f.golden("config-idna.xml", f.get("https://autoconfig.xn--bcher-kva.example/mail/config-v1.1.xml?emailaddress=j%2Bx@b%c3%bccher.example", 200))
	f.wantCounted("autoconf example.org", "autoconf example.org", "autoconf example.org", "autoconf example.org", "autoconf example.org", "autoconf bücher.example")
	resp := f.do("GET", "https://autoconfig.example.org/mail/config-v1.1.xml", "")
	if resp.Header.Get("Content-Type") != "text/xml; charset=utf-8" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", resp.Header)
	}
	if resp := f.do("HEAD", "https://mail.example.org/mail/config-v1.1.xml?emailaddress=a@example.org", ""); resp.StatusCode != 200 {
		t.Errorf("HEAD: %d", resp.StatusCode)
	}
}

// TestDoc keeps the table of paths in the documentation what is served.
func TestDoc(t *testing.T) {
	table := "\n| Path | For |\n| --- | --- |\n"
	about := map[string]string{"autoconf": "Thunderbird and others: XML", "autodiscover": "Outlook and others: XML by POST, JSON by GET", "mobileconfig": "Apple: a profile, signed", "mobileconfigqrcodepng": "a QR code that leads to the profile"}
	for _, e := range newFixture(t).Endpoints() {
		if about[e.Name] == "" {
			t.Errorf("%s is for nothing", e.Name)
		}
		table += "| `" + e.Path + "` | " + about[e.Name] + " |\n"
	}
	const path = "../docs/clients.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), "-update -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- end -->")
	if !ok || !ok2 {
		t.Fatal("no place for it in docs/clients.md")
	}
	want := before + "-update -->\n" + table + "\n<!-- end -->" + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(doc) {
		t.Error("the table in docs/clients.md is not what is served: run this test with -update")
	}
}

// TestSame: addresses that exist and those that do not get the same.
func TestSame(t *testing.T) {
	f := newFixture(t)
	request := func(address string) string {
		return `<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>` + address + `</EMailAddress></Request></Autodiscover>`
	}
	for _, get := range []func(address string) string{
		func(a string) string {
			return f.get("https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress="+a, 200)
		},
		func(a string) string {
			return f.text(f.do("POST", "https://mail.example.org/autodiscover/autodiscover.xml", request(a)), 200)
		},
		func(a string) string {
			return f.get("https://mail.example.org/autodiscover/autodiscover.json?Protocol=IMAP&Email="+a, 200)
		},
	} {
		if exists, not := get("a@example.org"), get("q@example.org"); strings.ReplaceAll(exists, "a@example", "q@example") != not {
			t.Errorf("an address that exists and another:\n%s\n%s", exists, not)
		}
	}
}

// TestBad: what is wrong with a request gets the status for it.
func TestBad(t *testing.T) {
	f := newFixture(t)
	for _, tc := range []struct {
		method, target string
		code           int
	}{
		{"POST", "https://autoconfig.example.org/mail/config-v1.1.xml", 405},
		{"GET", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=a@other.example", 400},
		{"GET", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=a", 400},
		{"GET", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=a@reports.example", 400},
		{"GET", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=" + strings.Repeat("a", 20000) + "@example.org", 400},
		{"GET", "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=%zz", 400},
		{"GET", "https://mail.example.org/mail/config-v1.1.xml", 400}, // which domain?
		{"GET", "https://autoconfig.other.example/mail/config-v1.1.xml", 404},
		{"GET", "https://autoconfig.reports.example/mail/config-v1.1.xml", 404},
		{"GET", "https://192.0.2.10/mail/config-v1.1.xml", 404},
		{"GET", "https://mail.example.org/autodiscover/autodiscover.xml", 405},
		{"GET", "https://mail.example.org/profile.mobileconfig", 400},
		{"POST", "https://mail.example.org/profile.mobileconfig", 405},
		{"GET", "https://mail.example.org/profile.mobileconfig?addresses=a", 400},
		{"GET", "https://mail.example.org/profile.mobileconfig?addresses=a@example.org,", 400},
		{"GET", "https://mail.example.org/profile.mobileconfig?addresses=a@example.org,b@other.example", 400},
		{"GET", "https://mail.example.org/profile.mobileconfig?addresses=a@example.org" + strings.Repeat(",a@example.org", 20), 400},
		{"GET", "https://mail.example.org/profile.mobileconfig?addresses=a@example.org&name=a%00b", 400},
		{"GET", "https://mail.example.org/profile.mobileconfig?addresses=a@example.org&name=a%ffb", 400},
		{"GET", "https://mail.example.org/profile.mobileconfig?addresses=a@example.org&name=" + strings.Repeat("n", 201), 400},
		{"GET", "https://mail.example.org/profile.mobileconfig.qrcode.png?addresses=", 400},
		{"GET", "https://mail.example.org/profile.mobileconfig.qrcode.png?addresses=a@example.org&name=" + strings.Repeat("%f0%9f%98%80", 199), 400},
		{"DELETE", "https://mail.example.org/profile.mobileconfig.qrcode.png", 405},
		{"POST", "https://mail.example.org/autodiscover/autodiscover.json", 405},
	} {
		resp := f.do(tc.method, tc.target, "")
		if resp.StatusCode != tc.code {
			t.Errorf("%s %.200s: status %d, want %d", tc.method, tc.target, resp.StatusCode, tc.code)
		}
		if tc.code == 405 && resp.Header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tc.method, tc.target)
		}
	}
	f.wantCounted()
}

const outlook = `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>j@bücher.example</EMailAddress>
    <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
  </Request>
</Autodiscover>`

func TestAutodiscover(t *testing.T) {
	f := newFixture(t)
	post := func(body string, code int) string {
		t.Helper()
		return f.text(f.do("POST", "https://mail.example.org/autodiscover/autodiscover.xml", body), code)
	}
	f.golden("autodiscover.xml", post(outlook, 200))
	f.wantCounted("autodiscover bücher.example")
	f.golden("autodiscover-activesync.xml", post(strings.Replace(outlook, "outlook/responseschema/2006a", "mobilesync/responseschema/2006", 1), 200))
	for change, code := range map[string]string{"j@other.example": "500", "j": "500", "": "600"} {
		if got := post(strings.Replace(outlook, "j@bücher.example", change, 1), 200); !strings.Contains(got, "<ErrorCode>"+code+"</ErrorCode>") {
			t.Errorf("%q: got %s", change, got)
		}
	}
	post("", 400)
	post("hello", 400)
	post("<a/>", 400)
	post("<Autodiscover><Request>", 400)
	post(strings.Replace(outlook, "utf-8", "x-unknown", 1), 400)
	post(outlook+strings.Repeat(" ", maxRequest), 413)
	f.wantCounted("autodiscover bücher.example")

	var v struct {
		Response struct {
			Account struct {
				Protocol []struct{ Type, LoginName string }
			}
		}
	}
	if err := xml.Unmarshal([]byte(post(outlook, 200)), &v); err != nil || len(v.Response.Account.Protocol) != 2 || v.Response.Account.Protocol[1].LoginName != "j@xn--bcher-kva.example" {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestAutodiscoverJSON(t *testing.T) {
	f := newFixture(t)
	const base = "https://autodiscover.example.org/autodiscover/autodiscover.json"
	for _, tc := range []struct {
		query string
		code  int
		want  string
	}{
		{"?Email=a@example.org&Protocol=AutodiscoverV1", 200, `{"Protocol":"AutodiscoverV1","Url":"https://autodiscover.example.org/autodiscover/autodiscover.xml"}`},
		{"?email=a@example.org&protocol=imap", 200, `{"Protocol":"IMAP","Url":"imaps://imap.example.org:993","Server":"imap.example.org","Port":993,"TLS":"TLS","LoginName":"a@example.org"}`},
		{"/v1.0/a@example.org?Protocol=SMTP", 200, `{"Protocol":"SMTP","Url":"submissions://imap.example.org:465","Server":"imap.example.org","Port":465,"TLS":"TLS","LoginName":"a@example.org"}`},
		{"?Email=a@example.org&Protocol=ActiveSync", 404, `{"ErrorCode":"ProtocolNotSupported","ErrorMessage":"Supported protocols are 'AutodiscoverV1', 'IMAP' and 'SMTP'."}`},
		{"?Email=a@example.org&Protocol=EWS", 404, `{"ErrorCode":"ProtocolNotSupported","ErrorMessage":"Supported protocols are 'AutodiscoverV1', 'IMAP' and 'SMTP'."}`},
		{"?Email=a@other.example&Protocol=EWS", 404, `{"ErrorCode":"UserNotFound","ErrorMessage":"The domain of the e-mail address is not of this server."}`},
		{"?Email=a&Protocol=EWS", 400, `{"ErrorCode":"InvalidUserId","ErrorMessage":"The given e-mail address is not valid."}`},
		{"?Email=a@example.org", 400, `{"ErrorCode":"MandatoryParameterMissing","ErrorMessage":"A valid value must be provided for the query parameter 'Protocol'."}`},
		{"", 400, `{"ErrorCode":"MandatoryParameterMissing","ErrorMessage":"A valid value must be provided for the query parameter 'Email'."}`},
		{"?%zz", 400, `{"ErrorCode":"InvalidRequest","ErrorMessage":"The query is malformed."}`},
	} {
		if got := f.get(base+tc.query, tc.code); got != tc.want+"\n" || !json.Valid([]byte(got)) {
			t.Errorf("%s: got %s", tc.query, got)
		}
	}
	f.wantCounted("autodiscover example.org", "autodiscover example.org", "autodiscover example.org")
}

func TestProfile(t *testing.T) {
	f := newFixture(t)
	target := "https://mail.example.org/profile.mobileconfig?addresses=j.doe@example.org,jd%2Bx@b%C3%BCcher.example&name=" + url.QueryEscape(`J. <D> & "Döe"`)
	resp := f.do("GET", target, "")
	f.golden("profile.mobileconfig", f.text(resp, 200))
	if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="email-account-j-doe-at-example-org.mobileconfig"` {
		t.Errorf("file: %s", got)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/x-apple-aspen-config" {
		t.Errorf("type: %s", got)
	}
	// Always the same for an account, another for another.
	if a, b := uuid("account", "a@example.org"), uuid("account", "b@example.org"); a == b || len(a) != 36 || a != uuid("account", "a@example.org") || a == uuid("profile", "a@example.org") {
		t.Errorf("UUIDs: %s %s", a, b)
	}
	if got := f.get("https://mail.example.org/profile.mobileconfig?addresses=a@example.org", 200); strings.Contains(got, "EmailAccountName") {
		t.Errorf("name in %s", got)
	}
}

func TestQR(t *testing.T) {
	f := newFixture(t)
	resp := f.do("GET", "https://mail.example.org/profile.mobileconfig.qrcode.png?addresses=a@example.org&name=A%20B", "")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "image/png" {
		t.Fatalf("got %d, %v", resp.StatusCode, resp.Header)
	}
	img, err := png.Decode(resp.Body)
	if err != nil || img.Bounds().Dx() < 100 || img.Bounds().Dx() != img.Bounds().Dy() {
		t.Errorf("got %v, %v", img.Bounds(), err)
	}
}

func TestHosts(t *testing.T) {
	f := newFixture(t)
	for host, want := range map[string]bool{
		"mail.example.org": true, "example.org": true, "autoconfig.example.org": true, "autodiscover.example.org": true, "imap.example.org": true, "xn--bcher-kva.example": true, "autoconfig.xn--bcher-kva.example": true,
		"": false, "other.example": false, "autoconfig.other.example": false, "www.example.org": false, "reports.example": false, "autoconfig.": false, "a..b": false, "127.0.0.1": false,
	} {
		if got := f.isHost(host); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}

// certificate makes one with a key, signed by an authority whose certificate follows.
func certificate(t *testing.T, key crypto.Signer) (*tls.Certificate, *x509.Certificate) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "mail.example.org"}, DNSNames: []string{"mail.example.org"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, caDER}, PrivateKey: key}, leaf
}

// parsed is the structure of RFC 5652, as another reads it.
type parsed struct {
	Type    asn1.ObjectIdentifier
	Content struct {
		Version int
		Digests []pkix.AlgorithmIdentifier `asn1:"set"`
		Encap   struct {
			Type    asn1.ObjectIdentifier
			Content []byte `asn1:"explicit,tag:0"`
		}
		Certificates asn1.RawValue `asn1:"tag:0"`
		Signers      []struct {
			Version int
			SID     struct {
				Issuer asn1.RawValue
				Serial *big.Int
			}
			Digest    pkix.AlgorithmIdentifier
			Attrs     asn1.RawValue `asn1:"tag:0"`
			Algorithm pkix.AlgorithmIdentifier
			Signature []byte
		} `asn1:"set"`
	} `asn1:"explicit,tag:0"`
}

func TestCMS(t *testing.T) {
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("the content")
	for _, key := range []crypto.Signer{ecKey, rsaKey} {
		cert, leaf := certificate(t, key)
		now := time.Date(2026, 11, 22, 10, 0, 0, 5, time.UTC)
		der, err := signCMS(cert, content, now)
		if err != nil {
			t.Fatal(err)
		}
		var p parsed
		if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 {
			t.Fatalf("%x: %v, rest %x", der, err, rest)
		}
		sd, s := p.Content, p.Content.Signers[0]
		if !p.Type.Equal(oidSignedData) || sd.Version != 1 || !sd.Encap.Type.Equal(oidData) || !bytes.Equal(sd.Encap.Content, content) || len(sd.Signers) != 1 || s.SID.Serial.Int64() != 77 || !bytes.Equal(s.SID.Issuer.FullBytes, leaf.RawIssuer) {
			t.Errorf("got %+v", p)
		}
		if certs, err := x509.ParseCertificates(sd.Certificates.Bytes); err != nil || len(certs) != 2 || !certs[0].Equal(leaf) {
			t.Errorf("certificates: %v", err)
		}
		// RFC 5652 5.4: the signature is over the attributes as a SET, of which one is the digest.
		set := append([]byte{}, s.Attrs.FullBytes...)
		set[0] = 0x31
		alg := map[bool]x509.SignatureAlgorithm{true: x509.SHA256WithRSA, false: x509.ECDSAWithSHA256}[key == crypto.Signer(rsaKey)]
		if err := leaf.CheckSignature(alg, set, s.Signature); err != nil {
			t.Errorf("signature: %v", err)
		}
		digest := sha256.Sum256(content)
		if !bytes.Contains(set, digest[:]) || !bytes.Contains(set, []byte("261122100000Z")) {
			t.Errorf("attributes: %x", set)
		}
		// DER: the elements of a SET are in order.
		var attrs []asn1.RawValue
		if _, err := asn1.UnmarshalWithParams(set, &attrs, "set"); err != nil || len(attrs) != 3 {
			t.Fatalf("attributes: %v, %v", attrs, err)
		}
		for i := range attrs[1:] {
			if bytes.Compare(attrs[i].FullBytes, attrs[i+1].FullBytes) > 0 {
				t.Errorf("attributes are not in order")
			}
		}
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := certificate(t, edKey)
	if _, err := signCMS(cert, content, time.Now()); !errors.Is(err, errNoSigner) {
		t.Errorf("ed25519: %v", err)
	}
	if _, err := signCMS(&tls.Certificate{}, content, time.Now()); !errors.Is(err, errNoSigner) {
		t.Errorf("no key: %v", err)
	}
}

// TestSigned: a profile is signed where there is a certificate.
func TestSigned(t *testing.T) {
	f := newFixture(t)
	const target = "https://mail.example.org/profile.mobileconfig?addresses=a@example.org"
	plain := f.get(target, 200)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := certificate(t, key)
	asked := ""
	f.Certificate = func(host dns.Domain) (*tls.Certificate, error) {
		asked = host.ASCII
		return cert, nil
	}
	var p parsed
	if _, err := asn1.Unmarshal([]byte(f.get(target, 200)), &p); err != nil || string(p.Content.Encap.Content) != plain {
		t.Errorf("signed: %v, %s", err, p.Content.Encap.Content)
	}
	if asked != "mail.example.org" {
		t.Errorf("certificate of %s", asked)
	}
	f.Certificate = func(dns.Domain) (*tls.Certificate, error) { return nil, errors.New("none yet") }
	if got := f.get(target, 200); got != plain {
		t.Errorf("without certificate: %s", got)
	}
}

func FuzzAutodiscover(f *testing.F) {
	f.Add(outlook)
	f.Add("<Autodiscover/>")
	f.Add(`<!DOCTYPE a [<!ENTITY b "c">]><Autodiscover><Request><EMailAddress>&b;@example.org</EMailAddress></Request></Autodiscover>`)
	fix := newFixture(f)
	f.Fuzz(func(t *testing.T, body string) {
		fix := fixture{Discovery: fix.Discovery, t: t}
		resp := fix.do("POST", "https://mail.example.org/autodiscover/autodiscover.xml", body)
		if resp.StatusCode != 200 {
			return
		}
		b, _ := io.ReadAll(resp.Body)
		if err := xml.Unmarshal(b, new(struct{})); err != nil {
			t.Errorf("%q: %v in %s", body, err, b)
		}
	})
}

// FuzzQuery: whatever is asked for, the answer is settings or what is wrong, and well-formed.
func FuzzQuery(f *testing.F) {
	f.Add("emailaddress=a%40example.org")
	f.Add("addresses=a@example.org,b@b%C3%BCcher.example&name=%22%3C%26")
	f.Add("Email=a@example.org&Protocol=imap")
	f.Add("emailaddress=%22a%20b%22@example.org&addresses=%22a%20b%22@example.org&Email=%22a%20b%22@example.org&Protocol=SMTP")
	d := newFixture(f).Discovery
	f.Fuzz(func(t *testing.T, query string) {
		for _, e := range d.Endpoints() {
			r := httptest.NewRequest("GET", "https://autoconfig.example.org"+e.Path, nil)
			r.URL.RawQuery = query
			w := httptest.NewRecorder()
			e.Handler.ServeHTTP(w, r)
			body := w.Body.Bytes()
			switch {
			case w.Code != 200 && w.Code != 400 && w.Code != 404 && w.Code != 405:
				t.Errorf("%s?%s: status %d", e.Path, query, w.Code)
			case strings.HasSuffix(strings.TrimSuffix(e.Path, "/"), ".json"):
				if !json.Valid(body) {
					t.Errorf("%s?%s: %s", e.Path, query, body)
				}
			case w.Code == 200 && !strings.HasSuffix(e.Path, ".png"):
				if err := xml.Unmarshal(body, new(struct{})); err != nil {
					t.Errorf("%s?%s: %v in %s", e.Path, query, err, body)
				}
			}
		}
	})
}
