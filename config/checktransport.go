package config

import (
	"cmp"
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"time"

	"mox/sasl"
	"mox/sconf"
)

// checkTransport returns the certificate that the transport logs in with, nil for none.
func (c *checker) checkTransport(p sconf.Path, t Transport) *tls.Certificate {
	kinds := map[string]bool{
		"Submissions": t.Submissions != nil, "Submission": t.Submission != nil, "SMTP": t.SMTP != nil,
		"Socks": t.Socks != nil, "Direct": t.Direct != nil, "Fail": t.Fail != nil,
	}
	var set []string
	for _, name := range sorted(kinds) {
		if kinds[name] {
			set = append(set, name)
		}
	}
	if len(set) > 1 {
		c.errorf(p, "only one of %s can be set", strings.Join(set, ", "))
	}
	cert := cmp.Or(
		c.checkTransportSMTP(p.Key("Submissions"), t.Submissions, true),
		c.checkTransportSMTP(p.Key("Submission"), t.Submission, false),
		c.checkTransportSMTP(p.Key("SMTP"), t.SMTP, false))
	if t.Socks != nil {
		c.checkSocks(p.Key("Socks"), t.Socks)
	}
	if t.Direct != nil && t.Direct.DisableIPv4 && t.Direct.DisableIPv6 {
		c.errorf(p.Key("Direct"), "DisableIPv4 and DisableIPv6 together leave no way to connect")
	}
	c.checkPace(p, t.Retry, t.MaxConnections)
	if t.Fail != nil {
		p := p.Key("Fail")
		if code := t.Fail.SMTPCode; code != 0 && (code < 400 || code > 599) {
			c.errorf(p.Key("SMTPCode"), "bad code %d, must be from 400 to 599", code)
		}
		c.replyText(p.Key("SMTPMessage"), t.Fail.SMTPMessage)
	}
	return cert
}

// Bounds of Retry: RFC 5321 4.5.4.1 speaks of intervals of at least 30 minutes and of
// giving up after 4 to 5 days. Shorter intervals are common, but not of seconds.
const (
	minRetry      = 10 * time.Second
	maxRetry      = 7 * 24 * time.Hour // of one interval
	maxRetries    = 100
	maxConcurrent = 1000
)

// checkPace checks how often and how much at a time is tried.
func (c *checker) checkPace(p sconf.Path, retry []time.Duration, connections int) {
	if len(retry) > maxRetries {
		c.errorf(p.Key("Retry"), "%d times are too many, at most %d", len(retry), maxRetries)
	}
	for i, d := range retry {
		if d < minRetry || d > maxRetry {
			c.errorf(p.Key("Retry").Index(i), "bad time %s, must be from %s to %s", d, minRetry, maxRetry)
		}
	}
	if connections < 0 || connections > maxConcurrent {
		c.errorf(p.Key("MaxConnections"), "bad number %d, must be from 1 to %d, or 0 for the default", connections, maxConcurrent)
	}
}

// authMechanisms are those a client can use with a password.
var authMechanisms = []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}

// DefaultAuthMechanisms returns what is allowed if SMTPAuth.Mechanisms is empty, in
// order of preference.
func DefaultAuthMechanisms() []string {
	return append([]string(nil), authMechanisms[:len(authMechanisms)-2]...)
}

func (c *checker) checkTransportSMTP(p sconf.Path, t *TransportSMTP, immediate bool) *tls.Certificate {
	if t == nil {
		return nil
	}
	c.domain(p.Key("Host"), t.Host)
	c.port(p.Key("Port"), t.Port)
	if immediate && t.NoSTARTTLS {
		c.errorf(p.Key("NoSTARTTLS"), "has no meaning for Submissions, where TLS starts at once")
	}
	if immediate && t.STARTTLSInsecureSkipVerify {
		c.errorf(p.Key("STARTTLSInsecureSkipVerify"), "has no meaning for Submissions, where TLS starts at once")
	}
	if t.NoSTARTTLS && t.STARTTLSInsecureSkipVerify {
		c.errorf(p.Key("STARTTLSInsecureSkipVerify"), "has no meaning with NoSTARTTLS")
	}
	if t.Auth == nil {
		return nil
	}
	return c.checkTransportAuth(p.Key("Auth"), t)
}

