package serve

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"mox/config"
)

// TestSessionTickets: TLS sessions are resumed, but not on port 25 unless that is asked
// for; and versions before 1.2 are refused.
func TestSessionTickets(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := writeLocalCertificate(cert, key, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	on, off := false, true
	l := func(disabled *bool) *config.ListenerInfo {
		return &config.ListenerInfo{
			Listener:      config.Listener{TLS: &config.TLS{}, SMTP: config.SMTP{TLSSessionTicketsDisabled: disabled}},
			MinTLSVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
		}
	}
	for _, tc := range []struct {
		name   string
		conf   *tls.Config
		resume bool
	}{
		{"smtp, default of port 25", (&Server{}).smtpTLSConfig(l(&off)), false},
		{"smtp, asked for", (&Server{}).smtpTLSConfig(l(&on)), true},
		{"others", (&Server{}).tlsConfig(l(&off), tlsMail), true},
	} {
		cache := tls.NewLRUClientSessionCache(0)
		resumed := false
		for range 2 {
			cs, err := handshake(t, tc.conf, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: cache})
			if err != nil {
				t.Fatal(tc.name, err)
			}
			resumed = cs.DidResume
		}
		if resumed != tc.resume {
			t.Errorf("%s: resumed is %v", tc.name, resumed)
		}
		if _, err := handshake(t, tc.conf, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Errorf("%s: TLS 1.1 accepted", tc.name)
		}
	}
}

// handshake does a handshake and an exchange, in which tickets come.
func handshake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		io.WriteString(tls.Server(nc, server), "hi")
	}()
	nc, err := tls.Dial("tcp", ln.Addr().String(), client)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer nc.Close()
	_, err = io.ReadAll(nc)
	return nc.ConnectionState(), err
}

// TestCertificateByName: RFC 6066 3: of several certificates, the one for the name that the
// client asks for; for an unknown name or none, the first.
func TestCertificateByName(t *testing.T) {
	var certs []tls.Certificate
	for _, names := range [][]string{{"mail.example"}, {"mta-sts.d.example", "autoconfig.d.example"}, {"*.other.example"}} {
		certs = append(certs, testCertificate(t, names...))
	}
	conf := (&Server{}).tlsConfig(&config.ListenerInfo{Listener: config.Listener{TLS: &config.TLS{}}, Certificates: certs}, tlsMail)
	for name, want := range map[string]int{
		"mail.example": 0, "mta-sts.d.example": 1, "MTA-STS.d.example": 1, "autoconfig.d.example": 1, "mta-sts.other.example": 2,
		"mta-sts.x.other.example": 0, "unknown.example": 0, "": 0,
	} {
		cs, err := handshake(t, conf, &tls.Config{InsecureSkipVerify: true, ServerName: name})
		if err != nil {
			t.Fatal(name, err)
		}
		if !cs.PeerCertificates[0].Equal(certs[want].Leaf) {
			t.Errorf("%q: certificate for %q", name, cs.PeerCertificates[0].DNSNames)
		}
	}
}

// testCertificate makes a certificate for names.
func testCertificate(t *testing.T, names ...string) tls.Certificate {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
