package moxtest_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/moxtest"
	"mox/mtasts"
	"mox/sasl"
	"mox/smtp"
	"mox/smtpclient"

	"mox/imapclient"
)

// certificates are self-signed, each for a name, with a pool that has them all.
type certificates struct {
	dir  string
	pool *x509.CertPool
}

func (c *certificates) make(t *testing.T, name string) config.KeyCert {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c.pool.AddCert(cert)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	kc := config.KeyCert{CertFile: filepath.Join(c.dir, name+".crt"), KeyFile: filepath.Join(c.dir, name+".key")}
	for path, b := range map[string]*pem.Block{kc.CertFile: {Type: "CERTIFICATE", Bytes: der}, kc.KeyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return kc
}

// TestMTASTS: RFC 8461 3.2, 3.3: others fetch our policy, by a certificate for the name of
// the policy host, and it is about us.
func TestMTASTS(t *testing.T) {
	certs := certificates{t.TempDir(), x509.NewCertPool()}
	s := moxtest.New(t, moxtest.WithConfig(func(static *config.Static, dynamic *config.Dynamic) {
		l := static.Listeners["test"]
		l.MTASTSHTTPS = config.DiscoveryService{Enabled: true}
		l.TLS.KeyCerts = []config.KeyCert{certs.make(t, moxtest.Hostname), certs.make(t, "mta-sts."+moxtest.Domain), certs.make(t, "mta-sts.other.example")}
		static.Listeners["test"] = l
		d := dynamic.Domains[moxtest.Domain]
		d.MTASTS = &config.MTASTS{PolicyID: "1", Mode: "enforce", MaxAge: 24 * time.Hour}
		dynamic.Domains[moxtest.Domain] = d
		dynamic.Domains["other.example"] = config.Domain{}
	}))
	resolver := &dns.MockResolver{
		A: map[string][]string{
			"mta-sts." + moxtest.Domain: {"127.0.0.1"}, "mta-sts.other.example": {"127.0.0.1"}, "mta-sts.unknown.example": {"127.0.0.1"},
		},
		TXT: map[string][]string{"_mta-sts." + moxtest.Domain: {"v=STSv1; id=1;"}},
	}
	var dialer net.Dialer
	client := mtasts.Client{Resolver: resolver, Transport: mtasts.NewTransport(resolver, certs.pool, func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "127.0.0.1:443" {
			t.Errorf("connecting to %s", address)
		}
		return dialer.DialContext(ctx, network, s.Addr("webhttps"))
	})}
	r, f, err := client.Get(t.Context(), dns.Domain{ASCII: moxtest.Domain})
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != "1" || f.ContentType != "text/plain" || f.Text != "version: STSv1\r\nmode: enforce\r\nmx: mail.mox.example\r\nmax_age: 86400\r\n" {
		t.Errorf("%+v, %+v", r, f)
	}
	if !f.Policy.Matches(dns.Domain{ASCII: moxtest.Hostname}) || f.Policy.Matches(dns.Domain{ASCII: "mx.other.example"}) {
		t.Errorf("policy %v", f.Policy)
	}
	var e *mtasts.Error
	if _, err := client.Fetch(t.Context(), dns.Domain{ASCII: "other.example"}); !errors.As(err, &e) || e.Reason != mtasts.ReasonPolicyFetch || e.Status != 404 {
		t.Errorf("domain without policy: %v", err)
	}
	// There is no certificate for it.
	if _, err := client.Fetch(t.Context(), dns.Domain{ASCII: "unknown.example"}); !errors.As(err, &e) || e.Reason != mtasts.ReasonWebPKI {
		t.Errorf("unknown domain: %v", err)
	}
	seen, err := s.Registry.Gather("mox_httpserver_response_duration_seconds")
	if err != nil {
		t.Fatal(err)
	}
	if seen["code=200,handler=mtasts,method=get,proto=https"] != 1 || seen["code=404,handler=(nohandler),method=get,proto=https"] != 1 {
		t.Errorf("metrics %v", seen)
	}
}