// checkTransportAuth checks that there is one way to log in, with all it needs.
func (c *checker) checkTransportAuth(p sconf.Path, t *TransportSMTP) (cert *tls.Certificate) {
	a := t.Auth
	switch {
	case a.ClientCertificate != nil && (a.OAuth != nil || a.Password != "") || a.OAuth != nil && a.Password != "":
		c.errorf(p, "only one of Password, ClientCertificate and OAuth can be set")
	case a.ClientCertificate != nil && t.NoSTARTTLS:
		c.errorf(p.Key("ClientCertificate"), "cannot be with NoSTARTTLS: a certificate is shown in TLS")
	case a.OAuth != nil && t.NoSTARTTLS:
		c.errorf(p.Key("OAuth"), "cannot be with NoSTARTTLS: whoever sees a token can use it")
	case a.ClientCertificate == nil && a.OAuth == nil && a.Password == "":
		c.errorf(p.Key("Password"), "is empty")
	}
	if a.Username == "" && a.ClientCertificate == nil {
		c.errorf(p.Key("Username"), "is empty")
	}
	known := authMechanisms
	switch {
	case a.ClientCertificate != nil:
		known = []string{sasl.External}
		cert = c.checkClientCertificate(p.Key("ClientCertificate"), a.ClientCertificate)
	case a.OAuth != nil:
		known = OAuthMechanisms()
		c.checkOAuth(p.Key("OAuth"), a.OAuth)
	}
	for i, m := range a.Mechanisms {
		c.oneOf(p.Key("Mechanisms").Index(i), m, known...)
	}
	return cert
}

// OAuthMechanisms returns those for tokens, the best first.
func OAuthMechanisms() []string { return []string{sasl.OAuthBearer, sasl.XOAuth2} }

func (c *checker) checkClientCertificate(p sconf.Path, cc *ClientCertificate) *tls.Certificate {
	certPEM, certOK := c.readFile(p.Key("CertFile"), cc.CertFile)
	keyPEM, keyOK := c.readFile(p.Key("KeyFile"), cc.KeyFile)
	if !certOK || !keyOK {
		return nil
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		c.errorf(p.Key("CertFile"), "loading certificate and key: %v", err)
		return nil
	}
	if now := c.opts.Now(); now.After(cert.Leaf.NotAfter) {
		c.warnf(p.Key("CertFile"), "certificate expired at %s", cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	return &cert
}

func (c *checker) checkOAuth(p sconf.Path, o *SMTPOAuth) {
	if (o.TokenFile == "") == (o.TokenURL == "") {
		c.errorf(p, "either TokenFile or TokenURL is needed")
		return
	}
	if o.TokenFile != "" {
		for _, f := range []struct{ name, value string }{{"ClientID", o.ClientID}, {"ClientSecretFile", o.ClientSecretFile}, {"RefreshTokenFile", o.RefreshTokenFile}, {"Scope", o.Scope}} {
			if f.value != "" {
				c.errorf(p.Key(f.name), "has no meaning with TokenFile")
			}
		}
		// The file need not be there yet: mail waits until it is.
		return
	}
	c.httpURL(p.Key("TokenURL"), o.TokenURL, "https")
	if o.ClientID == "" {
		c.errorf(p.Key("ClientID"), "is empty")
	}
	c.readFile(p.Key("RefreshTokenFile"), o.RefreshTokenFile)
	if o.ClientSecretFile != "" {
		c.readFile(p.Key("ClientSecretFile"), o.ClientSecretFile)
	}
}

func (c *checker) checkSocks(p sconf.Path, t *TransportSocks) {
	host, port, err := net.SplitHostPort(t.Address)
	n, nerr := strconv.Atoi(port)
	if err != nil || nerr != nil || host == "" || n < 1 || n > 65535 {
		c.errorf(p.Key("Address"), "bad address %q, must be host:port", t.Address)
	}
	if len(t.RemoteIPs) == 0 {
		c.errorf(p.Key("RemoteIPs"), "at least one address is needed")
	}
	for i, s := range t.RemoteIPs {
		c.ip(p.Key("RemoteIPs").Index(i), s)
	}
	c.domain(p.Key("RemoteHostname"), t.RemoteHostname)
}
