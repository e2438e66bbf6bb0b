package serve

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"testing"

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
		{"smtp, default of port 25", smtpTLSConfig(l(&off)), false},
		{"smtp, asked for", smtpTLSConfig(l(&on)), true},
		{"others", tlsConfig(l(&off)), true},
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
