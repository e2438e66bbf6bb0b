package serve

import (
	"crypto/tls"
	"errors"
	"strings"

	"mox/config"
)

// errNoCertificate is what a TLS client of a listener without certificates fails with.
var errNoCertificate = errors.New("no certificate is configured for this listener")

// tlsConfig makes the TLS configuration of a listener, nil when it has none. The
// certificate is chosen by the name the client asks for (RFC 6066 3); for an unknown or
// absent name it is the first, as mail clients often connect without one.
func tlsConfig(l *config.ListenerInfo) *tls.Config {
	if l.TLS == nil {
		return nil
	}
	certs := l.Certificates
	return &tls.Config{
		MinVersion: l.MinTLSVersion,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			// Some clients send the name with a trailing dot, which RFC 6066 does not allow.
			hello.ServerName = strings.TrimSuffix(hello.ServerName, ".")
			for i := range certs {
				if hello.SupportsCertificate(&certs[i]) == nil {
					return &certs[i], nil
				}
			}
			if len(certs) == 0 {
				return nil, errNoCertificate
			}
			return &certs[0], nil
		},
	}
}

// smtpTLSConfig is that of port 25: without session tickets unless they are asked for,
// as some clients mix up the sessions of several servers.
func smtpTLSConfig(l *config.ListenerInfo) *tls.Config {
	c := tlsConfig(l)
	if c == nil || l.SMTP.NoSTARTTLS {
		return nil
	}
	c.SessionTicketsDisabled = l.SMTP.TLSSessionTicketsDisabled == nil || *l.SMTP.TLSSessionTicketsDisabled
	return c
}
