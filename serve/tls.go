package serve

import (
	"crypto/tls"
	"errors"
	"strings"

	"mox/autotls"
	"mox/config"
)

// errNoCertificate is what a TLS client of a listener without certificates fails with.
var errNoCertificate = errors.New("no certificate is configured for this listener")

// tlsUse is what TLS is for, which decides about clients that ask for no name, or for one that
// is not ours, where certificates are gotten by ACME: http reference, section 1.2.
type tlsUse int

const (
	tlsMail  tlsUse = iota // programs of users: those that ask for no name get the host's certificate
	tlsHTTPS               // refused, as browsers would not accept another certificate
	tlsSMTP                // other servers: the host's certificate for all
)

// tlsConfig makes the TLS configuration of a listener, nil when it has none. The
// certificate is chosen by the name the client asks for (RFC 6066 3).
func (s *Server) tlsConfig(l *config.ListenerInfo, use tlsUse) *tls.Config {
	if l.TLS == nil {
		return nil
	}
	c := &tls.Config{MinVersion: l.MinTLSVersion}
	if s.Certificates != nil && l.TLS.ACME != "" {
		policy := autotls.NamePolicy{
			Provider: l.TLS.ACME, Host: l.Hostname.ASCII,
			Missing: use != tlsHTTPS, Unknown: use == tlsSMTP, SelfSigned: use == tlsSMTP,
		}
		c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.Certificates.GetCertificate(hello, policy)
		}
		return c
	}
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return s.fileCertificate(l, hello)
	}
	return c
}

// fileCertificate chooses among certificates from files; for an unknown or absent name it is the
// first. RFC 6066 3 lets a server go on with a name that it does not know, or refuse it, and it is for
// the client to judge the certificate. Which names a file may serve is not known here, as
// it is with ACME: mail clients often connect without a name, and proxies and monitors by another one.
func (s *Server) fileCertificate(l *config.ListenerInfo, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	// Some clients send the name with a trailing dot, which RFC 6066 does not allow.
	hello.ServerName = strings.TrimSuffix(hello.ServerName, ".")
	var first *tls.Certificate
	for i := range l.Certificates {
		cert := &l.Certificates[i]
		if s.certFiles != nil {
			if current := s.certFiles.Get(filePair(s.Config.Snapshot(), l, i)); current != nil {
				cert = current
			}
		}
		if hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
		if first == nil {
			first = cert
		}
	}
	if first == nil {
		return nil, errNoCertificate
	}
	return first, nil
}

// loginTLSConfig is that of listeners on which users log in: clients are asked for a certificate,
// and it is seen later whether its key is known (auth.TLSKey). That is not for port 25 and the
// web, where other servers and browsers would be asked in vain.
func (s *Server) loginTLSConfig(l *config.ListenerInfo) *tls.Config {
	c := s.tlsConfig(l, tlsMail)
	if c != nil && !l.TLS.ClientAuthDisabled {
		c.ClientAuth = tls.RequestClientCert
	}
	return c
}

// smtpTLSConfig is that of port 25: without session tickets unless they are asked for,
// as some clients mix up the sessions of several servers.
func (s *Server) smtpTLSConfig(l *config.ListenerInfo) *tls.Config {
	c := s.tlsConfig(l, tlsSMTP)
	if c == nil || l.SMTP.NoSTARTTLS {
		return nil
	}
	c.SessionTicketsDisabled = l.SMTP.TLSSessionTicketsDisabled == nil || *l.SMTP.TLSSessionTicketsDisabled
	return c
}
