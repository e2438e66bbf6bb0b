package dnscheck

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/dnsrecords"
)

// world is a domain with its DNS and servers, in which all is right until a test breaks
// something.
type world struct {
	t    *testing.T
	snap *config.Snapshot
	zone dns.MockResolver
	o    Options

	// refuse has connections that fail, by address.
	refuse map[string]error
	// cert is what servers have for a name.
	cert func(name string) *tls.Certificate
	// smtp is what the mail server says to EHLO before TLS.
	smtp string
	// policy and codes are what the web server says.
	policy string
	codes  map[string]int // by host
}

// authority is what signs certificates, made once.
var authority = sync.OnceValue(func() (a struct {
	cert *x509.Certificate
	key  crypto.Signer
	pool *x509.CertPool
}) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.key, a.pool = key, x509.NewCertPool()
	a.pool.AddCert(a.cert)
	return a
})

// certificate makes one for names, with a key.
func certificate(t *testing.T, key crypto.Signer, until time.Time, names ...string) *tls.Certificate {
	t.Helper()
	a := authority()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newWorld(t *testing.T, domain string) *world {
	t.Helper()
	snap, err := config.Load("testdata/mox.conf")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, snap: snap, refuse: map[string]error{}, codes: map[string]int{}, smtp: "250-mail.example.org\r\n250 STARTTLS\r\n"}
	w.zone = perfectZone(t, snap, domain)
	good := certificate(t, snap.Listeners["public"].HostECDSAKey, time.Now().Add(time.Hour), "mail.example.org", "*.example.org")
	w.cert = func(string) *tls.Certificate { return good }
	w.policy = snap.Domains["example.org"].MTASTS.String()
	w.o = Options{Resolver: nil, Dial: w.dial, Roots: authority().pool, InterfaceIPs: func() ([]netip.Addr, error) { return nil, errors.New("no interfaces") }, DialTimeout: time.Minute, Timeout: time.Minute} // machines can be busy
	return w
}

// perfectZone is what dnsrecords makes, and what is elsewhere.
func perfectZone(t *testing.T, snap *config.Snapshot, domain string) dns.MockResolver {
	t.Helper()
	records, err := dnsrecords.For(snap, domain, dnsrecords.Options{Authentic: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		records[i].Precondition = ""
	}
	var b bytes.Buffer
	if err := dnsrecords.WriteZone(&b, records); err != nil {
		t.Fatal(err)
	}
	text := "com. NS a.gtld-servers.net.\n"
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, " IN CAA ") {
			text += line
		}
	}
	z, err := dns.MockZone(text)
	if err != nil {
		t.Fatal(err)
	}
	z.AllAuthentic = true
	z.Fail, z.Delay = map[string]error{}, map[string]time.Duration{}
	return z
}

// dial connects to the servers of the world.
func (w *world) dial(_ context.Context, _, address string) (net.Conn, error) {
	if err := w.refuse[address]; err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host != "192.0.2.10" && host != "2001:db8::10" {
		return nil, fmt.Errorf("no route to %s", address)
	}
	client, server := net.Pipe()
	switch port {
	case "25":
		go w.serveSMTP(server)
	case "443":
		go w.serveHTTPS(server)
	case "993", "465":
		go func() {
			defer server.Close()
			tls.Server(server, w.tlsConfig()).Handshake()
		}()
	default:
		return nil, os.ErrNotExist
	}
	return client, nil
}

func (w *world) tlsConfig() *tls.Config {
	return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if c := w.cert(hello.ServerName); c != nil {
			return c, nil
		}
		return nil, errors.New("no certificate")
	}}
}

// serveSMTP is a mail server for EHLO, STARTTLS and QUIT.
func (w *world) serveSMTP(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(conn, "220 mail.example.org ESMTP\r\n")
	ehlo := w.smtp
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "EHLO":
			fmt.Fprint(conn, ehlo)
		case "STARTTLS":
			fmt.Fprint(conn, "220 go\r\n")
			t := tls.Server(conn, w.tlsConfig())
			if t.Handshake() != nil {
				return
			}
			conn, ehlo, r = t, "250 mail.example.org\r\n", bufio.NewReader(t)
		case "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		}
	}
}

// oneConn is a listener for a connection that is there.
type oneConn struct {
	conns chan net.Conn
	addr  net.Addr
}

func (l *oneConn) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.addr }

// serveHTTPS is a web server for policies and settings.
func (w *world) serveHTTPS(conn net.Conn) {
	l := &oneConn{make(chan net.Conn, 1), conn.LocalAddr()}
	done := make(chan bool, 1)
	srv := &http.Server{ReadTimeout: time.Minute, ErrorLog: discard, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		code := http.StatusOK
		if c := w.codes[r.Host]; c != 0 {
			code = c
		}
		rw.WriteHeader(code)
		switch r.URL.Path {
		case "/.well-known/mta-sts.txt":
			fmt.Fprint(rw, w.policy)
		case "/mail/config-v1.1.xml", "/autodiscover/autodiscover.xml":
			fmt.Fprint(rw, "settings")
		}
	})}
	srv.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			done <- true
		}
	}
	l.conns <- tls.Server(conn, w.tlsConfig())
	go srv.Serve(l)
	select {
	case <-done:
	case <-time.After(time.Minute):
	}
	close(l.conns)
	srv.Close()
}