// TestMTASTSProxied: behind a proxy that has the certificate, policies are served without
// TLS, on a port with other services; a policy that changes is served at once.
func TestMTASTSProxied(t *testing.T) {
	s := moxtest.New(t, moxtest.WithConfig(func(static *config.Static, dynamic *config.Dynamic) {
		l := static.Listeners["test"]
		l.MTASTSHTTPS = config.DiscoveryService{Enabled: true, NonTLS: true, Forwarded: true}
		static.Listeners["test"] = l
		d := dynamic.Domains[moxtest.Domain]
		d.MTASTS = &config.MTASTS{PolicyID: "1", Mode: "testing", MaxAge: time.Hour, MX: []string{"*.mox.example"}}
		dynamic.Domains[moxtest.Domain] = d
	}))
	get := func() (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr("web")+"/.well-known/mta-sts.txt", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "mta-sts." + moxtest.Domain
		req.Header.Set("X-Forwarded-For", "192.0.2.1")
		req.Header.Set("X-Forwarded-Proto", "https")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, text := get(); code != 200 || text != "version: STSv1\r\nmode: testing\r\nmx: *.mox.example\r\nmax_age: 3600\r\n" {
		t.Errorf("%d %q", code, text)
	}
	if err := s.Config.Edit(func(dynamic *config.Dynamic) error {
		d := dynamic.Domains[moxtest.Domain]
		d.Disabled = true
		dynamic.Domains[moxtest.Domain] = d
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if code, _ := get(); code != 404 {
		t.Errorf("disabled: %d", code)
	}
	seen, err := s.Registry.Gather("mox_httpserver_response_duration_seconds")
	if err != nil || seen["code=200,handler=mtasts,method=get,proto=https"] != 1 {
		t.Errorf("metrics %v, %v", seen, err)
	}
}

// https makes a server that has mail on its port of HTTPS.
func https(t *testing.T, o ...moxtest.Option) *moxtest.Server {
	return moxtest.New(t, append(o, moxtest.WithConfig(func(static *config.Static, _ *config.Dynamic) {
		l := static.Listeners["test"]
		l.WebAPIHTTPS = config.WebService{Enabled: true}
		l.Submissions.EnabledOnHTTPS, l.IMAPS.EnabledOnHTTPS = true, true
		static.Listeners["test"] = l
	}))...)
}

// asking is the configuration of a client that asks for a protocol.
func asking(s *moxtest.Server, protocols ...string) *tls.Config {
	c := s.TLSConfig()
	c.NextProtos = protocols
	return c
}

// TestMailOnHTTPS: what a client asks for by ALPN (RFC 7301) is what it gets.
func TestMailOnHTTPS(t *testing.T) {
	s := https(t)
	ctx := t.Context()
	nc, err := net.Dial("tcp", s.Addr("webhttps"))
	if err != nil {
		t.Fatal(err)
	}
	login := smtpclient.Login{Username: "mox@mox.example", Password: moxtest.Password, Mechanisms: []string{sasl.ScramSHA256Plus}}
	sender, err := smtpclient.New(ctx, nc, smtpclient.Options{Hello: "localhost", TLS: smtpclient.TLSImmediate, TLSConfig: asking(s, "smtp"), Auth: login.Auth})
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	address, err := smtp.ParseAddress("mox@mox.example")
	if err != nil {
		t.Fatal(err)
	}
	path := address.Path()
	msg := "From: <mox@mox.example>\r\nSubject: by 443\r\n\r\nhi\r\n"
	results, err := sender.Deliver(ctx, smtpclient.Message{From: path, Rcpts: []smtpclient.Recipient{{To: path}}, Size: int64(len(msg)), Content: strings.NewReader(msg)})
	if err != nil || results[0] != nil {
		t.Fatal(results, err)
	}
	reader, err := imapclient.Dial(ctx, s.Addr("webhttps"), imapclient.Implicit, asking(s, "imap"), imapclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := reader.Authenticate(ctx, sasl.ScramSHA256Plus, sasl.Credentials{Authcid: "mox@mox.example", Password: moxtest.Password}); err != nil {
		t.Fatal(err)
	}
	if sel, err := reader.Select(ctx, "INBOX", ""); err != nil || sel.Exists != 1 {
		t.Errorf("%+v, %v", sel, err)
	}
	// The Received field has what is so of any submission with TLS.
	if got := s.Messages(t, "mox@mox.example"); len(got) != 1 || !strings.Contains(got[0], "with ESMTPSA") {
		t.Errorf("%q", got)
	}
	wantOpen(t, s, map[string]float64{"listener=test,protocol=submissions": 1, "listener=test,protocol=imaps": 1})
	sender.Close()
	reader.Close()
	wantOpen(t, s, map[string]float64{"listener=test,protocol=submissions": 0, "listener=test,protocol=imaps": 0})
	webOnHTTPS(t, s)
}

// wantOpen waits for the gauge of open connections to have values.
func wantOpen(t *testing.T, s *moxtest.Server, want map[string]float64) {
	t.Helper()
	var got map[string]float64
	for range 3000 {
		var err error
		if got, err = s.Registry.Gather("mox_connections_count"); err != nil {
			t.Fatal(err)
		}
		same := true
		for k, n := range want {
			same = same && got[k] == n
		}
		if same {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("open connections %v, want %v", got, want)
}

// webOnHTTPS checks that others than those who ask for mail get HTTP.
func webOnHTTPS(t *testing.T, s *moxtest.Server) {
	t.Helper()
	for _, tc := range []struct {
		ask   []string
		proto string // of the answer; empty: no connection
	}{{nil, "HTTP/1.1"}, {[]string{"http/1.1"}, "HTTP/1.1"}, {[]string{"h2", "http/1.1", "imap"}, "HTTP/2.0"}, {[]string{"pop3"}, ""}} {
		tr := &http.Transport{ForceAttemptHTTP2: slices.Contains(tc.ask, "h2"), DisableKeepAlives: true}
		tr.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return (&tls.Dialer{Config: asking(s, tc.ask...)}).DialContext(ctx, network, addr)
		}
		resp, err := (&http.Client{Transport: tr}).Get("https://" + s.Addr("webhttps") + "/webapi/v0/")
		if tc.proto == "" {
			if err == nil || !strings.Contains(err.Error(), "no application protocol") {
				t.Errorf("%q: %v", tc.ask, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tc.ask, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.Proto != tc.proto {
			t.Errorf("%q: %d by %s", tc.ask, resp.StatusCode, resp.Proto)
		}
	}
	// Those of mail have no other protocols, as always.
	c, err := tls.Dial("tcp", s.Addr("imaps"), asking(s, "imap"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p := c.ConnectionState().NegotiatedProtocol; p != "" {
		t.Errorf("imaps: %q", p)
	}
}

// TestMailOnHTTPSLimit: connections by HTTPS count with those to the ports of mail, and are
// few for one address.
func TestMailOnHTTPSLimit(t *testing.T) {
	s := https(t)
	greeted := func(service string) bool {
		c, err := tls.Dial("tcp", s.Addr(service), asking(s, "imap"))
		if err != nil {
			// A port of mail ends without a handshake.
			return false
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := c.Read(b)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return bytes.HasPrefix(b[:n], []byte("* OK "))
	}
	for i := range 30 {
		if !greeted([]string{"imaps", "webhttps"}[i%2]) {
			t.Fatalf("connection %d is refused", i)
		}
	}
	if greeted("imaps") || greeted("webhttps") {
		t.Error("more than 30 connections of an address")
	}
}

// TestMailOnHTTPSStop: sessions end as the server does, told so, and it does not wait for them.
func TestMailOnHTTPSStop(t *testing.T) {
	// Other work on the machine disturbs: it is enough to be quick once.
	for try := range 5 {
		d := stopMailOnHTTPS(t)
		if d < 3*time.Second { // serve.Drain
			return
		} else if try == 4 {
			t.Errorf("stopping took %s", d)
		}
	}
}

// stopMailOnHTTPS stops a server with sessions, and returns how long that took.
func stopMailOnHTTPS(t *testing.T) time.Duration {
	t.Helper()
	conns := map[string]*tls.Conn{}
	var start time.Time
	t.Run("server", func(t *testing.T) {
		s := https(t)
		for _, protocol := range []string{"imap", "smtp"} {
			c, err := tls.Dial("tcp", s.Addr("webhttps"), asking(s, protocol))
			if err != nil {
				t.Fatal(err)
			}
			// The greeting.
			if _, err := c.Read(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			conns[protocol] = c
		}
		start = time.Now()
	})
	d := time.Since(start)
	for protocol, want := range map[string]string{"imap": "* BYE ", "smtp": "421 4.3.2 "} {
		b, err := io.ReadAll(conns[protocol])
		if err != nil || !strings.HasPrefix(string(b), want) {
			t.Errorf("%s: %q, %v", protocol, b, err)
		}
		conns[protocol].Close()
	}
	return d
}
